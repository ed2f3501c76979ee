package loss

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
		Type:    "SigmoidCrossEntropyLoss",
		Group:   "loss",
		Param:   "loss_param",
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newSigmoidCrossEntropyLoss,
		Kernels: sigmoidCrossEntropyLossKernels,
		Doc: `Cross-entropy of the logistic functions p of scores x for target probabilities t, for labels that are
independent of each other:

	p = 1 / (1 + exp(-x))
	E = -1/M sum of w (t log(p) + (1 - t) log(1 - p))      dE/dx = w (p - t)/M

The weights w are 1, unless class_weighting or a third bottom sets them, whose weights are multiplied.

Bottoms: scores x; as many targets t, from 0 to 1; optionally weights, one for each score or one for each item, which
Caffe does not have. The first axis of all is the items. Only the scores have a gradient.
Top: the loss, a scalar.

loss_param:
	normalization (BATCH_SIZE): M. FULL: all scores. VALID: scores that are not ignored. BATCH_SIZE: items.
		NONE: 1. M is at least 1.
	ignore_label (none): scores whose t, rounded towards 0, is this do not count
	normalize (none): old form of normalization; true means VALID, false BATCH_SIZE
	weight_by_label_freqs (false), class_weighting (none): true and w, one number for each channel, which are axis 1 of
		the scores; SegNet's Caffe has them for SoftmaxWithLoss. M does not depend on them

Caffe: sigmoid_cross_entropy_loss_layer.cpp`,
	})
}

// sigmoidCrossEntropyLoss implements the layer type; its registration describes it.
type sigmoidCrossEntropyLoss struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	norm    layers.LossNorm
	weights *layers.LossWeights // or nil
	ignore  *int32

	outer, inner      int
	channels, channel int       // the number of channels, and of scores in one
	valid             int       // scores that count
	terms             blob.Blob // log(1 + exp(-|x|)); on a device, the losses
	count             blob.Blob // valid on a device, an int

	x, t, term, dx []float32 // arguments of the loops
	scale          float32
	sum            parallel.SumLoop
	grad           parallel.Range
	counting       parallel.SumLoop
}

var (
	_ layers.Layer          = (*sigmoidCrossEntropyLoss)(nil)
	_ layers.BackwardReader = (*sigmoidCrossEntropyLoss)(nil)
	_ layers.BackwardForcer = (*sigmoidCrossEntropyLoss)(nil)
)

func newSigmoidCrossEntropyLoss(spec *layers.Spec) (layers.Layer, error) {
	norm, weights, err := layers.NewWeightedLossNorm(spec, caffepb.LossParameter_BATCH_SIZE)
	if err != nil {
		return nil, err
	}
	l := &sigmoidCrossEntropyLoss{spec: spec, norm: norm, weights: weights, ignore: spec.IgnoreLabel()}
	l.sum.Body, l.grad.Body, l.counting.Body = l.losses, l.gradients, l.ignored
	return l, nil
}

func (l *sigmoidCrossEntropyLoss) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *sigmoidCrossEntropyLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := reshape(l.spec, bottom, top); err != nil {
		return err
	}
	x, t := bottom[0], bottom[1]
	if x.Count() != t.Count() {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want as many targets as scores", x.Shape(), t.Shape()))
	}
	l.outer, l.inner = x.Dim(0), x.CountFrom(1)
	l.channels, l.channel = 1, l.inner
	if x.Axes() > 1 {
		l.channels, l.channel = x.Dim(1), x.CountFrom(2)
	}
	if err := l.weights.Reshape(bottom, l.channels, x.Count()); err != nil {
		return err
	}
	if err := l.count.Reshape(1); err != nil {
		return err
	}
	return l.terms.ReshapeLike(x)
}

// ignores reports whether scores with the target t do not count.
func (l *sigmoidCrossEntropyLoss) ignores(t float32) bool {
	return l.ignore != nil && t >= -1<<31 && t < 1<<31 && int32(t) == *l.ignore
}

func (l *sigmoidCrossEntropyLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w := l.spec.Env.Workers
	l.weights.Read(bottom)
	l.x, l.t, l.term = bottom[0].Data(), bottom[1].Data(), l.terms.MutableData()
	l.valid = len(l.x)
	if l.ignore != nil {
		l.valid -= int(l.counting.Run(w, len(l.x), step(1)))
	}
	sum := l.sum.Run(w, len(l.x), step(1))
	top[0].MutableData()[0] = float32(sum / float64(l.norm.Normalizer(l.outer, l.inner, l.valid)))
	return nil
}

// ignored returns how many of some scores do not count.
func (l *sigmoidCrossEntropyLoss) ignored(lo, hi int) float64 {
	n := 0
	for _, t := range l.t[lo:hi] {
		if l.ignores(t) {
			n++
		}
	}
	return float64(n)
}

// losses returns the loss of some scores: max(x,0) - x t + log(1 + exp(-|x|)), which does
// not overflow.
func (l *sigmoidCrossEntropyLoss) losses(lo, hi int) float64 {
	term := l.term[lo:hi]
	kernel.Abs(nil, l.x[lo:hi], term)
	kernel.Scale(nil, -1, term, term)
	kernel.BNLL(nil, term, term)
	var sum float64
	for i, x := range l.x[lo:hi] {
		t := l.t[lo+i]
		if l.ignores(t) {
			continue
		}
		if x >= 0 {
			t--
		}
		loss := float64(term[i]) - float64(x)*float64(t)
		if l.weights != nil {
			loss *= float64(l.weight(lo + i))
		}
		sum += loss
	}
	return sum
}

// weight returns the weight of a score.
func (l *sigmoidCrossEntropyLoss) weight(i int) float32 {
	return l.weights.At(i, i/l.channel%l.channels)
}

// AllowForceBackward returns true for the scores.
func (l *sigmoidCrossEntropyLoss) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads the bottoms.
func (l *sigmoidCrossEntropyLoss) BackwardReads() (bottom, top bool) { return true, false }

func (l *sigmoidCrossEntropyLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	l.weights.Read(bottom)
	l.scale = top[0].Diff()[0] / l.norm.Normalizer(l.outer, l.inner, l.valid)
	l.x, l.t, l.dx = bottom[0].Data(), bottom[1].Data(), bottom[0].MutableDiff()
	l.grad.Run(l.spec.Env.Workers, len(l.x), step(1))
	return nil
}

// gradients computes the diff of some scores.
func (l *sigmoidCrossEntropyLoss) gradients(lo, hi int) {
	dx := l.dx[lo:hi]
	kernel.Sigmoid(nil, l.x[lo:hi], dx)
	for i, t := range l.t[lo:hi] {
		if l.ignores(t) {
			dx[i] = 0
			continue
		}
		dx[i] = (dx[i] - t) * l.scale
		if l.weights != nil {
			dx[i] *= l.weight(lo + i)
		}
	}
}
