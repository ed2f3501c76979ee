package segmentation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "SegAccuracy",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "seg_accuracy_param",
			Number:  144,
			Proto:   layers.Schema(schemas, "seg_accuracy.proto"),
			Message: "SegAccuracyParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Between(1, 2),
		New:     newSegAccuracy,
		Doc: `How many pixels have the right class, in three measures. With n[i,j] pixels of class i whose highest score is
that of class j, t[i] pixels of class i and p[j] pixels whose highest score is that of class j, all of C classes:

	y[0] = sum of n[i,i] / sum of t[i]
	y[1] = mean of n[i,i] / t[i] over the classes with pixels
	y[2] = mean of n[i,i] / (t[i] + p[i] - n[i,i]) over all classes, where 0/0 is 1

Of equal scores the last class counts. A pixel with a score that is not a number has the wrong class, and is in no p.

Bottoms: scores, N x C x H x W; labels 0 to C-1, N x 1 x H x W. The layer has no gradient and cannot be a loss.
Tops: y, 1 x 1 x 1 x 3; optionally, which the source does not have, the last fraction of each class, C numbers.

seg_accuracy_param:
	ignore_label (none): pixels with one of these labels do not count
	reset (true): count the pixels of each pass alone; false: those of all passes so far
	metric: accepted and ignored, as in the source

Source: github.com/hszhao/PSPNet, seg_accuracy_layer.cpp and util/confusion_matrix.cpp`,
	})
}

// segAccuracy implements the layer type; its registration describes it.
type segAccuracy struct {
	spec    *layers.Spec
	options segAccuracyOptions

	outer, classes, inner int
	class                 []int32  // of each pixel, -1 if it does not count
	best                  []int32  // its class by the scores, -1 for none
	matrix                []uint64 // n[i,j] at i(C+1)+j; at the end of a row those of no class
	judge                 parallel.Loop[[]float32]
}

type segAccuracyOptions struct {
	Ignore []int32 `proto:"ignore_label"`
	Reset  bool    `proto:"reset"`
}

var (
	_ layers.Layer          = (*segAccuracy)(nil)
	_ layers.BackwardForcer = (*segAccuracy)(nil)
	_ layers.Stateful       = (*segAccuracy)(nil)
)

func newSegAccuracy(s *layers.Spec) (layers.Layer, error) {
	l := &segAccuracy{spec: s}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	l.judge.Body = func(x *[]float32, _, from, to int) { l.bestOf(*x, from, to) }
	return l, nil
}

// AllowForceBackward returns that no bottom has a gradient.
func (l *segAccuracy) AllowForceBackward(int) bool { return false }

// SetUp does nothing.
func (l *segAccuracy) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the shapes.
func (l *segAccuracy) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, t := bottom[0], bottom[1]
	if x.Axes() != 4 || x.Dim(1) < 1 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got scores of shape %v, want items x classes x height x width", x.Shape()))
	}
	n, h, w := x.Dim(0), x.Dim(2), x.Dim(3)
	if t.Axes() != 4 || t.Dim(0) != n || t.Dim(1) != 1 || t.Dim(2) != h || t.Dim(3) != w {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got labels of shape %v, want [%d 1 %d %d] for scores of shape %v", t.Shape(), n, h, w, x.Shape()))
	}
	if classes := x.Dim(1); classes != l.classes {
		l.classes, l.matrix = classes, make([]uint64, classes*(classes+1))
	}
	l.outer, l.inner = n, h*w
	l.class, l.best = layers.Resize(l.class, l.outer*l.inner), layers.Resize(l.best, l.outer*l.inner)
	if len(top) > 1 {
		if err := top[1].Reshape(l.classes); err != nil {
			return err
		}
	}
	return top[0].Reshape(1, 1, 1, 3)
}

// Forward counts the pixels and computes the measures.
func (l *segAccuracy) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.readLabels(bottom[1].Data()); err != nil {
		return err
	}
	l.judge.Run(l.spec.Env.Workers, len(l.best), 1024, bottom[0].Data())
	if l.options.Reset {
		clear(l.matrix)
	}
	for pixel, class := range l.class {
		if class < 0 {
			continue
		}
		to := int(l.best[pixel])
		if to < 0 {
			to = l.classes
		}
		l.matrix[int(class)*(l.classes+1)+to]++
	}
	l.measure(top)
	return nil
}

// readLabels reads the classes of the pixels.
func (l *segAccuracy) readLabels(labels []float32) error {
	for i, v := range labels {
		whole := v >= -1<<31 && v < 1<<31 // NaN is not
		switch {
		case whole && slices.Contains(l.options.Ignore, int32(v)):
			l.class[i] = -1
		case !whole || int32(v) < 0 || int(v) >= l.classes:
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("label %v of item %d, place %d of it, is out of range: the scores have %d classes, which count from 0; "+
				"ignore_label leaves out a label", v, i/l.inner, i%l.inner, l.classes))
		default:
			l.class[i] = int32(v)
		}
	}
	return nil
}

// bestOf finds the classes of some pixels by their scores x.
func (l *segAccuracy) bestOf(x []float32, from, to int) {
	for pixel := from; pixel < to; pixel++ {
		scores := x[pixel/l.inner*l.classes*l.inner+pixel%l.inner:]
		best, highest := 0, scores[0]
		for k := range l.classes {
			v := scores[k*l.inner]
			if v != v {
				best = -1
				break
			}
			if v >= highest {
				best, highest = k, v
			}
		}
		l.best[pixel] = int32(best)
	}
}

// measure computes the tops.
func (l *segAccuracy) measure(top []*blob.Blob) {
	var right, all, recalls, present, unions float64
	for i := range l.classes {
		own, row, column := float64(l.matrix[i*(l.classes+1)+i]), 0.0, 0.0
		for j := range l.classes + 1 {
			row += float64(l.matrix[i*(l.classes+1)+j])
		}
		for j := range l.classes {
			column += float64(l.matrix[j*(l.classes+1)+i])
		}
		right, all = right+own, all+row
		if row > 0 {
			recalls, present = recalls+own/row, present+1
		}
		union := 1.0
		if row+column > own {
			union = own / (row + column - own)
		}
		unions += union
		if len(top) > 1 {
			top[1].MutableData()[i] = float32(union)
		}
	}
	y := top[0].MutableData()
	y[0], y[1], y[2] = float32(ratioOf(right, all)), float32(ratioOf(recalls, present)), float32(unions/float64(l.classes))
}

// ratioOf returns a/b, or 0 if b is 0.
func ratioOf(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// Backward fails if a bottom needs a gradient.
func (l *segAccuracy) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}

// State returns the counts of all passes so far, or nil if each pass begins anew.
func (l *segAccuracy) State() []byte {
	if l.options.Reset {
		return nil
	}
	var state []byte
	for _, n := range l.matrix {
		state = binary.LittleEndian.AppendUint64(state, n)
	}
	return state
}

// SetState sets the counts.
func (l *segAccuracy) SetState(state []byte) error {
	if l.options.Reset {
		return nil
	}
	if len(state) != 8*len(l.matrix) {
		return errors.New("SegAccuracy had another number of classes, or reset was true")
	}
	for i := range l.matrix {
		l.matrix[i] = binary.LittleEndian.Uint64(state[8*i:])
	}
	return nil
}
