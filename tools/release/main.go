// Release builds everything that a release of gocaffe consists of:
//
//	release [-version VERSION] [-platforms "OS/ARCH ..."] -out DIR [SOURCE]
//
// SOURCE (default: ..) is the root of gocaffe's source. DIR gets an archive for
// each platform, with the program, the manual, completions for shells and the
// licenses; a Debian package for each platform that has Linux; the file
// SHA256SUMS; and, not in it, NOTES.md, the section of the changelog.
//
// The same source and the same version of Go give the same bytes, in whatever
// folder and on whatever machine. Without -version the version is git's: a tag
// such as v1.2.3, or a pseudo-version as Go makes it. Where there is no git, the
// environment variable SOURCE_DATE_EPOCH is the time of all files.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

// platforms are those that are released.
const platforms = "linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// A release is one run of the program.
type release struct {
	ctx    context.Context
	source string // root of the source
	out    string
	stage  string // folder of what is put into archives
	stderr io.Writer
	version
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("release", flag.ContinueOnError)
	f.SetOutput(stderr)
	name := f.String("version", "", "version, such as v1.2.3 (default: git's)")
	out := f.String("out", "", "folder to write to; must be empty or absent")
	targets := f.String("platforms", platforms, "platforms to build for")
	if err := f.Parse(args); err != nil {
		return err
	}
	r := &release{ctx: ctx, source: "..", stderr: stderr}
	switch {
	case f.NArg() > 1 || *out == "":
		return errors.New("-out and at most one source are needed")
	case f.NArg() == 1:
		r.source = f.Arg(0)
	}
	var err error
	if r.source, err = filepath.Abs(r.source); err != nil {
		return err
	}
	if r.out, err = filepath.Abs(*out); err != nil {
		return err
	}
	if err := emptyFolder(r.out); err != nil {
		return err
	}
	if r.version, err = versionOf(ctx, r.source, *name); err != nil {
		return err
	}
	notes, err := r.notes()
	if err != nil {
		return err
	}
	if r.stage, err = os.MkdirTemp("", "gocaffe-release-*"); err != nil {
		return err
	}
	defer os.RemoveAll(r.stage)

	common, err := r.common()
	if err != nil {
		return err
	}
	for platform := range strings.FieldsSeq(*targets) {
		goos, goarch, ok := strings.Cut(platform, "/")
		if !ok {
			return fmt.Errorf("platform %q, want OS/ARCH", platform)
		}
		program, err := r.build(goos, goarch)
		if err != nil {
			return err
		}
		if err := r.archive(goos, goarch, append([]file{program}, common...)); err != nil {
			return err
		}
		if goos == "linux" {
			if err := r.debian(goarch, program); err != nil {
				return err
			}
		}
	}
	if strings.Contains(*targets, "linux/") {
		if err := r.compat(); err != nil {
			return err
		}
	}
	sums, err := writeSums(r.out)
	if err != nil {
		return err
	}
	io.WriteString(stdout, sums)
	return os.WriteFile(filepath.Join(r.out, "NOTES.md"), []byte(notes), 0o666)
}

// emptyFolder makes a folder, and fails if something is in it.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty", dir)
	}
	return err
}

// build builds the program for a platform.
func (r *release) build(goos, goarch string) (file, error) {
	program := file{name: "gocaffe", path: filepath.Join(r.stage, goos+"_"+goarch, "gocaffe"), mode: 0o755}
	if goos == "windows" {
		program.name += ".exe"
	}
	const variables = "github.com/gocaffe/gocaffe/cmd."
	ldflags := fmt.Sprintf("-s -w -X %[1]srelease=%[2]s -X '%[1]sreleaseCommit=%[3]s'", variables, r.name, r.commit)
	err := r.goCommand([]string{"GOOS=" + goos, "GOARCH=" + goarch},
		"build", "-trimpath", "-ldflags", ldflags, "-o", program.path, "./cmd/gocaffe")
	if err != nil {
		return file{}, err
	}
	return program, checkSize(program.path, goos, goarch)
}

// maxProgram is the size in bytes that a program for any platform may have.
const maxProgram = 20_000_000

// checkSize fails if a program has become too large: something large is linked
// that was not before (go tool nm -size shows what).
func checkSize(path, goos, goarch string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxProgram {
		err = fmt.Errorf("the program for %s/%s has %d bytes, want at most %d", goos, goarch, info.Size(), maxProgram)
	}
	return err
}

// goCommand runs Go in the source. Of the environment's settings for Go only
// those count that say where modules are from.
func (r *release) goCommand(env []string, args ...string) error {
	fmt.Fprintln(r.stderr, strings.Join(append(env, "go"), " "), strings.Join(args, " "))
	cmd := exec.CommandContext(r.ctx, "go", args...)
	cmd.Dir = r.source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = r.stderr, r.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", args[0], err)
	}
	return nil
}
