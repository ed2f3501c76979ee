package utility

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "ArgMax",
		Group:   "utility",
		Param:   "argmax_param",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newArgMax,
		Kernels: argmaxKernels,
		Doc: `Finds the largest elements and gives their indices, in descending order of the elements. Of equal elements, the
one with the larger index comes first.

Bottom: any blob. It has no gradient.
Top: without axis, the search is over all elements of an item, and the top has N x 1 x top_k indices or, with
out_max_val, N x 2 x top_k elements: the indices, then the largest elements. If the bottom has more than three
axes, axes of size 1 follow. With axis, the top has the shape of the bottom, but top_k as the size of the axis.

argmax_param:
	top_k (1): number of elements to find
	out_max_val (false): give the elements too; with axis, give the elements instead of the indices
	axis (none): the axis to search along; a negative one counts from the last

Caffe: argmax_layer.cpp`,
	})
}

// argMax implements the layer type; its registration describes it.
//
// Differs from Caffe: top_k and the axis are checked for every new shape of the bottom,
// and NaN is smaller than any number. In Caffe its order is undefined.
type argMax struct {
	spec    *layers.Spec
	topK    int
	values  bool // out_max_val
	axis    int
	hasAxis bool

	shape           []int // of the top
	outer, n, inner int   // the search is along n
	scratch         []candidate
	x, y            []float32
	task            parallel.Task
}

type candidate struct {
	value float32
	index int
}

var (
	_ layers.Layer          = (*argMax)(nil)
	_ layers.BackwardForcer = (*argMax)(nil)
)

func newArgMax(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetArgmaxParam()
	if p.GetTopK() < 1 {
		return nil, spec.Errorf("argmax_param.top_k", "got top_k 0, want at least 1")
	}
	l := &argMax{
		spec:    spec,
		topK:    int(p.GetTopK()),
		values:  p.GetOutMaxVal(),
		axis:    int(p.GetAxis()),
		hasAxis: p != nil && p.Axis != nil,
	}
	l.task = parallel.TaskFunc(l.search)
	return l, nil
}

func (l *argMax) AllowForceBackward(int) bool { return false }

func (l *argMax) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *argMax) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if l.hasAxis {
		axis, err := x.Axis(l.axis)
		if err != nil {
			return l.spec.ErrorAt("argmax_param.axis", 0, err)
		}
		l.outer, l.n, l.inner = x.CountRange(0, axis), x.Dim(axis), x.CountFrom(axis+1)
		l.shape = append(l.shape[:0], x.Shape()...)
		l.shape[axis] = l.topK
	} else {
		if x.Axes() == 0 {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got a scalar, want at least 1 axis"))
		}
		l.outer, l.n, l.inner = x.Dim(0), x.CountFrom(1), 1
		l.shape = append(l.shape[:0], x.Dim(0), 1, l.topK)
		if l.values {
			l.shape[1] = 2
		}
		for len(l.shape) < x.Axes() {
			l.shape = append(l.shape, 1)
		}
	}
	if l.topK > l.n {
		return l.spec.Errorf("argmax_param.top_k", "got top_k %d for a bottom of shape %v, want at most %d", l.topK, x.Shape(), l.n)
	}
	if l.topK > 1 && len(l.scratch) < l.n*l.spec.Env.Workers.Threads() {
		l.scratch = make([]candidate, l.n*l.spec.Env.Workers.Threads())
	}
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	return nil
}

// perPart is the number of searches in one part.
func (l *argMax) perPart() int { return max(1, partSize/l.n) }

func (l *argMax) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.x, l.y = bottom[0].Data(), top[0].MutableData()
	l.spec.Env.Workers.Run((l.outer*l.inner+l.perPart()-1)/l.perPart(), l.task)
	return nil
}

// search does the searches of a part.
func (l *argMax) search(worker, part int) {
	for i := part * l.perPart(); i < min((part+1)*l.perPart(), l.outer*l.inner); i++ {
		x := l.x[i/l.inner*l.n*l.inner+i%l.inner:]
		if l.topK == 1 {
			l.store(i, 0, l.largest(x))
			continue
		}
		all := l.scratch[worker*l.n : (worker+1)*l.n]
		for k := range all {
			all[k] = candidate{x[k*l.inner], k}
		}
		slices.SortFunc(all, descending)
		for k, c := range all[:l.topK] {
			l.store(i, k, c)
		}
	}
}

// descending orders candidates, and those of equal value by descending index.
func descending(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.value, a.value), cmp.Compare(b.index, a.index))
}

// largest returns the first candidate in descending order.
func (l *argMax) largest(x []float32) candidate {
	best := candidate{x[0], 0}
	for k := 1; k < l.n; k++ {
		if v := x[k*l.inner]; v >= best.value || best.value != best.value {
			best = candidate{v, k}
		}
	}
	return best
}

// store puts result k of search i into the top.
func (l *argMax) store(i, k int, c candidate) {
	at := (i/l.inner*l.topK+k)*l.inner + i%l.inner
	switch {
	case !l.values:
		l.y[at] = float32(c.index)
	case l.hasAxis:
		l.y[at] = c.value
	default: // the indices of an item, then the elements
		l.y[2*i*l.topK+k] = float32(c.index)
		l.y[(2*i+1)*l.topK+k] = c.value
	}
}

func (l *argMax) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}
