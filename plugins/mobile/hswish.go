package mobile

import "github.com/gocaffe/gocaffe/layers"

func init() {
	layers.Register(layers.Info{
		Type:    "HSwish",
		Group:   "activation",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Kernels: curveKernels,
		Doc: `Product of x and a piecewise linear form of the logistic function:

	y = x min(max(x + 3, 0), 6) / 6

The gradient is x/3 + 1/2 between -3 and 3, 0 below and 1 above.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; the layer then keeps a copy of x.

Source: Howard et al., "Searching for MobileNetV3" (2019); github.com/aovoc/caffe, hswish_layer.cpp`,
		New: func(s *layers.Spec) (layers.Layer, error) {
			return newCurve(&curve{
				spec: s, keep: true, kernels: hswishPasses,
				value: func(_, x float32) float32 { return x * min(max(x+3, 0), 6) / 6 },
				slope: func(_, x float32) float32 {
					switch {
					case x <= -3:
						return 0
					case x >= 3:
						return 1
					}
					return x/3 + 0.5
				},
			}), nil
		},
	})
}

var hswishPasses = passesOf("hswish")
