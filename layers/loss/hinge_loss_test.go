package loss

import (
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestHingeLossDiffBetweenPasses checks that the diff of the scores may be
// overwritten between the passes, which Caffe does not allow.
func TestHingeLossDiffBetweenPasses(t *testing.T) {
	f := layertest.New(t, `layer { type: "HingeLoss" bottom: "x" bottom: "t" top: "l" hinge_loss_param { norm: L2 } }`,
		layertest.Values([]float32{0.5, -3, 0.25, 2}, 2, 2), layertest.Values([]float32{0, 1}, 2))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	// Margins: 0.5, 0; 1.25, 0.
	if got, want := f.Top[0].Data()[0], float32((0.25+1.5625)/2); got != want {
		t.Errorf("loss %g, want %g", got, want)
	}
	for i := range f.Bottom[0].MutableDiff() {
		f.Bottom[0].MutableDiff()[i] = float32(math.NaN())
	}
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{-0.5, 0, 1.25, 0} { // 2/N times the margin
		if got := f.Bottom[0].Diff()[i]; got != want {
			t.Errorf("diff[%d] = %g, want %g", i, got, want)
		}
	}
}
