// Benchcompare times two versions of gocaffe in turns, so that both see the
// same moods of the machine, and prints what benchstat makes of it.
//
//	benchcompare -old OLD -new BIN -dir DIR [-nets "NET..."] [-rounds N] ...
//
// OLD is a program or a git commit, whose program is built into DIR and kept
// there. The times are in DIR/old.txt and DIR/new.txt afterwards: for each
// round the median of a run.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/tools/internal/bench"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "benchcompare:", err)
		os.Exit(1)
	}
}

// side is one of the two programs.
type side struct {
	name    string
	program *bench.Program
	lines   strings.Builder // in the format of Go's benchmarks
}

func run(args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("benchcompare", flag.ContinueOnError)
	f.SetOutput(stderr)
	old := f.String("old", "", "program or git commit to compare with")
	program := f.String("new", "", "the program")
	dir := f.String("dir", "", "folder for old programs and results")
	repo := f.String("repo", ".", "a folder of the repository that commits are taken from")
	nets := f.String("nets", "", "names of nets, with spaces between")
	rounds := f.Int("rounds", 6, "how often each program runs; benchstat needs 6 to be sure of a difference")
	var o bench.Options
	f.IntVar(&o.Batch, "batch", 0, "batch size; 0: that of each net")
	f.IntVar(&o.Threads, "threads", 0, "number of threads; 0: all")
	f.IntVar(&o.Iterations, "iterations", 5, "iterations of a run")
	f.BoolVar(&o.Layers, "layers", false, "compare every layer too")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *old == "" || *program == "" || *dir == "" || *nets == "" {
		return errors.New("-old, -new, -dir and -nets are needed")
	}
	if err := os.MkdirAll(*dir, 0o777); err != nil {
		return err
	}
	path, err := find(*old, *repo, *dir, stderr)
	if err != nil {
		return err
	}
	sides := []*side{{name: "old"}, {name: "new"}}
	for i, path := range []string{path, *program} {
		if sides[i].program, err = bench.Open(path); err != nil {
			return err
		}
	}
	for _, net := range strings.Fields(*nets) {
		o.Net = net
		if err := compare(sides, o, *rounds, stderr); err != nil {
			return err
		}
	}
	return stat(sides, *dir, stdout, stderr)
}

// compare runs both sides in turns on one net. Who begins changes from round
// to round.
func compare(sides []*side, o bench.Options, rounds int, log io.Writer) error {
	for round := range rounds {
		fmt.Fprintf(log, "%s, round %d of %d:", o.Net, round+1, rounds)
		for i := range sides {
			s := sides[(i+round)%len(sides)]
			r, err := s.program.Run(o)
			if round == 0 && i == 0 && errors.Is(err, bench.ErrNoNet) {
				fmt.Fprintf(log, " %s has no such net, it is left out\n", s.name)
				return nil
			}
			if err != nil {
				fmt.Fprintln(log)
				return err
			}
			fmt.Fprintf(log, " %s %.1f ms", s.name, r.Milliseconds)
			s.add(r)
		}
		fmt.Fprintln(log)
	}
	return nil
}

func (s *side) add(r *bench.Result) {
	fmt.Fprintf(&s.lines, "BenchmarkTrain/net=%s/batch=%d-%d 1 %.0f ns/op\n", r.Net, r.Batch, r.Threads, 1e6*r.Milliseconds)
	for _, l := range r.Layers {
		name := strings.NewReplacer("/", "_", " ", "_").Replace(l.Layer)
		fmt.Fprintf(&s.lines, "BenchmarkLayer/net=%s/batch=%d/layer=%s/pass=%s-%d 1 %.0f ns/op\n",
			r.Net, r.Batch, name, l.Pass, r.Threads, 1e6*l.Milliseconds)
	}
}

// stat writes the results and shows them. It runs in the folder of this
// module, which says what benchstat is used.
func stat(sides []*side, dir string, stdout, stderr io.Writer) error {
	args := []string{"tool", "benchstat"}
	for _, s := range sides {
		path, err := filepath.Abs(filepath.Join(dir, s.name+".txt"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(s.lines.String()), 0o666); err != nil {
			return err
		}
		args = append(args, s.name+"="+path)
	}
	cmd := exec.Command("go", args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd.Run()
}

// find returns the path of the program that old names.
func find(old, repo, dir string, log io.Writer) (string, error) {
	if info, err := os.Stat(old); err == nil && info.Mode().IsRegular() {
		return old, nil
	}
	cmd := exec.Command("git", "rev-parse", "--verify", "--quiet", old+"^{commit}")
	cmd.Dir = repo
	commit, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s is neither a program nor a commit that git knows", old)
	}
	id := strings.TrimSpace(string(commit))
	path, err := filepath.Abs(filepath.Join(dir, "gocaffe-"+id[:12]))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(log, "building %s\n", path)
	return path, build(id, repo, path)
}

// build makes the program of a commit.
func build(commit, repo, path string) error {
	top, err := output(repo, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	files, err := output(strings.TrimSpace(string(top)), "git", "archive", "--format=tar", commit)
	if err != nil {
		return err
	}
	source, err := os.MkdirTemp("", "benchcompare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(source)
	if err := unpack(files, source); err != nil {
		return err
	}
	_, err = output(source, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./cmd/gocaffe")
	return err
}

// output runs a program in a folder and returns what it prints.
func output(dir, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// unpack writes the files of a tar archive to a folder.
func unpack(archive []byte, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(h.Name, 0o777)
		case tar.TypeReg:
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = root.WriteFile(h.Name, content, 0o666)
			}
		}
		if err != nil {
			return err
		}
	}
}
