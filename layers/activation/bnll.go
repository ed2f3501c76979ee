package activation

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "BNLL",
		Group: "activation",
		Doc: `Binomial normal log likelihood, a soft rectifier:

	y = log(1 + exp(x))        dy/dx = 1 / (1 + exp(-x))

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; the layer then keeps a copy of x.

Caffe: bnll_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &curve{env: s.Env, value: kernel.BNLL, gradient: kernel.BNLLBackward, keep: true, passes: bnllPasses}, nil
		},
		Kernels: curveKernels,
	})
}

var bnllPasses = passesOf("bnll")
