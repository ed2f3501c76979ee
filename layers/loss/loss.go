// Package loss holds the layers that end a net: losses, and the measures that
// stand beside them.
package loss

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// reshape is what the losses of two bottoms have in common, as in Caffe's
// loss_layer.cpp: both have the same number of items, and the loss is a scalar.
func reshape(spec *layers.Spec, bottom, top []*blob.Blob) error {
	if err := spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, t := bottom[0], bottom[1]
	if x.Axes() == 0 || t.Axes() == 0 || x.Dim(0) != t.Dim(0) {
		return spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want both to have the same first axis", x.Shape(), t.Shape()))
	}
	return top[0].Reshape()
}

// perPart is about how many elements one part of a loop works on.
const perPart = 1 << 14

// A loop runs a body over places or items, in parts, and adds up what the parts return
// in their order. The body is set once, as a method value is an allocation.
type loop struct {
	body    func(lo, hi int) float64
	n, step int
	sums    []float64
}

// run runs the body over n places of the given number of elements each.
func (l *loop) run(w *parallel.Pool, n, elements int) float64 {
	l.n, l.step = n, max(1, perPart/max(1, elements))
	l.sums = layers.Resize(l.sums, (n+l.step-1)/l.step)
	w.Run(len(l.sums), l)
	var sum float64
	for _, s := range l.sums {
		sum += s
	}
	return sum
}

// Do runs part i.
func (l *loop) Do(_, i int) { l.sums[i] = l.body(i*l.step, min((i+1)*l.step, l.n)) }

// ignoreLabel returns the label of loss_param that does not count, or nil.
func ignoreLabel(spec *layers.Spec) *int32 {
	if p := spec.Param.GetLossParam(); p != nil {
		return p.IgnoreLabel
	}
	return nil
}
