package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fake is a program that says of every net that an iteration takes so many
// milliseconds: in a table, as old versions of gocaffe do, or as JSON.
const fakeTable = `package main

import (
	"fmt"
	"os"
)

func main() {
	if os.Args[2] == "--help" {
		return
	}
	if os.Args[2] == "newnet" {
		fmt.Fprintln(os.Stderr, "gocaffe: no net \"newnet\" in the zoo")
		os.Exit(1)
	}
	fmt.Println("2 threads, kernels for nothing\n\nnet batch ms/iteration\n", os.Args[2], 64, %d.0, 1, 2)
}
`

const fakeJSON = `package main

import (
	"fmt"
	"os"
)

func main() {
	if os.Args[2] == "--help" {
		fmt.Println("--format")
		return
	}
	fmt.Printf("{%%q: 2, %%q: [{%%q: %%q, %%q: 64, %%q: %d}]}\n", "threads", "nets", "net", os.Args[2], "batch", "ms")
}
`

// TestCommit compares a program with that of the commit before.
func TestCommit(t *testing.T) {
	repo, dir := t.TempDir(), filepath.Join(t.TempDir(), "results")
	write := func(name, text string) {
		path := filepath.Join(repo, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	command := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Dir = repo
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	write("go.mod", "module fake\n\ngo 1.26\n")
	write("cmd/gocaffe/main.go", fmt.Sprintf(fakeTable, 20))
	command("git", "init", "-q")
	command("git", "add", "-A")
	command("git", "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "old")
	write("cmd/gocaffe/main.go", fmt.Sprintf(fakeJSON, 15))
	program := filepath.Join(t.TempDir(), "new")
	command("go", "build", "-buildvcs=false", "-o", program, "./cmd/gocaffe")

	args := []string{"-old", "HEAD", "-new", program, "-repo", filepath.Join(repo, "cmd"), "-dir", dir, "-nets", "lenet newnet alexnet"}
	var stdout, stderr bytes.Buffer
	if err := run(args, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	want := regexp.MustCompile(`Train/net=(lenet|alexnet)/batch=64-2 +20\.00m ± +0% +15\.00m ± +0% +-25\.00% \(p=0\.002 n=6\)`)
	if n := len(want.FindAllString(stdout.String(), -1)); n != 2 {
		t.Errorf("benchstat has not shown two nets with -25 %%:\n%s", &stdout)
	}
	if !strings.Contains(stderr.String(), "round 1 of 6: old 20.0 ms new 15.0 ms") || !strings.Contains(stderr.String(), "round 2 of 6: new 15.0 ms old 20.0 ms") {
		t.Errorf("the programs have not run in turns:\n%s", &stderr)
	}

	if !strings.Contains(stderr.String(), "newnet, round 1 of 6: old has no such net") || strings.Contains(stdout.String(), "newnet") {
		t.Errorf("a net that the old program does not have is not left out:\n%s", &stderr)
	}
	stderr.Reset()
	if err := run(append(args, "-rounds", "1"), &stdout, &stderr); err != nil || strings.Contains(stderr.String(), "building") {
		t.Errorf("the old program was not kept: %v\n%s", err, &stderr)
	}
	args[1], args[9] = program, "lenet"
	if err := run(append(args, "-rounds", "1"), &stdout, &stderr); err != nil {
		t.Errorf("with a program in place of a commit: %v", err)
	}
	args[1] = "no-such-commit"
	if err := run(args, &stdout, &stderr); err == nil || !strings.Contains(err.Error(), "neither a program nor a commit") {
		t.Errorf("of a commit that is not there it says: %v", err)
	}
}
