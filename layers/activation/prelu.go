package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type:  "PReLU",
		Group: "activation",
		Param: "prelu_param",
		Doc: `Parametric rectified linear unit. The slope below zero is learned for each channel:

	y = max(x, 0) + slope min(x, 0)

The gradient at 0 is the slope.

Bottom: x, of at least 2 axes; axis 1 is the channels.
Top: y, of the same shape. It may be the bottom itself; the layer then keeps a copy of x.
Weights: the slopes, one for each channel or a scalar.

prelu_param:
	filler (constant 0.25): initial slopes
	channel_shared (false): one slope for all channels

Caffe: prelu_layer.cpp, after He et al., "Delving deep into rectifiers" (2015)`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newPReLU,
		Kernels: preluKernels,
	})
}

// prelu is the parametric ReLU of Caffe's prelu_layer.cpp. The weights are the
// slopes, (channels) or a scalar.
type prelu struct {
	layers.OnRecordableDevice
	layers.Weights
	spec   *layers.Spec
	filler *caffepb.FillerParameter
	shared bool

	channels, dim int // x is (n, channels, dim)
	kept          layers.Kept

	forward, grad, slopeGrad parallel.Range // over planes
	x, y, dy, dx             []float32
	sums                     []float64 // of dy·min(x,0), one for each plane

	terms blob.Blob // dy·min(x,0) on a device
}

var (
	_ layers.Layer           = (*prelu)(nil)
	_ layers.Parameterized   = (*prelu)(nil)
	_ layers.ParamPropagator = (*prelu)(nil)
	_ layers.Keeper          = (*prelu)(nil)
	_ layers.BackwardReader  = (*prelu)(nil)

	_ layers.ChannelRectifier = (*prelu)(nil)
)

func newPReLU(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetPreluParam()
	l := &prelu{spec: s, filler: p.GetFiller(), shared: p.GetChannelShared()}
	if l.filler == nil {
		l.filler = &caffepb.FillerParameter{Type: proto.String("constant"), Value: proto.Float32(0.25)}
	}
	if err := s.CheckFiller("prelu_param.filler", l.filler); err != nil {
		return nil, err
	}
	l.forward.Body, l.grad.Body, l.slopeGrad.Body = l.rectify, l.gradient, l.slopeGradient
	return l, nil
}

// SetUp makes the slopes.
func (l *prelu) SetUp(bottom, _ []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes", bottom[0].Shape())
	}
	l.channels = bottom[0].Dim(1)
	var shape []int
	if !l.shared {
		shape = []int{l.channels}
	}
	slopes, err := l.spec.NewParam(0, "bottom", "prelu_param.filler", l.filler, shape...)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{slopes}
	return nil
}

// Reshape gives the top the shape of the bottom.
func (l *prelu) Reshape(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 || bottom[0].Dim(1) != l.channels {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d channels on axis 1", bottom[0].Shape(), l.channels)
	}
	if err := top[0].ReshapeLike(bottom[0]); err != nil {
		return err
	}
	l.dim = bottom[0].CountFrom(2)
	l.sums = layers.Resize(l.sums, bottom[0].Num()*l.channels)
	return nil
}

// KeepsBottom returns true: Backward needs x.
func (l *prelu) KeepsBottom() bool { return true }

// BackwardReads returns that Backward reads the bottom.
func (l *prelu) BackwardReads() (bottom, top bool) { return true, false }

// NegativeSlopes returns the slopes.
func (l *prelu) NegativeSlopes() *blob.Blob { return l.Blobs[0] }

// slope returns the slope of a plane.
func (l *prelu) slope(plane int) float32 {
	if l.shared {
		return l.Blobs[0].Data()[0]
	}
	return l.Blobs[0].Data()[plane%l.channels]
}

// Forward computes the top.
func (l *prelu) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.x, l.y = bottom[0].Data(), top[0].MutableData()
	if bottom[0] == top[0] {
		if err := l.kept.Keep(l.spec.Env.Workers, bottom[0]); err != nil {
			return err
		}
	}
	l.forward.Run(l.spec.Env.Workers, len(l.sums), l.step())
	return nil
}

// step is how many planes one part of a parallel loop works on.
func (l *prelu) step() int { return max(1, blockSize/max(1, l.dim)) }

// plane returns a plane of x.
func (l *prelu) plane(x []float32, i int) []float32 { return x[i*l.dim : (i+1)*l.dim] }

func (l *prelu) rectify(from, to int) {
	for i := from; i < to; i++ {
		kernel.ReLU(nil, l.slope(i), l.plane(l.x, i), l.plane(l.y, i))
	}
}

// Backward first adds to the diff of the slopes, because in place the diff of the
// bottom overwrites the diff of the top.
func (l *prelu) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	l.x, l.dy = bottom[0].Data(), top[0].Diff()
	if bottom[0] == top[0] {
		l.x = l.kept.Blob().Data()
	}
	if l.Needs(0) {
		l.slopeGrad.Run(l.spec.Env.Workers, len(l.sums), l.step())
		diff := l.Blobs[0].MutableDiff()
		for ch := range l.channels {
			var sum float64
			for i := ch; i < len(l.sums); i += l.channels {
				sum += l.sums[i]
			}
			if l.shared {
				diff[0] += float32(sum)
			} else {
				diff[ch] += float32(sum)
			}
		}
	}
	if propagateDown[0] {
		l.dx = bottom[0].MutableDiff()
		l.grad.Run(l.spec.Env.Workers, len(l.sums), l.step())
	}
	return nil
}

func (l *prelu) slopeGradient(from, to int) {
	for i := from; i < to; i++ {
		var sum float64
		dy := l.plane(l.dy, i)
		for j, x := range l.plane(l.x, i) {
			sum += float64(dy[j]) * float64(min(x, 0))
		}
		l.sums[i] = sum
	}
}

func (l *prelu) gradient(from, to int) {
	for i := from; i < to; i++ {
		kernel.ReLUBackward(nil, l.slope(i), l.plane(l.x, i), l.plane(l.dy, i), l.plane(l.dx, i))
	}
}

// slopes returns the number of slopes, and the number of neighbouring elements that
// share one.
func (l *prelu) slopes() (n, dim int) {
	if l.shared {
		return 1, l.channels * l.dim
	}
	return l.channels, l.dim
}
