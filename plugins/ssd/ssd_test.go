package ssd_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	_ "github.com/gocaffe/gocaffe/layers/common" // Bias, in golden cases
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/ssd"
)

// layer returns the text of a layer with the first few of the bottoms a, b, c, d and
// with top y.
func layer(typ string, bottoms int, more string) string {
	var s strings.Builder
	fmt.Fprintf(&s, `layer { name: "l" type: %q top: "y"`, typ)
	for i := range bottoms {
		fmt.Fprintf(&s, " bottom: %q", "abcd"[i:i+1])
	}
	return s.String() + "\n" + more + " }"
}

func gaussian(shape ...int) *blob.Blob { return layertest.Gaussian(1, shape...) }

// TestGolden runs the golden cases of SSD.
func TestGolden(t *testing.T) {
	layertest.GoldenIn(t, "ssd", reference.ForksFS(t, "layers-ssd"), nil)
}

// TestGoldenDevice runs the golden cases on a GPU.
func TestGoldenDevice(t *testing.T) {
	layertest.GoldenIn(t, "ssd", reference.ForksFS(t, "layers-ssd"), cudatest.Device(t))
}

func TestGradient(t *testing.T) {
	const perChannel = `norm_param { across_spatial: false channel_shared: false scale_filler { type: "gaussian" std: 1 } }`
	for _, test := range []struct {
		name   string
		text   string
		opts   layertest.GradientOptions
		bottom []*blob.Blob
	}{
		{"permute", layer("Permute", 1, "permute_param { order: 0 order: 2 order: 3 order: 1 }"), layertest.GradientOptions{}, []*blob.Blob{gaussian(2, 3, 2, 3)}},
		{"permute reversed", layer("Permute", 1, "permute_param { order: 3 order: 2 order: 1 order: 0 }"), layertest.GradientOptions{}, []*blob.Blob{gaussian(2, 3, 2, 3)}},
		{"permute not", layer("Permute", 1, ""), layertest.GradientOptions{}, []*blob.Blob{gaussian(2, 3)}},

		{"normalize", layer("Normalize", 1, ""), layertest.GradientOptions{Step: 3e-3}, []*blob.Blob{gaussian(3, 4, 2, 1)}},
		{"normalize positions", layer("Normalize", 1, "norm_param { across_spatial: false scale_filler { value: 2.5 } }"), layertest.GradientOptions{Step: 3e-3}, []*blob.Blob{gaussian(2, 4, 2, 3)}},
		{"normalize channels", layer("Normalize", 1, perChannel), layertest.GradientOptions{Bottoms: []int{}}, []*blob.Blob{gaussian(2, 4, 2, 3)}},
		{"normalize channels of items", layer("Normalize", 1, "norm_param { channel_shared: false }"), layertest.GradientOptions{Bottoms: []int{}}, []*blob.Blob{gaussian(2, 4, 2, 3)}},
		{"normalize scale 0", layer("Normalize", 1, "norm_param { scale_filler { value: 0 } }"), layertest.GradientOptions{}, []*blob.Blob{gaussian(2, 4)}},

		{"smooth L1", layer("SmoothL1Loss", 2, ""), layertest.GradientOptions{Kink: 1, KinkRange: 0.02}, []*blob.Blob{gaussian(3, 5), layertest.Gaussian(2, 3, 5)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.opts.Tolerance == 0 {
				test.opts.Tolerance = 3e-3
			}
			layertest.CheckGradient(t, layertest.New(t, "# gocaffe: dialect ssd\n"+test.text, test.bottom...), test.opts)
		})
	}
}

// TestDevice compares the passes on a GPU with those on the host.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, text := range []string{
		"", "order: 0 order: 2 order: 3 order: 1", "order: 3 order: 0", "order: 1 order: 2 order: 3",
	} {
		layertest.CheckDevice(t, d, 0, layer("Permute", 1, "permute_param { "+text+" }"), gaussian(3, 5, 7, 11))
	}
	for _, text := range []string{
		"", "across_spatial: false", `channel_shared: false scale_filler { type: "gaussian" std: 1 }`,
		`across_spatial: false channel_shared: false scale_filler { type: "gaussian" std: 1 } eps: 0.5`,
	} {
		for _, shape := range [][]int{{2, 3}, {3, 19, 7, 11}, {2, 300, 1, 3}} {
			layertest.CheckDevice(t, d, 1e-5, layer("Normalize", 1, "norm_param { "+text+" }"), gaussian(shape...))
		}
	}
	layertest.CheckDevice(t, d, 1e-5, layer("SmoothL1Loss", 2, ""), gaussian(7, 301), layertest.Gaussian(2, 7, 301))
	layertest.CheckDevice(t, d, 0, layer("PriorBox", 2, "prior_box_param { min_size: 3 max_size: 5 aspect_ratio: 2 }"),
		gaussian(1, 2, 3, 4), gaussian(1, 3, 31, 41))
}

// TestThreads compares the results of one to four threads.
func TestThreads(t *testing.T) {
	for text, bottom := range threaded {
		layertest.CheckThreads(t, text, bottom...)
	}
}

// TestAllocs checks that the passes allocate nothing.
func TestAllocs(t *testing.T) {
	for text, bottom := range threaded {
		layertest.CheckAllocs(t, text, bottom...)
	}
}

var threaded = map[string][]*blob.Blob{
	layer("Permute", 1, "permute_param { order: 0 order: 2 order: 3 order: 1 }"): {gaussian(3, 30, 40, 20)},
	layer("Normalize", 1, ""): {gaussian(5, 30, 40, 20)},
	layer("Normalize", 1, "norm_param { across_spatial: false channel_shared: false }"): {gaussian(3, 30, 40, 20)},
	layer("SmoothL1Loss", 2, ""): {gaussian(30, 3000), layertest.Gaussian(2, 30, 3000)},
	layer("PriorBox", 2, "prior_box_param { min_size: 30 clip: true aspect_ratio: 2 }"): {gaussian(1, 1, 40, 40), gaussian(1, 1, 300, 300)},
}

// TestPriorBoxOnce checks that the boxes are those of the shapes of each pass, and are
// not computed again for shapes that stay.
func TestPriorBoxOnce(t *testing.T) {
	f := layertest.New(t, layer("PriorBox", 2, "prior_box_param { min_size: 4 }"), gaussian(1, 1, 2, 2), gaussian(1, 1, 8, 8))
	for round, side := range []int{2, 2, 1, 2} {
		if err := f.Bottom[0].Reshape(1, 1, side, side); err != nil {
			t.Fatal(err)
		}
		if err := f.Layer.Reshape(f.Bottom, f.Top); err != nil {
			t.Fatal(err)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		want := float32(4./float64(side)-2) / 8 // the first center is half a step in
		if got := f.Top[0].Data(); got[0] != want || len(got) != side*side*8 {
			t.Errorf("pass %d: %d numbers that begin with %g, want %g", round, len(got), got[0], want)
		}
		f.Top[0].MutableData()[0] = float32(math.NaN()) // a layer in place may change the top
	}
}

// TestErrors checks that each mistake is reported at its place.
func TestErrors(t *testing.T) {
	image := gaussian(1, 3, 8, 8)
	for _, test := range []struct {
		typ, options, want string
		line               int
		bottom             []*blob.Blob
	}{
		{"Permute", "permute_param { order: 1\norder: 1 }", "order names axis 1 twice", 3, []*blob.Blob{image}},
		{"Permute", "permute_param { order: 1\norder: 4 }", "order has axis 4, the bottom has shape [1 3 8 8], want an axis less than 4", 3, []*blob.Blob{image}},
		{"Normalize", "norm_param { eps: -1 }", "eps is -1, want 0 or more", 2, []*blob.Blob{image}},
		{"Normalize", `norm_param { scale_filler { type: "no" } }`, "unknown filler type \"no\" (known types: constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear, gaussian_unitball)", 2, []*blob.Blob{image}},
		{"Normalize", "", "bottom has shape [3], want at least 2 axes: items and channels", 1, []*blob.Blob{gaussian(3)}},
		{"SmoothL1Loss", "", "got bottoms of shapes [2 3] and [2 4], want as many items of equal size", 1, []*blob.Blob{gaussian(2, 3), gaussian(2, 4)}},
		{"PriorBox", "", "prior_box_param.min_size is not set", 1, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 0 }", "min_size is 0, want a positive number below 32768", 2, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3\nmax_size: 3 }", "max_size is 3, want more than its min_size 3, and less than 32768", 3, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3\nmax_size: 4 max_size: 5 }", "there are 2 max_sizes and 1 min_sizes, want as many or none", 3, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3\nvariance: 1 variance: 2 }", "there are 2 variances, want 1 or 4", 3, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3 variance: 1 variance: 1 variance: 1\nvariance: 0 }", "variance is 0, want a positive number", 3, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3\naspect_ratio: -2 }", "aspect_ratio is -2, want a positive number", 3, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3\nstep: 2 step_h: 2 }", "there are step and step_h or step_w, want one or the other", 3, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3 img_h: 2 }", "there is one of img_h and img_w, want both or none", 2, []*blob.Blob{image, image}},
		{"PriorBox", "prior_box_param { min_size: 3\nstep_w: 0 }", "step_w is 0, want a positive number", 3, []*blob.Blob{image, image}},
	} {
		layertest.CheckError(t, test.line, "layer \"l\": "+test.want, layer(test.typ, len(test.bottom), test.options), test.bottom...)
	}
}
