package centerloss_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) {
	counts := layertest.GoldenOn(t, reference.GoldenFS(t, "layers"), cudatest.Device(t), "CenterLoss")
	if counts.Filtered == 0 && counts.Passed["CenterLoss"] == 0 {
		t.Error("no case passed")
	}
}

// TestDevice compares the passes on a GPU with those on the host. Several items share
// a class.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	x, label := layertest.Gaussian(1, 20, 300), layertest.Values(make([]float32, 20), 20)
	for i := range label.MutableData() {
		label.MutableData()[i] = float32(i * i % 7)
	}
	for _, typ := range []string{"L1", "L2"} {
		layertest.CheckDevice(t, d, 1e-5, `layer { type: "CenterLoss" bottom: "x" bottom: "label" top: "loss" loss_weight: 0.3
			center_loss_param { num_output: 9 distance_type: "`+typ+`" center_filler { type: "gaussian" std: 1 } } }`, x, label)
	}
}
