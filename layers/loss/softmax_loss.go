package loss

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
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

// placesPerPart is how many labels one part of a parallel loop looks at.
const placesPerPart = 4096

// softmaxWithLoss is described by its registration.
//
// Differs from Caffe: the second top works. Caffe refuses it, because it hands
// the loss weights of both tops to the Softmax layer inside.
type softmaxWithLoss struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	axis   int
	norm   layers.LossNorm
	labels *layers.Labels

	prob  blob.Blob // outer × classes × inner, as the scores
	class []int32   // of each place, -1 if ignored
	valid int       // places that count
	sums  []float64 // of the loss, one of each part
	terms blob.Blob // of the loss on a device, one of each place

	// What the parts work on. The tasks are made once, because a method value
	// is an allocation.
	p, diff           []float32
	weight            float32
	sumTask, diffTask parallel.Task
}

var (
	_ layers.Layer          = (*softmaxWithLoss)(nil)
	_ layers.BackwardReader = (*softmaxWithLoss)(nil)
)

func newSoftmaxWithLoss(spec *layers.Spec) (layers.Layer, error) {
	if err := spec.CheckSoftmax(); err != nil {
		return nil, err
	}
	norm, err := layers.NewLossNorm(spec, caffepb.LossParameter_VALID)
	if err != nil {
		return nil, err
	}
	var ignore *int32
	if p := spec.Param.GetLossParam(); p != nil {
		ignore = p.IgnoreLabel
	}
	l := &softmaxWithLoss{
		spec:   spec,
		axis:   int(spec.Param.GetSoftmaxParam().GetAxis()),
		norm:   norm,
		labels: layers.NewLabels(spec, ignore),
	}
	l.sumTask, l.diffTask = parallel.TaskFunc(l.sumPart), parallel.TaskFunc(l.diffPart)
	return l, nil
}

// SetUp does nothing: Reshape checks the bottoms.
func (l *softmaxWithLoss) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *softmaxWithLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := reshape(l.spec, bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	axis, err := x.Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt("softmax_param.axis", 0, err)
	}
	if err := l.labels.Reshape(bottom[1], x.CountRange(0, axis), x.Dim(axis), x.CountFrom(axis+1)); err != nil {
		return err
	}
	l.sums = layers.Resize(l.sums, l.parts())
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

func (l *softmaxWithLoss) parts() int {
	return (l.labels.Outer*l.labels.Inner + placesPerPart - 1) / placesPerPart
}

// part returns the range of places that part i looks at.
func (l *softmaxWithLoss) part(i int) (lo, hi int) {
	return i * placesPerPart, min((i+1)*placesPerPart, len(l.class))
}

// at returns where the score of class 0 of a place is. The scores of the
// others follow at steps of labels.Inner.
func (l *softmaxWithLoss) at(place int) int {
	inner := l.labels.Inner
	return place/inner*l.labels.Classes*inner + place%inner
}

func (l *softmaxWithLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.class, l.valid, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	workers := l.spec.Env.Workers
	l.p = l.prob.MutableData()
	kernel.Softmax(workers, l.labels.Outer, l.labels.Classes, l.labels.Inner, bottom[0].Data(), l.p)
	workers.Run(l.parts(), l.sumTask)
	var sum float64
	for _, s := range l.sums {
		sum += s
	}
	top[0].MutableData()[0] = float32(sum / float64(l.normalizer()))
	if len(top) == 2 {
		return top[1].ShareData(&l.prob)
	}
	return nil
}

func (l *softmaxWithLoss) normalizer() float32 {
	return l.norm.Normalizer(l.labels.Outer, l.labels.Inner, l.valid)
}

func (l *softmaxWithLoss) sumPart(_, i int) {
	const least = 0x1p-126 // C's FLT_MIN
	var sum float64
	lo, hi := l.part(i)
	for place := lo; place < hi; place++ {
		if c := int(l.class[place]); c >= 0 {
			sum -= math.Log(max(float64(l.p[l.at(place)+c*l.labels.Inner]), least))
		}
	}
	l.sums[i] = sum
}

// BackwardReads returns that Backward reads the second top.
func (l *softmaxWithLoss) BackwardReads() (bottom, top bool) { return false, true }

func (l *softmaxWithLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if !propagateDown[0] {
		return nil
	}
	l.weight = top[0].Diff()[0] / l.normalizer()
	l.p, l.diff = l.prob.Data(), bottom[0].MutableDiff()
	kernel.Scale(l.spec.Env.Workers, l.weight, l.p, l.diff)
	l.spec.Env.Workers.Run(l.parts(), l.diffTask)
	return nil
}

// diffPart turns weight·p into the gradient weight·(p - [class is true]).
func (l *softmaxWithLoss) diffPart(_, i int) {
	inner := l.labels.Inner
	lo, hi := l.part(i)
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
}
