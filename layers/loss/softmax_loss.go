package loss

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "SoftmaxWithLoss",
		Group:   "loss",
		Param:   "loss_param",
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Between(1, 2),
		Loss:    true,
		New:     newSoftmaxWithLoss,
		Kernels: cuda.Math,
		Doc: `Cross-entropy of the softmax of scores x for the true classes t:

	p = exp(x) / sum of exp(x) over the classes
	E = 1/M sum of -w[t] log(max(p[t], 1.18e-38))

Because of the bound, the smallest normal float32, an item has a loss of at most 87.34. The weights w are 1, unless
class_weighting sets them; with a third bottom, the term and its gradient are multiplied with its weight too.

Bottoms: scores, outer x classes x inner elements (for axis 1: items x classes x positions);
labels 0 to classes-1, one for each item and position; optionally weights, one for each label or one for each item,
which Caffe does not have. Labels and weights have no gradient.
Tops: the loss, a scalar; optionally p, in the shape of the scores. No gradient flows back through p.

loss_param:
	normalization (VALID): M. FULL: all labels. VALID: labels that are not ignored. BATCH_SIZE: items.
		NONE: 1. M is at least 1.
	ignore_label (none): items and positions with this label do not count
	normalize (none): old form of normalization; true means VALID, false BATCH_SIZE
	weight_by_label_freqs (false), class_weighting (none): true and w, one number for each class; of SegNet's Caffe.
		M does not depend on them
softmax_param:
	normalize_type (Softmax): must be Softmax (NormFace)
	axis (1): the axis of the classes; a negative one counts from the last
	engine: accepted and ignored

Caffe: softmax_loss_layer.cpp`,
	})
}

// softmaxWithLoss implements the layer type; its registration describes it.
//
// Differs from Caffe: the second top works. Caffe refuses it, because it passes the loss
// weights of both tops to its inner Softmax layer.
type softmaxWithLoss struct{ softmaxLabels }

var (
	_ layers.Layer          = (*softmaxWithLoss)(nil)
	_ layers.BackwardReader = (*softmaxWithLoss)(nil)
	_ layers.BackwardForcer = (*softmaxWithLoss)(nil)
)

func newSoftmaxWithLoss(spec *layers.Spec) (layers.Layer, error) {
	common, err := newSoftmaxLabels(spec, layers.NewWeightedCrossEntropy, "softmax_param.axis", spec.Param.GetSoftmaxParam().GetAxis())
	if err != nil {
		return nil, err
	}
	return &softmaxWithLoss{common}, nil
}

func (l *softmaxWithLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	_, prob, err := l.begin(bottom)
	if err != nil {
		return err
	}
	return l.end(l.loss.Forward(l.spec.Env.Workers, prob, nil), top)
}

func (l *softmaxWithLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	l.loss.Weights().Read(bottom)
	l.loss.Backward(l.spec.Env.Workers, top[0].Diff()[0], l.prob.Data(), bottom[0].MutableDiff())
	return nil
}
