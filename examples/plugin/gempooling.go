// Package gempooling is a sample of a plugin: a vision layer for gocaffe in a Go
// module of its own, with a version for GPUs. It uses nothing that a module of
// yours cannot use.
package gempooling

import (
	"context"
	_ "embed"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

//go:embed gempooling.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:  "GeMPooling",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "gem_pooling_param",
			Number:  424242,
			Proto:   schema,
			Message: "GeMPoolingParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newGeMPooling,
		Kernels: kernels,
		Doc: `Generalized mean pooling, with an exponent that is learned:

	c = max(x, eps)    m = mean of c^p over a window    y = m^(1/p)

For p = 1 it is average pooling; the larger p is, the more it is like maximum pooling.

	dy/dx = y/m c^(p-1) / (elements of the window), or 0 where x <= eps
	dy/dp = y (mean of c^p log c / (p m) - log m / p^2)

Bottom: x, of 4 axes: items, channels, height, width.
Top: y, not the bottom itself. Windows lie inside the image: along an axis of n elements there are
(n - kernel_size) / stride + 1 of them, rounded down.
Weights: p, one number.

gem_pooling_param:
	kernel_size: height and width of a window; required unless global_pooling is set
	stride (1): distance between windows
	global_pooling (false): the window is the whole image
	filler (constant 3): fills p
	eps (1e-6): what smaller elements of x count as, positive

From: Radenović, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation" (2018), equation 3`,
	})
}

// gemPooling implements the layer type; its registration describes it.
type gemPooling struct {
	layers.Weights // Blobs[0] is p

	spec    *layers.Spec
	options struct {
		KernelSize    int                      `proto:"kernel_size"`
		Stride        int                      `proto:"stride"`
		GlobalPooling bool                     `proto:"global_pooling"`
		Filler        *caffepb.FillerParameter `proto:"filler"`
		Eps           float32                  `proto:"eps"`
	}
	window kernel.PoolParams

	// What Forward keeps for Backward, and scratch. The first three have the
	// shape of x, the others that of y.
	logs, powers, weighted  []float32 // log c, c^p, c^p log c
	means, slopes, weighing []float32 // m, dE/dm, the means of weighted

	device
}

// The compiler says here what is missing of a method.
var (
	_ layers.Layer           = (*gemPooling)(nil)
	_ layers.Parameterized   = (*gemPooling)(nil)
	_ layers.ParamPropagator = (*gemPooling)(nil)
)

// newGeMPooling reads and checks the options.
func newGeMPooling(spec *layers.Spec) (layers.Layer, error) {
	l := &gemPooling{spec: spec}
	o := &l.options
	if err := spec.Options(o); err != nil {
		return nil, err
	}
	switch {
	case o.GlobalPooling && o.KernelSize != 0:
		return nil, spec.Errorf("gem_pooling_param.kernel_size", "kernel_size and global_pooling are given, want one of them")
	case !o.GlobalPooling && (o.KernelSize < 1 || o.KernelSize > math.MaxInt16):
		return nil, spec.Errorf("gem_pooling_param.kernel_size", "kernel_size is %d, want 1 to %d", o.KernelSize, math.MaxInt16)
	case o.Stride < 1 || o.Stride > math.MaxInt16:
		return nil, spec.Errorf("gem_pooling_param.stride", "stride is %d, want 1 to %d", o.Stride, math.MaxInt16)
	case !(o.Eps > 0 && o.Eps <= math.MaxFloat32): // true for NaN too
		return nil, spec.Errorf("gem_pooling_param.eps", "eps is %g, want a positive number", o.Eps)
	}
	if o.Filler == nil {
		o.Filler = &caffepb.FillerParameter{Type: proto.String("constant"), Value: proto.Float32(3)}
	}
	return l, spec.CheckFiller("gem_pooling_param.filler", o.Filler)
}

// SetUp makes the exponent.
func (l *gemPooling) SetUp(bottom, top []*blob.Blob) error {
	p, err := l.spec.NewParam(0, "bottom", "gem_pooling_param.filler", l.options.Filler)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{p}
	return nil
}

// Reshape finds the sizes, gives the top its shape and allocates what the passes
// need, so that they need not.
func (l *gemPooling) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != 4 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want 4 axes: items, channels, height, width", x.Shape())
	}
	h, w := x.Dim(2), x.Dim(3)
	kernelH, kernelW := l.options.KernelSize, l.options.KernelSize
	if l.options.GlobalPooling {
		kernelH, kernelW = h, w
	}
	if h < max(1, kernelH) || w < max(1, kernelW) {
		return l.spec.Errorf("bottom", "bottom has shape %v, too small for windows of %d x %d", x.Shape(), kernelH, kernelW)
	}
	l.window = kernel.PoolParams{
		Planes: x.Dim(0) * x.Dim(1), H: h, W: w,
		OutH: (h-kernelH)/l.options.Stride + 1, OutW: (w-kernelW)/l.options.Stride + 1,
		KernelH: kernelH, KernelW: kernelW, StrideH: l.options.Stride, StrideW: l.options.Stride,
	}
	if err := top[0].Reshape(x.Dim(0), x.Dim(1), l.window.OutH, l.window.OutW); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	for _, s := range []*[]float32{&l.logs, &l.powers, &l.weighted} {
		*s = room(*s, x.Count())
	}
	for _, s := range []*[]float32{&l.means, &l.slopes, &l.weighing} {
		*s = room(*s, top[0].Count())
	}
	return nil
}

// room returns n elements, those of s if it has as many.
func room(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// Forward computes the top.
func (l *gemPooling) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	pool, p := l.spec.Env.Workers, l.Blobs[0].Data()[0]
	logLoop.Run(pool, len(l.logs), part, arrays{x: bottom[0].Data(), eps: l.options.Eps, y: l.logs})
	kernel.Scale(pool, p, l.logs, l.powers)
	kernel.Exp(pool, l.powers, l.powers)
	kernel.AvePoolForward(pool, l.window, l.powers, l.means)
	rootLoop.Run(pool, len(l.means), part, arrays{m: l.means, p: float64(p), y: top[0].MutableData()})
	return nil
}

// Backward adds to the diff of the exponent and computes that of the bottom.
func (l *gemPooling) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	pool, p, y, dy := l.spec.Env.Workers, l.Blobs[0].Data()[0], top[0].Data(), top[0].Diff()
	if l.Needs(0) {
		kernel.Mul(pool, l.powers, l.logs, l.weighted)
		kernel.AvePoolForward(pool, l.window, l.weighted, l.weighing)
		exponentLoop.Run(pool, len(y), part, arrays{x: y, m: l.means, p: float64(p), y: l.weighing})
		l.Blobs[0].MutableDiff()[0] += float32(kernel.Dot(pool, dy, l.weighing))
	}
	if propagateDown[0] {
		dx := bottom[0].MutableDiff()
		kernel.Mul(pool, dy, y, l.slopes)
		kernel.Div(pool, l.slopes, l.means, l.slopes)
		kernel.AvePoolBackward(pool, l.window, l.slopes, dx)
		inputLoop.Run(pool, len(dx), part, arrays{x: bottom[0].Data(), m: l.powers, eps: l.options.Eps, y: dx})
	}
	return nil
}
