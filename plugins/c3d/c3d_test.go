package c3d_test

import (
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/c3d"
)

const host = "Convolution and Deconvolution of three spatial axes run on the host"

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "VideoData", Check: layertest.Gradient, Reason: "it has no bottoms"},
		layertest.Exception{Type: "Convolution3D", Check: layertest.Device, Reason: host},
		layertest.Exception{Type: "Deconvolution3D", Check: layertest.Device, Reason: host})
}

func layer(typ, options string) string {
	return `layer { name: "l" type: "` + typ + `" bottom: "x" top: "y" ` + options + ` }`
}

const fillers = ` weight_filler { type: "gaussian" } bias_filler { type: "gaussian" } `

// geometry is that of a pass: kernel, stride and padding of length, height and width.
type geometry struct{ kernel, stride, pad [3]int }

var convolutions = []struct {
	options string
	g       geometry
	outputs int
}{
	{"convolution_param { num_output: 4 kernel_size: 3 kernel_depth: 2 pad: 1 stride: 2" + fillers + "}",
		geometry{[3]int{2, 3, 3}, [3]int{1, 2, 2}, [3]int{0, 1, 1}}, 4},
	{"convolution3d_param { num_output: 3 kernel_size: 2 kernel_depth: 3 temporal_stride: 2 temporal_pad: 1 filter_group: 3" + fillers + "}",
		geometry{[3]int{3, 2, 2}, [3]int{2, 1, 1}, [3]int{1, 0, 0}}, 3},
}

// places calls f for each pair of a place in the larger volume of a convolution, which
// has the padding, and a window of the smaller one, with the place in the kernel.
func (g geometry) places(large, small []int, f func(large, small, kernel int)) {
	for s := range small[0] * small[1] * small[2] {
		at := [3]int{s / small[2] / small[1], s / small[2] % small[1], s % small[2]}
		for k := range g.kernel[0] * g.kernel[1] * g.kernel[2] {
			in := [3]int{k / g.kernel[2] / g.kernel[1], k / g.kernel[2] % g.kernel[1], k % g.kernel[2]}
			inside := true
			for i := range in {
				in[i] += at[i]*g.stride[i] - g.pad[i]
				inside = inside && in[i] >= 0 && in[i] < large[i]
			}
			if inside {
				f((in[0]*large[1]+in[1])*large[2]+in[2], s, k)
			}
		}
	}
}

// TestReference compares with sums in float64, straight from the formulas.
func TestReference(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3, 5, 6, 7)
	for _, typ := range []string{"Convolution3D", "Deconvolution3D"} {
		layertest.Checked(t, typ, layertest.Reference)
		for _, c := range convolutions {
			f := layertest.New(t, layer(typ, c.options), x)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			y, w, b := f.Top[0], f.Params()[0], f.Params()[1]
			in, out := x.CountFrom(2), y.CountFrom(2)
			for i := range 3 {
				want := (x.Dim(2+i)+2*c.g.pad[i]-c.g.kernel[i])/c.g.stride[i] + 1
				if typ == "Deconvolution3D" {
					want = c.g.stride[i]*(x.Dim(2+i)-1) + c.g.kernel[i] - 2*c.g.pad[i]
				}
				if y.Dim(2+i) != want {
					t.Fatalf("%s %s: top has shape %v, want %d on axis %d", typ, c.options, y.Shape(), want, 2+i)
				}
			}
			want := make([]float64, y.Count())
			for i := range want {
				want[i] = float64(b.Data()[i/out%c.outputs])
			}
			kernel := w.CountFrom(2)
			for n := range 2 {
				for ch := range 3 {
					for o := range c.outputs {
						from, to := x.Data()[(n*3+ch)*in:], want[(n*c.outputs+o)*out:]
						if typ == "Convolution3D" {
							c.g.places(x.Shape()[2:], y.Shape()[2:], func(large, small, k int) {
								to[small] += float64(from[large]) * float64(w.Data()[(o*3+ch)*kernel+k])
							})
						} else {
							c.g.places(y.Shape()[2:], x.Shape()[2:], func(large, small, k int) {
								to[large] += float64(from[small]) * float64(w.Data()[(ch*c.outputs+o)*kernel+k])
							})
						}
					}
				}
			}
			for i, v := range y.Data() {
				if math.Abs(float64(v)-want[i]) > 1e-4 {
					t.Fatalf("%s %s: y[%d] is %g, want %g", typ, c.options, i, v, want[i])
				}
			}
		}
	}
}

var poolings = []string{
	"pooling_param { kernel_size: 2 kernel_depth: 1 stride: 2 }",
	"pooling3d_param { kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 2 }",
	"pooling3d_param { pool: AVE kernel_size: 3 kernel_depth: 2 stride: 2 pad: 1 temporal_stride: 2 }",
	"pooling_param { pool: AVE kernel_size: 2 kernel_depth: 3 }",
}

// TestPooling compares with the formulas: the largest, or the sum by the size of the
// window that is clipped at the end of the padded clip.
func TestPooling(t *testing.T) {
	layertest.Checked(t, "Pooling3D", layertest.Reference)
	x := layertest.Gaussian(2, 2, 3, 5, 6, 8)
	for i, want := range []struct {
		shape          [3]int
		depth, size    int
		stride, length int
		pad            int
		ave            bool
	}{
		{[3]int{5, 3, 4}, 1, 2, 2, 1, 0, false},
		{[3]int{3, 3, 4}, 2, 3, 2, 2, 0, false}, // 1.5 + 1 and 2.5 + 1, rounded up
		{[3]int{3, 4, 5}, 2, 3, 2, 2, 1, true},
		{[3]int{3, 5, 7}, 3, 2, 1, 1, 0, true},
	} {
		f := layertest.New(t, layer("Pooling3D", poolings[i]), x)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		y := f.Top[0]
		if got := [3]int(y.Shape()[2:]); got != want.shape {
			t.Fatalf("%s: top has shape %v, want %v", poolings[i], y.Shape(), want.shape)
		}
		for at, got := range y.Data() {
			plane, place := at/y.CountFrom(2), at%y.CountFrom(2)
			p := [3]int{place / want.shape[2] / want.shape[1], place / want.shape[2] % want.shape[1], place % want.shape[2]}
			best, sum, size := math.Inf(-1), 0., 0
			for a := range want.depth {
				for b := range want.size {
					for c := range want.size {
						in := [3]int{p[0]*want.length + a, p[1]*want.stride + b - want.pad, p[2]*want.stride + c - want.pad}
						if in[0] >= 5 || in[1] >= 6+want.pad || in[2] >= 8+want.pad {
							continue
						}
						size++
						if in[1] >= 0 && in[2] >= 0 && in[1] < 6 && in[2] < 8 {
							v := float64(x.Data()[plane*5*6*8+(in[0]*6+in[1])*8+in[2]])
							best, sum = max(best, v), sum+v
						}
					}
				}
			}
			if want.ave {
				best = sum / float64(size)
			}
			if math.Abs(float64(got)-best) > 1e-6 {
				t.Fatalf("%s: y[%d] is %g, want %g", poolings[i], at, got, best)
			}
		}
	}
}

// layersOf returns all layers with a bottom, and a shape for each.
func layersOf() map[string]*blob.Blob {
	all := make(map[string]*blob.Blob)
	for _, c := range convolutions {
		all[layer("Convolution3D", c.options)] = layertest.Gaussian(1, 2, 3, 4, 5, 6)
		all[layer("Deconvolution3D", c.options)] = layertest.Gaussian(1, 2, 3, 3, 4, 3)
	}
	for _, options := range poolings {
		all[layer("Pooling3D", options)] = spaced(2, 2, 4, 5, 6)
	}
	return all
}

// spaced has values that are further apart than a step of the gradient check.
func spaced(shape ...int) *blob.Blob {
	b := layertest.Gaussian(1, shape...)
	for i := range b.MutableData() {
		b.MutableData()[i] = float32(i*7919%b.Count())/20 - 5
	}
	return b
}

func TestGradient(t *testing.T) {
	for text, x := range layersOf() {
		layertest.CheckGradient(t, layertest.New(t, text, x), layertest.GradientOptions{Step: 1e-2, Tolerance: 1e-2})
	}
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, options := range poolings {
		layertest.CheckDevice(t, d, 1e-5, layer("Pooling3D", options), layertest.Gaussian(3, 3, 4, 7, 19, 21))
	}
}

func TestPromises(t *testing.T) {
	for text, x := range layersOf() {
		layertest.CheckThreads(t, text, x)
		layertest.CheckAllocs(t, text, x)
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 1, 2, 4, 5, 5)
	for _, c := range []struct {
		line                int
		want, typ, settings string
		x                   *blob.Blob
	}{
		{2, "kernel_size is 3 and kernel_depth 0, want both", "Convolution3D", "convolution_param { num_output: 1 kernel_size: 3 }", x},
		{2, "kernel_size is given 2 times, want once: it is that of height and width", "Convolution3D", "convolution_param { num_output: 1 kernel_size: 3 kernel_size: 2 kernel_depth: 1 }", x},
		{2, "group is 2, want 1: C3D has no groups of channels", "Convolution3D", "convolution3d_param { num_output: 2 kernel_size: 3 kernel_depth: 1 group: 2 }", x},
		{2, "dilation is not an option of C3D: use kernel_size, pad, stride, kernel_depth, temporal_pad and temporal_stride", "Convolution3D", "convolution_param { num_output: 2 kernel_size: 3 kernel_depth: 1 dilation: 2 }", x},
		{1, "there is neither convolution3d_param nor convolution_param", "Convolution3D", "", x},
		{2, "pad is 1, want 0 with pool MAX: only AVE has padding", "Pooling3D", "pooling_param { kernel_size: 2 kernel_depth: 1 pad: 1 }", x},
		{2, "C3D has no STOCHASTIC pooling, want MAX or AVE", "Pooling3D", "pooling3d_param { pool: STOCHASTIC kernel_size: 2 kernel_depth: 1 }", x},
		{2, "C3D has no STOCHASTIC pooling, want MAX or AVE", "Pooling3D", "pooling_param { pool: STOCHASTIC kernel_size: 2 kernel_depth: 1 }", x},
		{2, "round_mode is not an option of C3D: use kernel_size, stride, kernel_depth and temporal_stride", "Pooling3D", "pooling_param { kernel_size: 2 kernel_depth: 1 round_mode: FLOOR }", x},
		{1, "the bottom has shape [1 2 4 5], want 5 axes: items, channels, length, height and width", "Pooling3D", "pooling_param { kernel_size: 2 kernel_depth: 1 }", layertest.Gaussian(1, 1, 2, 4, 5)},
		{1, "the bottom has shape [1 2 4 5 5]: no window of 1, stride 9, fits on axis 3", "Pooling3D", "pooling_param { kernel_size: 1 stride: 9 kernel_depth: 1 }", x},
	} {
		text := `layer { name: "l" type: "` + c.typ + `" bottom: "x" top: "y"` + "\n" + c.settings + "}"
		layertest.CheckError(t, c.line, `layer "l": `+c.want, text, c.x)
	}
}
