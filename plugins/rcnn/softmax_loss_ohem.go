package rcnn

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	info := layers.Info{
		Type:    "SoftmaxWithLossOHEM",
		Group:   "loss",
		Param:   "loss_param",
		Extends: layers.Schema(schemas, "loss.proto"),
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 3),
		Loss:    true,
		New:     newSoftmaxLossOHEM,
		Kernels: softmaxLossOHEMKernels,
		Doc: `Cross-entropy of the softmax of scores x for the true classes t, and that of each item, for online hard example mining:

	p = exp(x) / sum of exp(x) over the classes
	E = 1/M sum of -log(max(p[t], 1.18e-38))

Bottoms: scores, outer x classes x inner elements (for axis 1: items x classes x positions); labels 0 to classes-1, one
for each item and position, which have no gradient.
Tops: E, a scalar; optionally p, in the shape of the scores; optionally the terms of the sum, in the shape of the
labels, 0 for those that are ignored. Only E has a gradient.

loss_param:
	normalization (VALID): M. FULL: all labels. VALID: labels that are not ignored. BATCH_SIZE: items. NONE: 1.
	PRE_FIXED: pre_fixed_normalizer. M is at least 1
	pre_fixed_normalizer (1): M of PRE_FIXED
	ignore_label (none): items and positions with this label do not count
	normalize (none): old form of normalization; true means VALID, false BATCH_SIZE
	weight_by_label_freqs, class_weighting: SoftmaxWithLoss only, with one or two tops
softmax_param:
	axis (1): the axis of the classes; a negative one counts from the last
	engine: accepted and ignored

Source: github.com/intel/caffe, softmax_loss_ohem_layer.cpp; github.com/daijifeng001/caffe-rfcn (branch r-fcn), whose
name for it is SoftmaxWithLoss`,
	}
	layers.Register(info)
	info.Type, info.Dialects, info.New = "SoftmaxWithLoss", []string{"rfcn"}, newSoftmaxLossRFCN
	layers.Register(info)
}

// leastProbability is C's FLT_MIN.
const leastProbability = 0x1p-126

// softmaxLossOHEM implements the layer type; its registration describes it.
type softmaxLossOHEM struct {
	layers.OnRecordableDevice
	spec *layers.Spec
	axis int
	loss *layers.CrossEntropy
	norm lossNorm

	class []int32
	prob  blob.Blob
	terms blob.Blob // losses of places on a device, if there is no top for them
}

var (
	_ layers.Layer          = (*softmaxLossOHEM)(nil)
	_ layers.BackwardForcer = (*softmaxLossOHEM)(nil)
	_ layers.BackwardReader = (*softmaxLossOHEM)(nil)
)

func newSoftmaxLossOHEM(s *layers.Spec) (layers.Layer, error) {
	norm, err := newLossNorm(s)
	if err != nil {
		return nil, err
	}
	return newSoftmaxLoss(s, norm)
}

func newSoftmaxLoss(s *layers.Spec, norm lossNorm) (layers.Layer, error) {
	if err := s.CheckSoftmax(); err != nil {
		return nil, err
	}
	loss, err := layers.NewCrossEntropy(s)
	if err != nil {
		return nil, err
	}
	return &softmaxLossOHEM{spec: s, axis: int(s.Param.GetSoftmaxParam().GetAxis()), loss: loss, norm: norm}, nil
}

// newSoftmaxLossRFCN returns Caffe's own layer for all that it can do.
func newSoftmaxLossRFCN(s *layers.Spec) (layers.Layer, error) {
	norm, err := newLossNorm(s)
	if err != nil {
		return nil, err
	}
	if caffe := layers.Lookup("SoftmaxWithLoss"); norm.fixed == 0 && len(s.Param.GetTop()) < 3 && caffe != nil && caffe.Dialects == nil {
		return caffe.New(s)
	}
	return newSoftmaxLoss(s, norm)
}

// AllowForceBackward returns true for the scores.
func (l *softmaxLossOHEM) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads the second top.
func (l *softmaxLossOHEM) BackwardReads() (bottom, top bool) { return false, true }

// SetUp does nothing.
func (l *softmaxLossOHEM) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the bottoms and gives the tops their shapes.
func (l *softmaxLossOHEM) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, labels := bottom[0], bottom[1]
	axis, err := x.Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt("softmax_param.axis", 0, err)
	}
	if err := l.spec.NoItems(x.CountRange(0, axis), x); err != nil {
		return err
	}
	if err := l.loss.Reshape(labels, x.CountRange(0, axis), 1, x.Dim(axis), x.CountFrom(axis+1)); err != nil {
		return err
	}
	if err := l.prob.ReshapeLike(x); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	if err := l.terms.Reshape(labels.Count()); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	if len(top) > 1 {
		if err := top[1].ReshapeLike(x); err != nil {
			return l.spec.ErrorAt("top", 1, err)
		}
		if err := top[1].ShareData(&l.prob); err != nil {
			return err
		}
	}
	if len(top) > 2 {
		if err := top[2].ReshapeLike(labels); err != nil {
			return l.spec.ErrorAt("top", 2, err)
		}
	}
	return top[0].Reshape()
}

// Forward computes the tops.
func (l *softmaxLossOHEM) Forward(_ context.Context, bottom, top []*blob.Blob) (err error) {
	if l.class, err = l.loss.Read(bottom[1]); err != nil {
		return err
	}
	labels, prob := l.loss.Labels, l.prob.MutableData()
	kernel.Softmax(l.spec.Env.Workers, labels.Outer, labels.Classes, labels.Inner, bottom[0].Data(), prob)
	loss := l.loss.Forward(l.spec.Env.Workers, prob, nil)
	if l.norm.fixed > 0 {
		loss /= float64(l.norm.fixed)
	}
	top[0].MutableData()[0] = float32(loss)
	if len(top) > 1 {
		if err := top[1].ShareData(&l.prob); err != nil {
			return err
		}
	}
	if len(top) > 2 {
		terms := top[2].MutableData()
		for i, class := range l.class {
			terms[i] = 0
			if class >= 0 {
				p := prob[(i/labels.Inner*labels.Classes+int(class))*labels.Inner+i%labels.Inner]
				terms[i] = -float32(math.Log(max(float64(p), leastProbability)))
			}
		}
	}
	return nil
}

// Backward computes the diff of the scores.
func (l *softmaxLossOHEM) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	weight := top[0].Diff()[0]
	if l.norm.fixed > 0 {
		weight /= l.norm.fixed
	}
	l.loss.Backward(l.spec.Env.Workers, weight, l.prob.Data(), bottom[0].MutableDiff())
	return nil
}
