package activation_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestDevice compares the passes on a GPU with those on the host, also in place.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range cases {
		for _, shape := range [][]int{{3, 5}, {2, 3, 19, 21}} {
			x := layertest.Gaussian(1, shape...)
			layertest.CheckDevice(t, d, 1e-5, layer(c.layer, "y"), x)
			if c.layer[:11] != `type: "Powe` || c.name == "Power/1" {
				layertest.CheckDevice(t, d, 1e-5, layer(c.layer, "x"), x)
			}
		}
	}
	layertest.CheckDevice(t, d, 1e-5, layer(`type: "Power" power_param { power: 2 scale: 2 shift: 4 }`, "y"), layertest.Values([]float32{-2, 1, 3}, 3))
	for _, top := range []string{"x", "y"} {
		layertest.CheckDevice(t, d, 0, layer(`type: "Threshold" threshold_param { threshold: 0.3 }`, top), layertest.Gaussian(1, 3, 5, 7))
	}
	wide := layertest.Values([]float32{-100, -50, -17, -0.001, 0, 1e-6, 30, 80, 100}, 3, 3)
	for _, typ := range []string{"BNLL", "Swish", "ELU", "AbsVal"} {
		layertest.CheckDevice(t, d, 1e-5, layer(`type: "`+typ+`"`, "y"), wide)
	}
	for _, options := range []string{`power: 0 shift: -2`, `power: 3 scale: 0 shift: 2`} {
		layertest.CheckDevice(t, d, 0, layer(`type: "Power" power_param { `+options+` }`, "y"), layertest.Gaussian(1, 2, 3))
	}
}
