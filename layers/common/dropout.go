package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Dropout",
		Group: "common",
		Param: "dropout_param",
		Doc: `In training, sets each element to 0 with probability dropout_ratio and divides the others by
1 - dropout_ratio, which keeps the expected value. In testing, y = x. If scale_train is false, training does not divide
and testing multiplies: y = (1 - dropout_ratio) x. If sample_weights_test is true, testing does what training does: the
passes of a Bayesian SegNet are samples, whose mean and variance are the result.

Which elements are dropped depends only on the seed, the layer's name and the number of the pass.

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself.

dropout_param:
	dropout_ratio (0.5): at least 0, below 1
	scale_train (true): see above; a field of Faster R-CNN's Caffe
	sample_weights_test (false): see above; a field of SegNet's Caffe

Caffe: dropout_layer.cpp, after Srivastava et al., "Dropout" (2014); github.com/rbgirshick/caffe-fast-rcnn, branch
faster-rcnn; github.com/alexgkendall/caffe-segnet`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newDropout,
		Kernels: dropoutKernels,
	})
}

// dropout implements the layer type; its registration describes it.
type dropout struct {
	layers.OnRecordableDevice
	env   *layers.Env
	rand  layers.Rand
	drops bool // in this phase
	ratio float32
	kept  float32   // factor of an element that is not dropped
	test  float32   // factor of all where none is dropped
	mask  []float32 // 0 or kept, of the last Forward

	stream blob.Blob // on a device: the number of the random stream of the last Forward
}

var (
	_ layers.Layer          = (*dropout)(nil)
	_ layers.BackwardReader = (*dropout)(nil)
)

func newDropout(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetDropoutParam()
	ratio := p.GetDropoutRatio()
	if !(ratio >= 0 && ratio < 1) {
		return nil, s.Errorf("dropout_param.dropout_ratio", "dropout_ratio is %g, want at least 0 and less than 1", ratio)
	}
	l := &dropout{env: s.Env, rand: s.Rand("dropout"), drops: s.Env.Phase == caffepb.Phase_TRAIN || p.GetSampleWeightsTest(), ratio: ratio, kept: 1, test: 1}
	if p.GetScaleTrain() {
		l.kept = float32(1 / (1 - float64(ratio)))
	} else {
		l.test = 1 - ratio
	}
	return l, l.stream.Reshape(2)
}

// SetUp does nothing.
func (l *dropout) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (l *dropout) Reshape(bottom, top []*blob.Blob) error {
	return top[0].ReshapeLike(bottom[0])
}

// Forward computes the top.
func (l *dropout) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	x, y := bottom[0].Data(), top[0].MutableData()
	if l.drops {
		l.mask = layers.Resize(l.mask, len(x))
		l.rand.DropoutMask(l.env.Workers, l.env.Stream(), l.ratio, l.kept, l.mask)
		kernel.Mul(l.env.Workers, x, l.mask, y)
	} else {
		l.pass(x, y, bottom[0] == top[0])
	}
	return nil
}

// pass sets y to what becomes of x where nothing is dropped; it may be the same slice.
func (l *dropout) pass(x, y []float32, inPlace bool) {
	switch {
	case l.test != 1:
		kernel.Scale(l.env.Workers, l.test, x, y)
	case !inPlace:
		kernel.Copy(l.env.Workers, x, y)
	}
}

// BackwardReads returns that Backward reads no data.
func (l *dropout) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diff of the bottom.
func (l *dropout) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	dy, dx := top[0].Diff(), bottom[0].MutableDiff()
	if l.drops {
		kernel.Mul(l.env.Workers, dy, l.mask[:len(dy)], dx)
	} else {
		l.pass(dy, dx, bottom[0] == top[0])
	}
	return nil
}
