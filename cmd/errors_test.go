package gocaffecmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBadInput gives the program what goes wrong most often. Each must end
// with exit code 1 and one line that says where and what, and leave no file.
func TestBadInput(t *testing.T) {
	logFolder(t)
	net, err := os.ReadFile("net.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	solverText, err := os.ReadFile("solver.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(path, text, old, new string) {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the text for %s", old, path)
		}
		write(t, path, strings.Replace(text, old, new, -1))
	}
	// One net and one solver for each case, both named after it.
	badNet := func(name, old, new string) string {
		edit(name+"_net.prototxt", string(net), old, new)
		edit(name+".prototxt", string(solverText), `net: "net.prototxt"`, `net: "`+name+`_net.prototxt"`)
		return name + ".prototxt"
	}
	truncate := func(from, to string, size int64) string {
		t.Helper()
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text[:size], 0o666); err != nil {
			t.Fatal(err)
		}
		return to
	}
	truncate("idx_lmdb/data.mdb", "short_lmdb/data.mdb", 9000)
	write(t, "not_a_folder", "")
	edit("unwritable.prototxt", string(solverText), `snapshot_prefix: "small"`, `snapshot_prefix: "not_a_folder/small"`)
	edit("solverfield.prototxt", string(solverText), "base_lr", "base_lrr")
	edit("nonet.prototxt", string(solverText), "net.prototxt", "absent.prototxt")
	edit("policy.prototxt", string(solverText), `"inv"`, `"invv"`)

	train := func(solver string, more ...string) []string {
		return append([]string{"train", "--solver", solver}, more...)
	}
	for _, test := range []struct {
		name string
		args []string
		want string // a regular expression for the line
	}{
		{"misspelt field", train(badNet("field", "num_output: 10", "num_outputs: 10")),
			`^field_net\.prototxt:20:\d+: layer "ip1": .*num_outputs.*num_output`},
		{"unknown layer type", train(badNet("type", `"Pooling"`, `"Poling"`)),
			`^type_net\.prototxt:16:\d+: layer "pool1": .*"Poling".*"Pooling"`},
		{"missing bottom", train(badNet("bottom", `bottom: "pool1" top: "ip1"`, `bottom: "pol1" top: "ip1"`)),
			`^bottom_net\.prototxt:19:\d+: layer "ip1": .*"pol1".*"pool1"`},
		{"shape mismatch", train(badNet("shape", `bottom: "ip1" bottom: "label" top: "loss"`, `bottom: "ip1" bottom: "data" top: "loss"`)),
			`^shape_net\.prototxt:23:\d+: layer "loss": .*3360.*20`},
		{"missing database", train(badNet("nolmdb", "idx_lmdb", "absent_lmdb")),
			`^nolmdb_net\.prototxt:\d+:\d+: layer "digits": .*absent_lmdb`},
		{"truncated database", train(badNet("shortlmdb", "idx_lmdb", "short_lmdb")),
			`^shortlmdb_net\.prototxt:\d+:\d+: layer "digits": .*short_lmdb`},
		{"num_output of 4 billion", train(badNet("billions", "num_output: 10", "num_output: 4294967295")),
			`^billions_net\.prototxt:20:\d+: layer "ip1": .*4294967295`},
		{"num_output out of range", train(badNet("range", "num_output: 10", "num_output: 4294967296")),
			`^range_net\.prototxt:20:\d+: layer "ip1": .*4294967296`},
		{"negative kernel", train(badNet("negative", "kernel_size: 5", "kernel_size: -5")),
			`^negative_net\.prototxt:14:\d+: layer "conv1": .*-5`},
		{"kernel too large", train(badNet("large", "kernel_size: 5", "kernel_size: 50")),
			`^large_net\.prototxt:\d+:\d+: layer "conv1": .*50`},
		{"syntax error", train(badNet("syntax", `name: "small"`, `name "small"`)),
			`^syntax_net\.prototxt:1:\d+: `},
		{"unwritable snapshot prefix", train("unwritable.prototxt"),
			`^unwritable\.prototxt:13:\d+: .*not_a_folder/small`},
		{"misspelt field of the solver", train("solverfield.prototxt"), `^solverfield\.prototxt:4:1: .*base_lrr.*base_lr`},
		{"unknown policy", train("policy.prototxt"), `^policy\.prototxt:7:\d+: .*invv.*inv`},
		{"absent net", train("nonet.prototxt"), `^nonet\.prototxt:1:\d+: .*absent\.prototxt`},
		{"absent solver", train("absent.prototxt"), `absent\.prototxt`},
		{"truncated caffemodel", train("solver.prototxt", "--weights", truncate("small_iter_100.caffemodel", "short.caffemodel", 5000)),
			`short\.caffemodel.*5000`},
		{"weights that are text", train("solver.prototxt", "--weights", "net.prototxt"), `net\.prototxt`},
		{"weights for a snapshot", train("solver.prototxt", "--snapshot", "small_iter_100.caffemodel"),
			`small_iter_100\.caffemodel.*\.solverstate`},
		{"truncated snapshot", train("solver.prototxt", "--snapshot", truncate("small_iter_100.solverstate", "short.solverstate", 100)),
			`short\.solverstate`},
		{"absent snapshot", train("solver.prototxt", "--snapshot", "absent.solverstate"), `absent\.solverstate`},
		{"snapshot and weights", train("solver.prototxt", "--snapshot", "a", "--weights", "b"), `not both`},
		{"GPU", train("solver.prototxt", "--gpu", "0"), `--gpu 0`},
		{"signal effect", train("solver.prototxt", "--sigint_effect", "explode"), `explode.*stop`},
		{"no solver", []string{"train"}, `--solver`},
		{"no model", []string{"test", "--weights", "x"}, `--model`},
		{"no weights", []string{"test", "--model", "net.prototxt"}, `--weights`},
		{"no iterations", []string{"time", "--model", "net.prototxt", "--iterations", "0"}, `--iterations`},
		{"phase", []string{"time", "--model", "net.prototxt", "--phase", "DREAM"}, `DREAM.*TRAIN`},
		{"input shape", []string{"time", "--model", "net.prototxt", "--synthetic-data", "--input-shape", "3,x"}, `3,x`},
		{"unknown command", []string{"trian"}, `trian.*train`},
		{"unknown flag", []string{"train", "--slover", "x"}, `slover`},
		{"zoo", []string{"zoo", "write", "lenett", "dir"}, `lenett.*lenet`},
		{"check", []string{"check", "field_net.prototxt"}, `^field_net\.prototxt:20:\d+: `},
		{"convert without data", []string{"convert", "mnist", "absent", "out"}, `absent`},
		{"mean of nothing", []string{"compute-mean", "absent_lmdb", "out.binaryproto"}, `absent_lmdb`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := listing(t)
			code, _, stderr := run(append(test.args, "--minloglevel=2")...)
			if code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			line, ok := strings.CutPrefix(stderr, "gocaffe: ")
			if !ok || strings.Count(line, "\n") != 1 {
				t.Fatalf("stderr is not one line of gocaffe:\n%s", stderr)
			}
			if !regexp.MustCompile(test.want).MatchString(line) {
				t.Errorf("the error is\n\t%swant a match of\n\t%s", line, test.want)
			}
			if after := listing(t); after != before {
				t.Errorf("the folder was\n%s\nand is now\n%s", before, after)
			}
		})
	}
}

// listing returns the names of all files of the working directory.
func listing(t *testing.T) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
