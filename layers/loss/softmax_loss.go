package loss

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "SoftmaxWithLoss",
		Group:   "loss",
		Param:   "loss_param",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 2),
		Loss:    true,
		New:     newSoftmaxWithLoss,
		Kernels: softmaxLossKernels,
		Doc: `Cross-entropy of the softmax of scores x with the true classes t:

	p = exp(x) / sum of exp(x) over the classes
	E = 1/M sum of -log(max(p[t], 1.18e-38))

The bound, the smallest normal float32, makes 87.34 the largest loss of an item.

Bottoms: scores, of outer x classes x inner numbers (for axis 1: items x classes x places);
labels 0 to classes-1, one for each item and place. The labels have no gradient.
Tops: the loss, a scalar; optionally p, in the shape of the scores. No gradient flows back through p.

loss_param:
	normalization (VALID): what M is. FULL: items times places. VALID: those that are not ignored.
		BATCH_SIZE: items. NONE: 1. M is never less than 1.
	ignore_label (none): items and places of this label do not count
	normalize (none): old form of normalization; true is VALID, false is BATCH_SIZE
softmax_param:
	normalize_type (Softmax): no other is supported (NormFace)
	axis (1): the axis of the classes; a negative one counts from the last
	engine: accepted and ignored

Caffe: softmax_loss_layer.cpp`,
	})
}

// softmaxWithLoss is described by its registration.
//
// Differs from Caffe: the second top works. Caffe refuses it, because it hands
// the loss weights of both tops to the Softmax layer inside.
type softmaxWithLoss struct {
	softmaxLabels
	sum, grad loop
}

var (
	_ layers.Layer          = (*softmaxWithLoss)(nil)
	_ layers.BackwardReader = (*softmaxWithLoss)(nil)
)

func newSoftmaxWithLoss(spec *layers.Spec) (layers.Layer, error) {
	common, err := newSoftmaxLabels(spec, "softmax_param.axis", spec.Param.GetSoftmaxParam().GetAxis())
	if err != nil {
		return nil, err
	}
	l := &softmaxWithLoss{softmaxLabels: common}
	l.sum.body, l.grad.body = l.losses, l.gradients
	return l, nil
}

func (l *softmaxWithLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.begin(bottom); err != nil {
		return err
	}
	return l.end(l.sum.run(l.spec.Env.Workers, len(l.class), perPlace), top)
}

// losses returns the loss of the places from lo on.
func (l *softmaxWithLoss) losses(lo, hi int) float64 {
	const least = 0x1p-126 // C's FLT_MIN
	var sum float64
	for place := lo; place < hi; place++ {
		if c := int(l.class[place]); c >= 0 {
			sum -= math.Log(max(float64(l.p[l.at(place)+c*l.labels.Inner]), least))
		}
	}
	return sum
}

func (l *softmaxWithLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if needed, err := l.beginBackward(top, propagateDown, bottom); !needed {
		return err
	}
	kernel.Scale(l.spec.Env.Workers, l.weight, l.p, l.diff)
	l.grad.run(l.spec.Env.Workers, len(l.class), perPlace)
	return nil
}

// gradients turns weight·p into the gradient weight·(p - [class is true]), for the
// places from lo on.
func (l *softmaxWithLoss) gradients(lo, hi int) float64 {
	inner := l.labels.Inner
	for place := lo; place < hi; place++ {
		at := l.at(place)
		if c := int(l.class[place]); c >= 0 {
			at += c * inner
			l.diff[at] = (l.p[at] - 1) * l.weight // not diff - weight, which would lose digits
			continue
		}
		for range l.labels.Classes {
			l.diff[at] = 0
			at += inner
		}
	}
	return 0
}
