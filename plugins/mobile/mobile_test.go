package mobile_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/mobile"
)

func TestMain(m *testing.M) {
	layertest.Main(m, layertest.Exception{Type: "Mish", Check: layertest.Gradient, Reason: "its gradient is the fork's, which is not the derivative"})
}

// layer returns a layer of bottoms x0, x1, ... with one top.
func layer(typ string, bottoms int, top, options string) string {
	text := fmt.Sprintf("layer { name: \"l\" type: %q top: %q %s", typ, top, options)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	return text + " }"
}

// golden are the sets of the types.
var golden = map[string][]string{
	"layers-misc": {"DepthwiseConvolution", "Mish", "ShuffleChannel"},
	"layers-yolo": {"ReLU6"},
}

func TestGolden(t *testing.T) {
	for root, types := range golden {
		layertest.GoldenIn(t, "yolo", reference.ForksFS(t, root), nil, types...)
	}
}

func TestGoldenDevice(t *testing.T) {
	d := cudatest.Device(t)
	for root, types := range golden {
		layertest.GoldenIn(t, "yolo", reference.ForksFS(t, root), d, types...)
	}
}

// cases are layers with bottoms; the values are apart from where a curve has a corner.
func cases() []testCase {
	return []testCase{
		{"ReLU6", "", []*blob.Blob{spaced()}},
		{"ReLU6", "relu6_param { negative_slope: 0.3 }", []*blob.Blob{spaced()}},
		{"HSwish", "", []*blob.Blob{spaced()}},
		{"SeLu", "", []*blob.Blob{spaced()}},
		{"SeLuDropout", "selu_dropout_param { dropout_ratio: 0.3 }", []*blob.Blob{layertest.Gaussian(1, 20, 9)}},
		{"SeLuDropout", "phase: TEST", []*blob.Blob{layertest.Gaussian(1, 20, 9)}},
		{"ShuffleChannel", "shuffle_channel_param { group: 3 }", []*blob.Blob{layertest.Gaussian(1, 2, 6, 3, 4)}},
		{"ShuffleChannel", "shuffle_channel_param { group: 2 }", []*blob.Blob{layertest.Gaussian(1, 2, 6)}},
		{"L1Loss", "", []*blob.Blob{layertest.Gaussian(1, 4, 3, 5), layertest.Gaussian(2, 4, 15)}},
		{"L1Loss", "loss_weight: 0.3", []*blob.Blob{layertest.Gaussian(1, 4), layertest.Gaussian(2, 4)}},
		{"ChannelScale", "", []*blob.Blob{layertest.Gaussian(1, 4, 3, 5, 2), layertest.Gaussian(2, 4, 1, 5, 2)}},
		{"ChannelScale", "", []*blob.Blob{layertest.Gaussian(1, 4, 3), layertest.Gaussian(2, 4)}},
		{"ConvolutionDepthwise", "convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: \"gaussian\" } }",
			[]*blob.Blob{layertest.Gaussian(1, 2, 3, 5, 4)}},
	}
}

type testCase struct {
	typ, options string
	bottoms      []*blob.Blob
}

// spaced has elements from -7 to 8, none near -3, 0, 3 or 6.
func spaced() *blob.Blob {
	v := make([]float32, 30)
	for i := range v {
		v[i] = float32(i)/2 - 6.75
	}
	return layertest.Values(v, 2, 3, 5)
}

func TestGradient(t *testing.T) {
	for _, c := range cases() {
		f := layertest.New(t, layer(c.typ, len(c.bottoms), "y", c.options), c.bottoms...)
		layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 1e-2, Tolerance: 2e-3})
	}
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range cases() {
		layertest.CheckDevice(t, d, 1e-5, layer(c.typ, len(c.bottoms), "y", c.options), c.bottoms...)
	}
	for _, typ := range []string{"ReLU6", "HSwish", "Mish", "SeLu", "SeLuDropout"} {
		for _, top := range []string{"x0", "y"} {
			layertest.CheckDevice(t, d, 1e-5, layer(typ, 1, top, ""), spaced())
			layertest.CheckDevice(t, d, 1e-5, layer(typ, 1, top, ""), layertest.Gaussian(1, 3, 70, 19))
		}
	}
	for _, option := range []string{"do_forward", "do_backward_feature", "do_backward_scale"} {
		layertest.CheckDevice(t, d, 1e-5, layer("ChannelScale", 2, "y", "channel_scale_param { "+option+": false }"),
			layertest.Gaussian(1, 4, 3, 5), layertest.Gaussian(2, 4, 5))
	}
}

// TestCurves compares values and gradients with numbers that were worked out by hand.
func TestCurves(t *testing.T) {
	x := layertest.Values([]float32{-4, -3, -1.5, 0, 1.5, 3, 5}, 7)
	for _, top := range []string{"x0", "y"} {
		f := layertest.New(t, layer("HSwish", 1, top, ""), layertest.Values(slices.Clone(x.Data()), 7))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if got, want := f.Top[0].Data(), []float32{0, 0, -0.375, 0, 1.125, 3, 5}; !slices.Equal(got, want) {
			t.Errorf("HSwish is %v, want %v", got, want)
		}
		for i := range f.Top[0].MutableDiff() {
			f.Top[0].MutableDiff()[i] = 2
		}
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		if got, want := f.Bottom[0].Diff(), []float32{0, 0, 0, 1, 2, 2, 2}; !slices.Equal(got, want) {
			t.Errorf("the gradient of HSwish is %v, want %v", got, want)
		}
	}
	layertest.Checked(t, "HSwish", layertest.Reference)
}

// TestSelu checks what the constants are for: of normally distributed inputs, SeLu and
// SeLuDropout make outputs of mean 0 and variance 1.
func TestSelu(t *testing.T) {
	layertest.Checked(t, "SeLu", layertest.Reference)
	layertest.Checked(t, "SeLuDropout", layertest.Reference)
	moments := func(x []float32) (mean, variance float64) {
		for _, v := range x {
			mean += float64(v) / float64(len(x))
		}
		for _, v := range x {
			variance += (float64(v) - mean) * (float64(v) - mean) / float64(len(x))
		}
		return mean, variance
	}
	x := layertest.Gaussian(1, 200000)
	for _, l := range []string{
		layer("SeLu", 1, "y", ""), layer("SeLuDropout", 1, "y", ""), layer("SeLuDropout", 1, "y", "selu_dropout_param { dropout_ratio: 0.1 }"),
	} {
		f := layertest.New(t, l, x)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if mean, variance := moments(f.Top[0].Data()); math.Abs(mean) > 0.01 || math.Abs(variance-1) > 0.02 {
			t.Errorf("%s: mean %g and variance %g, want 0 and 1", l, mean, variance)
		}
	}
	f := layertest.New(t, layer("SeLu", 1, "y", ""), layertest.Values([]float32{-20, -1, 0, 2}, 4))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{-1.7580993, -1.0507009873 * 1.6732632423 * (1 - 1/math.E), 0, 2.101402} {
		if got := f.Top[0].Data()[i]; math.Abs(float64(got)-want) > 1e-6 {
			t.Errorf("SeLu %d is %g, want %g", i, got, want)
		}
	}
	// What is dropped is the image of the least value of SeLu.
	f = layertest.New(t, layer("SeLuDropout", 1, "y", "selu_dropout_param { dropout_ratio: 0.25 }"), layertest.Uniform(1, 5, 6, 4000))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	dropped := 0
	for _, v := range f.Top[0].Data() {
		if v < 0 {
			dropped++
		}
	}
	if dropped < 900 || dropped > 1100 {
		t.Errorf("%d of 4000 elements are dropped, want 1000", dropped)
	}
}

// TestSums compares L1Loss and ChannelScale with numbers that were worked out by hand.
func TestSums(t *testing.T) {
	f := layertest.New(t, layer("L1Loss", 2, "y", ""), layertest.Values([]float32{1, 2, 3, 4}, 2, 2), layertest.Values([]float32{2, 2, 1, 0.5}, 2, 2))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if got := f.Top[0].Data()[0]; got != 3.25 {
		t.Errorf("the loss is %g, want (1 + 0 + 2 + 3.5)/2", got)
	}
	f.Top[0].MutableDiff()[0] = 3
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if got, want := f.Bottom[0].Diff(), []float32{-1.5, 0, 1.5, 1.5}; !slices.Equal(got, want) {
		t.Errorf("the gradient is %v, want %v", got, want)
	}
	layertest.Checked(t, "L1Loss", layertest.Reference)

	for _, test := range []struct {
		options   string
		y, dx, da []float32
	}{
		{"", []float32{2, 6, 6, 12}, []float32{20, 60, 60, 120}, []float32{100, 200}},
		{"do_forward: false do_backward_feature: false", []float32{1, 2, 3, 4}, []float32{10, 20, 30, 40}, []float32{100, 200}},
		{"do_backward_scale: false", []float32{2, 6, 6, 12}, []float32{20, 60, 60, 120}, []float32{0, 0}},
	} {
		// One item of two channels and two places.
		f := layertest.New(t, layer("ChannelScale", 2, "y", "channel_scale_param { "+test.options+" }"),
			layertest.Values([]float32{1, 2, 3, 4}, 1, 2, 2), layertest.Values([]float32{2, 3}, 1, 2))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		copy(f.Top[0].MutableDiff(), []float32{10, 20, 30, 40})
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		if y, dx, da := f.Top[0].Data(), f.Bottom[0].Diff(), f.Bottom[1].Diff(); !slices.Equal(y, test.y) || !slices.Equal(dx, test.dx) || !slices.Equal(da, test.da) {
			t.Errorf("ChannelScale %s: top %v, diffs %v and %v, want %v, %v, %v", test.options, y, dx, da, test.y, test.dx, test.da)
		}
	}
	layertest.Checked(t, "ChannelScale", layertest.Reference)
}

// TestDepthwise compares ConvolutionDepthwise with a Convolution in groups.
func TestDepthwise(t *testing.T) {
	const options = `num_output: 4 kernel_size: 3 stride: 2 pad: 1 weight_filler { type: "gaussian" std: 1 }`
	x := layertest.Gaussian(1, 2, 4, 9, 8)
	run := func(typ, more string) ([]float32, int) {
		f := layertest.New(t, layer(typ, 1, "y", "convolution_param { "+options+more+" }"), x)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		return f.Top[0].Data(), f.Params()[0].Dim(1)
	}
	got, depth := run("ConvolutionDepthwise", "")
	want, _ := run("Convolution", " group: 4")
	if !slices.Equal(got, want) || depth != 1 {
		t.Errorf("the top is not that of Convolution, or the filters have %d channels, want 1", depth)
	}
	layertest.Checked(t, "ConvolutionDepthwise", layertest.Reference)
}

// TestPlanes compares layers whose work is cut by planes with the plain loops, on one item.
func TestPlanes(t *testing.T) {
	const group, columns, size = 3, 5, 43 * 61
	x, a := layertest.Gaussian(1, 1, group*columns, 43, 61), layertest.Gaussian(2, 1, 1, 43, 61)
	dealt, scaled := make([]float32, x.Count()), make([]float32, x.Count())
	for ch := range group * columns {
		for k := range size {
			v := x.Data()[ch*size+k]
			dealt[(ch%columns*group+ch/columns)*size+k] = v
			scaled[ch*size+k] = v * a.Data()[k]
		}
	}
	for _, test := range []struct {
		text   string
		bottom []*blob.Blob
		want   []float32
	}{
		{layer("ShuffleChannel", 1, "y", "shuffle_channel_param { group: 3 }"), []*blob.Blob{x}, dealt},
		{layer("ChannelScale", 2, "y", ""), []*blob.Blob{x, a}, scaled},
	} {
		f := layertest.New(t, test.text, test.bottom...)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Top[0].Data(), test.want) {
			t.Errorf("%s: the top is not that of the plain loop", test.text)
		}
		layertest.CheckThreads(t, test.text, test.bottom...)
	}
}

func TestPromises(t *testing.T) {
	big := layertest.Gaussian(1, 6, 12, 33, 35)
	for _, typ := range []string{"ReLU6", "HSwish", "Mish", "SeLu", "SeLuDropout"} {
		layertest.CheckThreads(t, layer(typ, 1, "y", ""), big)
		layertest.CheckAllocs(t, layer(typ, 1, "x0", ""), big)
	}
	for _, c := range cases()[3:] {
		layertest.CheckThreads(t, layer(c.typ, len(c.bottoms), "y", c.options), c.bottoms...)
		layertest.CheckAllocs(t, layer(c.typ, len(c.bottoms), "y", c.options), c.bottoms...)
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 6, 3)
	for _, test := range []struct {
		want, typ, options string
		bottoms            []*blob.Blob
	}{
		{"group is 0, want 1 or more", "ShuffleChannel", "shuffle_channel_param { group: 0 }", []*blob.Blob{x}},
		{"the bottom has 6 channels, which group 4 does not divide", "ShuffleChannel", "shuffle_channel_param { group: 4 }", []*blob.Blob{x}},
		{"the bottom has shape [4], want two axes or more", "ShuffleChannel", "", []*blob.Blob{layertest.Gaussian(1, 4)}},
		{"got bottoms of shapes [2 6 3] and [2 6], want as many items of equal size", "L1Loss", "", []*blob.Blob{x, layertest.Gaussian(1, 2, 6)}},
		{"got bottoms of shapes [2 6 3] and [2 6], want one scale for each item and place", "ChannelScale", "", []*blob.Blob{x, layertest.Gaussian(1, 2, 6)}},
		{"num_output is missing, want the number of channels", "ConvolutionDepthwise", "convolution_param { kernel_size: 1 }", []*blob.Blob{x}},
		{"group is 2, want num_output, which is 6, or none", "ConvolutionDepthwise", "convolution_param { kernel_size: 1 num_output: 6 group: 2 }", []*blob.Blob{x}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, len(test.bottoms), "y", test.options), test.bottoms...)
	}
}
