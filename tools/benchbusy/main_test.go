package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fake is a program whose passes take 10 ms, or 21 ms while another one runs: it leaves a
// file in the folder of its model and counts those of others.
const fake = `package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if os.Args[1] == "zoo" {
		return
	}
	pattern := filepath.Join(filepath.Dir(os.Args[3]), "run*")
	f, err := os.CreateTemp(filepath.Dir(os.Args[3]), "run")
	if err != nil {
		panic(err)
	}
	defer os.Remove(f.Name())
	running := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		others, _ := filepath.Glob(pattern)
		running = max(running, len(others))
	}
	fmt.Fprintf(os.Stderr, "I caffe.cpp:412] Average Forward-Backward: %d ms.\n", 11*running-1)
}
`

func TestBusy(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(fake), 0o666); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "fake")
	if out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var table, log bytes.Buffer
	if err := run(context.Background(), []string{"-rounds", "1", "-nets", "lenet", program}, &table, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	if !regexp.MustCompile(`fake +lenet +64 +2 +10\.0 +21\.0 +2\.10 *\n`).Match(table.Bytes()) {
		t.Errorf("the table is\n%s", &table)
	}
	if err := run(context.Background(), nil, &table, &log); err == nil || !strings.Contains(err.Error(), "no program") {
		t.Errorf("without a program: %v", err)
	}
	if err := run(context.Background(), []string{"-rounds", "0", program}, &table, &log); err == nil || !strings.Contains(err.Error(), "-rounds 0, want positive") {
		t.Errorf("without a round: %v", err)
	}
	if _, err := parseAverage([]byte("no times")); err == nil {
		t.Error("a log without an average was accepted")
	}
}
