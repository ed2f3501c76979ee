package utility_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestDevice compares the passes on a GPU with those on the host.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, shape := range [][]int{{20, 10}, {3, 700}, {3, 70, 4, 5}} {
		layertest.CheckDevice(t, d, 1e-5, `layer { type: "Softmax" bottom: "x" top: "y" }`, layertest.Gaussian(1, shape...))
	}
}
