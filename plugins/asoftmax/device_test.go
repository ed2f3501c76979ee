package asoftmax_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) {
	counts := layertest.GoldenOn(t, reference.GoldenFS(t, "layers"), cudatest.Device(t), "MarginInnerProduct")
	if counts.Filtered == 0 && counts.Passed["MarginInnerProduct"] == 0 {
		t.Error("no case passed")
	}
}

// TestDevice compares the passes on a GPU with those on the host, for every
// margin. Several items are of one class.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	x, label := layertest.Gaussian(1, 20, 37), layertest.Values(make([]float32, 20), 20)
	clear(x.MutableData()[3*37 : 4*37]) // an item of length 0
	for i := range label.MutableData() {
		label.MutableData()[i] = float32(i * i % 7)
	}
	for _, typ := range []string{"SINGLE", "DOUBLE", "TRIPLE", "QUADRUPLE"} {
		layertest.CheckDevice(t, d, 2e-5, fmt.Sprintf(`layer { type: "MarginInnerProduct" bottom: "x" bottom: "label" top: "y" top: "lambda"
			margin_inner_product_param { num_output: 70 type: %s base: 5 gamma: 0.1 weight_filler { type: "xavier" } } }`, typ), x, label)
	}
}
