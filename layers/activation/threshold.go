package activation

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Threshold",
		Group: "activation",
		Param: "threshold_param",
		Doc: `Step function:

	y = 1 where x > threshold, 0 elsewhere

Bottom: x, of any shape. It has no gradient.
Top: y, of the same shape. It may be the bottom itself.

threshold_param:
	threshold (0): see above

Caffe: threshold_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			l := &threshold{spec: s, threshold: s.Param.GetThresholdParam().GetThreshold()}
			l.forward.Body = l.compare
			return l, nil
		},
		Kernels: curveKernels,
	})
}

// threshold implements the layer type; its registration describes it.
type threshold struct {
	elementwise
	layers.OnRecordableDevice
	spec      *layers.Spec
	threshold float32

	forward parallel.Range
	x, y    []float32
}

var (
	_ layers.Layer          = (*threshold)(nil)
	_ layers.BackwardForcer = (*threshold)(nil)
)

// AllowForceBackward returns false.
func (l *threshold) AllowForceBackward(int) bool { return false }

// Forward computes the top.
func (l *threshold) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.x, l.y = bottom[0].Data(), top[0].MutableData()
	l.forward.Run(l.spec.Env.Workers, len(l.y), blockSize)
	return nil
}

func (l *threshold) compare(lo, hi int) {
	for i, x := range l.x[lo:hi] {
		var y float32
		if x > l.threshold {
			y = 1
		}
		l.y[lo+i] = y
	}
}

// Backward fails if it is asked for a gradient.
func (l *threshold) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}
