package gocaffecmd

import (
	"strings"
	"testing"
)

// Scores of untrained weights come with a warning, and there are none for a net without
// data.
func TestScoresOfUntrained(t *testing.T) {
	t.Chdir(t.TempDir())
	const (
		data   = `layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }`
		input  = `layer { name: "d" type: "Input" top: "x" top: "y" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }`
		layers = `
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }`
	)
	write(t, "net.prototxt", data+layers)
	write(t, "renamed.prototxt", strings.Replace(data+layers, `name: "ip"`, `name: "ip_new"`, 1))
	write(t, "deploy.prototxt", input+layers)
	write(t, "s.prototxt", `net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "s" random_seed: 1`)
	mustRun(t, "train", "--solver", "s.prototxt")

	const warning = "has no weights for ip_new: the scores are those of weights that the fillers made up"
	score := func(model string) (int, string) {
		code, _, stderr := run("test", "--model", model, "--weights", "s_iter_1.caffemodel", "--iterations", "1")
		return code, stderr
	}
	if code, log := score("net.prototxt"); code != 0 || strings.Contains(log, "has no weights") {
		t.Errorf("exit code %d, a warning about nothing?\n%s", code, log)
	}
	if code, log := score("renamed.prototxt"); code != 0 || !strings.Contains(log, warning) {
		t.Errorf("exit code %d, want a warning with %q:\n%s", code, warning, log)
	}
	if code, log := score("deploy.prototxt"); code != 1 || !strings.Contains(log, `layer "d" is an Input, which `) {
		t.Errorf("exit code %d, want an error about the input:\n%s", code, log)
	}
	// Of several files each gives its layers, as in train.
	write(t, "both.prototxt", data+layers+strings.NewReplacer(`"ip"`, `"ip_new"`, `"loss"`, `"loss_new"`).Replace(layers))
	write(t, "t.prototxt", `net: "renamed.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "t" random_seed: 1`)
	mustRun(t, "train", "--solver", "t.prototxt")
	_, log := mustRun(t, "test", "--model", "both.prototxt", "--weights", "s_iter_1.caffemodel,t_iter_1.caffemodel", "--iterations", "1")
	if strings.Contains(log, "has no weights") {
		t.Errorf("two files that have everything: got\n%s", log)
	}
	// A snapshot must be complete.
	write(t, "r.prototxt", `net: "renamed.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 snapshot_prefix: "r" random_seed: 1`)
	code, _, log := run("train", "--solver", "r.prototxt", "--snapshot", "s_iter_1.solverstate")
	if code != 1 || !strings.Contains(log, `s_iter_1.caffemodel has no weights for layer "ip_new"`) {
		t.Errorf("resume with another net: exit code %d and\n%s", code, log)
	}
}
