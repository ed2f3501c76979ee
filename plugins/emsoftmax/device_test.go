package emsoftmax_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) {
	counts := layertest.GoldenOn(t, reference.GoldenFS(t, "layers"), cudatest.Device(t), "EMSoftmaxLoss")
	if counts.Filtered == 0 && counts.Passed["EMSoftmaxLoss"] != 13 {
		t.Errorf("%d cases passed, want 13", counts.Passed["EMSoftmaxLoss"])
	}
}

// TestDevice compares the passes on a GPU with those on the host: more and fewer
// classes than a warp has lanes, both methods for the diversity term, and labels to
// ignore.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	const std = `weight_filler { type: "gaussian" std: 0.5 }`
	for _, size := range []struct{ m, k, d int }{{19, 10, 33}, {5, 70, 20}} {
		x, label := layertest.Gaussian(1, size.m, size.d), layertest.Labels(7, size.k, size.m)
		check := func(options string, more string) {
			t.Helper()
			layertest.CheckDevice(t, d, 2e-5, layer(fmt.Sprintf("num_output: %d %s %s", size.k, options, std), more), x, label)
		}
		for _, v := range []int{1, 2, 3} {
			for _, normalize := range []string{"CLASS", "FROBENIUS", "NONE"} {
				for _, gradient := range []string{"PAPER", "EXACT"} {
					check(fmt.Sprintf("V: %d m: 0.7 lambda: 0.4 normalize: %s hsic_gradient: %s", v, normalize, gradient), "loss_weight: 0.5")
				}
			}
			check(fmt.Sprintf("V: %d m: 2", v), "loss_param { ignore_label: 3 }")
			check(fmt.Sprintf("V: %d", v), "loss_param { ignore_label: 3 normalization: NONE }")
			check(fmt.Sprintf("V: %d m: 1 lambda: 1", v), "phase: TEST")
			for _, phase := range []string{"TRAIN", "TEST"} {
				check(fmt.Sprintf("V: %d lambda: 0.4 hsic_scale: true", v), `top: "diversity" phase: `+phase)
				check(fmt.Sprintf("V: %d", v), `top: "diversity" phase: `+phase)
			}
		}
	}
}
