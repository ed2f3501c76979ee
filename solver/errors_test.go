package solver_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// TestErrors gives one wrong line at a time. It is line 3 of the file.
func TestErrors(t *testing.T) {
	const good = `lr_policy: "fixed"` + "\nbase_lr: 0.1\n"
	const netParam = "\nnet_param {" + line + "}\n"
	for _, tt := range []struct{ text, want string }{
		{good + `type: "SDG"` + netParam, `solver.prototxt:3:7: unknown solver type "SDG", did you mean "SGD"?`},
		{good + `type: "Lion"` + netParam, `solver.prototxt:3:7: unknown solver type "Lion", want one of AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD`},
		{good + `momentum: 0.9 type: "AdaGrad"` + netParam, `solver.prototxt:3:11: momentum is 0.9, AdaGrad does not support momentum`},
		{good + `momentum: 0.9 type: "RMSProp"` + netParam, `solver.prototxt:3:11: momentum is 0.9, RMSProp does not support momentum`},
		{good + `rms_decay: 1 type: "RMSProp"` + netParam, `solver.prototxt:3:12: rms_decay is 1, want at least 0 and less than 1`},
		{good + `rms_decay: nan type: "RMSProp"` + netParam, `solver.prototxt:3:12: rms_decay is NaN, want a finite number`},
		{good + `regularization_type: "L3"` + netParam, `solver.prototxt:3:22: unknown regularization_type "L3", did you mean`},
		{"\n\n" + `lr_policy: "multi_step"` + netParam, `solver.prototxt:3:12: unknown lr_policy "multi_step", did you mean "multistep"?`},
		{"\n\n" + `base_lr: 1` + netParam, `solver.prototxt:1:1: lr_policy is not set, want one of fixed, step, exp, inv, multistep, poly, sigmoid, multifixed`},
		{"\n\n" + `gamma: -1 lr_policy: "exp"` + netParam, `solver.prototxt:3:8: gamma is -1, lr_policy "exp" wants 0 or more`},
		{"\n\n" + `gamma: -1 lr_policy: "sigmoid" stepsize: 1` + netParam, `solver.prototxt:3:8: gamma is -1, lr_policy "sigmoid" wants 0 or more`},
		{"\n\n" + `stepsize: 0 lr_policy: "step" gamma: 1` + netParam, `solver.prototxt:3:11: stepsize is 0, lr_policy "step" wants 1 or more`},
		{"lr_policy: 'fixed'\n\n" + `base_lr: nan` + netParam, `solver.prototxt:3:10: base_lr is NaN, want a finite number`},
		{"lr_policy: 'fixed'\n\n" + `base_lr: inf` + netParam, `solver.prototxt:3:10: base_lr is +Inf, want a finite number`},
		{"lr_policy: 'fixed'\n\n" + `base_lr: -0.1` + netParam, `solver.prototxt:3:10: base_lr is -0.1, want 0 or more; a negative loss_weight maximizes a loss`},
		{good + `power: nan` + netParam, `solver.prototxt:3:8: power is NaN, want a finite number`},
		{good + `gamma: 1e39` + netParam, `solver.prototxt:3:8: gamma is +Inf, want a finite number`},
		{good + `momentum: -5` + netParam, `solver.prototxt:3:11: momentum is -5, want at least 0 and less than 1`},
		{good + `momentum: 1` + netParam, `solver.prototxt:3:11: momentum is 1, want at least 0 and less than 1`},
		{good + `momentum: nan type: "Nesterov"` + netParam, `solver.prototxt:3:11: momentum is NaN, want a finite number`},
		{good + `momentum2: 1 type: "Adam"` + netParam, `solver.prototxt:3:12: momentum2 is 1, want at least 0 and less than 1`},
		{good + `momentum: 1.5 type: "AdaDelta"` + netParam, `solver.prototxt:3:11: momentum is 1.5, want at least 0 and less than 1`},
		{good + `delta: -1 type: "AdaGrad"` + netParam, `solver.prototxt:3:8: delta is -1, want 0 or more`},
		{good + `delta: nan type: "Adam"` + netParam, `solver.prototxt:3:8: delta is NaN, want a finite number`},
		{good + `weight_decay: -0.1` + netParam, `solver.prototxt:3:15: weight_decay is -0.1, want 0 or more`},
		{good + `weight_decay: inf` + netParam, `solver.prototxt:3:15: weight_decay is +Inf, want a finite number`},
		{good + `clip_gradients: nan` + netParam, `solver.prototxt:3:17: clip_gradients is NaN, want a finite number`},
		{good + `clip_gradients: 0` + netParam, `solver.prototxt:3:17: clip_gradients is 0, which makes every gradient 0; a negative number turns it off`},
		{"base_lr: 1\nlr_policy: 'multistep'\n" + `gamma: 1 stepvalue: 1 stepvalue: -1` + netParam, `solver.prototxt:3:34: stepvalue is -1, want 0 or more`},
		{"base_lr: 1\n\nlr_policy: 'multifixed' stagelr: 1" + netParam, `solver.prototxt:3:12: there are 1 stagelr and 0 stageiter, lr_policy "multifixed" wants as many, at least one`},
		{"base_lr: 1\nlr_policy: 'multifixed'\n" + `stagelr: 1 stageiter: 5 stagelr: 1 stageiter: 5` + netParam, `solver.prototxt:3:47: stageiter 5 comes after 5, want ascending values`},
		{"base_lr: 1\nlr_policy: 'multifixed'\n" + `stagelr: -1 stageiter: 5` + netParam, `solver.prototxt:3:10: stagelr is -1, want a finite number from 0`},
		{good + `average_loss: 0` + netParam, `solver.prototxt:3:15: average_loss is 0, want 1 or more`},
		{good + `iter_size: 0` + netParam, `solver.prototxt:3:12: iter_size is 0, want 1 or more`},
		{good + `max_iter: -5` + netParam, `solver.prototxt:3:11: max_iter is -5, want 0 or more`},
		{good + `snapshot_prefix: "/nowhere/at/all/snap" snapshot: 1` + netParam,
			`solver.prototxt:3:18: cannot write to snapshot_prefix "/nowhere/at/all/snap": no such file or directory`},
		{good + `snapshot: 1` + netParam, `snapshot_prefix is not set`},
		{good, `solver.prototxt:1:1: no train net: one of net, net_param, train_net, train_net_param must be set`},
		{good + `net: "absent.prototxt"`, `solver.prototxt:3:6: net: "absent.prototxt": no such file (working directory `},
		{good + `net: "absent.prototxt"` + netParam, `net_param and net both describe a train net`},
		{good + `test_iter: 1` + netParam, `solver.prototxt:3:12: test_iter has 1 values and test_interval is not set: set it, or remove test_iter`},
		{good + `test_iter: 1 test_iter: 2 test_interval: 0` + netParam, `solver.prototxt:3:42: test_interval is 0, and test_iter has 2 values: want 1 or more, or no test_iter`},
		{good + `test_net: "absent.prototxt"` + netParam, `test_iter has 0 values, test_net and test_net_param have 1: want as many`},
		{good + `test_iter: 1 test_interval: 1 test_state { stage: "a" } test_state { stage: "b" }` + netParam,
			`solver.prototxt:3:31: test_state has 2 values for the 1 test nets of test_iter, want none or one each`},
		{good + `test_iter: -1 test_interval: 1` + netParam, `solver.prototxt:3:12: test_iter is -1, want 0 or more`},
		{good + `weights: "absent.caffemodel"` + netParam, `solver.prototxt:3:10: weights: "absent.caffemodel": no such file (working directory `},
	} {
		_, err := solver.New(parse(t, tt.text), solver.Options{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s\ngot error:  %v\nwant one line with: %s", tt.text[:strings.Index(tt.text+"\nnet_param", "\nnet_param")], err, tt.want)
		}
	}
}

// TestAllErrors checks that independent errors are reported together, by
// place.
func TestAllErrors(t *testing.T) {
	_, err := solver.New(parse(t, "iter_size: 0\nlr_policy: \"fix\"\naverage_loss: 0\n"), solver.Options{})
	var list prototxt.ErrorList
	if !errors.As(err, &list) || len(list) != 3 {
		t.Fatalf("got %v, want a list of three errors", err)
	}
	for i, e := range list {
		if e.Pos.Line != i+1 {
			t.Errorf("error %d is that of line %d", i, e.Pos.Line)
		}
	}
}
