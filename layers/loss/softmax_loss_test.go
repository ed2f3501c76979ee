package loss

import (
	"fmt"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

// naiveSoftmaxLoss is the sum of the losses of the places, in float64 and with
// the probability bounded as in Caffe, the number of places that count, and
// the gradient of the sum.
func naiveSoftmaxLoss(x, labels []float32, outer, classes, inner, ignore int) (sum float64, valid int, dx []float64) {
	dx = make([]float64, len(x))
	for n := range outer {
		for j := range inner {
			at := func(c int) int { return (n*classes+c)*inner + j }
			label := int(labels[n*inner+j])
			if label == ignore {
				continue
			}
			valid++
			largest := math.Inf(-1)
			for c := range classes {
				largest = math.Max(largest, float64(x[at(c)]))
			}
			var z float64
			for c := range classes {
				z += math.Exp(float64(x[at(c)]) - largest)
			}
			sum -= math.Max(float64(x[at(label)])-largest-math.Log(z), math.Log(0x1p-126))
			for c := range classes {
				dx[at(c)] = math.Exp(float64(x[at(c)])-largest) / z
			}
			dx[at(label)]--
		}
	}
	return sum, valid, dx
}

func TestSoftmaxWithLossFormula(t *testing.T) {
	const outer, classes, inner, weight = 6, 7, 9, 2.5
	// Scores of ±60 reach the bound of the probability.
	x := layertest.Uniform(1, -60, 60, outer, classes, inner)
	target := labels(classes, 255, outer, inner)
	sum, valid, dx := naiveSoftmaxLoss(x.Data(), target.Data(), outer, classes, inner, 255)
	if valid == outer*inner || sum/float64(valid) < 20 {
		t.Fatalf("%d valid places, mean loss %g: the case is too simple", valid, sum/float64(valid))
	}
	for _, c := range []struct {
		options string
		divisor int
	}{
		{"", valid},
		{"normalization: VALID", valid},
		{"normalization: FULL", outer * inner},
		{"normalization: BATCH_SIZE", outer},
		{"normalization: NONE", 1},
		{"normalize: true", valid},
		{"normalize: false", outer},
		{"normalize: false normalization: FULL", outer * inner},
	} {
		t.Run(c.options, func(t *testing.T) {
			f := layertest.New(t, fmt.Sprintf(`layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" top: "p"
				loss_weight: %v loss_param { ignore_label: 255 %s } }`, weight, c.options), x, target)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			// 1e-5: a few roundings of float32 for each term.
			want := sum / float64(c.divisor)
			if got := float64(f.Top[0].Data()[0]); !(math.Abs(got-want) <= 1e-5*want) {
				t.Errorf("loss %g, want %g", got, want)
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			scale := weight / float64(c.divisor)
			for i, d := range f.Bottom[0].Diff() {
				if w := dx[i] * scale; !(math.Abs(float64(d)-w) <= 1e-6*scale) {
					t.Fatalf("diff[%d] = %g, want %g", i, d, w)
				}
			}
			for n := range outer {
				var total float64
				for c := range classes {
					total += float64(f.Top[1].Data()[(n*classes+c)*inner])
				}
				if math.Abs(total-1) > 1e-6 {
					t.Errorf("probabilities of item %d have the sum %g", n, total)
				}
			}
		})
	}
}

// TestSoftmaxWithLossBound checks the 87.3365 that Caffe users know from nets
// that have diverged.
func TestSoftmaxWithLossBound(t *testing.T) {
	f := layertest.New(t, `layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" }`,
		layertest.Values([]float32{0, 1000}, 1, 2), layertest.Values([]float32{0}, 1))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%.4f", f.Top[0].Data()[0]); got != "87.3365" {
		t.Errorf("loss %s, want 87.3365", got)
	}
}
