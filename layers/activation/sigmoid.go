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
Top: y, of the same shape. It may be the bottom itself.

sigmoid_param:
	engine: accepted and ignored

Caffe: sigmoid_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Kernels: curveKernels,
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &curve{
				env: s.Env, value: kernel.Sigmoid, gradient: sigmoidGradient, fromTop: true, passes: sigmoidPasses,
			}, nil
		},
	})
}

var sigmoidPasses = passesOf("sigmoid")

// sigmoidGradient computes dx of y = 1/(1+exp(-x)): sigmoid_layer.cpp.
var sigmoidGradient = inParts(func(y, dy, dx []float32) {
	for i := range dx {
		dx[i] = dy[i] * y[i] * (1 - y[i])
	}
})
