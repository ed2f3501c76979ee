package utility

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Reduction",
		Group:   "utility",
		Param:   "reduction_param",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newReduction,
		Kernels: reductionKernels,
		Doc: `The sum of all numbers from an axis on, or their mean, or the sum of their absolute values or squares.

Bottom: any blob.
Top: a blob of the axes before axis; with axis 0 a scalar.

reduction_param:
	operation (SUM): SUM, ASUM for absolute values, SUMSQ for squares, or MEAN
	axis (0): the first of the axes that are summed over; a negative one counts from the last
	coeff (1): a factor of the result

Caffe: reduction_layer.cpp`,
	})
}

// reduction implements the layer type; its registration describes it.
type reduction struct {
	layers.OnRecordableDevice
	spec  *layers.Spec
	op    caffepb.ReductionParameter_ReductionOp
	axis  int
	coeff float32

	rows, width   int
	factor        float32   // coeff, for MEAN over width
	abs           blob.Blob // of the bottom, for ASUM on a device
	forward, grad parallel.Loop[reductionArgs]
}

// reductionArgs are the arguments of a loop over rows, and of one over elements.
type reductionArgs struct {
	op    caffepb.ReductionParameter_ReductionOp
	width int
	coeff float32
	x, dx []float32 // of the bottom
	y     []float32 // of the top, or its diff
}

var (
	_ layers.Layer          = (*reduction)(nil)
	_ layers.BackwardReader = (*reduction)(nil)
)

func newReduction(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetReductionParam()
	l := &reduction{spec: spec, op: p.GetOperation(), axis: int(p.GetAxis()), coeff: p.GetCoeff()}
	switch l.op {
	case caffepb.ReductionParameter_SUM, caffepb.ReductionParameter_ASUM, caffepb.ReductionParameter_SUMSQ, caffepb.ReductionParameter_MEAN:
	default:
		return nil, spec.Errorf("reduction_param.operation", "got operation %v, want SUM, ASUM, SUMSQ or MEAN", l.op)
	}
	l.forward.Body, l.grad.Body = reduce, spread
	return l, nil
}

func (l *reduction) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *reduction) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	axis, err := x.Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt("reduction_param.axis", 0, err)
	}
	l.rows, l.width, l.factor = x.CountRange(0, axis), x.CountFrom(axis), l.coeff
	if l.op == caffepb.ReductionParameter_MEAN {
		if l.width == 0 {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom has shape %v, which has no mean from axis %d on", x.Shape(), axis))
		}
		l.factor /= float32(l.width)
	}
	return top[0].Reshape(x.Shape()[:axis]...)
}

// total returns what the operation makes of x.
func total(p *parallel.Pool, op caffepb.ReductionParameter_ReductionOp, x []float32) float64 {
	switch op {
	case caffepb.ReductionParameter_ASUM:
		return kernel.Asum(p, x)
	case caffepb.ReductionParameter_SUMSQ:
		return kernel.SumSq(p, x)
	}
	return kernel.Sum(p, x)
}

func (l *reduction) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, x, y := l.spec.Env.Workers, bottom[0].Data(), top[0].MutableData()
	if l.width > partSize { // the threads share a row
		for i := range y {
			y[i] = float32(total(w, l.op, x[i*l.width:(i+1)*l.width]) * float64(l.factor))
		}
		return nil
	}
	l.forward.Run(w, l.rows, max(1, partSize/max(1, l.width)), reductionArgs{op: l.op, width: l.width, coeff: l.factor, x: x, y: y})
	return nil
}

// reduce computes the rows from..to of y.
func reduce(a *reductionArgs, _, from, to int) {
	for i := from; i < to; i++ {
		a.y[i] = float32(total(nil, a.op, a.x[i*a.width:(i+1)*a.width]) * float64(a.coeff))
	}
}

// BackwardReads returns that Backward reads the bottom, except of a plain sum.
func (l *reduction) BackwardReads() (bottom, top bool) {
	return l.op == caffepb.ReductionParameter_ASUM || l.op == caffepb.ReductionParameter_SUMSQ, false
}

func (l *reduction) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		dx := bottom[0].MutableDiff()
		l.grad.Run(l.spec.Env.Workers, len(dx), partSize, reductionArgs{l.op, l.width, l.factor, bottom[0].Data(), dx, top[0].Diff()})
	}
	return nil
}

// spread computes the elements from..to of dx.
func spread(a *reductionArgs, _, from, to int) {
	for from < to {
		row := from / a.width
		end := min((row+1)*a.width, to)
		x, dx, scale := a.x[from:end], a.dx[from:end], a.coeff*a.y[row]
		switch a.op {
		case caffepb.ReductionParameter_ASUM:
			for i, v := range x {
				dx[i] = scale * kernel.Sign(v)
			}
		case caffepb.ReductionParameter_SUMSQ:
			kernel.Scale(nil, 2*scale, x, dx)
		default:
			kernel.Fill(nil, scale, dx)
		}
		from = end
	}
}
