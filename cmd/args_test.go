package gocaffecmd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/event"
)

func TestCaffeArgs(t *testing.T) {
	flags := filepath.Join(t.TempDir(), "flags")
	if err := os.WriteFile(flags, []byte("# a comment\n-solver=s.prototxt\n\n--threads=3\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ in, want string }{
		{"train --solver=s.prototxt", "train --solver=s.prototxt"},
		{"train --solver s.prototxt", "train --solver=s.prototxt"},
		{"train -solver s.prototxt", "train --solver=s.prototxt"},
		{"train -solver=s.prototxt", "train --solver=s.prototxt"},
		{"-solver s.prototxt train", "train --solver=s.prototxt"},
		{"-solver s.prototxt -gpu 0 train -weights a,b", "train --solver=s.prototxt --gpu=0 --weights=a,b"},
		{"train -sigint_effect none", "train --sigint-effect=none"},
		{"train --sigint-effect none", "train --sigint-effect=none"},
		{"--solver train train", "train --solver=train"}, // a file named train
		{"time -iterations 5 -model m", "time --iterations=5 --model=m"},
		{"time -synthetic_data -model m", "time --synthetic-data --model=m"},
		{"time -nosynthetic_data -model m", "time --synthetic-data=false --model=m"},
		{"time --synthetic-data=false -model m", "time --synthetic-data=false --model=m"},
		{"zoo write lenet dir", "zoo write lenet dir"},
		{"-threads 2 zoo write lenet dir", "zoo write --threads=2 lenet dir"},
		{"check zoo", "check zoo"}, // a file named zoo
		{"train -h", "train -h"},
		{"train -v 1", "train --v=1"},
		{"train -nonsense x", "train --nonsense x"},
		{"train -solver", "train --solver"},
		{"-alsologtostderr train", "train --alsologtostderr"},
		{"train --flagfile=" + flags, "train --solver=s.prototxt --threads=3"},
		{"train -flagfile " + flags + " -gpu 1", "train --solver=s.prototxt --threads=3 --gpu=1"},
	} {
		root := (&app{stdout: io.Discard, stderr: io.Discard, glog: new(glog)}).root()
		got, err := caffeArgs(root, strings.Fields(test.in))
		if err != nil {
			t.Errorf("%s: %v", test.in, err)
			continue
		}
		if want := strings.Fields(test.want); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", test.in, got, want)
		}
	}
}

// What is wrong with a command line is said with the nearest name.
func TestUnknownWords(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"trian --solver x", `unknown command "trian", did you mean "train"?`},
		{"trian -nonsense x", `unknown command "trian", did you mean "train"?`}, // the command before the flag
		{"-nonsense x trian", `unknown command "trian", did you mean "train"?`},
		{"qqq", `unknown command "qqq", want one of: bench, build, `},
		{"help trian", `unknown command "trian", did you mean "train"?`},
		{"help convert mnst", `convert: unknown command "mnst", did you mean "mnist"?`},
		{"help train x", `help: train has no commands, got "x"`},
		{"convert mnst a b", `convert: unknown command "mnst", did you mean "mnist"?`},
		{"zoo wirte x y", `zoo: unknown command "wirte", did you mean "write"?`},
		{"zoo write lenett y", `no net "lenett" in the zoo, did you mean "lenet"?`},
		{"train -solvr x", "train: unknown flag --solvr, did you mean --solver? (gocaffe train --help"},
		{"train --top_k 3", "train: unknown flag --top-k; it is a flag of classify, test (gocaffe train --help"},
		{"train x.prototxt", `train: got argument "x.prototxt", want only flags, did you mean --solver x.prototxt?`},
		{"check x --batch -1", "--batch is -1, want a positive number"},
		{"time --model x --level 2147483648", `invalid argument "2147483648" for "--level" flag`},
		{"test --top-k 1,x", `invalid argument "1,x" for "--top-k" flag: "x" is not a whole number`},
		{"test x.prototxt", `did you mean --model x.prototxt?`},
		{"zoo write lenet", "zoo write: accepts 2 arg(s), received 1; usage: gocaffe zoo write NAME DIR"},
		{"convert mnist a b --backend=sqlite", `--backend is "sqlite", want lmdb or leveldb`},
		{"convert digits a --backend=leveldb", `--backend is "leveldb", want lmdb: the zoo's nets read the digits`},
	} {
		code, _, stderr := run(strings.Fields(tt.line)...)
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d and %q, want 1 and %q", tt.line, code, stderr, tt.want)
		}
	}
}

// Messages do not repeat long words whole.
func TestLongWords(t *testing.T) {
	long := strings.Repeat("é", 1<<16)
	for _, args := range [][]string{
		{long}, {"--" + long}, {"train", "--" + long + "=1"}, {"train", long}, {"train", "--solver", long}, {"train", "--gpu", long, "--solver", "s"},
		{"train", "--threads", long}, {"convert", "mnist", "a", "b", "--backend", long}, {"zoo", "write", long, "x"}, {"layers", long},
		{"check", long}, {"help", long}, {"convert", long}, {"--flagfile", long}, {"build", "--with", long}, {"new-layer", long},
		{"test", "--model", "m", "--weights", "w", "--top-k", long}, {"--log-dir", long, "time", "--model", "m"}, {"--proto", long, "check", "x"},
	} {
		code, _, stderr := run(args...)
		if code != 1 || len(stderr) > 8192 || !strings.HasPrefix(stderr, "gocaffe: ") {
			t.Errorf("%.20q: exit code %d, %d bytes: %.300s", args, code, len(stderr), stderr)
		}
	}
}

func TestHelpAndCompletion(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"help train", "gocaffe train --solver FILE"},
		{"help convert mnist", "mnist DATA DIR"},
		{"__complete layers Inner", "InnerProduct\n"},
		{"__complete zoo write le", "lenet\n"},
		{"__complete train --sigint-effect s", "snapshot\n"},
		{"__complete convert --backend l", "lmdb\n"},
		{"__complete -threads 2 train -math b", "bf16\n"}, // Caffe's single dashes
		{"__complete bench --format j", "json\n"},
		{"__complete help convert i", "imageset\n"},
	} {
		stdout, _ := mustRun(t, strings.Fields(tt.line)...)
		if !strings.Contains(stdout, tt.want) {
			t.Errorf("%s: got %q, want %q in it", tt.line, stdout, tt.want)
		}
	}
}

// Flag files may not make unbounded work: each of these names the next twice.
func TestFlagFilesGrow(t *testing.T) {
	dir := t.TempDir()
	for i := range 40 {
		next := "--flagfile=" + filepath.Join(dir, fmt.Sprint(i+1)) + "\n"
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), []byte(next+next), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "40"), []byte("-v=1"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := expandFlagFiles([]string{"--flagfile", filepath.Join(dir, "0")}); err == nil || !strings.Contains(err.Error(), "more than 100 flag files") {
		t.Errorf("got %v, want a limit", err)
	}
}

func TestFlagFileCircle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flags")
	if err := os.WriteFile(path, []byte("--flagfile="+path), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := expandFlagFiles([]string{"--flagfile=" + path}); err == nil {
		t.Error("a file that names itself is accepted")
	}
}

func TestLogPrefix(t *testing.T) {
	var out strings.Builder
	dir := t.TempDir()
	at := time.Date(2026, 9, 2, 13, 35, 56, 474978999, time.UTC)
	g := &glog{out: &out, pid: 160, now: func() time.Time { return at }}
	if err := g.openFile(dir); err != nil {
		t.Fatal(err)
	}
	g.logf("solver.cpp:239", "Iteration %d", 7)
	g.quiet = true
	g.logf("solver.cpp:239", "Iteration 8")
	g.log(event.Warning, "net.cpp:1", "look")
	g.min = 2
	g.log(event.Warning, "net.cpp:1", "not this")
	const first = "I0902 13:35:56.474978   160 solver.cpp:239] Iteration "
	const warning = "W0902 13:35:56.474978   160 net.cpp:1] look\n"
	if want := first + "7\n" + warning; out.String() != want {
		t.Errorf("on the terminal:\n%s\nwant:\n%s", out.String(), want)
	}
	if err := g.close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "gocaffe.INFO"))
	if err != nil {
		t.Fatal(err)
	}
	if want := first + "7\n" + first + "8\n" + warning; !strings.HasSuffix(string(text), want) {
		t.Errorf("the file ends:\n%s\nwant:\n%s", text, want)
	}
}
