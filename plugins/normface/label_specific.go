package normface

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

// labelSpecific is the common part of LabelSpecificAdd and LabelSpecificRescale:
// scores, their items' labels, and an amount by which the true class's score changes.
type labelSpecific struct {
	layers.PassCount // the iteration

	spec   *layers.Spec
	labels *layers.Labels
	anneal bool // whether the amount depends on the iteration
}

var (
	_ layers.BackwardForcer = (*labelSpecific)(nil)
	_ layers.Stateful       = (*labelSpecific)(nil)
)

// newLabelSpecific returns the labelSpecific of a layer that starts at an iteration.
// In training, the option base makes the amount depend on the iteration.
func newLabelSpecific(s *layers.Spec, iteration uint32, base string) labelSpecific {
	return labelSpecific{
		PassCount: layers.PassCount{Passes: int64(iteration)},
		spec:      s,
		labels:    layers.NewLabels(s, nil),
		anneal:    s.HasOption(base) && s.Env.Phase == caffepb.Phase_TRAIN,
	}
}

// AllowForceBackward reports whether bottom i has a gradient: only the scores have.
func (l *labelSpecific) AllowForceBackward(i int) bool { return i == 0 }

// SetUp does nothing.
func (l *labelSpecific) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape sets the first top's shape to that of the scores, and the second one's to
// one element for the amount.
func (l *labelSpecific) Reshape(bottom, top []*blob.Blob) error {
	x := bottom[0]
	if x.Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes", x.Shape())
	}
	if err := l.labels.Reshape(bottom[1], x.Dim(0), x.CountFrom(1), 1); err != nil {
		return err
	}
	if len(top) == 2 {
		if err := top[1].Reshape(1); err != nil {
			return err
		}
	}
	return top[0].ReshapeLike(x)
}
