// Package campaign tests how the program withstands users, machines and attackers:
// kill -9 at any moment, damaged files, failing disks and long runs. `go test` runs a
// small part of each; `make soak`, `make mutate` and `make endure` run as much as their
// variables request. docs/reliability.md lists the results of such runs.
//
// All random choices depend on -seed, which each test prints to make failures
// repeatable.
package campaign

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocaffecmd "github.com/gocaffe/gocaffe/cmd"

	_ "github.com/gocaffe/gocaffe/layers/all"
	_ "github.com/gocaffe/gocaffe/plugins/all"
)

var (
	seed       = flag.Uint64("seed", 1, "seed of all random choices")
	rounds     = flag.Int("rounds", 12, "number of kills of each program in TestKill")
	mutants    = flag.Int("mutants", 600, "number of mutants in TestMutants")
	only       = flag.String("only", "", "run and show this mutant of TestMutants only: KIND/NUMBER")
	sequences  = flag.Int("sequences", 8, "number of sequences in TestMetamorphic")
	iterations = flag.Int("iterations", 5000, "number of iterations in TestEndurance")
)

// roleEnv is the environment variable that makes the test program act as another
// program.
const roleEnv = "GOCAFFE_CAMPAIGN_ROLE"

// TestMain makes the test program act as gocaffe, in processes that can be killed, or as
// a worker that tries mutants.
func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "gocaffe":
		gocaffecmd.Main()
	case "worker":
		if err := work(os.Stdin, os.NewFile(3, "results")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program returns a command that runs gocaffe in a folder.
func program(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), roleEnv+"=gocaffe")
	return cmd
}

// mustRun runs gocaffe in a folder, with a command line that must succeed.
func mustRun(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := program(dir, args...).CombinedOutput(); err != nil {
		t.Fatalf("gocaffe %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// random returns a source of random numbers for a name and a number.
func random(name string, i int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", *seed, name)
	return rand.New(rand.NewPCG(h.Sum64(), uint64(i)))
}

// write writes a file of a fixture, with its folder.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = os.WriteFile(path, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read reads a file that must exist.
func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// tree returns the files below a folder by their relative paths; none if the folder does
// not exist.
func tree(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return files, err
}

// temporary reports whether the name is that of a file that is not complete yet.
func temporary(name string) bool { return strings.HasSuffix(name, ".tmp") }

// compare fails unless got has exactly the files of want.
func compare(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for name, data := range want {
		if g, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		} else if !bytes.Equal(g, data) {
			t.Errorf("%s differs: %d bytes, want %d", name, len(g), len(data))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s was left behind", name)
		}
	}
}
