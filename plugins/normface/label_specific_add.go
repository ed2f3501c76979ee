package normface

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "LabelSpecificAdd",
		Group: "common",
		Plugin: &layers.Plugin{
			Field:   "label_specific_add_param",
			Number:  241,
			Proto:   layers.Schema(schemas, "label_specific_add.proto"),
			Message: "LabelSpecificAddParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 2),
		New:     newLabelSpecificAdd,
		Kernels: labelSpecificAddKernels,
		Doc: `Scores with a bias added to that of the true class t, in training:

	y[t] = x[t] + bias if x[t] > -bias    y = x otherwise

With a bias of -m, followed by a SoftmaxWithLoss, this is the soft-margin softmax of scores above m. If
bias_base is given, the bias changes with the iteration:

	bias = min(max(bias_base + (1 + bias_gamma iteration)^bias_power - 1, bias_min), bias_max)

where the iteration is incremented by each forward pass in training. A negative bias_gamma, with a whole bias_power,
lowers the bias.

Bottoms: scores x, where all axes after the first together are the classes; labels, one per item, without a
gradient.
Tops: y, of the shape of x; may be the first bottom itself. Optionally the bias, 1 element, 0 in TEST.

label_specific_add_param:
	bias (0): see above
	bias_base (none), bias_gamma (0), bias_power (1), bias_min (0), bias_max (0): see above
	iteration (0): the iteration of the first pass
	transform_test: accepted and ignored; nothing is added in TEST

Source: github.com/happynear/caffe-windows, label_specific_add.cpp`,
	})
}

// labelSpecificAdd implements the layer type; its registration describes it.
//
// Differs from Caffe: snapshots include the iteration.
type labelSpecificAdd struct {
	labelSpecific
	options labelSpecificAddOptions
}

type labelSpecificAddOptions struct {
	Bias      float32 `proto:"bias"`
	Base      float32 `proto:"bias_base"`
	Gamma     float32 `proto:"bias_gamma"`
	Power     float32 `proto:"bias_power"`
	Min       float32 `proto:"bias_min"`
	Max       float32 `proto:"bias_max"`
	Iteration uint32  `proto:"iteration"`
}

var _ layers.Layer = (*labelSpecificAdd)(nil)

func newLabelSpecificAdd(s *layers.Spec) (layers.Layer, error) {
	l := new(labelSpecificAdd)
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	gamma, power := l.options.Gamma, float64(l.options.Power)
	if !(gamma >= 0) && !(gamma < 0 && power == math.Trunc(power)) { // a broken power of a negative number is NaN
		return nil, s.Errorf("label_specific_add_param.bias_gamma", "bias_gamma is %g and bias_power %g, want a bias_gamma of 0 or more, or a whole bias_power",
			gamma, power)
	}
	l.labelSpecific = newLabelSpecific(s, l.options.Iteration, "bias_base")
	return l, nil
}

// bias returns the bias of this pass, and counts the pass.
func (l *labelSpecificAdd) bias() float32 {
	o := l.options
	switch {
	case l.anneal:
		bias := o.Base + l.Power(o.Gamma, o.Power) - 1
		l.Passes++
		return min(max(bias, o.Min), o.Max)
	case l.spec.Env.Phase == caffepb.Phase_TRAIN:
		return o.Bias
	}
	return 0
}

func (l *labelSpecificAdd) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	class, _, err := l.labels.Read(bottom[1])
	if err != nil {
		return err
	}
	y := top[0].MutableData()
	copy(y, bottom[0].Data())
	bias := l.bias()
	if len(top) == 2 {
		top[1].MutableData()[0] = bias
	}
	for i, c := range class {
		if at := i*l.labels.Classes + int(c); y[at] > -bias {
			y[at] += bias
		}
	}
	return nil
}

// Backward copies the diff of the scores.
func (l *labelSpecificAdd) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		copy(bottom[0].MutableDiff(), top[0].Diff())
	}
	return l.spec.NoGradient(propagateDown, 1)
}
