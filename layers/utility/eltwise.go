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
		Type:    "Eltwise",
		Kernels: eltwiseKernels,
		Group:   "utility",
		Param:   "eltwise_param",
		Bottoms: layers.AtLeast(2),
		Tops:    layers.Exactly(1),
		New:     newEltwise,
		Doc: `Computes the sum, the product or the maximum of blobs, element by element.

Bottoms: blobs of the same shape.
Top: a blob of that shape.

The gradient of MAX goes to the largest bottom. If the first two are equal, it goes to the second of them; a later
bottom must be larger than those before.

eltwise_param:
	operation (SUM): PROD, SUM or MAX
	coeff (1): factors of SUM, one for each bottom
	stable_prod_grad (true): compute a gradient of PROD as the product of the other bottoms. False
		divides the top by the bottom, which is faster for many bottoms but fails at zeros.

Caffe: eltwise_layer.cpp`,
	})
}

// eltwise implements the layer type; its registration describes it.
//
// Differs from Caffe: it does not work in place. Caffe then computes a wrong sum and
// wrong gradients.
type eltwise struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	op     caffepb.EltwiseParameter_EltwiseOp
	coeff  []float32
	stable bool

	largest  []int32   // of MAX: the bottom that each element of the top comes from
	onDevice blob.Blob // the same on a device

	// Arguments of the loops.
	x     [][]float32 // of each bottom
	y, dy []float32
	dx    []float32 // of bottom i
	i     int

	forward, backward parallel.Range
}

var (
	_ layers.Layer          = (*eltwise)(nil)
	_ layers.BackwardReader = (*eltwise)(nil)
	_ layers.Adder          = (*eltwise)(nil)
)

func newEltwise(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetEltwiseParam()
	l := &eltwise{spec: spec, op: p.GetOperation(), coeff: p.GetCoeff(), stable: p.GetStableProdGrad()}
	switch l.op {
	case caffepb.EltwiseParameter_PROD:
		if len(l.coeff) > 0 {
			return nil, spec.Errorf("eltwise_param.coeff", "got coefficients for operation PROD, want them for SUM only")
		}
		l.forward.Body = l.prod
	case caffepb.EltwiseParameter_SUM:
		l.forward.Body = l.sum
	case caffepb.EltwiseParameter_MAX:
		l.forward.Body = l.max
	default:
		return nil, spec.Errorf("eltwise_param.operation", "got operation %v, want PROD, SUM or MAX", l.op)
	}
	l.backward.Body = l.gradient
	return l, nil
}

func (l *eltwise) SetUp(bottom, top []*blob.Blob) error {
	switch n := len(l.coeff); n {
	case 0:
		for range bottom {
			l.coeff = append(l.coeff, 1)
		}
	case len(bottom):
	default:
		return l.spec.Errorf("eltwise_param.coeff", "got %d coefficients for %d bottoms, want %d or none", n, len(bottom), len(bottom))
	}
	l.x = make([][]float32, len(bottom))
	return nil
}

func (l *eltwise) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	for i, b := range bottom[1:] {
		if !b.ShapeEqual(bottom[0].Shape()) {
			return l.spec.ErrorAt("bottom", i+1, fmt.Errorf("got shape %v, want that of the first bottom, %v", b.Shape(), bottom[0].Shape()))
		}
	}
	if err := top[0].ReshapeLike(bottom[0]); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	return nil
}

func (l *eltwise) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.op == caffepb.EltwiseParameter_MAX {
		l.largest = layers.Resize(l.largest, top[0].Count())
	}
	for i, b := range bottom {
		l.x[i] = b.Data()
	}
	l.y = top[0].MutableData()
	l.forward.Run(l.spec.Env.Workers, len(l.y), partSize)
	return nil
}

// Adds reports whether the layer adds two bottoms without coefficients.
func (l *eltwise) Adds() bool {
	return l.op == caffepb.EltwiseParameter_SUM && len(l.x) == 2 && l.coeff[0] == 1 && l.coeff[1] == 1
}

func (l *eltwise) prod(lo, hi int) {
	y := l.y[lo:hi]
	kernel.Mul(nil, l.x[0][lo:hi], l.x[1][lo:hi], y)
	for _, x := range l.x[2:] {
		kernel.Mul(nil, y, x[lo:hi], y)
	}
}

func (l *eltwise) sum(lo, hi int) {
	y := l.y[lo:hi]
	if l.coeff[0] == 1 && l.coeff[1] == 1 {
		kernel.Add(nil, l.x[0][lo:hi], l.x[1][lo:hi], y)
	} else {
		kernel.Scale(nil, l.coeff[0], l.x[0][lo:hi], y)
		kernel.Axpy(nil, l.coeff[1], l.x[1][lo:hi], y)
	}
	for i, x := range l.x[2:] {
		kernel.Axpy(nil, l.coeff[2+i], x[lo:hi], y)
	}
}

func (l *eltwise) max(lo, hi int) {
	y, largest := l.y[lo:hi], l.largest[lo:hi]
	a, b := l.x[0][lo:hi], l.x[1][lo:hi]
	for k, v := range a {
		if v > b[k] {
			y[k], largest[k] = v, 0
		} else {
			y[k], largest[k] = b[k], 1
		}
	}
	for i, x := range l.x[2:] {
		for k, v := range x[lo:hi] {
			if v > y[k] {
				y[k], largest[k] = v, int32(2+i)
			}
		}
	}
}

// BackwardReads returns that Backward reads all data for a product, and otherwise none.
func (l *eltwise) BackwardReads() (bottom, top bool) {
	return l.op == caffepb.EltwiseParameter_PROD, l.op == caffepb.EltwiseParameter_PROD
}

func (l *eltwise) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i, b := range bottom {
		l.x[i] = b.Data()
	}
	l.y, l.dy = top[0].Data(), top[0].Diff()
	for i, b := range bottom {
		if propagateDown[i] {
			l.i, l.dx = i, b.MutableDiff()
			l.backward.Run(l.spec.Env.Workers, len(l.y), partSize)
		}
	}
	return nil
}

// gradient sets dx, the gradient of bottom i.
func (l *eltwise) gradient(lo, hi int) {
	dx, dy := l.dx[lo:hi], l.dy[lo:hi]
	switch {
	case l.op == caffepb.EltwiseParameter_SUM:
		kernel.Scale(nil, l.coeff[l.i], dy, dx)
	case l.op == caffepb.EltwiseParameter_MAX:
		for k, from := range l.largest[lo:hi] {
			dx[k] = 0
			if int(from) == l.i {
				dx[k] = dy[k]
			}
		}
	case l.stable:
		l.productOfOthers(dx, lo)
		kernel.Mul(nil, dx, dy, dx)
	default:
		kernel.Div(nil, l.y[lo:hi], l.x[l.i][lo:hi], dx)
		kernel.Mul(nil, dx, dy, dx)
	}
}

// productOfOthers sets dx, which begins at index lo, to the product of all bottoms except
// bottom i.
func (l *eltwise) productOfOthers(dx []float32, lo int) {
	first := true
	for j, x := range l.x {
		switch {
		case j == l.i:
		case first:
			copy(dx, x[lo:])
			first = false
		default:
			kernel.Mul(nil, dx, x[lo:], dx)
		}
	}
}
