package loss

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "ContrastiveLoss",
		Group:   "loss",
		Param:   "contrastive_loss_param",
		Bottoms: layers.Exactly(3),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newContrastiveLoss,
		Kernels: contrastiveLossKernels,
		Doc: `Loss of siamese nets for pairs of vectors a and b at a distance d. It pulls similar vectors together and
keeps the others apart:

	E = 1/(2N) sum over pairs of d^2                      for similar pairs
	                             max(margin - d, 0)^2     for others

Bottoms: a and b, N x C elements (or N x C x 1 x 1); N elements, which are below 1 for pairs that are
not similar, without a gradient.
Top: the loss, a scalar.

contrastive_loss_param:
	margin (1): the distance beyond which a pair that is not similar has no loss
	legacy_version (false): the loss of such a pair is max(margin - d^2, 0), as in Caffe before November 2014

Caffe: contrastive_loss_layer.cpp, after Hadsell et al., "Dimensionality Reduction by Learning an
Invariant Mapping" (2006)`,
	})
}

// contrastiveLoss implements the layer type; its registration describes it.
type contrastiveLoss struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	margin float32
	legacy bool

	n, c   int
	diff   blob.Blob // a - b, (n,c)
	factor blob.Blob // of each pair: the gradient of a is factor (a - b)/n, that of b its negative
	terms  blob.Blob // on a device: the squared distances, then the losses

	a, b, similar  []float32 // arguments of the loops
	diffs, factors []float32
	dx             []float32
	scale          float32
	sum            parallel.SumLoop
	grad           parallel.Range
}

var (
	_ layers.Layer          = (*contrastiveLoss)(nil)
	_ layers.BackwardReader = (*contrastiveLoss)(nil)
	_ layers.BackwardForcer = (*contrastiveLoss)(nil)
)

func newContrastiveLoss(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetContrastiveLossParam()
	l := &contrastiveLoss{spec: spec, margin: p.GetMargin(), legacy: p.GetLegacyVersion()}
	l.sum.Body, l.grad.Body = l.losses, l.gradients
	return l, nil
}

// AllowForceBackward returns true for the vectors.
func (l *contrastiveLoss) AllowForceBackward(i int) bool { return i < 2 }

func (l *contrastiveLoss) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *contrastiveLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := reshape(l.spec, bottom, top); err != nil {
		return err
	}
	if err := l.spec.NoItems(bottom[0].Num(), bottom[0]); err != nil {
		return err
	}
	a, b, similar := bottom[0], bottom[1], bottom[2]
	l.n, l.c = a.Dim(0), a.CountFrom(1)
	for i, x := range bottom[:2] {
		if x.CountFrom(1) != l.c || x.Axes() > 1 && x.Dim(1) != l.c {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got bottoms of shapes %v and %v, want vectors of equal length on axis 1", a.Shape(), b.Shape()))
		}
	}
	if similar.Count() != l.n {
		return l.spec.ErrorAt("bottom", 2, fmt.Errorf("got shape %v, want %d elements, one for each pair", similar.Shape(), l.n))
	}
	if err := l.factor.Reshape(l.n); err != nil {
		return err
	}
	if err := l.terms.Reshape(l.n); err != nil {
		return err
	}
	return l.diff.Reshape(l.n, l.c)
}

func (l *contrastiveLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.a, l.b, l.similar = bottom[0].Data(), bottom[1].Data(), bottom[2].Data()
	l.diffs, l.factors = l.diff.MutableData(), l.factor.MutableData()
	sum := l.sum.Run(l.spec.Env.Workers, l.n, step(l.c))
	top[0].MutableData()[0] = float32(sum / float64(2*l.n))
	return nil
}

// losses returns the loss of some pairs, and keeps what Backward needs.
func (l *contrastiveLoss) losses(lo, hi int) float64 {
	var sum float64
	for i := lo; i < hi; i++ {
		diff := l.diffs[i*l.c : (i+1)*l.c]
		kernel.Sub(nil, l.a[i*l.c:], l.b[i*l.c:], diff)
		loss, factor := l.pair(kernel.SumSq(nil, diff), !(l.similar[i] > -1 && l.similar[i] < 1))
		l.factors[i] = factor
		sum += loss
	}
	return sum
}

// pair returns twice the loss of a pair with the given squared distance, and the factor
// of its gradient.
func (l *contrastiveLoss) pair(squared float64, similar bool) (loss float64, factor float32) {
	if similar {
		return squared, 1
	}
	distance := math.Sqrt(squared)
	rest := float64(l.margin) - distance
	if l.legacy {
		rest = float64(l.margin) - squared
	}
	switch {
	case !(rest > 0):
		return 0, 0
	case l.legacy:
		return rest, -1
	}
	return rest * rest, float32(-rest / (distance + 1e-4)) // as Caffe avoids dividing by 0
}

// BackwardReads returns that Backward reads no data.
func (l *contrastiveLoss) BackwardReads() (bottom, top bool) { return false, false }

func (l *contrastiveLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 2); err != nil {
		return err
	}
	l.scale = top[0].Diff()[0] / float32(l.n)
	l.diffs, l.factors = l.diff.Data(), l.factor.Data()
	for i, x := range bottom[:2] {
		if propagateDown[i] {
			l.dx = x.MutableDiff()
			l.grad.Run(l.spec.Env.Workers, l.n, step(l.c))
		}
		l.scale = -l.scale
	}
	return nil
}

// gradients computes a diff of some pairs.
func (l *contrastiveLoss) gradients(lo, hi int) {
	for i := lo; i < hi; i++ {
		kernel.Scale(nil, l.scale*l.factors[i], l.diffs[i*l.c:], l.dx[i*l.c:(i+1)*l.c])
	}
}
