package layers

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
)

// Indices reads a bottom of whole numbers that count from 0: rows of a table, items of
// a batch, labels (Labels).
type Indices struct {
	limit      int    // the numbers are below it
	ignore     *int32 // the number that does not count
	outOfRange func(i int, v float32) error
	index      []int32
	stride     int // of the elements in the bottom, or 0 for 1

	onDevice, info blob.Blob // of ReadDevice: ints
}

// NewIndices returns the reader of a layer's bottom of that number. What says what the
// numbers choose, for errors: "an item of bottom 0".
func NewIndices(spec *Spec, bottom int, what string) *Indices {
	x := new(Indices)
	x.outOfRange = func(i int, v float32) error {
		return spec.ErrorAt("bottom", bottom, fmt.Errorf("element %d is %v, want 0 to %d, the number of %s", i, v, x.limit-1, what))
	}
	return x
}

// SetStride has the first of every n elements of the bottom be read alone, such as the
// first number of each row of n.
func (x *Indices) SetStride(n int) { x.stride = n }

// Reshape takes the number of elements that are read, and the limit that all are below.
func (x *Indices) Reshape(count, limit int) error {
	x.limit = limit
	x.index = Resize(x.index, count)
	if err := x.info.Reshape(4); err != nil {
		return err
	}
	return x.onDevice.Reshape(count)
}

// Last returns what the last Read has returned.
func (x *Indices) Last() []int32 { return x.index }

// Read returns the elements of a bottom as whole numbers, without their fractions as in
// Caffe, -1 for one that does not count, and the number of those that count. It fails
// if one is out of range.
//
// Differs from Caffe: a release build of Caffe does not look, and reads or
// writes beyond the blobs.
func (x *Indices) Read(bottom *blob.Blob) (index []int32, valid int, err error) {
	stride := max(x.stride, 1)
	all := bottom.Data()
	for i := range len(all) / stride {
		v := all[i*stride]
		whole := v >= -1<<31 && v < 1<<31 // NaN is not
		if whole && x.ignore != nil && int32(v) == *x.ignore {
			x.index[i] = -1
			continue
		}
		if !whole || int32(v) < 0 || int(v) >= x.limit {
			return nil, 0, x.outOfRange(i*stride, v)
		}
		x.index[i] = int32(v)
		valid++
	}
	return x.index, valid, nil
}
