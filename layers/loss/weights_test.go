package loss_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// weighted returns a loss with three bottoms and weights of classes.
func weighted(typ, options string, classes ...float32) string {
	if len(classes) > 0 {
		options += " weight_by_label_freqs: true"
	}
	for _, w := range classes {
		options += fmt.Sprintf(" class_weighting: %g", w)
	}
	return fmt.Sprintf(`layer { name: "l" type: %q bottom: "x" bottom: "t" bottom: "w" top: "l" loss_weight: 2.5 loss_param { %s } }`, typ, options)
}

// TestWeights compares the losses with SegNet's softmax_loss_layer.cpp in float64, which
// multiplies the term and the gradient of a label with the weight of its class and counts
// all labels alike, and with the same formula for weights of items.
func TestWeights(t *testing.T) {
	const outer, channels, inner, ignore = 5, 3, 4, 2
	classWeights := []float32{0.25, 0, 3}
	x := layertest.Gaussian(1, outer, channels, inner)
	for _, typ := range []string{"SoftmaxWithLoss", "SigmoidCrossEntropyLoss"} {
		softmax := typ == "SoftmaxWithLoss"
		target := layertest.Uniform(2, 0, 1, outer, channels, inner)
		if softmax {
			target = layertest.Labels(3, channels, outer, inner)
		}
		for _, test := range []struct {
			options    string
			classes    []float32
			items      *blob.Blob // or nil
			normalizer func(labels, ignored int) float64
		}{
			{"normalization: VALID", classWeights, nil, func(n, _ int) float64 { return float64(n) }},
			{"normalization: BATCH_SIZE", classWeights, nil, func(int, int) float64 { return outer }},
			{"normalization: NONE weight_by_label_freqs: false class_weighting: 9", nil, nil, func(int, int) float64 { return 1 }},
			{"normalization: VALID", nil, layertest.Uniform(4, 0, 3, outer), func(n, _ int) float64 { return float64(n) }},
			{"normalization: VALID ignore_label: 2", classWeights, layertest.Uniform(4, 0, 3, target.Shape()...), func(n, ignored int) float64 { return float64(n - ignored) }},
		} {
			labels := target.Count()
			has := strings.Contains(test.options, "ignore_label")
			var sum float64
			ignored := 0
			dx := make([]float64, x.Count())
			for i, label := range target.Data() {
				if has && int(label) == ignore {
					ignored++
					continue
				}
				weight, class := 1.0, int(label)
				if !softmax {
					class = i / inner % channels
				}
				if test.classes != nil {
					weight = float64(test.classes[class])
				}
				if test.items != nil {
					weight *= float64(test.items.Data()[i*test.items.Count()/labels])
				}
				if !softmax {
					p := 1 / (1 + math.Exp(-float64(x.Data()[i])))
					sum -= weight * (float64(label)*math.Log(p) + (1-float64(label))*math.Log(1-p))
					dx[i] = weight * (p - float64(label))
					continue
				}
				at := func(c int) int { return (i/inner*channels+c)*inner + i%inner }
				var z float64
				for c := range channels {
					z += math.Exp(float64(x.Data()[at(c)]))
				}
				for c := range channels {
					dx[at(c)] = weight * math.Exp(float64(x.Data()[at(c)])) / z
				}
				dx[at(class)] -= weight
				sum -= weight * (float64(x.Data()[at(class)]) - math.Log(z))
			}
			text := weighted(typ, test.options, test.classes...)
			bottoms := []*blob.Blob{x, target, test.items}
			if test.items == nil {
				text, bottoms = strings.Replace(text, `bottom: "w"`, "", 1), bottoms[:2]
			}
			f := layertest.New(t, text, bottoms...)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			m := test.normalizer(labels, ignored)
			if got, want := float64(f.Top[0].Data()[0]), sum/m; !(math.Abs(got-want) <= 1e-5*want) {
				t.Errorf("%s: loss %g, want %g", text, got, want)
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			for i, got := range f.Bottom[0].Diff() {
				if want := 2.5 / m * dx[i]; !(math.Abs(float64(got)-want) <= 1e-6*(1+math.Abs(want))) {
					t.Fatalf("%s: diff %d is %g, want %g", text, i, got, want)
				}
			}
		}
	}
}

func TestWeightsPromises(t *testing.T) {
	for _, typ := range []string{"SoftmaxWithLoss", "SigmoidCrossEntropyLoss"} {
		target := layertest.Labels(2, 3, 40, 5, 300)
		if typ == "SoftmaxWithLoss" {
			target = layertest.Labels(2, 5, 40, 300)
		}
		text := weighted(typ, "ignore_label: 2", 0.5, 1, 0, 2, 3)
		layertest.CheckThreads(t, text, layertest.Gaussian(1, 40, 5, 300), target, layertest.Uniform(2, 0, 3, 40))
		layertest.CheckAllocs(t, text, layertest.Gaussian(1, 40, 5, 300), target, layertest.Uniform(2, 0, 3, 40))
	}
}
