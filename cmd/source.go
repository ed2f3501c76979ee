package gocaffecmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// sourceFlags say which gocaffe new programs and plugins use.
type sourceFlags struct{ dir, version string }

func (f *sourceFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "source", "", "folder with gocaffe's own source (default: what this gocaffe was built from)")
	cmd.Flags().StringVar(&f.version, "gocaffe", "", "version of gocaffe's own source: v1.2.3 or latest; or =DIR, same as --source DIR")
	cmd.MarkFlagsMutuallyExclusive("source", "gocaffe")
}

func (f *sourceFlags) find() (goModule, error) {
	if f.dir != "" {
		return gocaffeFolder("--source", f.dir)
	}
	return gocaffeSource(f.version)
}

// gocaffeSource returns the module of gocaffe itself, for programs and plugins
// that use it: what the flag --gocaffe says, or else the folder that
// GOCAFFE_SOURCE names, or else that from which the running program was built.
func gocaffeSource(flag string) (goModule, error) {
	switch dir, isDir := strings.CutPrefix(flag, "="); {
	case isDir:
		return gocaffeFolder("--gocaffe", dir)
	case flag != "":
		if !semver.IsValid(flag) && flag != "latest" {
			return goModule{}, fmt.Errorf("--gocaffe is %q, want a version such as v1.2.3 or latest, or a folder with = before it", flag)
		}
		return goModule{pkg: modulePath, path: modulePath, version: flag}, nil
	case os.Getenv("GOCAFFE_SOURCE") != "":
		return gocaffeFolder("GOCAFFE_SOURCE", os.Getenv("GOCAFFE_SOURCE"))
	}
	if version := releasedVersion(); version != "" {
		return goModule{pkg: modulePath, path: modulePath, version: version}, nil
	}
	for _, path := range sourceHints() {
		for dir := path; ; dir = filepath.Dir(dir) {
			if m, err := gocaffeFolder("", dir); err == nil {
				return m, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return goModule{}, errors.New("this gocaffe was built from a folder that is not there: " +
		"say with --source DIR or GOCAFFE_SOURCE where its source is, or with --gocaffe VERSION which version to download")
}

// gocaffeFolder returns the module in a folder if that is gocaffe's.
func gocaffeFolder(option, dir string) (goModule, error) {
	file, abs, err := readModule(dir)
	if err != nil {
		return goModule{}, fmt.Errorf("%s: %w", option, err)
	}
	if path := file.Module.Mod.Path; path != modulePath {
		return goModule{}, fmt.Errorf("%s: %s is module %s, want the source of %s", option, dir, path, modulePath)
	}
	return goModule{pkg: modulePath, path: modulePath, dir: abs, file: file}, nil
}

// gocaffeBuild returns the module of gocaffe as the running program was built.
func gocaffeBuild() *debug.Module {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath {
			return m
		}
	}
	return nil
}

// releasedVersion returns the version of the running program if it is one that
// Go can download: that of a release, or of a module that it has downloaded, for
// only those have a checksum.
func releasedVersion() string {
	if semver.IsValid(release) && !module.IsPseudoVersion(release) {
		return release
	}
	m := gocaffeBuild()
	if m == nil || m.Replace != nil || m.Sum == "" {
		return ""
	}
	return m.Version
}

// sourceHints returns paths that may be in the folder from which the running
// program was built.
func sourceHints() []string {
	var hints []string
	if m := gocaffeBuild(); m != nil && m.Replace != nil && filepath.IsAbs(m.Replace.Path) {
		hints = append(hints, m.Replace.Path)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) { // not with -trimpath
		hints = append(hints, filepath.Dir(file))
	}
	if program, err := os.Executable(); err == nil {
		hints = append(hints, filepath.Dir(program))
	}
	if dir, err := os.Getwd(); err == nil {
		hints = append(hints, dir)
	}
	return hints
}
