package layertest_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/testdata"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestGoldenDevice runs the golden cases on a GPU, also those of layers that run
// on the host.
func TestGoldenDevice(t *testing.T) {
	dir := testdata.Golden(t, "layers")
	layertest.GoldenOn(t, dir, cudatest.Device(t))
}

// TestCheckDeviceFinds checks that a layer without a version for a GPU is named,
// and that one with it passes.
func TestCheckDeviceFinds(t *testing.T) {
	d, x := cudatest.Device(t), layertest.Gaussian(1, 2, 3)
	if got := record(t, func(r testing.TB) { layertest.CheckDevice(r, d, 1e-5, text(""), x) }); got != "type Square runs on the host\n" {
		t.Errorf("a layer of the host: %q", got)
	}
	if got := record(t, func(r testing.TB) {
		layertest.CheckDevice(r, d, 1e-5, `layer { type: "ReLU" bottom: "x" top: "y" }`, x)
	}); got != "" {
		t.Errorf("ReLU: %s", got)
	}
}
