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
Top: y, of the same shape. It may be the bottom itself.

tanh_param:
	engine: accepted and ignored

Caffe: tanh_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Kernels: curveKernels,
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &curve{
				env: s.Env, value: kernel.TanH, gradient: tanhGradient, fromTop: true, passes: tanhPasses,
			}, nil
		},
	})
}

var tanhPasses = passesOf("tanh")

// tanhGradient computes dx of y = tanh(x): tanh_layer.cpp.
var tanhGradient = inParts(func(y, dy, dx []float32) {
	for i := range dx {
		dx[i] = dy[i] * (1 - float32(y[i]*y[i]))
	}
})
