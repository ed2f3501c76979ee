package mobile

import "github.com/gocaffe/gocaffe/layers"

func init() {
	layers.Register(layers.Info{
		Type:  "ReLU6",
		Group: "activation",
		Plugin: &layers.Plugin{
			Field:   "relu6_param",
			Number:  211,
			Message: "ReLUParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Kernels: curveKernels,
		Doc: `Rectified linear unit with an upper bound:

	y = min(max(x, 0) + negative_slope min(x, 0), 6)

The gradient is 1 between 0 and 6, negative_slope at 0 and below, and 0 at 6 and above.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; then the gradient is right for negative_slope >= 0 only.

relu6_param:
	negative_slope (0): the slope below zero
	engine: accepted and ignored

Source: github.com/eric612/MobileNet-YOLO, relu6_layer.cpp`,
		New: func(s *layers.Spec) (layers.Layer, error) {
			var o struct {
				NegativeSlope float32 `proto:"negative_slope"`
				Engine        string  `proto:"engine"`
			}
			if err := s.Options(&o); err != nil {
				return nil, err
			}
			return newCurve(&curve{
				spec: s, option: o.NegativeSlope, kernels: relu6Passes,
				value: func(slope, x float32) float32 { return min(max(x, 0)+slope*min(x, 0), 6) },
				slope: func(slope, x float32) float32 {
					switch {
					case x <= 0:
						return slope
					case x < 6:
						return 1
					}
					return 0
				},
			}), nil
		},
	})
}

var relu6Passes = passesOf("relu6")
