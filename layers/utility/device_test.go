package utility_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// deviceLayer is a layer of so many bottoms and tops.
func deviceLayer(bottoms, tops int, options string) string {
	var b strings.Builder
	for i := range bottoms {
		fmt.Fprintf(&b, `bottom: "x%d" `, i)
	}
	for i := range tops {
		fmt.Fprintf(&b, `top: "y%d" `, i)
	}
	return `layer { ` + b.String() + options + ` }`
}

// TestDevice compares the passes on a GPU with those on the host.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	g, nan := layertest.Gaussian, float32(math.NaN())
	for _, tt := range []struct {
		tops    int
		options string
		bottom  []*blob.Blob
	}{
		{1, `type: "Softmax"`, []*blob.Blob{g(1, 20, 10)}},
		{1, `type: "Softmax"`, []*blob.Blob{g(1, 3, 700)}},
		{1, `type: "Softmax"`, []*blob.Blob{g(1, 3, 70, 4, 5)}},
		{1, `type: "Split"`, []*blob.Blob{g(1, 3, 700)}},
		{2, `type: "Split"`, []*blob.Blob{g(1, 3, 700)}},
		{4, `type: "Split"`, []*blob.Blob{g(1, 3, 700)}},
		{1, `type: "Concat"`, []*blob.Blob{g(1, 3, 5, 7)}},
		{1, `type: "Concat"`, []*blob.Blob{g(1, 3, 50, 7), g(2, 3, 1, 7), g(3, 3, 12, 7)}},
		{1, `type: "Concat" concat_param { axis: 0 }`, []*blob.Blob{g(1, 3, 7), g(2, 200, 7)}},
		{1, `type: "Slice"`, []*blob.Blob{g(1, 3, 5, 7)}},
		{3, `type: "Slice" slice_param { slice_point: [2, 40] }`, []*blob.Blob{g(1, 3, 50, 7)}},
		{2, `type: "Slice" slice_param { axis: -1 }`, []*blob.Blob{g(1, 3, 5, 8)}},
		{1, `type: "Eltwise"`, []*blob.Blob{g(1, 3, 500), g(2, 3, 500), g(3, 3, 500)}},
		{1, `type: "Eltwise" eltwise_param { coeff: [0.5, -2, 3] }`, []*blob.Blob{g(1, 3, 5), g(2, 3, 5), g(3, 3, 5)}},
		{1, `type: "Eltwise" eltwise_param { operation: PROD }`, []*blob.Blob{g(1, 3, 5), g(2, 3, 5)}},
		{1, `type: "Eltwise" eltwise_param { operation: PROD }`, []*blob.Blob{g(1, 3, 5), g(2, 3, 5), g(3, 3, 5)}},
		{1, `type: "Eltwise" eltwise_param { operation: PROD stable_prod_grad: false }`, []*blob.Blob{g(1, 3, 5), g(2, 3, 5), g(3, 3, 5)}},
		{1, `type: "Eltwise" eltwise_param { operation: MAX }`, []*blob.Blob{g(1, 3, 500), g(2, 3, 500), g(3, 3, 500)}},
		{1, `type: "Flatten"`, []*blob.Blob{g(1, 3, 5, 7)}},
		{1, `type: "Reshape" reshape_param { shape { dim: 0 dim: 7 dim: -1 } }`, []*blob.Blob{g(1, 3, 5, 7)}},
		{1, `type: "ArgMax"`, []*blob.Blob{g(1, 30, 5, 7)}},
		{1, `type: "ArgMax" argmax_param { out_max_val: true }`, []*blob.Blob{g(1, 3, 50)}},
		{1, `type: "ArgMax" argmax_param { axis: 1 }`, []*blob.Blob{g(1, 3, 50, 7)}},
		{1, `type: "ArgMax" argmax_param { axis: 1 out_max_val: true }`, []*blob.Blob{g(1, 3, 50, 7)}},
		{1, `type: "ArgMax"`, []*blob.Blob{layertest.Values([]float32{nan, 1, 1, nan, 0, nan, nan, nan}, 2, 4)}},
		{1, `type: "Tile" tile_param { tiles: 3 }`, []*blob.Blob{g(1, 3, 50, 7)}},
		{1, `type: "Tile" tile_param { tiles: 300 axis: -1 }`, []*blob.Blob{g(1, 3, 1)}},
		{1, `type: "Reduction" reduction_param { coeff: 3 }`, []*blob.Blob{g(1, 3, 500)}},
		{1, `type: "Reduction" reduction_param { operation: MEAN axis: 1 }`, []*blob.Blob{g(1, 30, 5, 7)}},
		{1, `type: "Reduction" reduction_param { operation: ASUM axis: -1 coeff: -2 }`, []*blob.Blob{g(1, 3, 500)}},
		{1, `type: "Reduction" reduction_param { operation: SUMSQ axis: 1 }`, []*blob.Blob{g(1, 3, 500)}},
		{1, `type: "Crop" crop_param { offset: 2 }`, []*blob.Blob{g(1, 3, 5, 21, 19), g(2, 1, 1, 11, 12)}},
		{1, `type: "Crop" crop_param { axis: 0 offset: [1, 0, 3] }`, []*blob.Blob{g(1, 3, 5, 70), g(2, 2, 5, 60)}},
		{1, `type: "BatchReindex"`, []*blob.Blob{g(1, 7, 3, 50), layertest.Uniform(2, 0, 7, 300)}},
		{2, `type: "Filter"`, []*blob.Blob{g(1, 5, 50), g(2, 5), layertest.Values([]float32{0, 1, 1, 0, 2}, 5)}},
		{0, `type: "Silence"`, []*blob.Blob{g(1, 3, 5), g(2, 7)}},
	} {
		layertest.CheckDevice(t, d, 1e-5, deviceLayer(len(tt.bottom), tt.tops, tt.options), tt.bottom...)
	}
}

// TestDeviceMaxTies checks where the gradient of MAX goes if numbers are equal: as
// on the host.
func TestDeviceMaxTies(t *testing.T) {
	d, x := cudatest.Device(t), layertest.Values([]float32{1, 2, 3, 3, 3}, 5)
	layertest.CheckDevice(t, d, 0, deviceLayer(3, 1, `type: "Eltwise" eltwise_param { operation: MAX }`),
		x, layertest.Values([]float32{1, 1, 3, 2, 4}, 5), layertest.Values([]float32{1, 2, 3, 3, 4}, 5))
}

// TestDeviceReindexRange checks that a number of no item is found on a device.
func TestDeviceReindexRange(t *testing.T) {
	f, err := layertest.SetUp(&layers.Env{Device: cudatest.Device(t)}, deviceLayer(2, 1, `name: "l" type: "BatchReindex"`),
		layertest.Gaussian(1, 3, 2), layertest.Values([]float32{0, 2, 3, 7}, 4))
	if err != nil {
		t.Fatal(err)
	}
	const want = "element 2 is 3, want 0 to 2"
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}
