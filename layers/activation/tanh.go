package activation

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "TanH",
		Group: "activation",
		Param: "tanh_param",
		Doc: `Hyperbolic tangent:

	y = tanh(x)        dy/dx = 1 - y^2

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself.

tanh_param:
	engine: accepted and ignored

Caffe: tanh_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: newCurve(curve{
			value: kernel.TanH, gradient: tanhGradient,
			forward: tanhKernels.Kernel("tanh_forward"), backward: tanhKernels.Kernel("tanh_backward"),
		}),
		Kernels: tanhKernels,
	})
}

// tanhGradient computes dx of y = tanh(x): tanh_layer.cpp.
func tanhGradient(dx, dy, y []float32) {
	for i := range dx {
		dx[i] = dy[i] * (1 - float32(y[i]*y[i]))
	}
}
