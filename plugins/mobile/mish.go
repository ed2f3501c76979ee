package mobile

import (
	"math"

	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Mish",
		Group: "activation",
		Plugin: &layers.Plugin{
			Field:   "mish_param",
			Number:  306,
			Proto:   layers.Schema(schemas, "mish.proto"),
			Message: "MishParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Kernels: curveKernels,
		Doc: `Smooth activation that is not monotonic:

	y = x tanh(log(1 + exp(x)))

The backward pass is the fork's: it takes the derivative of this function at y, not at x, which trained
models have seen.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself.

mish_param:
	engine: accepted and ignored

Source: Misra, "Mish: A Self Regularized Non-Monotonic Activation Function" (2019);
github.com/sophgo/caffe, mish_layer.cpp`,
		New: func(s *layers.Spec) (layers.Layer, error) {
			var o struct {
				Engine string `proto:"engine"`
			}
			if err := s.Options(&o); err != nil {
				return nil, err
			}
			return newCurve(&curve{
				spec: s, fromTop: true, kernels: mishPasses,
				value: func(_, x float32) float32 { return x * tangent(softplus(x)) },
				slope: func(_, y float32) float32 {
					s := softplus(y)
					t := tangent(s)
					return y*(1-t*t)*(1-exp(-s)) + t
				},
			}), nil
		},
	})
}

var mishPasses = passesOf("mish")

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }

// softplus returns log(1 + exp(x)), in the float32 steps of the fork.
func softplus(x float32) float32 {
	switch {
	case x > 20:
		return x
	case x < -20:
		return exp(x)
	}
	return float32(math.Log(float64(1 + exp(x))))
}

// tangent returns the hyperbolic tangent.
func tangent(x float32) float32 { return 2/(1+exp(-2*x)) - 1 }
