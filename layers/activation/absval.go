package activation

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "AbsVal",
		Group: "activation",
		Doc: `Absolute value:

	y = |x|        dy/dx = sign(x), and 0 at 0

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; the layer then keeps a copy of x.

Caffe: absval_layer.cpp. Differs from Caffe, which does not work in place.`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &curve{env: s.Env, value: kernel.Abs, gradient: absGradient, keep: true, passes: absvalPasses}, nil
		},
		Kernels: curveKernels,
	})
}

var absvalPasses = passesOf("absval")

// absGradient computes dx of y = |x|: absval_layer.cpp.
var absGradient = inParts(func(x, dy, dx []float32) {
	for i := range dx {
		dx[i] = dy[i] * kernel.Sign(x[i])
	}
})
