package gocaffecmd

import (
	"strings"
	"testing"
)

// TestCheckForks checks nets with fields of forks: what is implemented has its effect,
// and what is not is an error where it is computed, but for its default.
func TestCheckForks(t *testing.T) {
	t.Chdir(t.TempDir())
	const data = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 112 dim: 112 } } }
`
	write(t, "fork.proto", `message PoolingParameter { optional bool ceil_mode = 13 [default = true]; optional float blur = 14 [default = 1]; }`)
	write(t, "net.prototxt", data+`layer { name: "pool1" type: "Pooling" bottom: "data" top: "pool1"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 ceil_mode: false } }
`)
	for _, args := range [][]string{{"check", "net.prototxt"}, {"check", "--proto", "fork.proto", "net.prototxt"}} {
		if out, _ := mustRun(t, args...); !strings.Contains(out, "1x3x56x56") {
			t.Errorf("%q: pool1 is not 56x56:\n%s", args, out)
		}
	}
	write(t, "blur.prototxt", data+`layer { name: "pool1" type: "Pooling" bottom: "data" top: "pool1" pooling_param { kernel_size: 2 blur: 2 } }
layer { name: "pool2" type: "Pooling" bottom: "data" top: "pool2" pooling_param { kernel_size: 2 blur: 1 } }
layer { name: "pool3" type: "Pooling" bottom: "data" top: "pool3" pooling_param { kernel_size: 2 blur: 3 } include { stage: "never" } }
`)
	code, _, stderr := run("check", "--proto", "fork.proto", "blur.prototxt")
	want := `gocaffe: blur.prototxt:2:104: layer "pool1": pooling_param.blur is a field of fork.proto alone and not implemented: ` +
		"--ignore-unknown-fields computes without it\n"
	if code != 1 || stderr != want {
		t.Errorf("exit code %d with\n%s\nwant\n%s", code, stderr, want)
	}
	out, _ := mustRun(t, "check", "--proto", "fork.proto", "--ignore-unknown-fields", "blur.prototxt")
	if !strings.Contains(out, `layer "pool1": pooling_param.blur is a field of fork.proto alone and not implemented; it is ignored`) {
		t.Errorf("there is no warning:\n%s", out)
	}
	out, _ = mustRun(t, "check", "--ignore-unknown-fields", "blur.prototxt")
	if !strings.Contains(out, `layer "pool1": unknown field "blur" of PoolingParameter; it is ignored`) {
		t.Errorf("there is no warning without the proto:\n%s", out)
	}
	write(t, "norm.prototxt", data+"layer { name: \"n\" type: \"Normalize\" bottom: \"data\" top: \"n\" }\n")
	if code, _, stderr := run("check", "norm.prototxt"); code != 1 || !strings.Contains(stderr, "--dialect normface or --dialect ssd") && !strings.Contains(stderr, "--dialect ssd or --dialect normface") {
		t.Errorf("an ambiguous type: exit code %d with %s", code, stderr)
	}
	mustRun(t, "check", "--dialect", "normface", "norm.prototxt")
	mustRun(t, "-dialect=ssd", "check", "norm.prototxt")
	if code, _, stderr := run("check", "--dialect", "sdd", "norm.prototxt"); code != 1 || stderr != "gocaffe: --dialect: unknown dialect \"sdd\", did you mean \"ssd\"?\n" {
		t.Errorf("an unknown dialect: exit code %d with %s", code, stderr)
	}
}

// TestCheck shows what gocaffe check finds in files that can be trained, and
// what it says without data.
func TestCheck(t *testing.T) {
	logFolder(t)
	out, _ := mustRun(t, "check", "solver.prototxt")
	for _, want := range []string{
		"solver.prototxt: train net", "solver.prototxt: test net #0",
		"20x1x14x12 20", // the shapes come from the database
		"15x1x14x12 15",
		"conv1   Convolution", "label_digits_1_split", "memory: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
	text := strings.Replace(readFile(t, "net.prototxt"), "idx_lmdb", "absent_lmdb", -1)
	write(t, "absent.prototxt", text)
	out, _ = mustRun(t, "check", "absent.prototxt")
	if !strings.Contains(out, "note: absent.prototxt:5:") || !strings.Contains(out, "are not checked") {
		t.Errorf("there is no note about the absent data:\n%s", out)
	}
	out, _ = mustRun(t, "check", "absent.prototxt", "--input-shape", "1,14,12", "--batch", "3")
	if !strings.Contains(out, "3x1x14x12 3") || strings.Contains(out, "note:") {
		t.Errorf("--input-shape is not taken:\n%s", out)
	}
	write(t, "lint.prototxt", text+`
layer { name: "bn" type: "BatchNorm" bottom: "conv1" top: "bn" }
layer { name: "quiet" type: "Silence" bottom: "bn" }
`)
	out, _ = mustRun(t, "check", "lint.prototxt")
	if !strings.Contains(out, "warning: lint.prototxt:25:") || !strings.Contains(out, "Scale") {
		t.Errorf("there is no warning about a BatchNorm without Scale:\n%s", out)
	}
	write(t, "names.prototxt", `layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 3 } }
layer { name: "fc" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 3 } }
`)
	out, _ = mustRun(t, "check", "names.prototxt")
	if strings.Count(out, `warning: names.prototxt:3:15: two layers are named "fc"`) != 1 {
		t.Errorf("want one warning about two layers of one name:\n%s", out)
	}
	write(t, "three.prototxt", strings.NewReplacer(`"Pooling"`, `"Poling"`, "num_output: 10", "num_outputs: 10", `bottom: "ip1" bottom: "label" top: "accuracy"`, `bottom: "ip11" bottom: "label" top: "accuracy"`).Replace(text))
	code, _, stderr := run("check", "three.prototxt")
	if code != 1 || strings.Count(stderr, "\n") != 2 || !strings.Contains(stderr, "num_outputs") || !strings.Contains(stderr, "Poling") {
		t.Errorf("a file that cannot be read: exit code %d and\n%s", code, stderr)
	}
	write(t, "two.prototxt", strings.NewReplacer(`"Pooling"`, `"Poling"`, `bottom: "ip1" bottom: "label" top: "accuracy"`, `bottom: "ip11" bottom: "label" top: "accuracy"`).Replace(text))
	code, _, stderr = run("check", "two.prototxt")
	if code != 1 || strings.Count(stderr, "\n") != 2 || !strings.Contains(stderr, "two.prototxt:16:") || !strings.Contains(stderr, "two.prototxt:22:") {
		t.Errorf("a net with an error in both phases and one in phase TEST: exit code %d and\n%s", code, stderr)
	}
}

// A net for one phase is checked in that phase; each of several data layers has a
// shape of its own; one of pad_h and pad_w is enough.
func TestCheckRealNets(t *testing.T) {
	t.Chdir(t.TempDir())
	const tail = `
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_h: 1 kernel_w: 7 pad_w: 3 } }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip" inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }`
	write(t, "train.prototxt", `layer { name: "d" type: "DummyData" top: "data" top: "label" include { phase: TRAIN }
dummy_data_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } shape { dim: 2 } } }`+tail)
	out, _ := mustRun(t, "check", "train.prototxt")
	if !strings.Contains(out, "note: this is a net for phase TRAIN") || !strings.Contains(out, "2x4x8x8 ") {
		t.Errorf("got\n%s", out)
	}
	write(t, "wrong.prototxt", strings.Replace(readFile(t, "train.prototxt"), `bottom: "ip" bottom`, `bottom: "iq" bottom`, 1))
	if code, _, stderr := run("check", "wrong.prototxt"); code != 1 || !strings.Contains(stderr, `bottom "iq"`) {
		t.Errorf("a net with a mistake: exit code %d, %s", code, stderr)
	}
	write(t, "two.prototxt", `layer { name: "d" type: "Data" top: "data" data_param { source: "a" batch_size: 4 backend: LMDB } }
layer { name: "l" type: "Data" top: "label" data_param { source: "b" batch_size: 4 backend: LMDB } }`+tail)
	if code, _, stderr := run("check", "two.prototxt", "--input-shape", "3,8,8"); code != 1 || !strings.Contains(stderr, `layer "d" has taken it`) {
		t.Errorf("one shape for two sources: exit code %d, %s", code, stderr)
	}
	out, _ = mustRun(t, "check", "two.prototxt", "--input-shape", "3,8,8", "--input-shape", "label=1,1,1")
	if !strings.Contains(out, "4x3x8x8 ") || !strings.Contains(out, "4x1x1x1 ") {
		t.Errorf("a shape for each source: got\n%s", out)
	}
}
