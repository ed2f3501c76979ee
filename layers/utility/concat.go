package utility

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Concat",
		Kernels: cuda.Math,
		Group:   "utility",
		Param:   "concat_param",
		Bottoms: layers.AtLeast(1),
		Tops:    layers.Exactly(1),
		New:     newConcat,
		Doc: `Joins blobs along an axis.

Bottoms: blobs of equal shape, except for the size of the axis.
Top: the bottoms one after another; the size of the axis is the sum of theirs. If there is one bottom, the top
shares its memory.

concat_param:
	axis (1): the axis; a negative one counts from the last
	concat_dim (1): old form of axis, not negative; only one of the two may be given

Caffe: concat_layer.cpp`,
	})
}

// concat implements the layer type; its registration describes it.
type concat struct {
	pieces
	parts int // bottoms

	// Arguments of sum: the gradients of the top, of which a piece of rows begins at offset
	// and each next row step elements further, and the piece's gradient.
	dys                 [][]float32
	offset, step, width int
	dx                  []float32
	sum                 parallel.Range
}

var (
	_ layers.Layer          = (*concat)(nil)
	_ layers.BackwardReader = (*concat)(nil)
	_ layers.Fuser          = (*concat)(nil)
	_ layers.Joiner         = (*concat)(nil)
)

func newConcat(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetConcatParam()
	if p == nil {
		p = new(caffepb.ConcatParameter)
	}
	pieces, err := newPieces(spec, "concat_param", p.Axis, "concat_dim", p.ConcatDim)
	if err != nil {
		return nil, err
	}
	l := &concat{pieces: pieces}
	l.sum.Body = l.sumRows
	return l, nil
}

func (l *concat) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	first := bottom[0]
	l.parts = len(bottom)
	if err := l.measure(first); err != nil {
		return err
	}
	for i, b := range bottom[1:] {
		if !l.fits(first, b) {
			return l.spec.ErrorAt("bottom", i+1, fmt.Errorf("got shape %v, want that of the first bottom, %v, except for axis %d", b.Shape(), first.Shape(), l.at))
		}
		l.shape[l.at] += b.Dim(l.at)
	}
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("", 0, err)
	}
	if len(bottom) == 1 {
		return share(top[0], first)
	}
	return nil
}

// fits reports whether two bottoms have equal shapes, except for the axis.
func (l *concat) fits(a, b *blob.Blob) bool {
	if a.Axes() != b.Axes() {
		return false
	}
	for i := range a.Axes() {
		if i != l.at && a.Dim(i) != b.Dim(i) {
			return false
		}
	}
	return true
}

// Fuse takes in the Split of a top with several readers, whose gradients it then adds where
// it cuts them.
func (l *concat) Fuse(next []layers.Layer) int {
	if len(next) > 0 && l.parts > 1 {
		if s, ok := next[0].(layers.Splitter); ok && s.Splits() {
			return 1
		}
	}
	return 0
}

// Joins reports whether each bottom is one run of the top.
func (l *concat) Joins() bool { return l.parts > 1 && l.rows == 1 }

func (l *concat) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if len(bottom) == 1 {
		return top[0].ShareData(bottom[0])
	}
	l.join(data, bottom, top[0])
	return nil
}

func (l *concat) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	switch {
	case len(top) > 1:
		l.cutSum(top, propagateDown, bottom)
	case len(bottom) > 1:
		l.cut(diff, top[0], propagateDown, bottom)
	case propagateDown[0]:
		passBack(l.spec.Env.Workers, bottom[0], top[0])
	}
	return nil
}

// cutSum sets the wanted pieces to those of the sum of the diffs of the tops.
func (l *concat) cutSum(top []*blob.Blob, wanted []bool, parts []*blob.Blob) {
	l.dys, l.offset, l.step = gather(l.dys, top), 0, top[0].CountFrom(l.at)
	for i, b := range parts {
		if l.width = b.CountFrom(l.at); wanted[i] {
			l.dx = b.MutableDiff()
			l.sum.Run(l.spec.Env.Workers, len(l.dx), partSize)
		}
		l.offset += l.width
	}
}

// sumRows sets the elements lo to hi-1 of dx.
func (l *concat) sumRows(lo, hi int) {
	for lo < hi {
		row, column := lo/l.width, lo%l.width
		n := min(hi-lo, l.width-column)
		addAll(l.dys, row*l.step+l.offset+column, l.dx[lo:lo+n])
		lo += n
	}
}
