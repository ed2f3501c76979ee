package activation

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Sigmoid",
		Group: "activation",
		Param: "sigmoid_param",
		Doc: `Logistic function:

	y = 1 / (1 + exp(-x))        dy/dx = y (1 - y)

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself.

sigmoid_param:
	engine: accepted and ignored

Caffe: sigmoid_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: newCurve(curve{
			value: kernel.Sigmoid, gradient: sigmoidGradient,
			forward: sigmoidKernels.Kernel("sigmoid_forward"), backward: sigmoidKernels.Kernel("sigmoid_backward"),
		}),
		Kernels: sigmoidKernels,
	})
}

// sigmoidGradient computes dx of y = 1/(1+exp(-x)): sigmoid_layer.cpp.
func sigmoidGradient(dx, dy, y []float32) {
	for i := range dx {
		dx[i] = dy[i] * y[i] * (1 - y[i])
	}
}
