package utility

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/common" // Bias is in front of some golden cases
	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestGolden(t *testing.T) {
	counts := layertest.Golden(t, reference.GoldenFS(t, "layers"))
	if counts.Filtered > 0 {
		return
	}
	for _, typ := range utilityTypes() {
		if counts.Passed[typ] < 3 {
			t.Errorf("%s: %d cases passed, want at least 3", typ, counts.Passed[typ])
		}
	}
}

// utilityTypes returns the types of this package.
func utilityTypes() []string {
	pkg := layers.Lookup("Concat").Package()
	return slices.DeleteFunc(layers.Types(), func(typ string) bool { return layers.Lookup(typ).Package() != pkg })
}

// layer returns the text of a layer named l with so many bottoms and tops.
func layer(typ string, bottoms, tops int, options string) string {
	text := fmt.Sprintf("layer {\n  name: \"l\" type: %q", typ)
	for i := range bottoms {
		text += fmt.Sprintf("\n  bottom: \"x%d\"", i)
	}
	for i := range tops {
		text += fmt.Sprintf("\n  top: \"y%d\"", i)
	}
	return text + "\n  " + options + "\n}"
}

// gaussians returns a blob of each shape.
func gaussians(shapes ...[]int) []*blob.Blob {
	var blobs []*blob.Blob
	for i, shape := range shapes {
		blobs = append(blobs, layertest.Gaussian(uint64(i+1), shape...))
	}
	return blobs
}

func TestGradient(t *testing.T) {
	three := [][]int{{2, 3, 2}, {2, 3, 2}, {2, 3, 2}}
	// At least 0.05 apart, so that a step does not change which is the largest.
	apart := []*blob.Blob{
		layertest.Values([]float32{0, 1, 2, 0.5}, 4),
		layertest.Values([]float32{1, 0.9, 2.1, 0.4}, 4),
		layertest.Values([]float32{0.5, 1.2, -1, 0.3}, 4),
	}
	awayFromZero := []*blob.Blob{layertest.Uniform(1, 0.5, 2, 2, 5), layertest.Uniform(2, -2, -0.5, 2, 5)}
	for _, c := range []struct {
		name, text string
		bottom     []*blob.Blob
	}{
		{"split", layer("Split", 1, 3, ""), gaussians([]int{3, 5})},
		{"split one", layer("Split", 1, 1, ""), gaussians([]int{3, 5})},
		{"concat", layer("Concat", 3, 1, ""), gaussians([]int{2, 1, 3}, []int{2, 4, 3}, []int{2, 2, 3})},
		{"concat items", layer("Concat", 2, 1, "concat_param { axis: 0 }"), gaussians([]int{2, 3}, []int{1, 3})},
		{"concat last", layer("Concat", 2, 1, "concat_param { axis: -1 }"), gaussians([]int{2, 3, 1}, []int{2, 3, 2})},
		{"concat one", layer("Concat", 1, 1, ""), gaussians([]int{2, 3})},
		{"slice", layer("Slice", 1, 3, ""), gaussians([]int{2, 6, 2})},
		{"slice points", layer("Slice", 1, 3, "slice_param { slice_point: 1 slice_point: 4 axis: -1 }"), gaussians([]int{2, 2, 5})},
		{"slice one", layer("Slice", 1, 1, ""), gaussians([]int{2, 3})},
		{"sum", layer("Eltwise", 3, 1, ""), gaussians(three...)},
		{"sum coeff", layer("Eltwise", 3, 1, "eltwise_param { coeff: 2 coeff: -0.5 coeff: 1 }"), gaussians(three...)},
		{"prod", layer("Eltwise", 3, 1, "eltwise_param { operation: PROD }"), gaussians(three...)},
		{"prod divided", layer("Eltwise", 2, 1, "eltwise_param { operation: PROD stable_prod_grad: false }"), awayFromZero},
		{"max", layer("Eltwise", 3, 1, "eltwise_param { operation: MAX }"), apart},
		{"flatten", layer("Flatten", 1, 1, ""), gaussians([]int{2, 3, 2})},
		{"reshape", layer("Reshape", 1, 1, "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }"), gaussians([]int{2, 6})},
		{"silence", layer("Silence", 2, 0, ""), gaussians([]int{2, 3}, []int{4})},
		{"tile", layer("Tile", 1, 1, "tile_param { tiles: 3 }"), gaussians([]int{2, 3, 2})},
		{"tile last", layer("Tile", 1, 1, "tile_param { tiles: 4 axis: -1 }"), gaussians([]int{2, 3})},
		{"tile once", layer("Tile", 1, 1, "tile_param { tiles: 1 axis: 0 }"), gaussians([]int{5})},
		{"sum of all", layer("Reduction", 1, 1, "reduction_param { coeff: -2 }"), gaussians([]int{2, 3, 2})},
		{"mean of rows", layer("Reduction", 1, 1, "reduction_param { operation: MEAN axis: 1 }"), gaussians([]int{2, 3, 2})},
		{"sum of squares", layer("Reduction", 1, 1, "reduction_param { operation: SUMSQ axis: -1 }"), gaussians([]int{2, 3})},
		{"sum of magnitudes", layer("Reduction", 1, 1, "reduction_param { operation: ASUM axis: 1 coeff: 3 }"), []*blob.Blob{awayFromZero[1]}},
		{"crop", layer("Crop", 2, 1, ""), gaussians([]int{2, 3, 5, 4}, []int{1, 1, 3, 2})},
		{"crop offset", layer("Crop", 2, 1, "crop_param { offset: 1 }"), gaussians([]int{2, 3, 5, 4}, []int{1, 1, 3, 2})},
		{"crop offsets", layer("Crop", 2, 1, "crop_param { axis: 1 offset: 2 offset: 0 offset: 1 }"), gaussians([]int{2, 3, 5, 4}, []int{7, 1, 2, 3})},
		{"crop vector", layer("Crop", 2, 1, "crop_param { axis: -1 offset: 3 }"), gaussians([]int{6}, []int{2})},
		{"reindex", layer("BatchReindex", 2, 1, ""), []*blob.Blob{layertest.Gaussian(1, 3, 2, 2), layertest.Values([]float32{2, 0, 0, 2, 2}, 5)}},
		{"reindex none", layer("BatchReindex", 2, 1, ""), []*blob.Blob{layertest.Gaussian(1, 3, 2), layertest.Values(nil, 0)}},
		{"filter", layer("Filter", 3, 2, ""), []*blob.Blob{layertest.Gaussian(1, 4, 3), layertest.Gaussian(2, 4), layertest.Values([]float32{1, 0, 0, -1}, 4, 1)}},
		{"filter all", layer("Filter", 2, 1, ""), []*blob.Blob{layertest.Gaussian(1, 4, 3), layertest.Values([]float32{1, 2, 3, 4}, 4)}},
		{"softmax", layer("Softmax", 1, 1, ""), gaussians([]int{3, 4})},
		{"softmax places", layer("Softmax", 1, 1, ""), gaussians([]int{2, 4, 3})},
		{"softmax in place", `layer { type: "Softmax" bottom: "x" top: "x" }`, gaussians([]int{2, 4, 3})},
	} {
		t.Run(c.name, func(t *testing.T) {
			layertest.CheckGradient(t, layertest.New(t, c.text, c.bottom...), layertest.GradientOptions{})
		})
	}
}

// big are layers with blobs that are several parts for every loop.
func big() map[string][]*blob.Blob {
	const rows, width = 30, 2500
	shape := []int{rows, width}
	return map[string][]*blob.Blob{
		layer("Split", 1, 3, ""):                                                gaussians(shape),
		layer("Concat", 2, 1, ""):                                               gaussians(shape, []int{rows, 100}),
		layer("Concat", 2, 1, "concat_param { axis: 0 }"):                       gaussians(shape, shape),
		layer("Slice", 1, 2, "slice_param { slice_point: 100 }"):                gaussians(shape),
		layer("Eltwise", 3, 1, "eltwise_param { coeff: [1,2,3] }"):              gaussians(shape, shape, shape),
		layer("Eltwise", 2, 1, "eltwise_param { operation: MAX }"):              gaussians(shape, shape),
		layer("Eltwise", 2, 1, "eltwise_param { operation: PROD }"):             gaussians(shape, shape),
		layer("Flatten", 1, 1, ""):                                              gaussians([]int{3, 4, 5}),
		layer("Reshape", 1, 1, "reshape_param { shape { dim: -1 dim: 6 } }"):    gaussians([]int{3, 4, 5}),
		layer("Silence", 1, 0, ""):                                              gaussians(shape),
		layer("Softmax", 1, 1, ""):                                              gaussians(shape),
		layer("Tile", 1, 1, "tile_param { tiles: 3 }"):                          gaussians(shape),
		layer("Tile", 1, 1, "tile_param { tiles: 3 axis: 0 }"):                  gaussians(shape),
		layer("Reduction", 1, 1, ""):                                            gaussians(shape),
		layer("Reduction", 1, 1, "reduction_param { axis: 1 operation: ASUM }"): gaussians(shape),
		layer("Reduction", 1, 1, "reduction_param { operation: SUMSQ }"):        gaussians(shape),
		layer("Crop", 2, 1, "crop_param { axis: 0 offset: 1 offset: 40 }"):      gaussians(shape, []int{rows - 2, width - 100}),
		layer("BatchReindex", 2, 1, ""):                                         {layertest.Gaussian(1, shape...), layertest.Uniform(2, 0, rows, 70)},
		layer("Filter", 3, 2, ""):                                               {layertest.Gaussian(1, shape...), layertest.Gaussian(2, shape...), layertest.Values(everyThird(rows), rows)},
		layer("Softmax", 1, 1, "softmax_param { axis: 0 }"):                     gaussians(shape),
		layer("ArgMax", 1, 1, "argmax_param { top_k: 3 }"):                      gaussians(shape),
		layer("ArgMax", 1, 1, "argmax_param { axis: 0 }"):                       gaussians(shape),
	}
}

// everyThird returns n numbers, of which every third is 0.
func everyThird(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i % 3)
	}
	return x
}

func TestThreads(t *testing.T) {
	for text, bottom := range big() {
		layertest.CheckThreads(t, text, bottom...)
	}
}

func TestAllocs(t *testing.T) {
	for text, bottom := range big() {
		layertest.CheckAllocs(t, text, bottom...)
	}
}

// TestErrors checks that what does not fit is an error with its place, not a
// crash. Lines: 1 is the layer, then come the name, the bottoms, the tops and the
// options.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		want       string
		bottom     [][]int
	}{
		{"concat shape", layer("Concat", 2, 1, ""), 4, `got shape [2 3 5], want that of the first bottom, [2 3 4], except for axis 1`, [][]int{{2, 3, 4}, {2, 3, 5}}},
		{"concat axes", layer("Concat", 2, 1, ""), 4, `got shape [2 3], want that of the first bottom, [2 3 4], except for axis 1`, [][]int{{2, 3, 4}, {2, 3}}},
		{"concat axis", layer("Concat", 2, 1, "concat_param { axis: 2 }"), 6, `axis 2 is out of range for the 2 axes of shape [2 3]`, [][]int{{2, 3}, {2, 3}}},
		{"concat_dim", layer("Concat", 2, 1, "concat_param { concat_dim: 4 }"), 6, `axis 4 is out of range for the 2 axes of shape [2 3]`, [][]int{{2, 3}, {2, 3}}},
		{"concat_dim negative", layer("Concat", 2, 1, "concat_param { concat_dim: 4294967295 }"), 6, `got concat_dim 4294967295, want 0 or more`, [][]int{{2, 3}, {2, 3}}},
		{"concat both", layer("Concat", 2, 1, "concat_param { axis: 1 concat_dim: 2 }"), 6, `got both axis 1 and concat_dim 2, want one of them`, [][]int{{2, 3}, {2, 3}}},
		{"concat in place", `layer { name: "l" type: "Concat" bottom: "x" bottom: "y" top: "y" }`, 1, `top 0 is also bottom 1: layers of type Concat do not work in place`, [][]int{{2, 3}, {2, 3}}},

		{"slice count", layer("Slice", 1, 2, "slice_param { slice_point: 1 slice_point: 2 }"), 6, `got 2 slice points for 2 tops, want 1 or none`, [][]int{{2, 6}}},
		{"slice order", layer("Slice", 1, 3, "slice_param { slice_point: 3\n slice_point: 3 }"), 8, `got slice_point 3, want more than 3: the points must ascend`, [][]int{{2, 6}}},
		{"slice zero", layer("Slice", 1, 2, "slice_param { slice_point: 0 }"), 6, `got slice_point 0, want more than 0: the points must ascend`, [][]int{{2, 6}}},
		{"slice beyond", layer("Slice", 1, 2, "slice_param { slice_point: 7 }"), 6, `got last slice_point 7 of 2 tops, want both at most 6, the size of axis 1`, [][]int{{2, 6}}},
		{"slice too many", layer("Slice", 1, 3, "slice_param { slice_point: 1 slice_point: 2 }"), 7, `got last slice_point 2 of 3 tops, want both at most 2, the size of axis 1`, [][]int{{2, 2}}},
		{"slice uneven", layer("Slice", 1, 2, ""), 1, `axis 1 has size 5, which 2 tops cannot share equally: want a multiple of 2, or slice points`, [][]int{{2, 5}}},
		{"slice axis", layer("Slice", 1, 2, "slice_param { axis: -3 }"), 6, `axis -3 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}}},
		{"slice both", layer("Slice", 1, 2, "slice_param { axis: 1 slice_dim: 1 }"), 6, `got both axis 1 and slice_dim 1, want one of them`, [][]int{{2, 6}}},

		{"eltwise shape", layer("Eltwise", 2, 1, ""), 4, `got shape [6], want that of the first bottom, [2 3]`, [][]int{{2, 3}, {6}}},
		{"eltwise coeff", layer("Eltwise", 2, 1, "eltwise_param { coeff: 1 }"), 6, `got 1 coefficients for 2 bottoms, want 2 or none`, [][]int{{2}, {2}}},
		{"eltwise coeff of PROD", layer("Eltwise", 2, 1, "eltwise_param { operation: PROD coeff: 1 coeff: 1 }"), 6, `got coefficients for operation PROD, want them for SUM only`, [][]int{{2}, {2}}},
		{"eltwise in place", `layer { name: "l" type: "Eltwise" bottom: "x" bottom: "y" top: "x" }`, 1, `top 0 is also bottom 0: layers of type Eltwise do not work in place`, [][]int{{2}, {2}}},

		{"flatten axis", layer("Flatten", 1, 1, "flatten_param { axis: 2 }"), 5, `axis 2 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}}},
		{"flatten end", layer("Flatten", 1, 1, "flatten_param { end_axis: 2 }"), 5, `axis 2 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}}},
		{"flatten order", layer("Flatten", 1, 1, "flatten_param { axis: 2 end_axis: 0 }"), 5, `got end_axis 0 before axis 2, want the same axis or a later one`, [][]int{{2, 6, 2}}},
		{"flatten in place", `layer { name: "l" type: "Flatten" bottom: "x" top: "x" }`, 1, `top 0 is also bottom 0: layers of type Flatten do not work in place`, [][]int{{2, 6}}},

		{"reshape count", layer("Reshape", 1, 1, "reshape_param { shape { dim: 5 } }"), 5, `got shape [5] of 5 elements for a bottom of shape [2 6], want 12 elements`, [][]int{{2, 6}}},
		{"reshape divide", layer("Reshape", 1, 1, "reshape_param { shape { dim: 5\n dim: -1 } }"), 6, `cannot infer dim -1: the bottom of shape [2 6] has 12 elements, want a multiple of the product of the other sizes of [5 -1]`, [][]int{{2, 6}}},
		// The product of these sizes is 2⁶⁴ + 4.
		{"reshape overflow", layer("Reshape", 1, 1, "reshape_param { shape { dim: 111620 dim: 429509837 dim: 384773 dim: -1 } }"), 5, `cannot infer dim -1: the bottom of shape [2 6] has 12 elements, want a multiple of the product of the other sizes of [111620 429509837 384773 -1]`, [][]int{{2, 6}}},
		{"reshape two -1", layer("Reshape", 1, 1, "reshape_param { shape { dim: -1 dim: -1 } }"), 5, `got a second dim of -1, want one at most`, [][]int{{2, 6}}},
		{"reshape negative", layer("Reshape", 1, 1, "reshape_param { shape { dim: 12\n dim: -2 } }"), 6, `got dim -2, want a size, 0 or -1`, [][]int{{2, 6}}},
		{"reshape huge", layer("Reshape", 1, 1, "reshape_param { shape { dim: 4294967308 } }"), 5, `got dim 4294967308, want a size, 0 or -1`, [][]int{{2, 6}}},
		{"reshape copy", layer("Reshape", 1, 1, "reshape_param { shape { dim: 2 dim: 6 dim: 0 } }"), 5, `got dim 0, which copies axis 2, but the bottom has shape [2 6]`, [][]int{{2, 6}}},
		{"reshape axis", layer("Reshape", 1, 1, "reshape_param { axis: -4 }"), 5, `got axis -4, want -3 to 2 for a bottom of shape [2 6]`, [][]int{{2, 6}}},
		{"reshape num_axes", layer("Reshape", 1, 1, "reshape_param { axis: 1 num_axes: 2 }"), 5, `got num_axes 2 from axis 1 on, want at most 1 for a bottom of shape [2 6]`, [][]int{{2, 6}}},
		{"reshape num_axes negative", layer("Reshape", 1, 1, "reshape_param { num_axes: -2 }"), 5, `got num_axes -2, want 0 or more, or -1 for all`, [][]int{{2, 6}}},
		{"reshape in place", `layer { name: "l" type: "Reshape" bottom: "x" top: "x" }`, 1, `top 0 is also bottom 0: layers of type Reshape do not work in place`, [][]int{{2, 6}}},

		{"tiles", layer("Tile", 1, 1, ""), 1, `tiles is not given`, [][]int{{2, 6}}},
		{"tiles 0", layer("Tile", 1, 1, "tile_param { tiles: 0 }"), 5, `got tiles 0, want at least 1`, [][]int{{2, 6}}},
		{"tile axis", layer("Tile", 1, 1, "tile_param { tiles: 2 axis: 2 }"), 5, `axis 2 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}}},
		{"tile in place", `layer { name: "l" type: "Tile" bottom: "x" top: "x" tile_param { tiles: 1 } }`, 1, `top 0 is also bottom 0: layers of type Tile do not work in place`, [][]int{{2, 6}}},
		{"reduction axis", layer("Reduction", 1, 1, "reduction_param { axis: 2 }"), 5, `axis 2 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}}},
		{"crop axis", layer("Crop", 2, 1, ""), 1, `axis 2 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}, {2, 6}}},
		{"crop axes", layer("Crop", 2, 1, ""), 4, `got shape [2 3], want 3 axes as the first bottom has`, [][]int{{2, 6, 7}, {2, 3}}},
		{"crop offsets", layer("Crop", 2, 1, "crop_param { axis: 0 offset: 1 offset: 1 }"), 6, `got 2 offsets, want one, or one for each of the 3 axes from 0 on`, [][]int{{2, 6, 7}, {2, 3, 1}}},
		{"crop size", layer("Crop", 2, 1, "crop_param { offset: 3 }"), 4, `axis 2 has size 5 there and 7 in the first bottom: too large with offset 3`, [][]int{{2, 6, 7}, {2, 3, 5}}},
		{"crop offset", layer("Crop", 2, 1, "crop_param { offset: 4294967295 }"), 4, `axis 2 has size 5 there and 7 in the first bottom: too large with offset 4294967295`, [][]int{{2, 6, 7}, {2, 3, 5}}},
		{"reindex axes", layer("BatchReindex", 2, 1, ""), 4, `got shape [5 1], want one axis`, [][]int{{2, 6}, {5, 1}}},
		{"reindex scalar", layer("BatchReindex", 2, 1, ""), 3, `got a scalar, want at least one axis`, [][]int{{}, {5}}},
		{"filter tops", layer("Filter", 3, 1, ""), 6, `layer has 3 bottoms and 1 tops, want a top for each bottom but the last`, [][]int{{2}, {2}, {2}}},
		{"filter selector", layer("Filter", 2, 1, ""), 4, `got shape [2 3], want one number for each item`, [][]int{{2}, {2, 3}}},
		{"filter items", layer("Filter", 2, 1, ""), 3, `got shape [3 6], want 2 items, as the last bottom has`, [][]int{{3, 6}, {2}}},

		{"softmax axis", layer("Softmax", 1, 1, "softmax_param { axis: 2 }"), 5, `axis 2 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}}},
		{"argmax top_k", layer("ArgMax", 1, 1, "argmax_param { top_k: 7 }"), 5, `got top_k 7 for a bottom of shape [2 6], want at most 6`, [][]int{{2, 6}}},
		{"argmax top_k of axis", layer("ArgMax", 1, 1, "argmax_param { top_k: 3 axis: 0 }"), 5, `got top_k 3 for a bottom of shape [2 6], want at most 2`, [][]int{{2, 6}}},
		{"argmax top_k 0", layer("ArgMax", 1, 1, "argmax_param { top_k: 0 }"), 5, `got top_k 0, want at least 1`, [][]int{{2, 6}}},
		{"softmax type", layer("Softmax", 1, 1, `softmax_param { normalize_type: "L1" }`), 5, `normalize_type is "L1", only "Softmax" is supported`, [][]int{{2, 6}}},
		{"argmax axis", layer("ArgMax", 1, 1, "argmax_param { axis: 2 }"), 5, `axis 2 is out of range for the 2 axes of shape [2 6]`, [][]int{{2, 6}}},
		{"argmax scalar", layer("ArgMax", 1, 1, ""), 3, `got a scalar, want at least 1 axis`, [][]int{{}}},
		{"split in place", `layer { name: "l" type: "Split" bottom: "x" top: "y" top: "x" }`, 1, `top 1 is also bottom 0: layers of type Split do not work in place`, [][]int{{2, 6}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			layertest.CheckError(t, c.line, `layer "l": `+c.want, c.text, gaussians(c.bottom...)...)
		})
	}
}

// TestReindexRange feeds numbers that are not those of an item.
func TestReindexRange(t *testing.T) {
	for _, v := range []float32{3, -1, 1e10, float32(math.NaN())} {
		f := layertest.New(t, layer("BatchReindex", 2, 1, ""), layertest.Gaussian(1, 3, 2), layertest.Values([]float32{0, v}, 2))
		want := fmt.Sprintf(`layer.prototxt:4:11: layer "l": element 1 is %v, want 0 to 2, the number of an item of the first bottom`, v)
		if err := f.Forward(); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestFilterChanges lets other items pass in each pass: some, none, all.
func TestFilterChanges(t *testing.T) {
	f := layertest.New(t, layer("Filter", 2, 1, ""), layertest.Values([]float32{1, 2, 3, 4, 5, 6}, 3, 2), layertest.Values([]float32{1, 1, 1}, 3))
	if !f.Top[0].ShapeEqual([]int{3, 2}) {
		t.Errorf("shape before the first pass is %v, want [3 2]", f.Top[0].Shape())
	}
	for _, c := range []struct{ selector, want, diff []float32 }{
		{[]float32{0, 1, 0}, []float32{3, 4}, []float32{0, 0, 7, 7, 0, 0}},
		{[]float32{0, 0, 0}, nil, []float32{0, 0, 0, 0, 0, 0}},
		{[]float32{5, 5, 5}, []float32{1, 2, 3, 4, 5, 6}, []float32{7, 7, 7, 7, 7, 7}},
		{[]float32{1, 0, 2}, []float32{1, 2, 5, 6}, []float32{7, 7, 0, 0, 7, 7}},
	} {
		copy(f.Bottom[1].MutableData(), c.selector)
		if err := f.Layer.Forward(t.Context(), f.Bottom, f.Top); err != nil {
			t.Fatal(err)
		}
		if got := f.Top[0].Shape(); got[0] != len(c.want)/2 || got[1] != 2 {
			t.Errorf("%v: shape %v, want [%d 2]", c.selector, got, len(c.want)/2)
		}
		same(t, "top", f.Top[0].Data(), c.want)
		for i := range f.Top[0].MutableDiff() {
			f.Top[0].MutableDiff()[i] = 7
		}
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		same(t, "gradient", f.Bottom[0].Diff(), c.diff)
	}
}

// TestCropReference checks that the blob that gives the size gets a gradient of 0 where
// one is asked for.
func TestCropReference(t *testing.T) {
	f := layertest.New(t, layer("Crop", 2, 1, "crop_param { axis: 1 }"), gaussians([]int{2, 5}, []int{2, 3})...)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	f.Propagate[1] = true
	f.Bottom[1].MutableDiff()[5] = 9
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	same(t, "gradient", f.Bottom[1].Diff(), make([]float32, 6))
}

// TestFlattenNothing joins no axes, which puts one in, as in Caffe.
func TestFlattenNothing(t *testing.T) {
	f := layertest.New(t, layer("Flatten", 1, 1, "flatten_param { axis: 1 end_axis: 0 }"), gaussians([]int{2, 3})...)
	if !f.Top[0].ShapeEqual([]int{2, 1, 3}) {
		t.Errorf("shape %v, want [2 1 3]", f.Top[0].Shape())
	}
}

// TestShared checks which tops are the same memory as the bottom, that they
// follow if the bottom gets other memory after Reshape, and that the gradient
// arrives even if the blobs then have memory of their own.
func TestShared(t *testing.T) {
	for _, text := range []string{
		layer("Flatten", 1, 1, ""),
		layer("Reshape", 1, 1, "reshape_param { shape { dim: -1 } }"),
		layer("Concat", 1, 1, ""),
		layer("Slice", 1, 1, ""),
		layer("Split", 1, 1, ""),
	} {
		f := layertest.New(t, text, gaussians([]int{2, 3})...)
		x, y := f.Bottom[0], f.Top[0]
		if !y.SharesData(x) {
			t.Errorf("%s: no shared data after Reshape", f.Info.Type)
		}
		if got, want := y.SharesDiff(x), f.Info.Type != "Split"; got != want {
			t.Errorf("%s: shared diff is %v after Reshape, want %v", f.Info.Type, got, want)
		}

		other := layertest.Gaussian(7, 2, 3)
		if err := x.ShareData(other); err != nil {
			t.Fatal(err)
		}
		if err := x.ShareDiff(other); err != nil {
			t.Fatal(err)
		}
		if err := f.Layer.Forward(t.Context(), f.Bottom, f.Top); err != nil {
			t.Fatal(err)
		}
		copy(y.MutableDiff(), []float32{1, 2, 3, 4, 5, 6})
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		for i, v := range other.Data() {
			if y.Data()[i] != v {
				t.Errorf("%s: data[%d] = %g, want %g", f.Info.Type, i, y.Data()[i], v)
			}
			if got := x.Diff()[i]; got != float32(i+1) {
				t.Errorf("%s: diff[%d] = %g, want %d", f.Info.Type, i, got, i+1)
			}
		}
	}
}

func TestTypes(t *testing.T) {
	for _, typ := range utilityTypes() {
		if info := layers.Lookup(typ); info.Doc == "" || info.Group != "utility" {
			t.Errorf("%s: group %q, doc %q", typ, info.Group, info.Doc)
		}
	}
}
