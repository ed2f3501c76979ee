package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// version is what is released.
type version struct {
	name   string // v1.2.3
	commit string // 12 digits, and whether files have changed since
	date   time.Time
}

// versionOf returns the version of the source in a folder. A name that is given
// takes the place of git's.
func versionOf(ctx context.Context, source, name string) (version, error) {
	v := version{name: name}
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", source}, args...)...)
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	seconds, err := git("log", "-1", "--format=%ct")
	inGit := err == nil
	if given := os.Getenv("SOURCE_DATE_EPOCH"); given != "" {
		seconds = given
	} else if !inGit {
		return v, errors.New("the source is not in git: SOURCE_DATE_EPOCH and -version are needed")
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return v, fmt.Errorf("time of the source: %w", err)
	}
	v.date = time.Unix(unix, 0).UTC()
	if inGit {
		if v.commit, err = git("rev-parse", "HEAD"); err != nil {
			return v, fmt.Errorf("git rev-parse: %w", err)
		}
		v.commit = v.commit[:12]
		changed, err := git("status", "--porcelain")
		if err != nil {
			return v, fmt.Errorf("git status: %w", err)
		}
		if v.name == "" {
			v.name = gitVersion(git, v)
			if changed != "" {
				v.name += "+dirty"
			}
		}
		if changed != "" {
			v.commit += " (modified)"
		}
	}
	if !semver.IsValid(v.name) || semver.Canonical(v.name)+semver.Build(v.name) != v.name {
		return v, fmt.Errorf("version %q, want one such as v1.2.3", v.name)
	}
	return v, nil
}

// gitVersion returns the tag of the commit, or a pseudo-version that is newer
// than the last tag before it.
func gitVersion(git func(...string) (string, error), v version) string {
	if tag, err := git("describe", "--tags", "--exact-match", "--match", "v*"); err == nil {
		return tag
	}
	older, err := git("describe", "--tags", "--abbrev=0", "--match", "v*")
	if err != nil {
		older = ""
	}
	return module.PseudoVersion(semver.Major(older), older, v.date, v.commit)
}

// notes returns the section of the changelog about the version. A release
// without such a section is an error; what is not one yet has the section
// Unreleased.
func (r *release) notes() (string, error) {
	text, err := os.ReadFile(filepath.Join(r.source, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	heading := "[Unreleased]"
	if semver.Prerelease(r.name)+semver.Build(r.name) == "" {
		heading = "[" + strings.TrimPrefix(r.name, "v") + "]"
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading)
	if !found {
		return "", fmt.Errorf("CHANGELOG.md has no section %s", heading)
	}
	_, section, _ = strings.Cut(section, "\n") // after the date
	section, _, _ = strings.Cut(section, "\n## ")
	section, _, _ = strings.Cut(section, "\n[Unreleased]: ")
	return strings.TrimSpace(section) + "\n", nil
}
