package bn_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) { golden(t, cudatest.Device(t)) }

// TestDevice compares the passes on a GPU with those on the host, also in place.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	const fillers = `slope_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } eps: 0.01`
	for _, text := range []string{
		`bn_param { ` + fillers + ` }`,
		`bn_param { ` + fillers + ` momentum: 0.3 frozen: true }`,
		`bn_param { ` + fillers + ` } phase: TEST`,
		`param {} param { lr_mult: 0 } bn_param { ` + fillers + ` }`,
	} {
		for _, shape := range [][]int{{4, 18, 5, 5}, {130, 33}} {
			for _, top := range []string{"y", "x"} {
				text := `layer { type: "BN" bottom: "x" top: "` + top + `" ` + text + " }\n# gocaffe: dialect lsoftmax"
				layertest.CheckDevice(t, d, 1e-5, text, layertest.Gaussian(1, shape...))
				layertest.CheckDevice(t, d, 1e-5, pspnet(text), layertest.Gaussian(1, shape...))
			}
		}
	}
}
