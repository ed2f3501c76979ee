package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ReLU",
		Group: "activation",
		Param: "relu_param",
		Doc: `Rectified linear unit:

	y = max(x, 0) + negative_slope · min(x, 0)

The gradient at 0 is negative_slope.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; then the gradient is right for negative_slope >= 0 only.

relu_param:
	negative_slope (0): the slope below zero; any other than 0 makes it a leaky ReLU
	engine: accepted and ignored

Caffe: relu_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &relu{env: s.Env, slope: s.Param.GetReluParam().GetNegativeSlope()}, nil
		},
		Kernels: reluKernels,
	})
}

// relu is the rectified linear unit y = max(x,0) + slope·min(x,0) of Caffe's
// relu_layer.cpp. In place, Backward decides by the sign of y.
type relu struct {
	elementwise
	layers.OnRecordableDevice
	env   *layers.Env
	slope float32
}

var (
	_ layers.Layer          = (*relu)(nil)
	_ layers.Rectifier      = (*relu)(nil)
	_ layers.BackwardReader = (*relu)(nil)
)

// NegativeSlope returns the slope.
func (l *relu) NegativeSlope() float32 { return l.slope }

// BackwardReads returns that Backward reads the bottom, for its sign.
func (l *relu) BackwardReads() (bottom, top bool) { return true, false }

// Forward computes the top.
func (l *relu) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	kernel.ReLU(l.env.Workers, l.slope, bottom[0].Data(), top[0].MutableData())
	return nil
}

// Backward computes the diff of the bottom.
func (l *relu) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		kernel.ReLUBackward(l.env.Workers, l.slope, bottom[0].Data(), top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}
