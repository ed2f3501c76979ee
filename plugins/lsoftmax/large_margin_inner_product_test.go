package lsoftmax_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/lsoftmax"
	"github.com/gocaffe/gocaffe/plugins/margin/margintest"
)

var layer = margintest.Layer{Type: "LargeMarginInnerProduct", Field: "largemargin_inner_product_param"}

func Test(t *testing.T) { margintest.Test(t, layer) }

func TestGolden(t *testing.T) {
	counts := layertest.Golden(t, reference.GoldenFS(t, "layers"))
	if counts.Filtered == 0 && counts.Passed[layer.Type] != 13 {
		t.Errorf("%d cases passed, want 13", counts.Passed[layer.Type])
	}
}

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) {
	counts := layertest.GoldenOn(t, reference.GoldenFS(t, "layers"), cudatest.Device(t), layer.Type)
	if counts.Filtered == 0 && counts.Passed[layer.Type] == 0 {
		t.Error("no case passed")
	}
}

// TestGradient has more items than classes, so that classes share items.
func TestGradient(t *testing.T) {
	for _, factor := range margintest.Factors {
		for _, base := range []float64{0, 0.7, 100} {
			for _, phase := range []string{"phase: TRAIN", "phase: TEST"} {
				t.Run(fmt.Sprint(factor, base, phase), func(t *testing.T) {
					f := layertest.New(t, layer.Text(fmt.Sprintf("num_output: 4 type: %s base: %g", factor, base), phase),
						layertest.Gaussian(1, 9, 5), layertest.Labels(7, 4, 9))
					layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 2e-3, Tolerance: 2e-2, Tops: []int{0}})
				})
			}
		}
	}
	t.Run("axes", func(t *testing.T) {
		f := layertest.New(t, layer.Text("num_output: 3 type: DOUBLE axis: -2"), layertest.Gaussian(2, 3, 2, 2), layertest.Labels(7, 3, 3))
		layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 2e-3, Tolerance: 1e-2, Tops: []int{0}})
	})
}
