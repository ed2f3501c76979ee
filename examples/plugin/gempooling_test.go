package gempooling

import (
	"fmt"
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/layers/vision" // Pooling, to compare with
)

// layer returns the text of a layer with an exponent p and the given options.
func layer(p float64, options string) string {
	return fmt.Sprintf(`layer {
  name: "gem"
  type: "GeMPooling"
  bottom: "x"
  top: "y"
  gem_pooling_param { filler { value: %g } %s }
}`, p, options)
}

// cases are images and options of which each size is different.
var cases = []struct {
	shape          []int
	kernel, stride int // kernel 0 is global pooling
}{
	{[]int{1, 1, 1, 1}, 1, 1},
	{[]int{2, 3, 5, 4}, 2, 1},
	{[]int{2, 3, 7, 6}, 3, 2},
	{[]int{2, 2, 6, 7}, 2, 3}, // some elements are in no window
	{[]int{3, 4, 3, 5}, 0, 1},
}

func options(kernel, stride int) string {
	if kernel == 0 {
		return "global_pooling: true"
	}
	return fmt.Sprintf("kernel_size: %d stride: %d", kernel, stride)
}

// reference computes the layer in float64, by the formula of its description and
// nothing else.
func reference(x *blob.Blob, p, eps float64, kernel, stride int) []float64 {
	h, w := x.Dim(2), x.Dim(3)
	kernelH, kernelW := kernel, kernel
	if kernel == 0 {
		kernelH, kernelW = h, w
	}
	var y []float64
	for plane := range x.Dim(0) * x.Dim(1) {
		for top := 0; top+kernelH <= h; top += stride {
			for left := 0; left+kernelW <= w; left += stride {
				var sum float64
				for i := range kernelH {
					for j := range kernelW {
						sum += math.Pow(max(float64(x.Data()[(plane*h+top+i)*w+left+j]), eps), p)
					}
				}
				y = append(y, math.Pow(sum/float64(kernelH*kernelW), 1/p))
			}
		}
	}
	return y
}

func TestFormula(t *testing.T) {
	for _, c := range cases {
		for _, p := range []float64{1, 3, 0.5} {
			f := layertest.New(t, layer(p, options(c.kernel, c.stride)+" eps: 0.01"), layertest.Uniform(1, -1, 4, c.shape...))
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			want := reference(f.Bottom[0], p, 0.01, c.kernel, c.stride)
			if f.Top[0].Count() != len(want) {
				t.Fatalf("%v: the top has shape %v, want %d elements", c, f.Top[0].Shape(), len(want))
			}
			for i, y := range f.Top[0].Data() {
				// Rounding log c to float32 costs p·|log c| units of the last place.
				if !(math.Abs(float64(y)-want[i]) <= 1e-6*max(1, want[i])) {
					t.Errorf("%v, p %g: y[%d] is %v, want %v", c, p, i, y, want[i])
				}
			}
		}
	}
}

// With p = 1 the layer is an average pooling, with a large p nearly a maximum.
func TestLimits(t *testing.T) {
	x := layertest.Uniform(1, 0.5, 2, 2, 3, 7, 6)
	for _, c := range []struct {
		p         float64
		pool      string
		tolerance float64
	}{
		{1, "AVE", 2e-7},
		{60, "MAX", 0.04}, // the mean of 9 is at least 1/9: 1 - (1/9)^(1/60) = 0.036
	} {
		f := layertest.New(t, layer(c.p, "kernel_size: 3 stride: 1"), x)
		pooling := layertest.New(t, fmt.Sprintf(
			`layer { name: "p" type: "Pooling" bottom: "x" top: "y" pooling_param { pool: %s kernel_size: 3 } }`, c.pool), x)
		for _, f := range []*layertest.Fixture{f, pooling} {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		for i, y := range f.Top[0].Data() {
			if want := pooling.Top[0].Data()[i]; !(math.Abs(float64(y/want-1)) <= c.tolerance) {
				t.Errorf("p %g: y[%d] is %v, %s pooling has %v", c.p, i, y, c.pool, want)
			}
		}
	}
}

func TestGradient(t *testing.T) {
	for _, c := range cases {
		for _, p := range []float64{1, 3} {
			t.Run(fmt.Sprint(c, p), func(t *testing.T) {
				// No x is near eps, where the layer has no derivative.
				f := layertest.New(t, layer(p, options(c.kernel, c.stride)+" eps: 0.01"), layertest.Uniform(1701, 0.5, 2, c.shape...))
				f.Bottom[0].MutableData()[0] = -1
				layertest.CheckGradient(t, f, layertest.GradientOptions{})
			})
		}
	}
}

func TestPromises(t *testing.T) {
	x := layertest.Uniform(1701, -1, 2, 4, 8, 30, 30)
	for _, options := range []string{"kernel_size: 3 stride: 2", "global_pooling: true"} {
		layertest.CheckThreads(t, layer(3, options), x)
		layertest.CheckAllocs(t, layer(3, options), x)
	}
}

// TestDevice compares the passes on a GPU with those on the CPU. Without a GPU the
// kernels run on the CPU too, compiled by g++; where there is no g++ the test
// is skipped. With GOCAFFE_DEVICE=0 it uses GPU 0.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range cases {
		for _, p := range []float64{1, 3} {
			layertest.CheckDevice(t, d, 1e-5, layer(p, options(c.kernel, c.stride)), layertest.Uniform(7, -1, 2, c.shape...))
		}
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Uniform(1, 0, 1, 2, 3, 4, 5)
	for _, c := range []struct {
		line          int
		want, options string
	}{
		{6, `kernel_size is 0, want 1 to 32767`, "kernel_size: 0"},
		{6, `kernel_size and global_pooling are given, want one of them`, "kernel_size: 2 global_pooling: true"},
		{6, `stride is 0, want 1 to 32767`, "kernel_size: 2 stride: 0"},
		{6, `eps is -1, want a positive number`, "kernel_size: 2 eps: -1"},
		{4, `bottom has shape [2 3 4 5], too small for windows of 5 x 5`, "kernel_size: 5"},
	} {
		layertest.CheckError(t, c.line, `layer "gem": `+c.want, layer(3, c.options), x)
	}
	layertest.CheckError(t, 4, `layer "gem": bottom has shape [3 4], want 4 axes: items, channels, height, width`,
		layer(3, "kernel_size: 2"), layertest.Uniform(1, 0, 1, 3, 4))
}
