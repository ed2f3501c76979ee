package normface_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestContrastive compares the options of GeneralContrastiveLoss with values computed
// by hand.
func TestContrastive(t *testing.T) {
	d := []float32{
		0.5, 0.2, 3, // true class 0
		0.25, 6, 0.5, // true class 1
	}
	label := layertest.Values([]float32{0, 1}, 2)
	for _, test := range []struct {
		options string
		loss    float32
		means   []float32
		dx      []float32
	}{
		{"", (0.5 + 0.8 + 4 + 0.75 + 0.5) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, -1}},
		{"positive_weight: 2 negative_weight: 3 positive_margin: 0.1 positive_outlier_thresh: 10 negative_margin: 0.4", (2*(0.4+5.9) + 3*(0.2+0.15)) / 2, []float32{6.3 / 2, 0.35 / 4},
			[]float32{2, -3, 0, -3, 2, 0}},
		{"exp_negative_weight: true", (0.5 + 0.8187308 + 4 + 0.7788008 + 0.6065307) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -0.8187308, 0, -0.7788008, 0, -0.6065307}},
		{"max_negative_only: true", (0.5 + 0.8 + 4 + 0.75) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, 0}},
		// Of class 0, the true one, the term 0.9·1 is larger than 0.8.
		{"max_negative_only: true positive_weight: 1.8", (0.9 + 7.2 + 0.75) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1.8, 0, 0, -1, 0, 0}},
		{"max_positive_only: true positive_outlier_thresh: 9", (0.5 + 0.8 + 0.75 + 0.5) / 2, []float32{6.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, -1}},
		{"positive_first: true", (0.5 + 0.8 + 4) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, 0, 1, 0}},
		{"positive_first: true max_positive_only: true", (0.5 + 0.8) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, 0, 1, 0}},
		{"normalize_negative: 0.5", (0.5 + 0.8 + 4 + 0.75 + 0.5) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1. / 3, 0, -1. / 3, 0, -1. / 3}}, // 3/0.5/2 items
		{"normalize_negative: 2", (0.5 + 0.8 + 4 + 0.75 + 0.5) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, -1}},
	} {
		f := layertest.New(t, layer("GeneralContrastiveLoss", 2, 2, "loss_weight: 4 general_contrastive_loss_param { "+test.options+" }"), layertest.Values(d, 2, 3), label)
		dx := pass(t, f)
		equal(t, test.options+": loss", f.Top[0].Data(), test.loss)
		equal(t, test.options+": means", f.Top[1].Data(), test.means...)
		for i := range test.dx {
			test.dx[i] *= 4. / 2 // loss weight over items
		}
		equal(t, test.options+": gradient", dx, test.dx...)
	}
	// The values of the third bottom count, the gradient goes to the first.
	first := layertest.Values(make([]float32, 6), 2, 3)
	f := layertest.New(t, layer("GeneralContrastiveLoss", 3, 1, ""), first, label, layertest.Values(d, 2, 3))
	equal(t, "three bottoms: gradient", pass(t, f), 0.5, -0.5, 0, -0.5, 0, -0.5)
}

// TestIntraMAE checks the running mean, over passes and across a restart.
func TestIntraMAE(t *testing.T) {
	make := func() *layertest.Fixture {
		return layertest.New(t, layer("GeneralContrastiveLoss", 2, 2, "general_contrastive_loss_param { add_intra_mae: true max_negative_margin: 0.025 }"),
			layertest.Values([]float32{1, 0.5}, 1, 2), layertest.Values([]float32{0}, 1))
	}
	f := make()
	pass(t, f)
	equal(t, "loss of pass 1", f.Top[0].Data(), 1+0.5)
	equal(t, "means of pass 1", f.Top[1].Data(), 1, 0.5, 0.01)
	restored := make()
	if err := restored.Layer.(layers.Stateful).SetState(f.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	pass(t, restored)
	equal(t, "loss of pass 2", restored.Top[0].Data(), 1+0.51)
	equal(t, "means of pass 2", restored.Top[1].Data(), 1, 0.51, 0.0199)
	pass(t, restored)
	equal(t, "means of pass 3", restored.Top[1].Data(), 1, 0.5199, 0.025)
	if err := f.Layer.(layers.Stateful).SetState([]byte("abc")); err == nil {
		t.Error("a wrong state: no error")
	}
}
