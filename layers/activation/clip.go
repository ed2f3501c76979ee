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
		Doc: `Limits every element to a range:

	y = max(min, min(x, max))

The gradient is 1 from min to max, both included, and 0 elsewhere.

Bottom: x, of any shape.
Top: y, of the same shape. It may be the bottom itself; then the gradient at min and max is 0.

clip_param:
	min, max: the range; both are required

Caffe: clip_layer.cpp. Differs from Caffe, whose gradient is 1 everywhere in place.`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newClip,
		Kernels: curveKernels,
	})
}

var clipPasses = passesOf("clip")

// clip implements the layer type; its registration describes it.
type clip struct {
	curve
	min, max float32
	lo, hi   float32 // the range that has a gradient
}

func newClip(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetClipParam()
	if p == nil {
		return nil, s.Errorf("", "clip_param is missing: set min and max")
	}
	l := &clip{min: p.GetMin(), max: p.GetMax()}
	l.curve = curve{env: s.Env, passes: clipPasses, forwardOptions: [3]float32{l.min, l.max}}
	l.value = func(w *parallel.Pool, x, y []float32) { kernel.Clip(w, l.min, l.max, x, y) }
	l.gradient = func(w *parallel.Pool, x, dy, dx []float32) { kernel.ClipBackward(w, l.lo, l.hi, x, dy, dx) }
	return l, nil
}

// Reshape gives the top the shape of the bottom. A pass in place moves what lies outside
// of the range to its ends, which therefore have no gradient.
func (l *clip) Reshape(bottom, top []*blob.Blob) error {
	l.lo, l.hi = l.min, l.max
	if bottom[0] == top[0] {
		l.lo, l.hi = math.Nextafter32(l.min, l.max), math.Nextafter32(l.max, l.min)
	}
	l.backwardOptions = [3]float32{l.lo, l.hi}
	return l.curve.Reshape(bottom, top)
}
