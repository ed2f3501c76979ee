package gocaffecmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

func TestParseLogCommand(t *testing.T) {
	golden := reference.Golden(t, "formats/logs")
	log := filepath.Join(golden, "train.log")
	want := func(path, wantText string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != wantText {
			t.Errorf("%s is\n%s\nwant\n%s (%v)", path, got, wantText, err)
		}
	}
	reads := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	train, test := reads(log+".train"), reads(log+".test") // of parse_log.py
	dir := t.TempDir()
	stdout, _ := mustRun(t, "parse_log.py", "--verbose", log, dir)
	if wantOut := "Wrote " + filepath.Join(dir, "train.log.train") + "\nWrote " + filepath.Join(dir, "train.log.test") + "\n"; stdout != wantOut {
		t.Errorf("it printed %q, want %q", stdout, wantOut)
	}
	want(filepath.Join(dir, "train.log.train"), train)
	want(filepath.Join(dir, "train.log.test"), test)

	t.Chdir(t.TempDir())
	if stdout, _ := mustRun(t, "parse-log", "--delimiter", `\t`, log); stdout != "" {
		t.Errorf("without --verbose it printed %q", stdout)
	}
	want("train.log.train", strings.ReplaceAll(train, ",", "\t"))

	// Two test nets, and no training.
	if err := os.WriteFile("two.log", []byte(`I1123 13:37:22.000000 1 solver.cpp:347] Iteration 0, Testing net (#0)
I1123 13:37:22.000000 1 solver.cpp:414]     Test net output #0: a = 1
I1123 13:37:23.000000 1 solver.cpp:347] Iteration 0, Testing net (#1)
I1123 13:37:23.000000 1 solver.cpp:414]     Test net output #0: b = 2
`), 0o666); err != nil {
		t.Fatal(err)
	}
	stdout, _ = mustRun(t, "parse-log", "two.log", ".", "--verbose")
	if wantOut := "Not writing two.log.train; no lines to write\nWrote two.log.test\nWrote two.log.test1\n"; stdout != wantOut {
		t.Errorf("it printed %q, want %q", stdout, wantOut)
	}
	want("two.log.test", "NumIters,Seconds,LearningRate,a\r\n0.0,0.0,nan,1.0\r\n")
	want("two.log.test1", "NumIters,Seconds,LearningRate,b\r\n0.0,1.0,nan,2.0\r\n")
}

func TestParseLogErrors(t *testing.T) {
	golden := reference.Golden(t, "formats/logs")
	for _, tt := range []struct{ line, want string }{
		{"parse-log absent.log", `"absent.log": no such file`},
		{"parse-log " + filepath.Join(golden, "time.log"), "time.log: no iterations in it, want the log of caffe train"},
		{"parse-log --delimiter=ab x", `--delimiter is "ab", want one character`},
		{"parse-log --delimiter= x", `--delimiter is "", want one character`},
		{"parse-log " + filepath.Join(golden, "train.log") + " absent", "absent"},
	} {
		code, _, stderr := run(strings.Fields(tt.line)...)
		if code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d and %q, want 1 and %q", tt.line, code, stderr, tt.want)
		}
	}
}
