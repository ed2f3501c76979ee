package mobile

import (
	"math"

	"github.com/gocaffe/gocaffe/layers"
)

// The constants of SELU: with them, a layer keeps mean 0 and variance 1.
const (
	seluScale = 1.0507009873554804934193349852946
	seluAlpha = 1.6732632423543772848170429916717
)

func init() {
	layers.Register(layers.Info{
		Type:    "SeLu",
		Group:   "activation",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		Kernels: curveKernels,
		Doc: `Scaled exponential linear unit:

	y = 1.0507 x                      where x > 0
	y = 1.0507 1.67326 (exp(x) - 1)   elsewhere

The gradient at 0 is 1.0507 1.67326.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself.

Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017), equation 2. Nets of github.com/soeaver/caffe-model
have the type.`,
		New: func(s *layers.Spec) (layers.Layer, error) {
			return newCurve(&curve{
				spec: s, fromTop: true, kernels: seluPasses,
				value: func(_, x float32) float32 {
					if x > 0 {
						return seluScale * x
					}
					return float32(seluScale * seluAlpha * math.Expm1(float64(x)))
				},
				slope: func(_, y float32) float32 {
					if y > 0 {
						return seluScale
					}
					return y + seluScale*seluAlpha
				},
			}), nil
		},
	})
}

var seluPasses = passesOf("selu")
