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
1 - dropout_ratio, which keeps the expected value. In testing, y = x.

Which elements are dropped depends only on the seed, the layer's name and the number of the pass.

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself.

dropout_param:
	dropout_ratio (0.5): at least 0, below 1

Caffe: dropout_layer.cpp, after Srivastava et al., "Dropout" (2014)`,
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
	train bool
	ratio float32
	mask  []float32 // 0 or 1/(1-ratio), of the last Forward

	stream blob.Blob // on a device: the number of the random stream of the last Forward
}

var (
	_ layers.Layer          = (*dropout)(nil)
	_ layers.BackwardReader = (*dropout)(nil)
)

func newDropout(s *layers.Spec) (layers.Layer, error) {
	ratio := s.Param.GetDropoutParam().GetDropoutRatio()
	if !(ratio >= 0 && ratio < 1) {
		return nil, s.Errorf("dropout_param.dropout_ratio", "dropout_ratio is %g, want at least 0 and less than 1", ratio)
	}
	l := &dropout{env: s.Env, rand: s.Rand("dropout"), train: s.Env.Phase == caffepb.Phase_TRAIN, ratio: ratio}
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
	if l.train {
		l.mask = layers.Resize(l.mask, len(x))
		l.rand.DropoutMask(l.env.Workers, l.env.Stream(), l.ratio, float32(1/(1-float64(l.ratio))), l.mask)
		kernel.Mul(l.env.Workers, x, l.mask, y)
	} else if bottom[0] != top[0] {
		kernel.Copy(l.env.Workers, x, y)
	}
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *dropout) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diff of the bottom.
func (l *dropout) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	dy, dx := top[0].Diff(), bottom[0].MutableDiff()
	if l.train {
		kernel.Mul(l.env.Workers, dy, l.mask[:len(dy)], dx)
	} else if bottom[0] != top[0] {
		kernel.Copy(l.env.Workers, dy, dx)
	}
	return nil
}
