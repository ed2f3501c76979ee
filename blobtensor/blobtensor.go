// Package blobtensor turns blobs into the Dense tensors of gorgonia.org/tensor and
// back, for programs that compute with that package. gocaffe itself does not link
// it: the tensor package and what it needs make a program 9 MB larger.
package blobtensor

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"gorgonia.org/tensor"
)

// Data returns the data of a blob as a tensor of the same shape, without a copy:
// what is written to one is seen in the other, until a Reshape of the blob takes
// new memory or the data change on a device. Call it, or b.MutableData, again before
// writing to the tensor after other code has used the blob: a net may keep what it
// has computed from the data. It returns nil for a blob without elements, which no
// tensor can be.
func Data(b *blob.Blob) *tensor.Dense { return dense(b.Shape(), b.MutableData()) }

// Diff returns the gradient of a blob as Data returns the data.
func Diff(b *blob.Blob) *tensor.Dense { return dense(b.Shape(), b.MutableDiff()) }

func dense(shape []int, values []float32) *tensor.Dense {
	if len(values) == 0 {
		return nil
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// Set gives a blob the shape and the elements of a tensor of float32 or float64,
// which may be a slice or a transpose of another one and in either order. The
// elements are copied. If the type or the shape of the tensor is not that of a
// blob, Set fails and changes nothing.
func Set(b *blob.Blob, t *tensor.Dense) error {
	switch t.Dtype() {
	case tensor.Float32:
		return set(b, t, t.Float32s())
	case tensor.Float64:
		return set(b, t, t.Float64s())
	}
	return fmt.Errorf("blobtensor: elements are %v, want float32 or float64", t.Dtype())
}

// set copies the elements in row-major order. backing is where the strides of the
// tensor begin.
func set[T float32 | float64](b *blob.Blob, t *tensor.Dense, backing []T) error {
	shape, strides := t.Shape(), t.Strides()
	if err := b.Reshape(shape...); err != nil {
		return fmt.Errorf("blobtensor: %w", err)
	}
	at := make([]int, len(shape))
	from := 0
	for i := range b.MutableData() {
		b.MutableData()[i] = float32(backing[from])
		for axis := len(shape) - 1; axis >= 0; axis-- {
			at[axis]++
			from += strides[axis]
			if at[axis] < shape[axis] {
				break
			}
			from -= at[axis] * strides[axis]
			at[axis] = 0
		}
	}
	return nil
}
