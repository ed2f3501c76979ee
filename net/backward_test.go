package net

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const tinyInput = `layer { name: 'data' type: 'Input' top: 'data' top: 'label'
  input_param { shape { dim: 5 dim: 2 dim: 3 dim: 4 } shape { dim: 5 } } }
`

// ip returns a layer of inner products without bias.
func ip(name, bottom, top string, outputs int, more string) string {
	return fmt.Sprintf(`layer { name: '%s' type: 'InnerProduct' bottom: '%s' top: '%s' %s
  inner_product_param { num_output: %d bias_term: false weight_filler { type: 'gaussian' std: 1 } } }
`, name, bottom, top, more, outputs)
}

const silence = "layer { name: 'silence' type: 'Silence' bottom: 'label' }\n"

// The cases are those of Caffe's test_net.cpp: TestBottomNeedBackward*,
// TestSkipPropagateDown and TestForcePropagateDown. For each layer the wanted
// text has 1 if the backward pass runs it, else 0, and after a colon the same
// for each bottom.
func TestNeedsBackward(t *testing.T) {
	skip := func(down string) string {
		return tinyInput + silence + ip("innerproduct", "data", "innerproduct", 1, "") +
			ip("ip_fake", "data", "fake", 1, "") +
			"layer { name: 'relu' type: 'ReLU' bottom: 'fake' top: 'relu' }\n" +
			"layer { name: 'loss' type: 'EuclideanLoss' bottom: 'innerproduct' bottom: 'relu' " + down + " top: 'l' loss_weight: 0.1 }"
	}
	force := func(down string) string {
		return tinyInput + ip("innerproduct", "data", "innerproduct", 1, down) +
			"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'innerproduct' bottom: 'label' }"
	}
	tests := []struct{ name, text, want string }{
		{"tiny", force(""), "data 0: innerproduct 1:0 loss 1:10"},
		{"tiny, forced", "force_backward: true " + force(""), "data 1: innerproduct 1:1 loss 1:10"},
		{"Euclidean, forced", "force_backward: true " + tinyInput + ip("innerproduct", "data", "innerproduct", 1, "") +
			"layer { name: 'loss' type: 'EuclideanLoss' bottom: 'innerproduct' bottom: 'label' }",
			"data 1: innerproduct 1:1 loss 1:11"},
		// The label of a softmax should be no result of weights; the net says so all the same.
		{"tricky", strings.Replace(tinyInput, "{ dim: 5 } }", "{ dim: 5 dim: 1 } }", 1) + ip("innerproduct", "data", "x", 10, "") + ip("innerproduct", "label", "y", 1, "") +
			"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x' bottom: 'y' }",
			"data 0: innerproduct 1:0 innerproduct 1:0 loss 1:11"},
		{"propagate_down: true", skip("propagate_down: true propagate_down: true"),
			"data 0: data_data_0_split 0:0 silence 0:0 innerproduct 1:0 ip_fake 1:0 relu 1:1 loss 1:11"},
		{"propagate_down: false", skip("propagate_down: true propagate_down: false"),
			"data 0: data_data_0_split 0:0 silence 0:0 innerproduct 1:0 ip_fake 0:0 relu 0:0 loss 1:10"},
		{"propagate_down: true from data", force("propagate_down: true"), "data 0: innerproduct 1:1 loss 1:10"},
		{"force_backward over propagate_down: false", "force_backward: true " + force("propagate_down: false"),
			"data 1: innerproduct 1:1 loss 1:10"},
		{"no loss below", tinyInput + silence + ip("innerproduct", "data", "innerproduct", 1, ""),
			"data 0: silence 0:0 innerproduct 0:0"},
		{"nothing to train", tinyInput + silence + ip("innerproduct", "data", "innerproduct", 1, "param { lr_mult: 0 } loss_weight: 1"),
			"data 0: silence 0:0 innerproduct 0:0"},
		{"beside an accuracy", tinyInput + ip("innerproduct", "data", "x", 3, "") +
			"layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'x' bottom: 'label' }\n" +
			"layer { name: 'accuracy' type: 'Accuracy' bottom: 'x' bottom: 'label' top: 'accuracy' }",
			"data 0: label_data_1_split 0:0 innerproduct 1:0 x_innerproduct_0_split 1:1 loss 1:10 accuracy 0:00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var r recorder
			n := build(t, test.text, Options{State: state(t, "TRAIN"), Observer: r.observer()})
			digit := map[bool]string{false: "0", true: "1"}
			var got, logged []string
			for _, l := range n.Layers() {
				word := l.Name + " " + digit[l.NeedsBackward] + ":"
				for _, down := range l.PropagateDown {
					word += digit[down]
				}
				got = append(got, word)
			}
			if joined := strings.Join(got, " "); joined != test.want {
				t.Errorf("got  %s\nwant %s", joined, test.want)
			}
			logged = r.from("net.cpp:200", "net.cpp:202")
			if len(logged) != len(got) || !strings.Contains(logged[0], "computation.") {
				t.Errorf("log is %q, want a line for each layer", logged)
			}
		})
	}
}

// The gradient reaches only weights with a multiplier, as in Caffe's
// TestParamPropagateDown; its size does not depend on the multiplier.
func TestParamGradients(t *testing.T) {
	magnitudes := func(w1, b1, w2, b2 float64) []float64 {
		layer := func(name string, w, b float64) string {
			return fmt.Sprintf(`layer { name: '%s' type: 'InnerProduct' bottom: 'data' top: '%s' param { lr_mult: %g } param { lr_mult: %g }
  inner_product_param { num_output: 10 weight_filler { type: 'gaussian' std: 1 } } }
`, name, name, w, b)
		}
		n := build(t, tinyInput+silence+layer("a", w1, b1)+layer("b", w2, b2)+
			"layer { name: 'loss' type: 'EuclideanLoss' bottom: 'a' bottom: 'b' }", Options{State: state(t, "TRAIN"), Seed: 1})
		set(n.Blob("data"))
		forward(t, n)
		backward(t, n)
		var sums []float64
		for _, p := range n.Params() {
			var sum float64
			for _, d := range p.Blob.Diff() {
				sum += float64(d * d)
			}
			sums = append(sums, sum)
		}
		return sums
	}
	all := magnitudes(1, 2, 1, 2)
	if len(all) != 4 || slices.Contains(all, 0) {
		t.Fatalf("gradients of all weights have the squares %v, want four that are not 0", all)
	}
	if twice := magnitudes(2, 4, 2, 4); !slices.Equal(twice, all) {
		t.Errorf("with other multipliers the squares are %v, want %v", twice, all)
	}
	if got, want := magnitudes(1, 0, 0, 1), []float64{all[0], 0, 0, all[3]}; !slices.Equal(got, want) {
		t.Errorf("with two multipliers 0 the squares are %v, want %v", got, want)
	}
	if got, want := magnitudes(0, 1, 1, 0), []float64{0, all[1], all[2], 0}; !slices.Equal(got, want) {
		t.Errorf("with the others 0 the squares are %v, want %v", got, want)
	}
}

// TestInPlaceAfterInPlace has layers that work in place on the top of another that does: the
// gradients are those of layers with tops of their own, whether memory is shared or not.
func TestInPlaceAfterInPlace(t *testing.T) {
	const shift = "type: 'Power' power_param { scale: 0.3 shift: -1 }"
	for _, test := range []struct{ first, second string }{
		{"ReLU", "type: 'Scale' scale_param { filler { value: -2 } bias_term: true bias_filler { value: 0.5 } }"},
		{"ReLU", "type: 'BatchNorm'"},
		{"ReLU", "type: 'PReLU' prelu_param { filler { value: -1 } }"},
		{"ReLU", "type: 'Power' power_param { power: 2 scale: 0.3 shift: -1 }"},
		{"Sigmoid", "type: 'Dropout'"},
		{"TanH", "type: 'Bias' bias_param { filler { value: 0.5 } }"},
		{"TanH", shift},
		{"MVN", shift},
		{"Softmax", "type: 'ReLU' relu_param { negative_slope: 2 }"},
	} {
		second := test.second
		text := channels + convolve + "layer { name: 'first' type: '" + test.first + "' bottom: 'c' top: 'c' }\nlayer { name: 'second' " + second + " bottom: 'c' top: 'c' }\n" + scores
		apart := strings.Replace(strings.Replace(text, "bottom: 'c' top: 'c' }", "bottom: 'c' top: 'r' }", 1), "bottom: 'c' top: 'c' }", "bottom: 'r' top: 's' }", 1)
		apart = strings.Replace(apart, "'InnerProduct' bottom: 'c'", "'InnerProduct' bottom: 's'", 1)
		var want []float32
		for _, o := range []Options{{}, {Memory: new(Memory)}} {
			for _, text := range []string{apart, text} {
				o.State, o.Seed = state(t, "TRAIN"), 5
				n := build(t, text, o)
				set(n.Blob("data"))
				got := iterate(t, n)
				if want == nil {
					want = got
				}
				if d := distance(got, want); !(d <= 1e-5) {
					t.Errorf("%s, then %s, memory shared %v: the gradients differ by %g of the largest from those of separate blobs", test.first, second, o.Memory != nil, d)
				}
			}
		}
	}
}

// TestInPlaceOnFailed has a layer in place on the top of one that cannot be set up.
func TestInPlaceOnFailed(t *testing.T) {
	_, err := New(parse(t, channels+convolve+"layer { name: 'SetUp fails' type: 'TestFails' bottom: 'c' top: 'x' }\n"+
		"layer { name: 'drop' type: 'Dropout' bottom: 'x' top: 'x' }"), Options{State: state(t, "TRAIN")})
	if err == nil || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("the error is %v", err)
	}
}
