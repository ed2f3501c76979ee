package segmentation_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/segmentation"
)

const fromFiles = "it has no bottom and no weights"

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "DenseImageData", Check: layertest.Gradient, Reason: fromFiles},
		layertest.Exception{Type: "ImageSegData", Check: layertest.Gradient, Reason: fromFiles},
		layertest.Exception{Type: "SegAccuracy", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "SegAccuracy", Check: layertest.Device, Reason: "it counts on the host"},
	)
}

// layer returns a layer of bottoms x0, x1, ...
func layer(typ string, bottoms int, top, options string) string {
	text := fmt.Sprintf("layer { name: \"l\" type: %q top: %q %s", typ, top, options)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	return text + " }"
}

func TestGolden(t *testing.T) { golden(t, nil) }

func TestGoldenDevice(t *testing.T) { golden(t, cudatest.Device(t)) }

func golden(t *testing.T, d *cuda.Device) {
	layertest.GoldenIn(t, "segnet", reference.ForksFS(t, "layers-segnet"), d, "BN", "Upsample")
	layertest.GoldenIn(t, "pspnet", reference.ForksFS(t, "layers-pspnet"), d, "Interp")
}

// mask returns different places in planes of out elements, for planes of in.
func mask(planes, in, out int, shape ...int) *blob.Blob {
	v := make([]float32, planes*in)
	for i := range v {
		v[i] = float32((i%in*11 + i/in) % out)
	}
	return layertest.Values(v, shape...)
}

type testCase struct {
	typ, options string
	bottoms      []*blob.Blob
}

const fillers = `scale_filler { type: "uniform" min: 0.5 max: 1.5 } shift_filler { type: "gaussian" std: 1 } `

func cases() []testCase {
	return []testCase{
		{"Interp", "interp_param { zoom_factor: 3 }", []*blob.Blob{layertest.Gaussian(1, 2, 3, 4, 5)}},
		{"Interp", "interp_param { height: 11 width: 3 pad_beg: -1 pad_end: -2 }", []*blob.Blob{layertest.Gaussian(1, 2, 2, 8, 9)}},
		{"Interp", "interp_param { height: 1 width: 40 }", []*blob.Blob{layertest.Gaussian(1, 1, 2, 5, 3)}},
		{"Interp", "interp_param { shrink_factor: 2 }", []*blob.Blob{layertest.Gaussian(1, 1, 2, 9, 7)}},
		{"Interp", "interp_param { height: 6 width: 7 }", []*blob.Blob{layertest.Gaussian(1, 1, 2, 1, 1)}},
		{"Interp", "interp_param { use_blob_size: true zoom_factor: 2 pad_beg: -1 }", []*blob.Blob{layertest.Gaussian(1, 2, 3, 4, 5), layertest.Gaussian(1, 1, 2, 7, 6)}},
		{"Upsample", "", []*blob.Blob{layertest.Gaussian(1, 2, 3, 3, 4), mask(6, 12, 48, 2, 3, 3, 4)}},
		{"Upsample", "upsample_param { upsample_h: 5 upsample_w: 7 }", []*blob.Blob{layertest.Gaussian(1, 2, 3, 3, 4), mask(6, 12, 35, 2, 3, 3, 4)}},
		{"BN", "bn_param { " + fillers + "}", []*blob.Blob{layertest.Gaussian(1, 4, 3, 2, 5)}},
		{"BN", "bn_param { " + fillers + "} phase: TEST", []*blob.Blob{layertest.Gaussian(1, 7, 3)}},
		{"BN", "bn_param { " + fillers + "bn_mode: INFERENCE }", []*blob.Blob{layertest.Gaussian(1, 4, 3, 2, 5)}},
	}
}

func TestGradient(t *testing.T) {
	for _, c := range cases() {
		tops := []string{"y"}
		if c.typ == "BN" {
			tops = append(tops, "x0")
		}
		for _, top := range tops {
			f := layertest.New(t, layer(c.typ, len(c.bottoms), top, c.options), c.bottoms...)
			bottoms := []int{0}
			if c.typ == "Interp" && len(c.bottoms) > 1 {
				bottoms = append(bottoms, 1) // of which nothing depends on the values
			}
			layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 1e-2, Tolerance: 3e-3, Bottoms: bottoms})
		}
	}
}

// TestInterpOfBlob compares a size that a blob has with one that is given.
func TestInterpOfBlob(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3, 4, 5)
	given := layertest.New(t, layer("Interp", 1, "y", "interp_param { height: 7 width: 6 pad_end: -1 }"), x)
	ofBlob := layertest.New(t, layer("Interp", 2, "y", "interp_param { use_blob_size: true pad_end: -1 }"), x, layertest.Gaussian(2, 7, 6))
	for _, f := range []*layertest.Fixture{given, ofBlob} {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := ofBlob.Top[0], given.Top[0]; !slices.Equal(got.Shape(), want.Shape()) || !slices.Equal(got.Data(), want.Data()) {
		t.Errorf("shape %v, want %v, or other values", got.Shape(), want.Shape())
	}
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range cases() {
		layertest.CheckDevice(t, d, 1e-5, layer(c.typ, len(c.bottoms), "y", c.options), c.bottoms...)
		if c.typ == "BN" {
			layertest.CheckDevice(t, d, 1e-5, layer(c.typ, 1, "x0", c.options), c.bottoms...)
		}
	}
	layertest.CheckDevice(t, d, 1e-5, layer("BN", 1, "y", `top: "mean" top: "variance" bn_param { `+fillers+`}`), layertest.Gaussian(1, 4, 3, 2, 5))
	overlapping := layertest.Values([]float32{1, 1, 0, 0}, 1, 1, 2, 2)
	layertest.CheckDevice(t, d, 0, layer("Upsample", 2, "y", ""), layertest.Gaussian(1, 1, 1, 2, 2), overlapping)
	x := layertest.Gaussian(1, 1, 2, 33, 47)
	layertest.CheckDevice(t, d, 1e-5, layer("Interp", 1, "y", "interp_param { height: 65 width: 21 }"), x)
}

// TestInterpRows compares a large top, whose rows are computed in parts that do not end
// with planes, with the tops of single channels.
func TestInterpRows(t *testing.T) {
	text := layer("Interp", 1, "y", "interp_param { height: 91 width: 200 pad_end: -1 }")
	x := layertest.Gaussian(1, 1, 3, 20, 30)
	layertest.CheckThreads(t, text, x)
	forward := func(x *blob.Blob) []float32 {
		f := layertest.New(t, text, x)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		return f.Top[0].Data()
	}
	y := forward(x)
	for ch := range 3 {
		alone := forward(layertest.Values(x.Data()[ch*20*30:][:20*30], 1, 1, 20, 30))
		if !slices.Equal(alone, y[ch*91*200:][:91*200]) {
			t.Errorf("channel %d differs from the top of the channel alone", ch)
		}
	}
}

func TestPromises(t *testing.T) {
	for _, c := range cases() {
		text := layer(c.typ, len(c.bottoms), "y", c.options)
		layertest.CheckThreads(t, text, c.bottoms...)
		layertest.CheckAllocs(t, text, c.bottoms...)
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 1, 2, 3, 4)
	for _, test := range []struct {
		want, typ, options string
		bottoms            []*blob.Blob
	}{
		{"the size is missing: set height and width, zoom_factor, shrink_factor or use_blob_size", "Interp", "", []*blob.Blob{x}},
		{"the size is missing: set height and width, zoom_factor, shrink_factor or use_blob_size", "Interp", "interp_param { height: 3 }", []*blob.Blob{x}},
		{"use_blob_size is true and there is one bottom, want a second one, which has the size", "Interp", "interp_param { use_blob_size: true }", []*blob.Blob{x}},
		{"there are two bottoms, want one; use_blob_size: true takes the size of the second", "Interp", "interp_param { zoom_factor: 2 }", []*blob.Blob{x, x}},
		{"the bottom has shape [3], want height and width at its end", "Interp", "interp_param { use_blob_size: true }", []*blob.Blob{x, layertest.Gaussian(1, 3)}},
		{"zoom_factor is 0, want 1 or more", "Interp", "interp_param { zoom_factor: 0 }", []*blob.Blob{x}},
		{"pad_end is 1, want 0 or less: only cutting off is supported, as in the layer's source", "Interp", "interp_param { zoom_factor: 2 pad_end: 1 }", []*blob.Blob{x}},
		{"the bottom has planes of 3 x 4, which pad_beg -2 and pad_end -1 leave nothing of", "Interp", "interp_param { zoom_factor: 2 pad_beg: -2 pad_end: -1 }", []*blob.Blob{x}},
		{"the bottom has shape [2 3], want 4 axes", "Interp", "interp_param { zoom_factor: 2 }", []*blob.Blob{layertest.Gaussian(1, 2, 3)}},
		{"only one of scale_h and scale_w is set, want both or none", "Upsample", "upsample_param { scale_h: 2 }", []*blob.Blob{x, x}},
		{"pad_out_h and pad_out_w need a scale of 2, got 3 and 3", "Upsample", "upsample_param { scale: 3 pad_out_w: true }", []*blob.Blob{x, x}},
		{"scale is 0, want 1 to 32767", "Upsample", "upsample_param { scale: 0 }", []*blob.Blob{x, x}},
		{"got bottoms of shapes [1 2 3 4] and [1 2 3 3], want a mask of the same shape", "Upsample", "", []*blob.Blob{x, layertest.Gaussian(1, 1, 2, 3, 3)}},
		{"the bottom has shape [4], want two axes or more", "BN", "bn_param { bn_mode: LEARN }", []*blob.Blob{layertest.Gaussian(1, 4)}},
		{"there are 2 tops, want one: INFERENCE has no statistics", "BN", `top: "mean" bn_param { bn_mode: INFERENCE }`, []*blob.Blob{x}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, len(test.bottoms), "y", test.options), test.bottoms...)
	}
	f := layertest.New(t, layer("Upsample", 2, "y", ""), layertest.Gaussian(1, 1, 1, 1, 1), layertest.Values([]float32{4}, 1, 1, 1, 1))
	if err := f.Forward(); err == nil || err.Error() != `layer.prototxt:1:67: layer "l": element 0 is 4, want 0 to 3, the number of elements in a plane of the top` {
		t.Errorf("a place outside of the plane: error %v", err)
	}
}
