package loss

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// softmaxLabels is the common part of SoftmaxWithLoss and InfogainLoss, which compare the
// softmax of scores, of shape (outer, classes, inner), with labels.
type softmaxLabels struct {
	layers.OnRecordableDevice
	spec      *layers.Spec
	axisField string // the option that axis comes from
	axis      int
	loss      *layers.CrossEntropy
	labels    *layers.Labels // of the loss

	prob blob.Blob // probabilities, in the shape of the scores
}

// newSoftmaxLabels takes the constructor of the loss, with or without weights.
func newSoftmaxLabels(spec *layers.Spec, newLoss func(*layers.Spec) (*layers.CrossEntropy, error), axisField string, axis int32) (softmaxLabels, error) {
	if err := spec.CheckSoftmax(); err != nil {
		return softmaxLabels{}, err
	}
	loss, err := newLoss(spec)
	if err != nil {
		return softmaxLabels{}, err
	}
	return softmaxLabels{spec: spec, axisField: axisField, axis: int(axis), loss: loss, labels: loss.Labels}, nil
}

// SetUp does nothing: Reshape checks the bottoms.
func (l *softmaxLabels) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *softmaxLabels) Reshape(bottom, top []*blob.Blob) error {
	if err := reshape(l.spec, bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	axis, err := x.Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt(l.axisField, 0, err)
	}
	if err := l.loss.Reshape(bottom[1], x.CountRange(0, axis), 1, x.Dim(axis), x.CountFrom(axis+1)); err != nil {
		return err
	}
	if err := l.loss.Weights().Reshape(bottom, l.labels.Classes, l.labels.Outer*l.labels.Inner); err != nil {
		return err
	}
	if err := l.prob.ReshapeLike(x); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	if len(top) == 1 {
		return nil
	}
	if err := top[1].ReshapeLike(x); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	return top[1].ShareData(&l.prob)
}

// begin reads the labels and computes the probabilities. It returns both.
func (l *softmaxLabels) begin(bottom []*blob.Blob) (class []int32, prob []float32, err error) {
	if class, err = l.loss.Read(bottom[1]); err != nil {
		return nil, nil, err
	}
	l.loss.Weights().Read(bottom)
	prob = l.prob.MutableData()
	kernel.Softmax(l.spec.Env.Workers, l.labels.Outer, l.labels.Classes, l.labels.Inner, bottom[0].Data(), prob)
	return class, prob, nil
}

// end sets the tops.
func (l *softmaxLabels) end(loss float64, top []*blob.Blob) error {
	top[0].MutableData()[0] = float32(loss)
	if len(top) == 2 {
		return top[1].ShareData(&l.prob)
	}
	return nil
}

// AllowForceBackward returns true for the scores.
func (l *softmaxLabels) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads the third bottom, if there is one, and the
// second top.
func (l *softmaxLabels) BackwardReads() (bottom, top bool) {
	return len(l.spec.Param.GetBottom()) > 2, true
}
