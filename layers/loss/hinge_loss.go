package loss

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "HingeLoss",
		Group:   "loss",
		Param:   "hinge_loss_param",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newHingeLoss,
		Kernels: hingeLossKernels,
		Doc: `One-against-all hinge loss, as for support vector machines:

	E = 1/N sum over items and classes of max(0, 1 - s x)^p      s = 1 for the true class, -1 for others

Bottoms: scores x of N items, whose classes are all axes but the first taken together;
labels 0 to classes-1, one for each item. The labels have no gradient.
Top: the loss, a scalar.

hinge_loss_param:
	norm (L1): L1 is p = 1, L2 is p = 2

Caffe: hinge_loss_layer.cpp`,
	})
}

// hingeLoss implements the layer type; its registration describes it. Caffe keeps the margins in the diff of
// the scores from Forward to Backward. Here Backward computes them again, so the diff
// can be used in between.
//
// Differs from Caffe: there must be one label for each item. Caffe takes the first N of
// a larger blob.
type hingeLoss struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	square bool // L2
	labels *layers.Labels

	class []int32   // of each item
	terms blob.Blob // of the loss on a device, one for each score

	x, diff []float32 // arguments of the loops
	scale   float32
	sum     parallel.SumLoop
	grad    parallel.Range
}

var (
	_ layers.Layer          = (*hingeLoss)(nil)
	_ layers.BackwardReader = (*hingeLoss)(nil)
)

func newHingeLoss(spec *layers.Spec) (layers.Layer, error) {
	l := &hingeLoss{spec: spec, labels: layers.NewLabels(spec, nil)}
	switch norm := spec.Param.GetHingeLossParam().GetNorm(); norm {
	case caffepb.HingeLossParameter_L1:
	case caffepb.HingeLossParameter_L2:
		l.square = true
	default:
		return nil, spec.Errorf("hinge_loss_param.norm", "got norm %v, want L1 or L2", norm)
	}
	l.sum.Body, l.grad.Body = l.losses, l.gradients
	return l, nil
}

func (l *hingeLoss) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *hingeLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := reshape(l.spec, bottom, top); err != nil {
		return err
	}
	if err := l.spec.NoItems(bottom[0].Num(), bottom[0]); err != nil {
		return err
	}
	return l.labels.Reshape(bottom[1], bottom[0].Dim(0), bottom[0].CountFrom(1), 1)
}

func (l *hingeLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.class, _, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	l.x = bottom[0].Data()
	sum := l.sum.Run(l.spec.Env.Workers, len(l.class), step(l.labels.Classes))
	top[0].MutableData()[0] = float32(sum / float64(bottom[0].Num()))
	return nil
}

// margin returns max(0, 1 - s x), and 0 for NaN as Caffe does.
func margin(x float32, isTrue bool) float32 {
	if isTrue {
		x = -x
	}
	if m := 1 + x; m > 0 {
		return m
	}
	return 0
}

// losses returns the loss of some items.
func (l *hingeLoss) losses(lo, hi int) float64 {
	var sum float64
	classes := l.labels.Classes
	for n := lo; n < hi; n++ {
		for k, x := range l.x[n*classes : (n+1)*classes] {
			m := float64(margin(x, k == int(l.class[n])))
			if l.square {
				m *= m
			}
			sum += m
		}
	}
	return sum
}

// BackwardReads returns that Backward reads the scores.
func (l *hingeLoss) BackwardReads() (bottom, top bool) { return true, false }

func (l *hingeLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if !propagateDown[0] {
		return nil
	}
	l.scale = top[0].Diff()[0] / float32(bottom[0].Num())
	if l.square {
		l.scale *= 2
	}
	l.x, l.diff = bottom[0].Data(), bottom[0].MutableDiff()
	l.grad.Run(l.spec.Env.Workers, len(l.class), step(l.labels.Classes))
	return nil
}

// gradients computes the diff of the scores of some items.
func (l *hingeLoss) gradients(lo, hi int) {
	classes := l.labels.Classes
	for n := lo; n < hi; n++ {
		dx := l.diff[n*classes : (n+1)*classes]
		for k, x := range l.x[n*classes : (n+1)*classes] {
			isTrue := k == int(l.class[n])
			d := margin(x, isTrue)
			if d > 0 && !l.square {
				d = 1
			}
			if isTrue {
				d = -d
			}
			dx[k] = d * l.scale
		}
	}
}
