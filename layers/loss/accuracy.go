package loss

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Accuracy",
		Group:   "loss",
		Param:   "accuracy_param",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 2),
		New:     newAccuracy,
		Kernels: accuracyKernels,
		Doc: `Fraction of the items whose true class is among the top_k highest scores.

A score equal to that of the true class counts as higher, so equal scores for all classes are
wrong. If every label is ignored, the accuracy is 0.

Bottoms: scores, outer x classes x inner elements (for axis 1: items x classes x positions);
labels 0 to classes-1, one for each item and position. The layer has no gradient and cannot be a loss.
Tops: the accuracy, a scalar; optionally the accuracy of each class, a vector.

accuracy_param:
	top_k (1): number of highest scores among which the true class must be
	axis (1): the axis of the classes; a negative one counts from the last
	ignore_label (none): items and positions with this label do not count
	min_is_better (false): the lowest scores are the best, as for distances (NormFace); equal scores count against
		the true class here too

Caffe: accuracy_layer.cpp`,
	})
}

// accuracy implements the layer type; its registration describes it.
//
// Differs from Caffe: a true class whose score is NaN is wrong. Caffe counts it as right,
// since no score is higher, so a net that has diverged has an accuracy of 1.
type accuracy struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	axis   int
	topK   int
	sign   float32 // -1 if the lowest scores are the best
	labels *layers.Labels

	class       []int32 // of each place, -1 if ignored
	right       []bool  // whether the class of a place is right, if it counts
	items, hits []int   // of each class, if there is a second top

	counts blob.Blob // ints, for a device

	x     []float32        // the scores that judge reads
	judge parallel.SumLoop // counts the hits
}

var (
	_ layers.Layer          = (*accuracy)(nil)
	_ layers.BackwardForcer = (*accuracy)(nil)
)

func newAccuracy(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetAccuracyParam()
	l := &accuracy{spec: spec, axis: int(p.GetAxis()), topK: int(p.GetTopK()), sign: 1}
	if p.GetMinIsBetter() {
		l.sign = -1
	}
	var ignore *int32
	if p != nil {
		ignore = p.IgnoreLabel
	}
	l.labels = layers.NewLabels(spec, ignore)
	l.judge.Body = l.hitsOf
	return l, nil
}

func (l *accuracy) AllowForceBackward(int) bool { return false }

func (l *accuracy) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *accuracy) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	axis, err := x.Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt("accuracy_param.axis", 0, err)
	}
	if err := l.labels.Reshape(bottom[1], x.CountRange(0, axis), x.Dim(axis), x.CountFrom(axis+1)); err != nil {
		return err
	}
	if l.topK > l.labels.Classes {
		return l.spec.Errorf("accuracy_param.top_k", "got top_k %d, want at most %d, the number of classes", l.topK, l.labels.Classes)
	}
	l.right = layers.Resize(l.right, l.labels.Outer*l.labels.Inner)
	if err := top[0].Reshape(); err != nil || len(top) == 1 {
		return err
	}
	l.items, l.hits = layers.Resize(l.items, l.labels.Classes), layers.Resize(l.hits, l.labels.Classes)
	return top[1].Reshape(l.labels.Classes)
}

func (l *accuracy) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var valid int
	var err error
	if l.class, valid, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	l.x = bottom[0].Data()
	hits := l.judge.Run(l.spec.Env.Workers, len(l.class), step(l.labels.Classes))
	top[0].MutableData()[0] = share(int(hits), valid)
	if len(top) == 2 {
		l.perClass(top[1].MutableData())
	}
	return nil
}

// hitsOf sets right for some places, and returns how many are right.
func (l *accuracy) hitsOf(lo, hi int) float64 {
	classes, inner := l.labels.Classes, l.labels.Inner
	hits := 0
	for place := lo; place < hi; place++ {
		c := int(l.class[place])
		if c < 0 {
			continue
		}
		first := place/inner*classes*inner + place%inner
		score := l.sign * l.x[first+c*inner]
		higher := -1 // the true class counts itself
		for k := 0; k < classes && higher < l.topK; k++ {
			if l.sign*l.x[first+k*inner] >= score {
				higher++
			}
		}
		l.right[place] = higher < l.topK && score == score
		if l.right[place] {
			hits++
		}
	}
	return float64(hits)
}

// perClass sets y to the accuracy of each class.
func (l *accuracy) perClass(y []float32) {
	clear(l.items)
	clear(l.hits)
	for place, c := range l.class {
		if c < 0 {
			continue
		}
		l.items[c]++
		if l.right[place] {
			l.hits[c]++
		}
	}
	for c := range y {
		y[c] = share(l.hits[c], l.items[c])
	}
}

// share returns hits/items, or 0 for no items.
func share(hits, items int) float32 {
	if items == 0 {
		return 0
	}
	return float32(float64(hits) / float64(items))
}

func (l *accuracy) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}
