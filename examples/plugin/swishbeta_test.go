package swishbeta

import (
	"fmt"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

const text = `layer {
  name: "swish" type: "SwishBeta" bottom: "x" top: "y"
  swish_beta_param { filler { type: "uniform" min: 0.5 max: 2 } }
}`

// TestFormula compares the layer with the formula in float64.
func TestFormula(t *testing.T) {
	f := layertest.New(t, text, layertest.Gaussian(1, 3, 4, 5))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	for i, x := range f.Bottom[0].Data() {
		beta := float64(f.Params()[0].Data()[i/5%4])
		want := float64(x) / (1 + math.Exp(-beta*float64(x)))
		if got := float64(f.Top[0].Data()[i]); !(math.Abs(got-want) <= 1e-6*max(1, math.Abs(want))) {
			t.Errorf("y[%d] is %v, want %v", i, got, want)
		}
	}
}

func TestGradient(t *testing.T) {
	for _, shape := range [][]int{{1, 1}, {3, 5}, {2, 3, 2, 3}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			layertest.CheckGradient(t, layertest.New(t, text, layertest.Gaussian(1701, shape...)), layertest.GradientOptions{})
		})
	}
}

func TestPromises(t *testing.T) {
	x := layertest.Gaussian(1701, 8, 16, 10, 10)
	layertest.CheckThreads(t, text, x)
	layertest.CheckAllocs(t, text, x)
}

func TestErrors(t *testing.T) {
	layertest.CheckError(t, 1, `layer "l": bottom has shape [3], want at least 2 axes`,
		`layer { name: "l" type: "SwishBeta" bottom: "x" top: "y" }`, layertest.Gaussian(1, 3))
	layertest.CheckError(t, 4, `layer "l": top 0 is also bottom 0: layers of type SwishBeta do not work in place`, `layer {
  name: "l"
  type: "SwishBeta" bottom: "x"
  top: "x"
}`, layertest.Gaussian(1, 3, 2))
}
