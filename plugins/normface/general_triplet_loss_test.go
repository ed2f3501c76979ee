package normface_test

import (
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestTriplet compares the options of GeneralTripletLoss with values computed by hand.
func TestTriplet(t *testing.T) {
	d := []float32{
		0.5, 0.25, 0.625, 3, // true class 0: 1 and 2 are too near
		2, 2, 0, 2, // true class 2: none is
		1, 1.5, 1.5, 1.25, // true class 2: all are
	}
	label := layertest.Values([]float32{0, 2, 2}, 3)
	for _, test := range []struct {
		options string
		loss    float32
		dx      []float32
	}{
		{"margin: 0.5", (0.75 + 0.375 + 1 + 0.5 + 0.75) / 3, []float32{1, -1, -1, 0, 0, 0, 1, 0, -1, -1, 1, -1}},
		{"margin: 0.5 positive_weight: 2 negative_weight: 3", 3 * (0.75 + 0.375 + 1 + 0.5 + 0.75) / 3, []float32{2, -3, -3, 0, 0, 0, 2, 0, -3, -3, 2, -3}},
		{"margin: 0.5 add_center_loss: false", (0.75 + 0.375 + 1 + 0.5 + 0.75) / 3, []float32{1, -1, -1, 0, 0, 0, 0, 0, -1, -1, 1, -1}},
		{"margin: 0.5 hardest_only: true", (0.75 + 1) / 3., []float32{1, -1, 0, 0, 0, 0, 1, 0, -1, 0, 1, 0}},
		{"margin: 0.5 positive_first: true add_center_loss: false", (0.75 + 0.375) / 3, []float32{1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 0}},
	} {
		for _, weights := range [][]float32{nil, {2, 0.5, 1}} {
			bottom := []*blob.Blob{layertest.Values(d, 3, 4), label}
			if weights != nil {
				bottom = append(bottom, layertest.Values(weights, 3))
			}
			f := layertest.New(t, layer("GeneralTripletLoss", len(bottom), 2, "loss_weight: 6 general_triplet_loss_param { "+test.options+" }"), bottom...)
			dx := pass(t, f)
			equal(t, test.options+": loss", f.Top[0].Data(), test.loss)
			equal(t, test.options+": means", f.Top[1].Data(), (0.5+0+1.5)/3, (0.25+0.625+3+2+2+2+1+1.5+1.25)/9)
			want := slices.Clone(test.dx)
			for i := range want {
				want[i] *= 2 // loss weight over items
				if weights != nil {
					want[i] *= weights[i/4]
				}
			}
			equal(t, test.options+": gradient", dx, want...)
		}
	}
}
