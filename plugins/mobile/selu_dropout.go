package mobile

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
		Type:  "SeLuDropout",
		Group: "activation",
		Plugin: &layers.Plugin{
			Field:   "selu_dropout_param",
			Proto:   layers.Schema(schemas, "selu_dropout.proto"),
			Message: "SeLuDropoutParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newSeluDropout,
		Kernels: mobileKernels,
		Doc: `In training, sets each element to l = -1.0507 1.67326, the least value of SeLu, with probability dropout_ratio p,
and then keeps mean 0 and variance 1 of such inputs:

	y = a x + b  or  y = a l + b      a = 1 / sqrt(q + l^2 q p), q = 1 - p      b = -a p l

In testing, y = x. Which elements are dropped depends only on the seed, the layer's name and the number of the pass.

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself.

selu_dropout_param:
	dropout_ratio (0.5): at least 0, below 1

Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017), alpha dropout. Nets of github.com/soeaver/caffe-model
have the type; their Caffe is not public.`,
	})
}

// seluDropout implements the layer type; its registration describes it.
type seluDropout struct {
	layers.OnRecordableDevice
	env     *layers.Env
	rand    layers.Rand
	train   bool
	ratio   float32
	factor  float32   // a
	shift   float32   // b
	dropped float32   // a l + b
	mask    []float32 // 0 or a, of the last Forward
	loop    parallel.Loop[seluArgs]

	maskOnDevice blob.Blob
}

type seluArgs struct{ x, mask, y []float32 }

var (
	_ layers.Layer          = (*seluDropout)(nil)
	_ layers.BackwardReader = (*seluDropout)(nil)
)

func newSeluDropout(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Ratio float32 `proto:"dropout_ratio"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if !(o.Ratio >= 0 && o.Ratio < 1) {
		return nil, s.Errorf("selu_dropout_param.dropout_ratio", "dropout_ratio is %g, want at least 0 and less than 1", o.Ratio)
	}
	const least = -seluScale * seluAlpha
	p, q := float64(o.Ratio), 1-float64(o.Ratio)
	a := 1 / math.Sqrt(q+least*least*q*p)
	b := -a * p * least
	l := &seluDropout{
		env: s.Env, rand: s.Rand("dropout"), train: s.Env.Phase == caffepb.Phase_TRAIN, ratio: o.Ratio,
		factor: float32(a), shift: float32(b), dropped: float32(a*least + b),
	}
	l.loop.Body = func(v *seluArgs, _, i, j int) {
		for k := i; k < j; k++ {
			if v.mask[k] == 0 {
				v.y[k] = l.dropped
			} else {
				v.y[k] = float32(l.factor*v.x[k]) + l.shift
			}
		}
	}
	return l, nil
}

// BackwardReads returns that Backward reads no data.
func (l *seluDropout) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *seluDropout) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the bottom.
func (l *seluDropout) Reshape(bottom, top []*blob.Blob) error {
	if err := l.maskOnDevice.ReshapeLike(bottom[0]); err != nil {
		return err
	}
	return top[0].ReshapeLike(bottom[0])
}

// Forward computes the top.
func (l *seluDropout) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	x, y := bottom[0].Data(), top[0].MutableData()
	switch {
	case l.train:
		l.mask = layers.Resize(l.mask, len(x))
		l.rand.DropoutMask(l.env.Workers, l.env.Stream(), l.ratio, l.factor, l.mask)
		l.loop.Run(l.env.Workers, len(y), parallel.Step(3), seluArgs{x, l.mask, y})
	case bottom[0] != top[0]:
		kernel.Copy(l.env.Workers, x, y)
	}
	return nil
}

// Backward computes the diff of the bottom.
func (l *seluDropout) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	dy, dx := top[0].Diff(), bottom[0].MutableDiff()
	switch {
	case l.train:
		kernel.Mul(l.env.Workers, dy, l.mask[:len(dy)], dx)
	case bottom[0] != top[0]:
		kernel.Copy(l.env.Workers, dy, dx)
	}
	return nil
}
