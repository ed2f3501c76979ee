package normface

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "LabelSpecificRescale",
		Group: "common",
		Plugin: &layers.Plugin{
			Field:   "label_specific_rescale_param",
			Number:  228,
			Proto:   layers.Schema(schemas, "label_specific_rescale.proto"),
			Message: "LabelSpecificRescaleParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 2),
		New:     newLabelSpecificRescale,
		Kernels: labelSpecificRescaleKernels,
		Doc: `Scores multiplied by one weight w for the true class t, and by another for all others:

	y[t] = w x[t]    y[j] = negative_weight x[j]

where w is positive_weight or, in training, if positive_weight_base is given,

	w = positive_weight_base (1 + gamma iteration)^-power

within the given limits. The iteration is incremented before each forward pass in training.

Bottoms: scores x, where all axes after the first together are the classes; labels, one per item, without a
gradient.
Tops: y, of the shape of x; may be the first bottom itself. Optionally w, 1 element.

label_specific_rescale_param:
	positive_weight (1), negative_weight (1): see above
	rescale_test (false): multiply the scores in TEST too; y is x otherwise
	for_ip (false): change x[t] only if it is positive
	bias_fix (false): y[t] = w x[t] + 1 - w
	power_on_positive (false): y[t] = sign(x[t]) |x[t]|^w, and bias_fix is ignored
	positive_weight_base (none), gamma (0), power (1): see above
	positive_weight_min (none), positive_weight_max (none): limits of a w that depends on the iteration
	iteration (0): number of passes that count as already done
	positive_lower_bound, negative_upper_bound: accepted and ignored

Source: github.com/happynear/caffe-windows, label_specific_rescale.cpp at 9fd43b9e, which was deleted later`,
	})
}

// labelSpecificRescale implements the layer type; its registration describes it.
//
// Differs from Caffe: snapshots include the iteration, and all options work in
// place. In place, the fork's Backward uses scores that are already multiplied, and
// rejects power_on_positive.
type labelSpecificRescale struct {
	labelSpecific
	options  labelSpecificRescaleOptions
	min, max float32 // limits of a weight that depends on the iteration

	class []int32   // of the items; nil if the last pass changed nothing
	slope []float32 // for each item, the derivative of its class's score

	onDevice blob.Blob // slope on a device
}

type labelSpecificRescaleOptions struct {
	Positive  float32 `proto:"positive_weight"`
	Negative  float32 `proto:"negative_weight"`
	Test      bool    `proto:"rescale_test"`
	ForIP     bool    `proto:"for_ip"`
	Base      float32 `proto:"positive_weight_base"`
	Gamma     float32 `proto:"gamma"`
	Power     float32 `proto:"power"`
	Min       float32 `proto:"positive_weight_min"`
	Max       float32 `proto:"positive_weight_max"`
	Iteration uint32  `proto:"iteration"`
	BiasFix   bool    `proto:"bias_fix"`
	Raise     bool    `proto:"power_on_positive"`
}

var _ layers.Layer = (*labelSpecificRescale)(nil)

func newLabelSpecificRescale(s *layers.Spec) (layers.Layer, error) {
	l := new(labelSpecificRescale)
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if !(l.options.Gamma >= 0) { // a negative base of the power would make the weight NaN
		return nil, s.Errorf("label_specific_rescale_param.gamma", "gamma is %g, want 0 or more", l.options.Gamma)
	}
	l.labelSpecific = newLabelSpecific(s, l.options.Iteration, "positive_weight_base")
	l.min, l.max = float32(math.Inf(-1)), float32(math.Inf(1))
	if s.HasOption("positive_weight_min") {
		l.min = l.options.Min
	}
	if s.HasOption("positive_weight_max") {
		l.max = l.options.Max
	}
	return l, nil
}

// Reshape sets the shapes of the tops.
func (l *labelSpecificRescale) Reshape(bottom, top []*blob.Blob) error {
	if err := l.labelSpecific.Reshape(bottom, top); err != nil {
		return err
	}
	l.slope = layers.Resize(l.slope, l.labels.Outer)
	return l.onDevice.Reshape(l.labels.Outer)
}

// weight returns the weight of the true class in this pass, and counts the pass.
func (l *labelSpecificRescale) weight() float32 {
	o := &l.options
	if !l.anneal {
		return o.Positive
	}
	l.Passes++
	return min(max(o.Base*l.Power(o.Gamma, -o.Power), l.min), l.max)
}

// idle reports whether the scores do not change.
func (l *labelSpecificRescale) idle() bool {
	return l.spec.Env.Phase == caffepb.Phase_TEST && !l.options.Test
}

// Forward computes the tops.
func (l *labelSpecificRescale) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	class, _, err := l.labels.Read(bottom[1])
	if err != nil {
		return err
	}
	w := l.weight()
	if len(top) == 2 {
		top[1].MutableData()[0] = w
	}
	y := top[0].MutableData()
	copy(y, bottom[0].Data())
	l.class = nil
	if l.idle() {
		return nil
	}
	l.class = class
	for i, c := range class {
		row := y[i*l.labels.Classes : (i+1)*l.labels.Classes]
		positive, slope := l.positive(row[c], w)
		if l.options.Negative != 1 {
			for j := range row {
				row[j] *= l.options.Negative
			}
		}
		row[c], l.slope[i] = positive, slope
	}
	return nil
}

// positive returns the new score for the score x of a true class, and its
// derivative by x.
func (l *labelSpecificRescale) positive(x, w float32) (y, slope float32) {
	switch {
	case w == 1 || l.options.ForIP && !(x > 0):
		return x, 1
	case l.options.Raise:
		size := math.Abs(float64(x))
		return kernel.Sign(x) * float32(math.Pow(size, float64(w))), w * float32(math.Pow(size, float64(w)-1))
	case l.options.BiasFix:
		return float32(w*x) + (1 - w), w
	}
	return w * x, w
}

// Backward multiplies the diff by the derivatives.
func (l *labelSpecificRescale) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return l.spec.NoGradient(propagateDown, 1)
	}
	dx := bottom[0].MutableDiff()
	copy(dx, top[0].Diff())
	for i, c := range l.class {
		row := dx[i*l.labels.Classes : (i+1)*l.labels.Classes]
		positive := row[c] * l.slope[i]
		if l.options.Negative != 1 {
			for j := range row {
				row[j] *= l.options.Negative
			}
		}
		row[c] = positive
	}
	return l.spec.NoGradient(propagateDown, 1)
}
