package loss

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "MultinomialLogisticLoss",
		Group:   "loss",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newMultinomialLogisticLoss,
		Kernels: multinomialLogisticLossKernels,
		Doc: `Cross-entropy of probabilities p for the true classes t, for a net that ends in a Softmax:

	E = 1/N sum of -log(max(p[t], 1e-20))

SoftmaxWithLoss computes the softmax too, and its gradient does not overflow.

Bottoms: probabilities of N items, whose classes are all axes but the first taken together;
labels 0 to classes-1, one for each item. The labels have no gradient.
Top: the loss, a scalar.

Caffe: multinomial_logistic_loss_layer.cpp`,
	})
}

// leastProbability is the smallest probability of which InfogainLoss and
// MultinomialLogisticLoss take the logarithm. Smaller ones count as this.
const leastProbability = 1e-20

// multinomialLogisticLoss implements the layer type; its registration describes it.
//
// Differs from Caffe: there must be one label for each item, as for HingeLoss.
type multinomialLogisticLoss struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	labels *layers.Labels
	class  []int32
	terms  blob.Blob // of the loss on a device, one for each item
}

var (
	_ layers.Layer          = (*multinomialLogisticLoss)(nil)
	_ layers.BackwardReader = (*multinomialLogisticLoss)(nil)
)

func newMultinomialLogisticLoss(spec *layers.Spec) (layers.Layer, error) {
	return &multinomialLogisticLoss{spec: spec, labels: layers.NewLabels(spec, nil)}, nil
}

func (l *multinomialLogisticLoss) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *multinomialLogisticLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := reshape(l.spec, bottom, top); err != nil {
		return err
	}
	if err := l.spec.NoItems(bottom[0].Num(), bottom[0]); err != nil {
		return err
	}
	if err := l.labels.Reshape(bottom[1], bottom[0].Dim(0), bottom[0].CountFrom(1), 1); err != nil {
		return err
	}
	return l.terms.ReshapeLike(bottom[1])
}

func (l *multinomialLogisticLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.class, _, err = l.labels.Read(bottom[1]); err != nil {
		return err
	}
	p := bottom[0].Data()
	var sum float64
	for n, c := range l.class {
		sum -= math.Log(max(float64(p[n*l.labels.Classes+int(c)]), leastProbability))
	}
	top[0].MutableData()[0] = float32(sum / float64(bottom[0].Num()))
	return nil
}

// BackwardReads returns that Backward reads the probabilities.
func (l *multinomialLogisticLoss) BackwardReads() (bottom, top bool) { return true, false }

func (l *multinomialLogisticLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	p, dp, scale := bottom[0].Data(), bottom[0].MutableDiff(), -top[0].Diff()[0]/float32(bottom[0].Num())
	kernel.Fill(l.spec.Env.Workers, 0, dp)
	for n, c := range l.class {
		at := n*l.labels.Classes + int(c)
		dp[at] = scale / max(p[at], leastProbability)
	}
	return nil
}
