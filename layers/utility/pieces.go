package utility

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// pieces is what Concat and Slice share: a blob, the whole, and the pieces of it that
// lie next to each other along an axis. Concat joins data and cuts gradients, Slice
// does the opposite. A whole of one piece is that piece, in the same memory.
type pieces struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	axis   int    // as given
	option string // the field that gave it

	at, rows int   // the axis, and the product of the axes before it
	shape    []int // scratch
}

// newPieces reads the axis from the options of a message: axis, or the option that old
// files have instead.
func newPieces(spec *layers.Spec, message string, axis *int32, oldName string, old *uint32) (pieces, error) {
	p := pieces{spec: spec, axis: int(caffepb.Default_ConcatParameter_Axis), option: message + ".axis"}
	switch {
	case axis != nil && old != nil:
		return p, spec.Errorf(message+"."+oldName, "got both axis %d and %s %d, want one of them", *axis, oldName, *old)
	case axis != nil:
		p.axis = int(*axis)
	case old != nil:
		p.axis, p.option = int(*old), message+"."+oldName
		if *old > math.MaxInt32 { // a negative number, before it became unsigned
			return p, spec.Errorf(p.option, "got %s %d, want 0 or more", oldName, *old)
		}
	}
	return p, nil
}

func (p *pieces) SetUp(_, _ []*blob.Blob) error { return nil }

// measure finds the axis in a bottom, whose shape it copies to p.shape.
func (p *pieces) measure(b *blob.Blob) error {
	axis, err := b.Axis(p.axis)
	if err != nil {
		return p.spec.ErrorAt(p.option, 0, err)
	}
	p.at, p.rows = axis, b.CountRange(0, axis)
	p.shape = append(p.shape[:0], b.Shape()...)
	return nil
}

// BackwardReads returns that Backward reads no data.
func (p *pieces) BackwardReads() (bottom, top bool) { return false, false }

// array is the data of a blob, or its diff.
type array struct{ read, write func(*blob.Blob) []float32 }

var (
	data = array{(*blob.Blob).Data, (*blob.Blob).MutableData}
	diff = array{(*blob.Blob).Diff, (*blob.Blob).MutableDiff}
)

// join copies the pieces that are not there already to the whole.
func (p *pieces) join(a array, parts []*blob.Blob, whole *blob.Blob) {
	if p.rows == 0 {
		return
	}
	y, step := a.write(whole), whole.CountFrom(p.at)
	for _, b := range parts {
		width, x := b.CountFrom(p.at), a.read(b)
		if width > 0 && &x[0] != &y[0] {
			kernel.CopyRows(p.spec.Env.Workers, p.rows, width, x, width, y, step)
		}
		y = y[width:]
	}
}

// cut copies the whole to the pieces that are wanted; nil stands for all.
func (p *pieces) cut(a array, whole *blob.Blob, wanted []bool, parts []*blob.Blob) {
	if p.rows == 0 {
		return
	}
	x, step := a.read(whole), whole.CountFrom(p.at)
	for i, b := range parts {
		width := b.CountFrom(p.at)
		if wanted == nil || wanted[i] {
			kernel.CopyRows(p.spec.Env.Workers, p.rows, width, x, step, a.write(b), width)
		}
		x = x[width:]
	}
}
