package normface_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestLabelSpecificAdd checks where the bias is added, how it changes, and that TEST
// does not change the scores.
func TestLabelSpecificAdd(t *testing.T) {
	x, label := layertest.Values([]float32{3, 1, 0.5, 2}, 2, 2), layertest.Values([]float32{0, 0}, 2)
	f := layertest.New(t, layer("LabelSpecificAdd", 2, 2, "label_specific_add_param { bias: -0.75 }"), x, label)
	pass(t, f)
	equal(t, "scores", f.Top[0].Data(), 2.25, 1, 0.5, 2)
	equal(t, "bias", f.Top[1].Data(), -0.75)
	f = layertest.New(t, layer("LabelSpecificAdd", 2, 2, "phase: TEST label_specific_add_param { bias: -0.75 transform_test: true }"), x, label)
	pass(t, f)
	equal(t, "scores in TEST", f.Top[0].Data(), 3, 1, 0.5, 2)
	equal(t, "bias in TEST", f.Top[1].Data(), 0)

	const options = "label_specific_add_param { bias_base: -1 bias_gamma: 0.5 bias_power: 2 bias_min: -0.9 bias_max: 0.5 }"
	biases := func(f *layertest.Fixture, n int) (b []float32) {
		for range n {
			pass(t, f)
			b = append(b, f.Top[1].Data()[0])
		}
		return b
	}
	f = layertest.New(t, layer("LabelSpecificAdd", 2, 2, options), x, label)
	equal(t, "biases", biases(f, 2), -0.9, 0.25) // -1 is below bias_min; 1.5² - 2
	falling := "label_specific_add_param { bias_base: -0.25 bias_gamma: -0.5 bias_min: -1 }"
	equal(t, "falling biases", biases(layertest.New(t, layer("LabelSpecificAdd", 2, 2, falling), x, label), 4), -0.25, -0.75, -1, -1)
	restored := layertest.New(t, layer("LabelSpecificAdd", 2, 2, options), x, label)
	if err := restored.Layer.(layers.Stateful).SetState(f.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	if got := string(restored.Layer.(layers.Stateful).State()); got != "2" {
		t.Errorf("state is %q, want 2 passes", got)
	}
	equal(t, "biases after a restart", biases(restored, 1), 0.5)
	if err := f.Layer.(layers.Stateful).SetState([]byte("-1")); err == nil {
		t.Error("a wrong state: no error")
	}
}

// TestLabelSpecificRescale compares the options in both phases with values computed
// by hand.
func TestLabelSpecificRescale(t *testing.T) {
	label := layertest.Values([]float32{0, 1, 0}, 3)
	values := []float32{4, 2, 1, -4, -1, 2} // of true classes: 4, -4, -1
	for _, test := range []struct {
		options string
		y       []float32
		w       float32
		dx      []float32 // for diffs of 1
	}{
		{"positive_weight: 0.5 negative_weight: 3", []float32{2, 6, 3, -2, -0.5, 6}, 0.5, []float32{0.5, 3, 3, 0.5, 0.5, 3}},
		{"positive_weight: 0.5 for_ip: true", []float32{2, 2, 1, -4, -1, 2}, 0.5, []float32{0.5, 1, 1, 1, 1, 1}},
		{"positive_weight: 0.5 bias_fix: true", []float32{2.5, 2, 1, -1.5, 0, 2}, 0.5, []float32{0.5, 1, 1, 0.5, 0.5, 1}},
		// 0.5/sqrt(4), 0.5/sqrt(1)
		{"positive_weight: 0.5 bias_fix: true power_on_positive: true", []float32{2, 2, 1, -2, -1, 2}, 0.5, []float32{0.25, 1, 1, 0.25, 0.5, 1}},
		{"positive_weight: 1 bias_fix: true power_on_positive: true positive_lower_bound: 5 negative_upper_bound: -5", values, 1, []float32{1, 1, 1, 1, 1, 1}},
		{"positive_weight: 5 positive_weight_base: 6 gamma: 0.5 power: 2 iteration: 1", []float32{6, 2, 1, -6, -1.5, 2}, 1.5, []float32{1.5, 1, 1, 1.5, 1.5, 1}}, // 6/(1+0.5·2)²
	} {
		for _, inPlace := range []bool{false, true} {
			x := layertest.Values(values, 3, 2)
			text := layer("LabelSpecificRescale", 2, 2, "label_specific_rescale_param { "+test.options+" }")
			if inPlace {
				text = layer("LabelSpecificRescale", 2, 0, `top: "a" top: "w" label_specific_rescale_param { `+test.options+" }")
			}
			f := layertest.New(t, text, x, label)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			for i := range f.Top[0].MutableDiff() {
				f.Top[0].MutableDiff()[i] = 1
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			equal(t, test.options+": scores", f.Top[0].Data(), test.y...)
			equal(t, test.options+": weight", f.Top[1].Data(), test.w)
			equal(t, test.options+": gradient", x.Diff(), test.dx...)
		}
	}

	x := layertest.Values(values, 3, 2)
	const options = "label_specific_rescale_param { positive_weight: 0.5 negative_weight: 3 positive_weight_base: 9 "
	f := layertest.New(t, layer("LabelSpecificRescale", 2, 2, "phase: TEST "+options+"}"), x, label)
	pass(t, f)
	equal(t, "scores in TEST", f.Top[0].Data(), values...)
	equal(t, "weight in TEST", f.Top[1].Data(), 0.5)
	f = layertest.New(t, layer("LabelSpecificRescale", 2, 2, "phase: TEST "+options+"rescale_test: true }"), x, label)
	pass(t, f)
	equal(t, "scores in TEST with rescale_test", f.Top[0].Data(), 2, 6, 3, -2, -0.5, 6)
}

// TestLabelSpecificRescaleState checks how the weight changes from pass to pass, and
// across a restart.
func TestLabelSpecificRescaleState(t *testing.T) {
	const text = "label_specific_rescale_param { positive_weight_base: 6 gamma: 1 positive_weight_min: 1.75 positive_weight_max: 2.5 }"
	make := func() *layertest.Fixture {
		return layertest.New(t, layer("LabelSpecificRescale", 2, 2, text), gaussian(2, 3), layertest.Values([]float32{0, 2}, 2))
	}
	f := make()
	for _, want := range []float32{2.5, 2} { // 6/2, 6/3
		pass(t, f)
		equal(t, "weight", f.Top[1].Data(), want)
	}
	restored := make()
	if err := restored.Layer.(layers.Stateful).SetState(f.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	pass(t, restored)
	equal(t, "weight after a restart", restored.Top[1].Data(), 1.75) // 6/4
	if err := f.Layer.(layers.Stateful).SetState([]byte("-1")); err == nil {
		t.Error("a wrong state: no error")
	}
}
