package activation

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Swish",
		Group: "activation",
		Param: "swish_param",
		Doc: `Product of x and the logistic function of beta x:

	y = x / (1 + exp(-beta x))        dy/dx = beta y + s (1 - beta y) with s = y/x

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; the layer then keeps a copy of x.

swish_param:
	beta (1): see above

Caffe: swish_layer.cpp, after Ramachandran et al., "Searching for Activation Functions" (2017)`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			beta := s.Param.GetSwishParam().GetBeta()
			l := &curve{env: s.Env, keep: true, passes: swishPasses}
			l.value = func(w *parallel.Pool, x, y []float32) { kernel.Swish(w, beta, x, y) }
			l.gradient = func(w *parallel.Pool, x, dy, dx []float32) { kernel.SwishBackward(w, beta, x, dy, dx) }
			l.forwardOptions, l.backwardOptions = [3]float32{beta}, [3]float32{beta}
			return l, nil
		},
		Kernels: curveKernels,
	})
}

var swishPasses = passesOf("swish")
