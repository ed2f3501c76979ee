// Package emsoftmax provides the layer EMSoftmaxLoss, the Ensemble soft-Margin
// Softmax loss: a margin in the softmax, and several weak classifiers that are
// kept different from each other and averaged for testing. To use it, import the
// package:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/emsoftmax"
//
// The paper is Wang, Zhang, Lei, Liu, Guo, Li, "Ensemble Soft-Margin Softmax
// Loss for Image Classification", IJCAI 2018. Its authors published no code; this
// package chose the names of the layer and of its options.
package emsoftmax

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

//go:embed em_softmax.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:  "EMSoftmaxLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "em_softmax_param",
			Number:  10000,
			Proto:   schema,
			Message: "EMSoftmaxParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 3),
		Loss:    true,
		New:     newEMSoftmaxLoss,
		Kernels: kernels,
		Doc: `Ensemble soft-margin softmax loss: V linear classifiers W[v] of the features x, each with a margin m
in its softmax, and a term that keeps them different from each other. In TRAIN:

	z[v] = x W[v]^T
	E = sum over v of ( 1/M sum of -log( exp(z[y]-m) / (exp(z[y]-m) + sum of exp(z[k]) over k != y) )
	                    + lambda sum over u != v of tr(K[v] H K[u] H) )

with K[v] = W[v] W[v]^T of the weights, normalized according to option normalize, and H = I - 1/K. In TEST the
classifiers are averaged, and the loss is that of a plain softmax:

	W = 1/V sum of W[v]    E = 1/M sum of -log softmax(x W^T)[y]

It replaces an InnerProduct and a SoftmaxWithLoss. V = 1 with lambda = 0 is M-Softmax, and m = 0 is E-Softmax.
V = 1, lambda = 0 and m = 0 give bit for bit the results of InnerProduct without bias and SoftmaxWithLoss; only
then is the loss of an item at most 87.34, as it is there. Otherwise it has no bound.

Bottoms: features x, where the axes before axis count the items and those from axis on are an item's d
elements; labels 0 to K-1, one per item. The labels have no gradient.
Tops: the loss, a scalar; optionally the scores of the averaged classifier, K per item, in both phases;
optionally the diversity term, a scalar, in both phases: the sum over v and u != v without lambda, 0 for one
classifier. The log shows it apart from the loss. No gradient flows back through the scores and the term.
Weights: V x K x d; the rows of a classifier are its classes, as in InnerProduct. There is no bias.

em_softmax_param:
	num_output: K, the number of classes, at least 2
	m (0): the margin, 0 or more
	lambda (0): weight of the diversity term, 0 or more
	V (1): number of classifiers
	weight_filler (xavier): fills each classifier from its own random numbers
	axis (1): the first axis of an item; a negative one counts from the last
	normalize (CLASS): divisor of the weights in the diversity term. CLASS: each class vector by its
		length. FROBENIUS: each classifier by its norm. NONE: no division. A vector of length 0 counts
		as 0 and gets no gradient from the term (with NONE, it gets its derivative).
	hsic_scale (false): whether the diversity term has the factor (K-1)^-2 of eq. 5, which eq. 6 drops
	hsic_gradient (EXACT): EXACT is the derivative of the term, through the normalization. PAPER is
		lambda sum of H K[u] H W[v], eq. 9 as printed with the normalized W: a quarter of the
		derivative (the derivative of a square has a factor of 2, and each pair appears twice in the
		sum), added to the weights as they are. With CLASS it also pulls them to 0, and training
		collapses if lambda is above about 3; docs/em-softmax.md has a table.

loss_param:
	normalization (VALID): the divisor M. FULL: all items. VALID: items that are not ignored. BATCH_SIZE:
		all items. NONE: 1. M is never less than 1. The diversity term is not divided.
	ignore_label (none): items of this label do not count
	normalize (none): old form of normalization; true is VALID, false is BATCH_SIZE

Source: Wang et al., "Ensemble Soft-Margin Softmax Loss for Image Classification" (IJCAI 2018), eq. 4 to 9`,
	})
}

// options holds the fields of em_softmax.proto.
type options struct {
	NumOutput    uint32                   `proto:"num_output"`
	M            float32                  `proto:"m"`
	Lambda       float32                  `proto:"lambda"`
	V            uint32                   `proto:"V"`
	WeightFiller *caffepb.FillerParameter `proto:"weight_filler"`
	Axis         int                      `proto:"axis"`
	Normalize    string                   `proto:"normalize"`
	HSICScale    bool                     `proto:"hsic_scale"`
	HSICGradient string                   `proto:"hsic_gradient"`
}

// emSoftmaxLoss implements the layer type; its registration describes it.
type emSoftmaxLoss struct {
	layers.Weights
	layers.OnRecordableDevice
	spec    *layers.Spec
	options options
	items   layers.Items
	loss    *layers.CrossEntropy

	average bool // in TEST: the classifiers are averaged into one
	bounded bool // it is SoftmaxWithLoss, whose loss has a bound

	m, k, d int // x is (m,d), a classifier is (k,d)
	groups  int // softmaxes of an item: V, or 1 in TEST

	mean      []float32 // the averaged classifier and, in Backward, its gradient
	scores    blob.Blob // (m, groups·k): scores in Forward, their gradient in Backward
	prob      blob.Blob // (m, groups·k): probabilities
	diversity diversity
	measured  bool // there is a top for the diversity term
	device    onDevice
}

var (
	_ layers.Layer           = (*emSoftmaxLoss)(nil)
	_ layers.Parameterized   = (*emSoftmaxLoss)(nil)
	_ layers.ParamPropagator = (*emSoftmaxLoss)(nil)
	_ layers.Counter         = (*emSoftmaxLoss)(nil)
)

func newEMSoftmaxLoss(s *layers.Spec) (layers.Layer, error) {
	loss, err := layers.NewCrossEntropy(s)
	if err != nil {
		return nil, err
	}
	l := &emSoftmaxLoss{spec: s, loss: loss, average: s.Env.Phase == caffepb.Phase_TEST}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	switch {
	case !s.HasOption("num_output"):
		return nil, s.Errorf("em_softmax_param", "num_output is missing, want the number of classes")
	case o.NumOutput < 2 || o.NumOutput > math.MaxInt32:
		return nil, s.Errorf("em_softmax_param.num_output", "num_output is %d, want the number of classes, 2 to %d", o.NumOutput, math.MaxInt32)
	case !(o.M >= 0 && o.M <= math.MaxFloat32):
		return nil, s.Errorf("em_softmax_param.m", "m is %g, want a margin of 0 or more", o.M)
	case !(o.Lambda >= 0 && o.Lambda <= math.MaxFloat32):
		return nil, s.Errorf("em_softmax_param.lambda", "lambda is %g, want a weight of 0 or more", o.Lambda)
	case o.V < 1 || o.V > math.MaxInt32:
		return nil, s.Errorf("em_softmax_param.V", "V is %d, want 1 to %d classifiers", o.V, math.MaxInt32)
	}
	if o.WeightFiller == nil {
		o.WeightFiller = &caffepb.FillerParameter{Type: proto.String("xavier")}
	}
	if err := s.CheckFiller("em_softmax_param.weight_filler", o.WeightFiller); err != nil {
		return nil, err
	}
	l.items = layers.NewItems(s, "em_softmax_param", o.Axis)
	l.bounded = o.V == 1 && o.M == 0 && o.Lambda == 0
	l.groups = int(o.V)
	if l.average {
		l.groups = 1
	}
	return l, nil
}

// SetUp creates the weights. The first classifier gets the random numbers that an
// InnerProduct of the same name would get.
func (l *emSoftmaxLoss) SetUp(bottom, _ []*blob.Blob) error {
	var err error
	if l.d, err = l.items.Size(bottom[0]); err != nil {
		return err
	}
	v := int(l.options.V)
	l.k = int(l.options.NumOutput)
	const sizeField, fillerField = "em_softmax_param.num_output", "em_softmax_param.weight_filler"
	weights, err := l.spec.NewParam(0, sizeField, fillerField, nil, v, l.k, l.d)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{weights}
	if len(l.spec.Param.GetBlobs()) > 0 {
		return nil
	}
	// Each classifier gets its own random weights.
	one, err := blob.New(l.k, l.d)
	if err != nil {
		return l.spec.ErrorAt(sizeField, 0, err)
	}
	filler := l.options.WeightFiller
	if err := layers.FillLater(one, filler, l.spec.Rand("param 0")); err != nil {
		return l.spec.ErrorAt(fillerField, 0, fmt.Errorf("filler %q: %w", filler.GetType(), err))
	}
	weights.FillLater(func(data []float32) {
		for i := range v {
			purpose := "param 0"
			if i > 0 {
				purpose = fmt.Sprintf("param 0 of classifier %d", i)
			}
			layers.Fill(one, filler, l.spec.Rand(purpose)) // cannot fail: FillLater has checked it
			copy(data[i*l.k*l.d:], one.Data())
		}
	})
	return nil
}

// Reshape sets the sizes from the shapes of the bottoms.
func (l *emSoftmaxLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, t := bottom[0], bottom[1]
	var err error
	if l.m, err = l.items.Count(x, l.d); err != nil {
		return err
	}
	if l.m != 1 && (t.Axes() == 0 || x.Dim(0) != t.Dim(0)) {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want the same first axis", x.Shape(), t.Shape()))
	}
	if err := l.loss.Reshape(t, l.m, l.groups, l.k, 1); err != nil {
		return err
	}
	if err := top[0].Reshape(); err != nil {
		return err
	}
	if len(top) > 1 {
		if err := l.items.ReshapeTop(x, l.k, top[1]); err != nil {
			return err
		}
	}
	if l.measured = len(top) > 2; l.measured {
		if err := top[2].Reshape(); err != nil {
			return err
		}
	}
	err = errors.Join(l.scores.Reshape(l.m, l.groups*l.k), l.prob.Reshape(l.m, l.groups*l.k), l.device.terms.Reshape(l.m))
	if l.average {
		l.mean = layers.Resize(l.mean, l.k*l.d)
		err = errors.Join(err, l.device.mean.Reshape(l.k, l.d))
	}
	if l.needsDiversity() {
		err = errors.Join(err, l.diversity.reshape(l.options, l.k, l.d, l.spec.Env.Device != nil))
	}
	if err != nil {
		return l.spec.ErrorAt("em_softmax_param.num_output", 0, err)
	}
	return nil
}

// diverse reports whether the loss has the diversity term.
func (l *emSoftmaxLoss) diverse() bool {
	return !l.average && l.options.Lambda > 0 && l.options.V > 1
}

// needsDiversity reports whether Forward computes the diversity term.
func (l *emSoftmaxLoss) needsDiversity() bool {
	return l.diverse() || l.measured && l.options.V > 1
}

// MACs returns the number of multiply-adds of Forward.
func (l *emSoftmaxLoss) MACs() int64 {
	n := int64(l.m) * int64(l.groups) * int64(l.k) * int64(l.d)
	if l.needsDiversity() {
		n += l.diversity.macs()
	}
	return n
}

// weights returns the classifiers that apply to x, (groups·k, d).
func (l *emSoftmaxLoss) weights() []float32 {
	pool, w := l.spec.Env.Workers, l.Blobs[0].Data()
	if !l.average || l.options.V == 1 {
		return w
	}
	size := l.k * l.d
	copy(l.mean, w[:size])
	for v := 1; v < int(l.options.V); v++ {
		kernel.Axpy(pool, 1, w[v*size:(v+1)*size], l.mean)
	}
	kernel.Scale(pool, 1/float32(l.options.V), l.mean, l.mean)
	return l.mean
}

// Forward computes the loss and the scores.
func (l *emSoftmaxLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	class, err := l.loss.Read(bottom[1])
	if err != nil {
		return err
	}
	w, n := l.spec.Env.Workers, l.groups*l.k
	z, p := l.scores.MutableData(), l.prob.MutableData()
	kernel.Gemm(w, false, true, l.m, n, l.d, 1, bottom[0].Data(), l.d, l.weights(), l.d, 0, z, n)
	if len(top) > 1 {
		l.averageScores(z, top[1].MutableData())
	}
	if l.options.M > 0 && !l.average {
		for i, c := range class {
			for v := 0; c >= 0 && v < l.groups; v++ {
				z[(i*l.groups+v)*l.k+int(c)] -= l.options.M
			}
		}
	}
	kernel.Softmax(w, l.m*l.groups, l.k, 1, z, p)
	if l.bounded {
		z = nil
	}
	loss := l.loss.Forward(w, p, z)
	term := 0.0
	if l.needsDiversity() {
		term = l.diversity.forward(w, l.Blobs[0].Data())
	}
	if l.diverse() {
		loss += float64(l.diversity.scale) * term
	}
	if l.measured {
		top[2].MutableData()[0] = float32(float64(l.diversity.hsicScale) * term)
	}
	top[0].MutableData()[0] = float32(loss)
	return nil
}

// averageScores computes the scores of the averaged classifier: the average of
// the classifiers' scores.
func (l *emSoftmaxLoss) averageScores(z, y []float32) {
	if l.groups == 1 {
		copy(y, z)
		return
	}
	for i := range l.m {
		item, row := z[i*l.groups*l.k:], y[i*l.k:(i+1)*l.k]
		copy(row, item)
		for v := 1; v < l.groups; v++ {
			kernel.Axpy(nil, 1, item[v*l.k:(v+1)*l.k], row)
		}
	}
	kernel.Scale(l.spec.Env.Workers, 1/float32(l.groups), y, y)
}

// Backward computes the diff of the features and adds to that of the weights.
func (l *emSoftmaxLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil {
		return err
	}
	if !propagateDown[0] && !l.Needs(0) {
		return nil
	}
	w, n, lossWeight, dz := l.spec.Env.Workers, l.groups*l.k, top[0].Diff()[0], l.scores.MutableData()
	l.loss.Backward(w, lossWeight, l.prob.Data(), dz)
	if propagateDown[0] {
		kernel.Gemm(w, false, false, l.m, l.d, n, 1, dz, n, l.weights(), l.d, 0, bottom[0].MutableDiff(), l.d)
	}
	if l.Needs(0) {
		l.backwardWeights(bottom[0].Data(), dz, lossWeight)
	}
	return nil
}

// backwardWeights adds the gradients of the cross-entropy and of the diversity term
// to that of the classifiers. dz is the cross-entropy's gradient by the scores.
func (l *emSoftmaxLoss) backwardWeights(x, dz []float32, lossWeight float32) {
	w, n, dw := l.spec.Env.Workers, l.groups*l.k, l.Blobs[0].MutableDiff()
	if l.average && l.options.V > 1 {
		kernel.Gemm(w, true, false, n, l.d, l.m, 1/float32(l.options.V), dz, n, x, l.d, 0, l.mean, l.d)
		for v := range int(l.options.V) {
			kernel.Axpy(w, 1, l.mean, dw[v*n*l.d:(v+1)*n*l.d])
		}
		return
	}
	kernel.Gemm(w, true, false, n, l.d, l.m, 1, dz, n, x, l.d, 1, dw, l.d)
	if l.diverse() {
		l.diversity.backward(w, lossWeight, dw)
	}
}
