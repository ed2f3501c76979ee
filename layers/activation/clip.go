package activation

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Clip",
		Group: "activation",
		Param: "clip_param",
		Doc: `Cuts off what lies outside of a range:

	y = max(min, min(x, max))

The gradient at min and at max themselves is 1, beyond them 0.

Bottom: x, of any shape.
Top: y, of the same shape. May be the bottom itself; then the gradient at min and at max is 0.

clip_param:
	min, max: the range. Both are required.

Caffe: clip_layer.cpp. Differs from Caffe, whose gradient is 1 everywhere if it works in place.`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newClip,
		Kernels: curveKernels,
	})
}

var clipPasses = passesOf("clip")

// clip is described by its registration.
type clip struct {
	curve
	min, max float32
	lo, hi   float32 // the range that has a gradient
}

func newClip(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetClipParam()
	if p == nil {
		return nil, s.Errorf("", "clip_param is missing, want its min and max")
	}
	l := &clip{min: p.GetMin(), max: p.GetMax()}
	l.curve = curve{env: s.Env, passes: clipPasses, forwardOptions: [3]float32{l.min, l.max}}
	l.value = func(w *parallel.Pool, x, y []float32) { kernel.Clip(w, l.min, l.max, x, y) }
	l.gradient = func(w *parallel.Pool, x, dy, dx []float32) { kernel.ClipBackward(w, l.lo, l.hi, x, dy, dx) }
	return l, nil
}

// Reshape gives the top the shape of the bottom. What a pass in place has cut off is at
// the ends of the range, so these have no gradient then.
func (l *clip) Reshape(bottom, top []*blob.Blob) error {
	l.lo, l.hi = l.min, l.max
	if bottom[0] == top[0] {
		l.lo, l.hi = math.Nextafter32(l.min, l.max), math.Nextafter32(l.max, l.min)
	}
	l.backwardOptions = [3]float32{l.lo, l.hi}
	return l.curve.Reshape(bottom, top)
}
