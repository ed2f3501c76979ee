package normface

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "GeneralContrastiveLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "general_contrastive_loss_param",
			Number:  215,
			Proto:   layers.Schema(schemas, "general_contrastive_loss.proto"),
			Message: "GeneralContrastiveParameter",
		},
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Between(1, 2),
		Loss:    true,
		New:     newGeneralContrastiveLoss,
		Kernels: generalContrastiveLossKernels,
		Doc: `Contrastive loss of the distances d of M items from K class centers, with t the true class:

	E = 1/M sum of ( wp min(T, max(0, d[t] - mp)) + wn sum of max(0, mn - d[k]) over k != t )

With exp_negative_weight, the term of a class nearer than mn is wn exp(-d[k]).

Bottoms: the distances, M x K, from InnerDistance for example; labels 0 to K-1, one per item; optionally other
distances, whose values are used instead. Only the first bottom gets a gradient.
Tops: the loss, a scalar; optionally the means over items (and other classes) of the terms without their
weights, 2 elements, and with add_intra_mae the running mean as the third.

general_contrastive_loss_param:
	positive_margin (0), negative_margin (1): mp and mn
	positive_weight (1), negative_weight (1): wp and wn
	positive_outlier_thresh (4): T
	exp_negative_weight (false): see above
	max_negative_only (false): of the other classes, only the one with the largest term counts; as in the
	fork, none counts if class 0 is the true class and has a larger term
	max_positive_only (false): of the batch's terms of the true classes, only one counts; as in the fork,
	and despite the name, it is the smallest
	positive_first (false): for items with d[t] above positive_upper_bound (1), no other class counts, and
	the true class gets the full gradient
	normalize_negative (none): if given, and the sum of the other classes' gradients divided by this and by M
	is more than wp, divide them by that quotient. The gradient is then not the derivative.
	add_intra_mae (false): add to mn a running mean of at most max_negative_margin (1.2): 0.99 of itself
	and 0.01 of the batch's mean distance to the true classes
	square: accepted and ignored, as in the fork

Source: github.com/happynear/caffe-windows, general_constrastive_loss_layer.cpp`,
	})
}

// generalContrastiveLoss implements the layer type; its registration describes it.
//
// Differs from Caffe: snapshots include the running mean.
type generalContrastiveLoss struct {
	layers.OnRecordableDevice

	spec    *layers.Spec
	options generalContrastiveOptions
	labels  *layers.Labels
	intra   blob.Blob // the running mean, 1 element

	m, k     int
	class    []int32
	margin   float32   // mn of the last Forward
	term     []float32 // (m,k), with the weights
	negative []int32   // for each item, the only class that counts
	positive int       // the only item that counts

	device generalContrastiveDevice
}

type generalContrastiveOptions struct {
	PositiveMargin     float32 `proto:"positive_margin"`
	NegativeMargin     float32 `proto:"negative_margin"`
	PositiveWeight     float32 `proto:"positive_weight"`
	NegativeWeight     float32 `proto:"negative_weight"`
	NormalizeNegative  float32 `proto:"normalize_negative"`
	Outlier            float32 `proto:"positive_outlier_thresh"`
	MaxNegativeOnly    bool    `proto:"max_negative_only"`
	MaxPositiveOnly    bool    `proto:"max_positive_only"`
	PositiveFirst      bool    `proto:"positive_first"`
	PositiveUpperBound float32 `proto:"positive_upper_bound"`
	Exp                bool    `proto:"exp_negative_weight"`
	AddIntraMAE        bool    `proto:"add_intra_mae"`
	MaxNegativeMargin  float32 `proto:"max_negative_margin"`
}

var (
	_ layers.Layer          = (*generalContrastiveLoss)(nil)
	_ layers.BackwardForcer = (*generalContrastiveLoss)(nil)
	_ layers.Stateful       = (*generalContrastiveLoss)(nil)
)

func newGeneralContrastiveLoss(s *layers.Spec) (layers.Layer, error) {
	l := &generalContrastiveLoss{spec: s, labels: layers.NewLabels(s, nil)}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if s.HasOption("normalize_negative") && !(l.options.NormalizeNegative > 0) {
		return nil, s.Errorf("general_contrastive_loss_param.normalize_negative", "normalize_negative is %g, want more than 0", l.options.NormalizeNegative)
	}
	return l, l.intra.Reshape(1)
}

// AllowForceBackward reports whether bottom i has a gradient: only the first has.
func (l *generalContrastiveLoss) AllowForceBackward(i int) bool { return i == 0 }

// State returns the running mean.
func (l *generalContrastiveLoss) State() []byte {
	return binary.LittleEndian.AppendUint32(nil, math.Float32bits(l.intra.Data()[0]))
}

// SetState sets the running mean.
func (l *generalContrastiveLoss) SetState(state []byte) error {
	if len(state) != 4 {
		return fmt.Errorf("the running mean of the distances has %d bytes, want 4", len(state))
	}
	l.intra.MutableData()[0] = math.Float32frombits(binary.LittleEndian.Uint32(state))
	return nil
}

func (l *generalContrastiveLoss) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *generalContrastiveLoss) Reshape(bottom, top []*blob.Blob) error {
	var err error
	if l.m, l.k, err = distances(l.spec, l.labels, bottom, top); err != nil {
		return err
	}
	if len(bottom) == 3 && bottom[2].Count() != bottom[0].Count() {
		return l.spec.ErrorAt("bottom", 2, fmt.Errorf("got bottoms of shapes %v and %v, want as many values as distances", bottom[0].Shape(), bottom[2].Shape()))
	}
	if err := l.device.reshape(l.m); err != nil {
		return err
	}
	l.term, l.negative = layers.Resize(l.term, l.m*l.k), layers.Resize(l.negative, l.m)
	if len(top) < 2 {
		return nil
	}
	if l.options.AddIntraMAE {
		return top[1].Reshape(3)
	}
	return top[1].Reshape(2)
}

// distances returns the sizes of the distances, items and classes, for the losses
// of distances. There must be at least two classes.
func distances(s *layers.Spec, labels *layers.Labels, bottom, top []*blob.Blob) (m, k int, err error) {
	if err := s.NotInPlace(bottom, top); err != nil {
		return 0, 0, err
	}
	d := bottom[0]
	if d.Axes() < 2 || d.CountFrom(1) < 2 {
		return 0, 0, s.Errorf("bottom", "bottom has shape %v, want items of distances to at least 2 classes", d.Shape())
	}
	m, k = d.Dim(0), d.CountFrom(1)
	if err := s.NoItems(m, d); err != nil {
		return 0, 0, err
	}
	if err := labels.Reshape(bottom[1], m, k, 1); err != nil {
		return 0, 0, err
	}
	return m, k, top[0].Reshape()
}

// values returns the distances that determine the loss.
func (l *generalContrastiveLoss) values(bottom []*blob.Blob) []float32 {
	if len(bottom) == 3 {
		return bottom[2].Data()
	}
	return bottom[0].Data()
}

func (l *generalContrastiveLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.class, _, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	o, intra := &l.options, l.intra.MutableData()
	l.margin = o.NegativeMargin
	if o.AddIntraMAE {
		l.margin += intra[0]
	}
	d := l.values(bottom)
	var positive, negative float64
	l.positive = 0
	for i := range l.m {
		p, n := l.item(i, d[i*l.k:(i+1)*l.k])
		positive, negative = positive+p, negative+n
	}
	var sum float64
	for i := range l.m {
		for k, term := range l.term[i*l.k : (i+1)*l.k] {
			if isTrue := k == int(l.class[i]); l.counts(i, k, isTrue) {
				sum += math.Abs(float64(term))
			}
		}
	}
	items := float64(l.m)
	intra[0] = min(0.99*intra[0]+0.01*float32(positive/items), o.MaxNegativeMargin)
	top[0].MutableData()[0] = float32(sum / items)
	if len(top) == 2 {
		means := top[1].MutableData()
		means[0], means[1] = float32(positive/items), float32(negative/items/float64(l.k-1))
		if o.AddIntraMAE {
			means[2] = intra[0]
		}
	}
	return nil
}

// item computes the terms of an item and returns the sums of the true class's and of
// the others' terms, without the weights.
func (l *generalContrastiveLoss) item(i int, d []float32) (positive, negative float64) {
	o, term, class := &l.options, l.term[i*l.k:(i+1)*l.k], int(l.class[i])
	l.negative[i] = 0
	for k, v := range d {
		switch {
		case k == class:
			v = min(o.Outlier, max(0, v-o.PositiveMargin))
			positive += float64(v)
			term[k] = v * o.PositiveWeight
			if best := l.positive; term[k] < l.term[best*l.k+int(l.class[best])] {
				l.positive = i
			}
			continue
		case !(v < l.margin):
			term[k] = 0
			continue
		case o.Exp:
			term[k] = float32(math.Exp(-float64(v))) * o.NegativeWeight
		default:
			term[k] = (l.margin - v) * o.NegativeWeight
		}
		negative += float64(l.margin - v)
		if term[k] > term[l.negative[i]] {
			l.negative[i] = int32(k)
		}
	}
	if o.PositiveFirst && d[class] > o.PositiveUpperBound {
		for k := range term {
			if k != class {
				term[k] = 0
			}
		}
	}
	return positive, negative
}

// counts reports whether a term counts with the options that select only one.
func (l *generalContrastiveLoss) counts(i, k int, isTrue bool) bool {
	if isTrue {
		return !l.options.MaxPositiveOnly || i == l.positive
	}
	return !l.options.MaxNegativeOnly || k == int(l.negative[i])
}

func (l *generalContrastiveLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	o, d, dx := &l.options, l.values(bottom), bottom[0].MutableDiff()
	scale := top[0].Diff()[0] / float32(l.m)
	var negative float64
	for i := range l.m {
		far := o.PositiveFirst && d[i*l.k+int(l.class[i])] > o.PositiveUpperBound
		for k := range l.k {
			at := i*l.k + k
			isTrue := k == int(l.class[i])
			dx[at] = l.slope(d[at], isTrue, far)
			if !l.counts(i, k, isTrue) && !(far && isTrue) {
				dx[at] = 0
			}
			if !isTrue {
				negative -= float64(dx[at])
			}
		}
	}
	// Scale down the gradients of the other classes if they are too large.
	share := float32(1)
	if o.NormalizeNegative > 0 {
		if q := float32(math.Abs(negative)/float64(l.m)) / o.NormalizeNegative; q > o.PositiveWeight {
			share = q
		}
	}
	for i := range dx[:l.m*l.k] {
		if i%l.k != int(l.class[i/l.k]) {
			dx[i] /= share
		}
		dx[i] *= scale
	}
	return nil
}

// slope returns the gradient of a term by its distance. far items have a gradient
// for their own class only.
func (l *generalContrastiveLoss) slope(d float32, isTrue, far bool) float32 {
	o := &l.options
	switch {
	case isTrue && (far || d > o.PositiveMargin && d < o.Outlier):
		return o.PositiveWeight
	case isTrue || far || !(d < l.margin):
		return 0
	case o.Exp:
		return -float32(math.Exp(-float64(d))) * o.NegativeWeight
	}
	return -o.NegativeWeight
}
