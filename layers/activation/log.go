package activation

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Log",
		Group: "activation",
		Param: "log_param",
		Doc: `Logarithm of a linear function:

	y = log(shift + scale x) / log(base)        dy/dx = scale / ((shift + scale x) log(base))

Where shift + scale x is 0, y is -Inf; where it is negative, y is NaN.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; the layer then keeps a copy of x.

log_param:
	base (-1): above 0 and not 1, or -1 for e
	scale (1), shift (0): see above

Caffe: log_layer.cpp. Differs from Caffe, whose gradient is wrong in place.`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newLog,
		Kernels: curveKernels,
	})
}

var logPasses = passesOf("log")

func newLog(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetLogParam()
	logBase, err := logOfBase(s, "log_param.base", p.GetBase())
	if err != nil {
		return nil, err
	}
	if logBase == 0 {
		return nil, s.Errorf("log_param.base", "base is 1, want another number: its logarithm is 0")
	}
	scale, shift, outer, factor := p.GetScale(), p.GetShift(), 1/logBase, p.GetScale()/logBase
	l := &curve{env: s.Env, keep: true, passes: logPasses}
	l.forwardOptions, l.backwardOptions = [3]float32{scale, shift, outer}, [3]float32{scale, shift, factor}
	l.value = func(w *parallel.Pool, x, y []float32) {
		if scale != 1 || shift != 0 {
			kernel.ScaleShift(w, scale, shift, x, y)
			x = y
		}
		kernel.Log(w, x, y)
		if outer != 1 {
			kernel.Scale(w, outer, y, y)
		}
	}
	l.gradient = inParts(func(x, dy, dx []float32) {
		for i := range dx {
			dx[i] = dy[i] * factor / (float32(scale*x[i]) + shift)
		}
	})
	return l, nil
}
