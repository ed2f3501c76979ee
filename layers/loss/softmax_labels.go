package loss

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// perPlace is the number of elements for which the loop of a loss does as much work as
// for a label.
const perPlace = 4

// softmaxLabels is what the losses share that compare the softmax of scores, of
// outer × classes × inner elements, with labels: SoftmaxWithLoss and InfogainLoss.
type softmaxLabels struct {
	layers.OnRecordableDevice
	spec      *layers.Spec
	axisField string // the option that axis comes from
	axis      int
	norm      layers.LossNorm
	labels    *layers.Labels

	prob  blob.Blob // outer × classes × inner, as the scores
	class []int32   // of each place, -1 if ignored
	valid int       // places that count
	terms blob.Blob // of the loss on a device, one of each place

	// What the loops work on: the probabilities, the diff of the scores, and the loss
	// weight over the normalizer.
	p, diff []float32
	weight  float32
}

func newSoftmaxLabels(spec *layers.Spec, axisField string, axis int32) (softmaxLabels, error) {
	if err := spec.CheckSoftmax(); err != nil {
		return softmaxLabels{}, err
	}
	norm, err := layers.NewLossNorm(spec, caffepb.LossParameter_VALID)
	return softmaxLabels{
		spec: spec, axisField: axisField, axis: int(axis), norm: norm, labels: layers.NewLabels(spec, ignoreLabel(spec)),
	}, err
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
	if err := l.labels.Reshape(bottom[1], x.CountRange(0, axis), x.Dim(axis), x.CountFrom(axis+1)); err != nil {
		return err
	}
	if err := l.terms.ReshapeLike(bottom[1]); err != nil {
		return l.spec.ErrorAt("", 0, err)
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

// at returns where the score of class 0 of a place is. The scores of the
// others follow at steps of labels.Inner.
func (l *softmaxLabels) at(place int) int {
	inner := l.labels.Inner
	return place/inner*l.labels.Classes*inner + place%inner
}

// begin reads the labels and computes the probabilities.
func (l *softmaxLabels) begin(bottom []*blob.Blob) error {
	var err error
	if l.class, l.valid, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	l.p = l.prob.MutableData()
	kernel.Softmax(l.spec.Env.Workers, l.labels.Outer, l.labels.Classes, l.labels.Inner, bottom[0].Data(), l.p)
	return nil
}

// end sets the tops, given the sum of the losses of all places.
func (l *softmaxLabels) end(sum float64, top []*blob.Blob) error {
	top[0].MutableData()[0] = float32(sum / float64(l.normalizer()))
	if len(top) == 2 {
		return top[1].ShareData(&l.prob)
	}
	return nil
}

func (l *softmaxLabels) normalizer() float32 {
	return l.norm.Normalizer(l.labels.Outer, l.labels.Inner, l.valid)
}

// BackwardReads returns that Backward reads the second top.
func (l *softmaxLabels) BackwardReads() (bottom, top bool) { return false, true }

// beginBackward sets what the loops of Backward work on, and returns whether a diff is
// needed.
func (l *softmaxLabels) beginBackward(top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) (bool, error) {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return false, err
	}
	l.weight = top[0].Diff()[0] / l.normalizer()
	l.p, l.diff = l.prob.Data(), bottom[0].MutableDiff()
	return true, nil
}
