package normface_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestBPNorm checks that the gradient of the length is added only with bp_norm.
func TestBPNorm(t *testing.T) {
	for options, want := range map[string][]float32{"": {0, 0}, "bp_norm: true": {5 * 0.6, 5 * 0.8}} {
		f := layertest.New(t, layer("Normalize", 1, 2, "normalize_param { "+options+" }"), layertest.Values([]float32{3, 4}, 1, 2))
		f.Top[1].MutableDiff()[0] = 5
		equal(t, options+": gradient", pass(t, f), want...)
	}
}

// TestNormalizeZero checks that features of length 0 stay finite.
func TestNormalizeZero(t *testing.T) {
	for _, typ := range []string{"L1", "L2"} {
		x := layertest.Values(make([]float32, 3), 1, 3)
		f := layertest.New(t, layer("Normalize", 1, 1, "normalize_param { normalize_type: \""+typ+"\" }"), x)
		pass(t, f)
		equal(t, typ, f.Top[0].Data(), 0, 0, 0)
		equal(t, typ+": gradient", x.Diff(), 0, 0, 0)
	}
}
