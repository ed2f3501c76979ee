package vision_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/layers/vision"
)

func layer(options string) string {
	return fmt.Sprintf(`layer { name: "l" bottom: "x" top: "y" %s }`, options)
}

func conv(options string) string {
	return layer(`type: "Convolution" convolution_param { weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 } ` + options + ` }`)
}

func deconv(options string) string {
	return layer(`type: "Deconvolution" convolution_param { weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 } ` + options + ` }`)
}

func pool(options string) string { return layer(`type: "Pooling" pooling_param { ` + options + ` }`) }

func im2col(options string) string {
	return layer(`type: "Im2col" convolution_param { ` + options + ` }`)
}

// spread returns a blob whose elements are at least 0.1 apart: a step of the central
// difference does not change which one is the largest.
func spread(shape ...int) *blob.Blob {
	b := layertest.Gaussian(1, shape...)
	data := b.MutableData()
	for i := range data {
		data[i] = float32((i*7919)%len(data)) / 10
	}
	return b
}

// TestGolden runs Caffe's golden cases.
func TestGolden(t *testing.T) { layertest.Golden(t, reference.GoldenFS(t, "layers")) }

func TestGradient(t *testing.T) {
	tests := []struct {
		name, layer string
		x           *blob.Blob
		tops        []int
	}{
		{"conv/1x1", conv(`num_output: 3 kernel_size: 1`), layertest.Gaussian(1, 1, 1, 1, 1), nil},
		{"conv/3x3", conv(`num_output: 4 kernel_size: 3 pad: 1`), layertest.Gaussian(1, 2, 3, 5, 7), nil},
		{"conv/stride", conv(`num_output: 4 group: 2 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 pad_h: 2 pad_w: 0`), layertest.Gaussian(1, 2, 6, 5, 7), nil},
		{"conv/dilation", conv(`num_output: 2 kernel_size: 3 dilation: 2 pad: 1 bias_term: false`), layertest.Gaussian(1, 2, 2, 7, 6), nil},
		{"conv/3d", conv(`num_output: 2 kernel_size: [1, 2, 3] stride: [1, 2, 1] pad: [1, 0, 1]`), layertest.Gaussian(1, 2, 2, 3, 4, 3), nil},
		{"conv/axis", conv(`num_output: 2 axis: 2 kernel_size: 2`), layertest.Gaussian(1, 2, 3, 2, 4), nil},
		{"deconv/4x4", deconv(`num_output: 3 kernel_size: 4 stride: 2 pad: 1`), layertest.Gaussian(1, 2, 2, 3, 4), nil},
		{"deconv/3x3", deconv(`num_output: 16 kernel_size: 3 pad: 1`), layertest.Gaussian(1, 1, 16, 2, 2), nil},
		{"deconv/gaps", deconv(`num_output: 4 group: 2 kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 2 pad_h: 0 pad_w: 1`), layertest.Gaussian(1, 2, 6, 3, 4), nil},
		{"deconv/dilation", deconv(`num_output: 2 kernel_size: 3 dilation: 2 pad: 1 bias_term: false`), layertest.Gaussian(1, 2, 2, 3, 2), nil},
		{"deconv/3d", deconv(`num_output: 2 kernel_size: [1, 2, 3] stride: [1, 2, 1] pad: [0, 0, 1]`), layertest.Gaussian(1, 2, 2, 2, 3, 2), nil},
		{"deconv/axis", deconv(`num_output: 2 axis: 2 kernel_size: 2`), layertest.Gaussian(1, 2, 3, 2, 3), nil},
		{"deconv/no axes", deconv(`num_output: 2`), layertest.Gaussian(1, 2, 3), nil},
		{"pool/max", pool(`kernel_size: 3 stride: 2 pad: 1`), spread(2, 3, 6, 5), nil},
		{"pool/max mask", layer(`type: "Pooling" top: "mask" pooling_param { kernel_size: 2 }`), spread(1, 2, 4, 5), []int{0}},
		{"pool/max floor", pool(`kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 round_mode: FLOOR`), spread(1, 2, 6, 5), nil},
		{"pool/ave", pool(`pool: AVE kernel_size: 3 stride: 2 pad: 1`), layertest.Gaussian(1, 2, 3, 6, 5), nil},
		{"pool/global", pool(`pool: AVE global_pooling: true`), layertest.Gaussian(1, 2, 3, 4, 5), nil},
		{"pool/beyond", pool(`pool: AVE kernel_size: 1 stride: 3`), layertest.Gaussian(1, 1, 2, 5, 8), nil},
		{"pool/max beyond", pool(`kernel_size: 1 stride: 3`), spread(1, 2, 4, 7), nil},
		// All elements are positive, and no small change alters which ones are drawn.
		{"pool/stochastic", pool(`pool: STOCHASTIC kernel_size: 3 stride: 2`), spread(2, 3, 6, 5), nil},
		{"pool/stochastic test", layer(`type: "Pooling" phase: TEST pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }`), layertest.Uniform(1, 1, 2, 2, 3, 6, 5), nil},
		{"im2col", im2col(`kernel_size: 3 pad: 1`), layertest.Gaussian(1, 2, 3, 5, 4), nil},
		{"im2col/stride", im2col(`kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 pad_h: 2 pad_w: 1 dilation: 2`), layertest.Gaussian(1, 2, 2, 5, 7), nil},
		{"im2col/3d", im2col(`kernel_size: [1, 2, 3] stride: [1, 2, 1] pad: [1, 0, 1]`), layertest.Gaussian(1, 2, 2, 3, 4, 3), nil},
		{"im2col/1d", im2col(`axis: 0 kernel_size: 2`), layertest.Gaussian(1, 2, 5), nil},
		{"spp/max", layer(`type: "SPP" spp_param { pyramid_height: 3 }`), spread(2, 2, 7, 9), nil},
		{"spp/ave", layer(`type: "SPP" spp_param { pyramid_height: 2 pool: AVE }`), layertest.Gaussian(1, 2, 3, 4, 5), nil},
		{"spp/one", layer(`type: "SPP" spp_param { pyramid_height: 1 pool: AVE }`), layertest.Gaussian(1, 2, 3, 4, 5), nil},
		{"spp/stochastic", layer(`type: "SPP" phase: TEST spp_param { pyramid_height: 2 pool: STOCHASTIC }`), layertest.Uniform(1, 1, 2, 2, 3, 4, 4), nil},
		{"lrn/across", layer(`type: "LRN" lrn_param { local_size: 3 alpha: 2 k: 1.5 }`), layertest.Gaussian(1, 2, 7, 2, 3), nil},
		{"lrn/beta", layer(`type: "LRN" lrn_param { local_size: 5 alpha: 1 beta: 0.6 }`), layertest.Gaussian(1, 2, 3, 2, 2), nil},
		{"lrn/within", layer(`type: "LRN" lrn_param { local_size: 3 alpha: 2 norm_region: WITHIN_CHANNEL }`), layertest.Gaussian(1, 2, 2, 4, 5), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := layertest.New(t, test.layer, test.x)
			layertest.CheckGradient(t, f, layertest.GradientOptions{Tops: test.tops, Tolerance: 2e-3})
		})
	}
	t.Run("conv/shared weights", func(t *testing.T) {
		f := layertest.New(t, `layer { type: "Convolution" bottom: "a" bottom: "b" top: "c" top: "d"
			convolution_param { num_output: 2 kernel_size: 2 weight_filler { type: "xavier" } } }`,
			layertest.Gaussian(1, 2, 2, 3, 3), layertest.Gaussian(2, 2, 2, 3, 3))
		layertest.CheckGradient(t, f, layertest.GradientOptions{})
	})
}

func TestPromises(t *testing.T) {
	for name, text := range map[string]string{
		"conv":       conv(`num_output: 20 kernel_size: 3 pad: 1`),
		"conv/s2":    conv(`num_output: 6 kernel_size: 5 stride: 2 group: 2`),
		"conv/1x1":   conv(`num_output: 17 kernel_size: 1`),
		"deconv/s2":  deconv(`num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2`),
		"deconv/3x3": deconv(`num_output: 20 kernel_size: 3 pad: 1`),
		"pool/max":   pool(`kernel_size: 3 stride: 2`),
		"pool/2":     pool(`kernel_size: 2 stride: 2`),
		"pool/ave":   pool(`pool: AVE kernel_size: 3 stride: 2 pad: 1`),
		"pool/draw":  pool(`pool: STOCHASTIC kernel_size: 3 stride: 2`),
		"pool/weigh": layer(`type: "Pooling" phase: TEST pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }`),
		"im2col":     im2col(`kernel_size: 3 pad: 1 stride: 2`),
		"spp":        layer(`type: "SPP" spp_param { pyramid_height: 3 }`),
		"lrn/across": layer(`type: "LRN"`),
		"lrn/within": layer(`type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL }`),
	} {
		t.Run(name, func(t *testing.T) {
			x := layertest.Gaussian(1, 5, 8, 33, 29)
			layertest.CheckThreads(t, text, x)
			layertest.CheckAllocs(t, text, x)
		})
	}
}

// TestConvolutionReference compares a convolution with the sum that defines it.
func TestConvolutionReference(t *testing.T) {
	const pad, stride, dilation, k, group = 2, 2, 3, 3, 2
	x := layertest.Gaussian(1, 2, 4, 11, 13)
	f := layertest.New(t, conv(fmt.Sprintf(`num_output: 6 kernel_size: %d pad: %d stride: %d dilation: %d group: %d`, k, pad, stride, dilation, group)), x)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	y, w, b := f.Top[0], f.Params()[0], f.Params()[1]
	if want := []int{2, 6, 5, 6}; !y.ShapeEqual(want) {
		t.Fatalf("top has shape %v, want %v", y.Shape(), want)
	}
	if macs := f.Layer.(layers.Counter).MACs(); macs != 2*6*5*6*2*9 {
		t.Errorf("%d multiply-adds, want %d", macs, 2*6*5*6*2*9)
	}
	at := func(b *blob.Blob, i ...int) float64 {
		n := 0
		for axis, k := range i {
			n = n*b.Dim(axis) + k
		}
		return float64(b.Data()[n])
	}
	for n := range 2 {
		for o := range 6 {
			for p := range 5 {
				for q := range 6 {
					want := at(b, o)
					for c := range 2 {
						for i := range k {
							for j := range k {
								h, v := p*stride-pad+dilation*i, q*stride-pad+dilation*j
								if h >= 0 && h < 11 && v >= 0 && v < 13 {
									want += at(w, o, c, i, j) * at(x, n, o/3*2+c, h, v)
								}
							}
						}
					}
					if got := at(y, n, o, p, q); math.Abs(got-want) > 1e-5 {
						t.Fatalf("y[%d,%d,%d,%d] is %g, want %g", n, o, p, q, got, want)
					}
				}
			}
		}
	}
}

// TestParamPropagateDown checks that unneeded gradients are not computed.
func TestParamPropagateDown(t *testing.T) {
	f := layertest.New(t, conv(`num_output: 2 kernel_size: 1`), layertest.Gaussian(1, 2, 2, 3, 3))
	f.Layer.(layers.ParamPropagator).SetParamPropagateDown(0, false)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	copy(f.Top[0].MutableDiff(), f.Top[0].Data())
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if d := f.Params()[0].Diff()[0]; d != 0 {
		t.Errorf("gradient of frozen weights is %g", d)
	}
	if d := f.Params()[1].Diff()[0]; d == 0 {
		t.Error("gradient of the bias is 0")
	}
}

func TestErrors(t *testing.T) {
	image := layertest.Gaussian(1, 2, 4, 5, 6)
	tests := []struct {
		line    int
		want    string
		options string // from line 2 on
		x       *blob.Blob
	}{
		{2, `num_output is 0, want 1 to 2147483647`, "convolution_param { kernel_size: 1 num_output: 0 }", image},
		{3, `num_output is 4000000000, want 1 to 2147483647`, "convolution_param { kernel_size: 1\n num_output: 4000000000 }", image},
		{2, `top: blob shape [2 200000000 5 6] has more than 2147483647 elements`, "convolution_param { kernel_size: 1 num_output: 200000000 }", image},
		{2, `weights: blob shape [20000000 4 5 6] has more than 2147483647 elements`, "convolution_param { kernel_size: [5, 6] num_output: 20000000 }", image},
		{2, `kernel_size is not given`, "convolution_param { num_output: 1 }", image},
		{3, `kernel_size and kernel_h or kernel_w are both set, want one form`, "convolution_param { num_output: 1 kernel_size: 3\n kernel_h: 3 kernel_w: 3 }", image},
		{3, `stride_h and stride_w belong together, want both`, "convolution_param { num_output: 1 kernel_size: 3\n stride_h: 3 }", image},
		{3, `pad_h and pad_w are for 2 spatial axes, bottom has 1`, "convolution_param { num_output: 1 kernel_size: 3\n pad_h: 3 pad_w: 1 }", layertest.Gaussian(1, 2, 4, 5)},
		{3, `pad is given 3 times, want once or once for each of the 2 spatial axes`, "convolution_param { num_output: 1 kernel_size: 3\n pad: [1,1,1] }", image},
		{2, `num_output 5 cannot be split into 2 groups`, "convolution_param { num_output: 5 kernel_size: 3 group: 2 }", image},
		{2, `num_output 5 cannot be split into 0 groups`, "convolution_param { num_output: 5 kernel_size: 3 group: 0 }", image},
		{2, `the 4 channels of bottom cannot be split into 3 groups`, "convolution_param { num_output: 6 kernel_size: 3 group: 3 }", image},
		{2, `axis 4 is out of range for the 4 axes of shape [2 4 5 6]`, "convolution_param { num_output: 6 kernel_size: 3 axis: 4 }", image},
		{2, `spatial axis 0: kernel of extent 9 is larger than the padded input of 7`, "convolution_param { num_output: 6 kernel_size: 9 pad: 1 }", image},
		{2, `spatial axis 0: input 5, kernel_size 3, pad 0, stride 0, dilation 1`, "convolution_param { num_output: 6 kernel_size: 3 stride: 0 }", image},

		{2, `num_output 5 cannot be split into 2 groups`, "deconvolution_param { num_output: 5 kernel_size: 3 group: 2 }", image},
		{2, `the 4 channels of bottom cannot be split into 3 groups`, "deconvolution_param { num_output: 6 kernel_size: 3 group: 3 }", image},
		{2, `spatial axis 0: the top has size -1, want at least 1: input 5, kernel_size 1, pad 3, stride 1, dilation 1`, "deconvolution_param { num_output: 6 kernel_size: 1 pad: 3 }", image},
		{2, `top: blob shape [2 6 16000000003 20000000003] has more than 2147483647 elements`, "deconvolution_param { num_output: 6 kernel_size: 3 stride: 4000000000 }", image},

		{2, `STOCHASTIC pooling with pad 1, 1, want 0`, "pooling_param { kernel_size: 2 pad: 1 pool: STOCHASTIC }", image},
		{2, `global_pooling and a kernel size are set, want one of them`, "pooling_param { kernel_size: 2 global_pooling: true }", image},
		{2, `global_pooling with pad 0, 0 and stride 2, 2, want pad 0 and stride 1`, "pooling_param { stride: 2 global_pooling: true }", image},
		{2, `kernel_size is not given`, "pooling_param { stride: 2 }", image},
		{3, `kernel_h and kernel_w belong together, want both`, "pooling_param {\n kernel_h: 2 }", image},
		{3, `kernel_size and kernel_h or kernel_w are both set, want one form`, "pooling_param {\n kernel_size: 2 kernel_h: 2 kernel_w: 3 }", image},
		{2, `pad 2, 2 is not below the kernel size 2, 2`, "pooling_param { kernel_size: 2 pad: 2 }", image},
		{2, `stride 0, 0 is out of range, want 1 to 32767`, "pooling_param { kernel_size: 2 stride: 0 }", image},
		{2, `kernel 4000000000, 4000000000 is out of range, want 1 to 32767`, "pooling_param { kernel_size: 4000000000 }", image},
		{1, `bottom has shape [2 3], want 4 axes: items, channels, height, width`, "pooling_param { kernel_size: 2 }", layertest.Gaussian(1, 2, 3)},
		{1, `bottom has shape [2 4 5 6], too small for windows of 8 x 8 with pad 0, 0`, "pooling_param { kernel_size: 8 }", image},

		{2, `local_size is 4, want an odd number up to 32767`, "lrn_param { local_size: 4 }", image},
		{1, `bottom has shape [2 3], want 4 axes: items, channels, height, width`, "lrn_param { }", layertest.Gaussian(1, 2, 3)},
	}
	types := map[byte]string{'c': "Convolution", 'd': "Deconvolution", 'p': "Pooling", 'l': "LRN"}
	for _, test := range tests {
		text := fmt.Sprintf("layer { name: \"l\" type: %q bottom: \"x\" top: \"y\"\n%s }", types[test.options[0]], strings.TrimPrefix(test.options, "de"))
		layertest.CheckError(t, test.line, `layer "l": `+test.want, text, test.x)
	}
	layertest.CheckError(t, 1, `layer "l": bottom 1 has shape [2 4 5 7], want [2 4 5 6] like the first`,
		`layer { name: "l" type: "Convolution" bottom: "a" bottom: "b" top: "c" top: "d" convolution_param { num_output: 1 kernel_size: 1 } }`,
		image, layertest.Gaussian(1, 2, 4, 5, 7))
	layertest.CheckError(t, 1, `layer "l": AVE pooling has 2 tops, want 1: only MAX has a mask`,
		`layer { name: "l" type: "Pooling" bottom: "a" top: "c" top: "d" pooling_param { kernel_size: 1 pool: AVE } }`, image)
	layertest.CheckError(t, 1, `layer "l": top 0 is also bottom 0: layers of type LRN do not work in place`,
		`layer { name: "l" type: "LRN" bottom: "a" top: "a" }`, image)
}

// TestReshapeErrors checks shapes that no longer fit the weights.
func TestReshapeErrors(t *testing.T) {
	f := layertest.New(t, conv(`num_output: 2 kernel_size: 3`), layertest.Gaussian(1, 2, 2, 3, 3))
	for _, shape := range [][]int{{2, 3, 3, 3}, {2, 2, 3}, {2, 2, 2, 3}} {
		if err := f.Bottom[0].Reshape(shape...); err != nil {
			t.Fatal(err)
		}
		if err := f.Layer.Reshape(f.Bottom, f.Top); err == nil {
			t.Errorf("shape %v gives no error", shape)
		}
	}
	if err := f.Bottom[0].Reshape(1, 2, 4, 9); err != nil {
		t.Fatal(err)
	}
	if err := f.Layer.Reshape(f.Bottom, f.Top); err != nil {
		t.Error(err)
	}
	if want := []int{1, 2, 2, 7}; !f.Top[0].ShapeEqual(want) {
		t.Errorf("top has shape %v, want %v", f.Top[0].Shape(), want)
	}
}

// TestPoolingInference checks that a net for inference, whose maxima have no mask unless a
// top has it, gets the same tops.
func TestPoolingInference(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3, 13, 14)
	for _, options := range []string{"kernel_size: 3 stride: 2", "kernel_size: 3 pad: 1", "kernel_size: 2 stride: 2", "kernel_size: 5 stride: 3", "global_pooling: true"} {
		for _, tops := range []string{"top: 'y'", "top: 'y' top: 'mask'"} {
			text := "layer { name: 'l' type: 'Pooling' bottom: 'x0' " + tops + " pooling_param { " + options + " } }"
			forward := func(inference bool) [][]float32 {
				f, err := layertest.SetUp(&layers.Env{Inference: inference}, text, x)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Forward(); err != nil {
					t.Fatal(err)
				}
				var data [][]float32
				for _, y := range f.Top {
					data = append(data, y.Data())
				}
				return data
			}
			got, want := forward(true), forward(false)
			for i := range want {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("%s: top %d differs in a net for inference", text, i)
				}
			}
		}
	}
}
