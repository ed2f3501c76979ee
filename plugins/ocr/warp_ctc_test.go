package ocr_test

import (
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

const warpOptions = "ctc_loss_param { alphabet_size: 3 time_step: 4 }"

// warpBottoms returns scores for three sequences of five steps, the last of which does not
// count, and their labels: two equal ones, one after a blank, and more than fit.
func warpBottoms() []*blob.Blob {
	return []*blob.Blob{
		layertest.Gaussian(1, 5, 3, 3),
		layertest.Values([]float32{1, 1, 0, 0, 0, 2, 2, 2, 2}, 3, 3),
	}
}

// enumerated returns -log of the probability of the paths of four steps with three classes
// that yield the labels.
func enumerated(scores []float32, n, i int, labels []int) float64 {
	p := 0.0
	for code := range 3 * 3 * 3 * 3 {
		var got []int
		product, before := 1.0, 0
		for t, rest := 0, code; t < 4; t, rest = t+1, rest/3 {
			class, sum := rest%3, 0.0
			x := scores[(t*n+i)*3:][:3]
			for _, v := range x {
				sum += math.Exp(float64(v))
			}
			product *= math.Exp(float64(x[class])) / sum
			if class != 0 && (class != before || t == 0) {
				got = append(got, class)
			}
			before = class
		}
		if slices.Equal(got, labels) {
			p += product
		}
	}
	return -math.Log(p)
}

// TestWarpCTC compares the loss with the sum over all paths, and the gradient with that of
// the sum of the losses.
func TestWarpCTC(t *testing.T) {
	layertest.Checked(t, "CtcLoss", layertest.Reference)
	f := layertest.New(t, layer("CtcLoss", 2, warpOptions), warpBottoms()...)
	x := f.Bottom[0].MutableData()
	sum := func() float64 { return enumerated(x, 3, 0, []int{1, 1}) + enumerated(x, 3, 1, []int{2}) }
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if got, want := float64(f.Top[0].Data()[0]), sum()/3; math.Abs(got-want) > 1e-6 {
		t.Errorf("loss %g, want %g", got, want)
	}
	const weight = 0.5
	f.Top[0].MutableDiff()[0] = weight
	if err := f.Layer.Backward(t.Context(), f.Top, []bool{true, false}, f.Bottom); err != nil {
		t.Fatal(err)
	}
	for i, got := range f.Bottom[0].Diff() {
		v := x[i]
		x[i] = v + 0.01
		above := sum()
		x[i] = v - 0.01
		want := weight * (above - sum()) / 0.02
		x[i] = v
		if math.Abs(float64(got)-want) > 1e-4 {
			t.Errorf("element %d has gradient %g, want %g", i, got, want)
		}
	}
}

// TestGradientWarpCTC has one sequence: the gradient for several is not divided by their
// number.
func TestGradientWarpCTC(t *testing.T) {
	f := layertest.New(t, layer("CtcLoss", 2, warpOptions), layertest.Gaussian(2, 4, 1, 3), layertest.Values([]float32{2, 1}, 1, 2))
	layertest.CheckGradient(t, f, layertest.GradientOptions{Bottoms: []int{0}, Tolerance: 3e-3})
}

func TestPromisesWarpCTC(t *testing.T) {
	layertest.CheckThreads(t, layer("CtcLoss", 2, warpOptions), warpBottoms()...)
	layertest.CheckAllocs(t, layer("CtcLoss", 2, warpOptions), warpBottoms()...)
	layertest.CheckAllocs(t, layer("ContinuationIndicator", 0, "continuation_indicator_param { time_step: 3 batch_size: 2 }"))
}

func TestErrorsWarpCTC(t *testing.T) {
	x := warpBottoms()
	for _, test := range []struct {
		want, options string
		bottoms       []*blob.Blob
	}{
		{"alphabet_size is 0, want 1 or more", "ctc_loss_param { time_step: 4 }", x},
		{"time_step is 0, want 1 or more", "ctc_loss_param { alphabet_size: 3 }", x},
		{"blank_label is 3, want 0 to 2", "ctc_loss_param { alphabet_size: 3 time_step: 4 blank_label: 3 }", x},
		{"bottom 0 has shape [5 3 3], want steps x sequences x 3 with 6 steps or more", "ctc_loss_param { alphabet_size: 3 time_step: 6 }", x},
		{"bottom 1, the labels, has shape [2 3], want 3 rows", warpOptions, []*blob.Blob{x[0], layertest.Gaussian(1, 2, 3)}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer("CtcLoss", 2, test.options), test.bottoms...)
	}
	for _, test := range []struct {
		want   string
		labels []float32
	}{
		{"sequence 2: a label is 3, want 0 to 2", []float32{1, 2, 3}},
		{"all labels are 0, the blank", []float32{0, 0, 0}},
	} {
		f := layertest.New(t, layer("CtcLoss", 2, warpOptions), x[0], layertest.Values(test.labels, 3, 1))
		if err := f.Forward(); err == nil || err.Error() != `layer.prototxt:1:114: layer "l": `+test.want {
			t.Errorf("error %v, want %s", err, test.want)
		}
	}
}

func TestContinuationIndicator(t *testing.T) {
	layertest.Checked(t, "ContinuationIndicator", layertest.Reference)
	f := layertest.New(t, layer("ContinuationIndicator", 0, "continuation_indicator_param { time_step: 3 batch_size: 2 }"))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if got := f.Top[0]; !slices.Equal(got.Shape(), []int{3, 2}) || !slices.Equal(got.Data(), []float32{0, 0, 1, 1, 1, 1}) {
		t.Errorf("shape %v, %v", got.Shape(), got.Data())
	}
	for want, options := range map[string]string{
		"time_step is 0, want 1 or more":  "batch_size: 2",
		"batch_size is 0, want 1 or more": "time_step: 2",
	} {
		layertest.CheckError(t, 1, `layer "l": `+want, layer("ContinuationIndicator", 0, "continuation_indicator_param { "+options+" }"))
	}
}
