package common_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestParameter checks that the top is the weights, wherever these are, and that
// gradients add up.
func TestParameter(t *testing.T) {
	f := layertest.New(t, `layer { name: "p" type: "Parameter" top: "w"
		parameter_param { shape { dim: 2 dim: 3 } blob_filler { value: 4 } } }`)
	for pass := range 2 {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		copy(f.Top[0].MutableDiff(), []float32{1, 2, 3, 4, 5, 6})
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		if got, want := f.Params()[0].Diff()[5], float32(6*(pass+1)); got != want {
			t.Errorf("after pass %d the gradient of the last weight is %g, want %g", pass, got, want)
		}
	}
	if got := f.Top[0].Data()[5]; got != 4 {
		t.Errorf("top is %g, want the filler's 4", got)
	}
	f.Layer.(layers.ParamPropagator).SetParamPropagateDown(0, false)
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if got := f.Params()[0].Diff()[5]; got != 12 {
		t.Errorf("the gradient of weights that are not trained is %g, want the 12 of before", got)
	}
	f.Params()[0].MutableData()[5] = 9
	if got := f.Top[0].Data()[5]; got != 9 {
		t.Errorf("top is %g after the weight was set to 9", got)
	}
	layertest.CheckError(t, 1, `layer "p": got shape [2 0], want sizes from 1 to 2147483647`,
		`layer { name: "p" type: "Parameter" top: "w" parameter_param { shape { dim: 2 dim: 0 } } }`)
	layertest.CheckError(t, 2, `layer "p": unknown filler type "gausian", did you mean "gaussian"? (known types: constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear, gaussian_unitball)`,
		"layer { name: \"p\" type: \"Parameter\" top: \"w\" parameter_param { shape { dim: 2 }\nblob_filler { type: \"gausian\" } } }")
	layertest.CheckError(t, 1, `layer "p": shape is missing, want that of the weights`, `layer { name: "p" type: "Parameter" top: "w" }`)
	const big = `layer { type: "Parameter" top: "w" parameter_param { shape { dim: 301 dim: 170 } blob_filler { type: "gaussian_unitball" } } }`
	layertest.CheckThreads(t, big)
	layertest.CheckAllocs(t, big)
}
