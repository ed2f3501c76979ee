package activation

import (
	"math"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ELU",
		Group: "activation",
		Param: "elu_param",
		Doc: `Exponential linear unit:

	y = x                      where x > 0
	y = alpha (exp(x) - 1)     elsewhere

The gradient at 0 is alpha.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; the layer then keeps a copy of x if alpha is negative.

elu_param:
	alpha (1): see above

Caffe: elu_layer.cpp, after Clevert et al., "Fast and Accurate Deep Network Learning by Exponential
Linear Units" (2015). Differs from Caffe, whose gradient is wrong in place if alpha is negative.`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newELU,
		Kernels: curveKernels,
	})
}

var eluPasses = passesOf("elu")

// eluBackwardX is for a negative alpha: then the sign of x does not follow from y.
var eluBackwardX = curveKernels.Kernel("elu_backward_x")

func newELU(s *layers.Spec) (layers.Layer, error) {
	alpha := s.Param.GetEluParam().GetAlpha()
	l := &curve{env: s.Env, fromTop: true, passes: eluPasses}
	l.value = func(w *parallel.Pool, x, y []float32) { kernel.ELU(w, alpha, x, y) }
	l.gradient = func(w *parallel.Pool, y, dy, dx []float32) { kernel.ELUBackward(w, alpha, y, dy, dx) }
	l.forwardOptions, l.backwardOptions = [3]float32{alpha}, [3]float32{alpha}
	if alpha < 0 {
		l.fromTop, l.keep, l.backward = false, true, eluBackwardX
		l.gradient = inParts(func(x, dy, dx []float32) {
			for i, v := range x {
				slope := float32(1)
				if v <= 0 {
					slope = alpha * float32(math.Exp(float64(v)))
				}
				dx[i] = dy[i] * slope
			}
		})
	}
	return l, nil
}
