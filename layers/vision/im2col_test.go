package vision_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestIm2colDefinition compares the top with the formula, element by element.
func TestIm2colDefinition(t *testing.T) {
	const kh, kw, sh, sw, ph, pw, dil = 3, 2, 2, 1, 1, 3, 2
	x := layertest.Gaussian(1, 2, 3, 6, 5)
	f := layertest.New(t, im2col(`kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 3 dilation: 2`), x)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	y := f.Top[0]
	if want := []int{2, 3 * kh * kw, 2, 9}; !y.ShapeEqual(want) {
		t.Fatalf("shape %v, want %v", y.Shape(), want)
	}
	for i, got := range y.Data() {
		ow, oh, k := i%9, i/9%2, i/18%(kh*kw)
		plane := i / 18 / (kh * kw)
		h, w := oh*sh-ph+k/kw*dil, ow*sw-pw+k%kw*dil
		want := float32(0)
		if h >= 0 && h < 6 && w >= 0 && w < 5 {
			want = x.Data()[(plane*6+h)*5+w]
		}
		if got != want {
			t.Fatalf("y[%d] = %g, want %g", i, got, want)
		}
	}
}

// TestPyramidErrors checks the options of Im2col and SPP, and bottoms that do not fit.
func TestPyramidErrors(t *testing.T) {
	image := layertest.Gaussian(1, 2, 3, 5, 4)
	for _, c := range []struct {
		line               int
		want, typ, options string
		x                  *blob.Blob
	}{
		{2, `kernel_size is not given`, "Im2col", "convolution_param { }", image},
		{2, `kernel_size is 0, want at least 1`, "Im2col", "convolution_param { kernel_size: 0 }", image},
		{2, `stride is 0, want at least 1`, "Im2col", "convolution_param { kernel_size: 1 stride: 0 }", image},
		{1, `bottom has shape [2 3 5 4], which with padding is 4 along axis 3, less than the 5 of the kernel`, "Im2col", "convolution_param { kernel_size: 5 }", image},
		{1, `bottom has shape [2 3], want a spatial axis after the channels on axis 1`, "Im2col", "convolution_param { kernel_size: 1 }", layertest.Gaussian(1, 2, 3)},
		{2, `axis 4 is out of range for the 4 axes of shape [2 3 5 4]`, "Im2col", "convolution_param { kernel_size: 1 axis: 4 }", image},
		{1, `pyramid_height is 0, want 1 to 16`, "SPP", "", image},
		{2, `pyramid_height is 17, want 1 to 16`, "SPP", "spp_param { pyramid_height: 17 }", image},
		{2, `bottom has shape [2 3 5 4], too small to be split into 4 x 4 windows`, "SPP", "spp_param { pyramid_height: 3 }", image},
		{2, `bottom has shape [2 3 5 4], which cannot be split into 2 x 2 windows without padding, as STOCHASTIC requires`, "SPP", "spp_param { pool: STOCHASTIC pyramid_height: 2 }", image},
		{1, `bottom has shape [7 9], want 4 axes: items, channels, height, width`, "SPP", "spp_param { pyramid_height: 2 }", layertest.Gaussian(1, 7, 9)},
	} {
		layertest.CheckError(t, c.line, `layer "l": `+c.want, "layer { name: \"l\" type: \""+c.typ+"\" bottom: \"x\" top: \"y\"\n"+c.options+" }", c.x)
	}
}

// TestSPPSizes checks that images of different sizes give the same number of values.
func TestSPPSizes(t *testing.T) {
	for _, shape := range [][]int{{2, 3, 8, 12}, {2, 3, 13, 30}, {1, 3, 4, 4}} {
		f := layertest.New(t, layer(`type: "SPP" spp_param { pyramid_height: 3 }`), layertest.Gaussian(1, shape...))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if want := []int{shape[0], 3 * (1 + 4 + 16)}; !f.Top[0].ShapeEqual(want) {
			t.Errorf("%v: shape %v, want %v", shape, f.Top[0].Shape(), want)
		}
	}
}
