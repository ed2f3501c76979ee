package normface_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestUpdateCenterOnly checks that a center learns only from the items of its class,
// with learned and with given centers.
func TestUpdateCenterOnly(t *testing.T) {
	const options = "inner_distance_param { num_output: 2 update_center_only: true"
	x, label := layertest.Values([]float32{1, 2, 5, 7}, 4, 1), layertest.Values([]float32{0, 1, 0, 0}, 4)
	dy := []float32{1, 10, 2, 20, 3, 30, 4, 40}

	f := layertest.New(t, layer("InnerDistance", 2, 1, options+" weight_filler { value: 1 } }"), x, label)
	copy(f.Top[0].MutableDiff(), dy)
	pass(t, f)
	equal(t, "distances", f.Top[0].Data(), 0, 0, 1, 1, 16, 16, 36, 36)
	equal(t, "gradient of the centers", f.Params()[0].Diff(), 2*(1*0+3*(1-5)+4*(1-7)), 2*20*(1-2))
	equal(t, "gradient of the items", x.Diff(), 0, 2*(2+20)*1, 2*(3+30)*4, 2*(4+40)*6)

	centers := layertest.Values([]float32{1, 1}, 2, 1)
	f = layertest.New(t, layer("InnerDistance", 3, 1, options+` distance_type: "L1" }`), x, centers, label)
	copy(f.Top[0].MutableDiff(), dy)
	pass(t, f)
	equal(t, "distances", f.Top[0].Data(), 0, 0, 1, 1, 4, 4, 6, 6)
	equal(t, "gradient of the centers", centers.Diff(), -3-4, -20)
	equal(t, "gradient of the items", x.Diff(), 0, 22, 33, 44)
	if len(f.Params()) != 0 {
		t.Errorf("layer with given centers has %d blobs of weights", len(f.Params()))
	}
}

// TestSmallDistance checks that a distance that is small compared with the elements
// keeps its digits.
func TestSmallDistance(t *testing.T) {
	f := layertest.New(t, layer("InnerDistance", 2, 1, ""), layertest.Values([]float32{1000, 1000.0625}, 1, 2), layertest.Values([]float32{1000, 1000}, 1, 2))
	pass(t, f)
	equal(t, "distance", f.Top[0].Data(), 0.0625*0.0625)
}
