package activation

import (
	"math"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Exp",
		Group: "activation",
		Param: "exp_param",
		Doc: `Exponential function of a linear function:

	y = base^(shift + scale x)        dy/dx = y scale log(base)

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself.

exp_param:
	base (-1): above 0, or -1 for e
	scale (1), shift (0): see above

Caffe: exp_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newExp,
		Kernels: curveKernels,
	})
}

var expPasses = passesOf("exp")

func newExp(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetExpParam()
	logBase, err := logOfBase(s, "exp_param.base", p.GetBase())
	if err != nil {
		return nil, err
	}
	inner, outer := logBase*p.GetScale(), float32(1)
	if shift := p.GetShift(); shift != 0 {
		outer = float32(math.Exp(float64(logBase) * float64(shift)))
	}
	l := &curve{env: s.Env, fromTop: true, passes: expPasses}
	l.forwardOptions, l.backwardOptions = [3]float32{inner, outer}, [3]float32{inner}
	l.value = func(w *parallel.Pool, x, y []float32) {
		if inner != 1 {
			kernel.Scale(w, inner, x, y)
			x = y
		}
		kernel.Exp(w, x, y)
		if outer != 1 {
			kernel.Scale(w, outer, y, y)
		}
	}
	l.gradient = inParts(func(y, dy, dx []float32) {
		for i := range dx {
			dx[i] = dy[i] * y[i] * inner
		}
	})
	return l, nil
}

// logOfBase returns the natural logarithm of the option base, in which -1 stands for e.
func logOfBase(s *layers.Spec, field string, base float32) (float32, error) {
	if base == -1 {
		return 1, nil
	}
	if !(base > 0 && base <= math.MaxFloat32) {
		return 0, s.Errorf(field, "base is %g, want a number above 0, or -1 for e", base)
	}
	return float32(math.Log(float64(base))), nil
}
