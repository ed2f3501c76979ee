// Package blob holds the arrays that layers read and write.
package blob

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gocaffe/gocaffe/internal/sysmem"
)

// A Blob is an array of float32 with a shape, in row-major order, together with
// a second array of the same shape for its gradient, as in Caffe's blob.hpp.
// The first is called data and the second diff.
//
// Each array is allocated, filled with zeros, when it is first accessed: a blob
// whose diff nobody uses has none. The zero Blob is an array without elements.
//
// The elements may also be on a Device, and move by themselves: Data, Diff and
// the like return the newest values on the host or on the device, and methods
// with Mutable in their names mark the copy on the other side as out of date.
type Blob struct {
	shape []int
	count int
	data  *memory
	diff  *memory
}

// memory is the storage of one array. Blobs that share an array share it.
type memory struct {
	host    []float32
	reserve int       // the least number of elements to allocate
	device  *onDevice // nil if there never was a copy on a device
	pending atomic.Pointer[pendingFill]
	version atomic.Uint64 // of the elements; 0: nobody has asked for it since they changed

	// The memory of which this one is a part, size elements from at on; nil if it is none.
	whole    *memory
	at, size int
}

// A pendingFill sets values that nobody has asked for yet.
type pendingFill struct {
	once sync.Once
	fill func(data []float32)
}

// slice returns the first n elements and allocates them if necessary.
func (m *memory) slice(n int) []float32 {
	if m == nil { // of a zero Blob
		return nil
	}
	if m.whole != nil {
		return m.part(n)
	}
	if p := m.pending.Load(); p != nil {
		p.once.Do(func() {
			p.fill(m.grow(n))
			m.pending.Store(nil)
		})
	}
	return m.grow(n)
}

// grow is slice without what is pending.
func (m *memory) grow(n int) []float32 {
	if cap(m.host) < n {
		grown := sysmem.Reserve(n, max(n, m.reserve))
		copy(grown, m.host)
		m.host = grown
	}
	if len(m.host) < n { // several goroutines may read what is there
		m.host = m.host[:n]
	}
	return m.host[:n:n]
}

// maxCount is the largest number of elements, as in Caffe.
const maxCount = math.MaxInt32

// maxAxes is the largest number of axes, which is Caffe's kMaxBlobAxes.
const maxAxes = 32

// New returns a blob of the given shape, or an error as Reshape does.
func New(shape ...int) (*Blob, error) {
	b := new(Blob)
	if err := b.Reshape(shape...); err != nil {
		return nil, err
	}
	return b, nil
}

// Reshape changes the shape; without sizes the blob becomes a scalar. It keeps
// the elements up to the smaller count and releases no memory. It fails, and
// changes nothing, if a size is negative or if there are more than 32 axes or
// 2^31-1 elements.
func (b *Blob) Reshape(shape ...int) error {
	if len(shape) > maxAxes {
		return fmt.Errorf("blob has %d axes, the limit is %d", len(shape), maxAxes)
	}
	count := 1
	for _, n := range shape {
		if n < 0 {
			return fmt.Errorf("blob shape %v has a negative size", copied(shape))
		}
		if n != 0 && count > maxCount/n {
			return fmt.Errorf("blob shape %v has more than %d elements", copied(shape), maxCount)
		}
		count *= n
	}
	b.shape = append(b.shape[:0], shape...)
	b.count = count
	if b.data == nil {
		b.data, b.diff = new(memory), new(memory)
	}
	return nil
}

// copied keeps the variadic slice of Reshape from escaping to the heap.
func copied(shape []int) []int { return append([]int(nil), shape...) }

// ReshapeLike changes the shape to that of another blob.
func (b *Blob) ReshapeLike(other *Blob) error { return b.Reshape(other.shape...) }

// Shape returns the sizes of the axes, outermost first. The caller must not
// change them.
func (b *Blob) Shape() []int { return b.shape }

// Axes returns the number of axes.
func (b *Blob) Axes() int { return len(b.shape) }

// Count returns the number of elements.
func (b *Blob) Count() int { return b.count }

// CountFrom returns the product of the sizes of the axes from axis on.
func (b *Blob) CountFrom(axis int) int { return b.CountRange(axis, len(b.shape)) }

// CountRange returns the product of the sizes of the axes from start to end-1.
func (b *Blob) CountRange(start, end int) int {
	count := 1
	for _, n := range b.shape[start:end] {
		count *= n
	}
	return count
}

// Axis returns the index of an axis, counting a negative one from the end, or
// an error if there is no such axis.
func (b *Blob) Axis(i int) (int, error) {
	if i < -len(b.shape) || i >= len(b.shape) {
		return 0, fmt.Errorf("axis %d is out of range for the %d axes of shape %v", i, len(b.shape), b.shape)
	}
	if i < 0 {
		i += len(b.shape)
	}
	return i, nil
}

// Dim returns the size of an axis; a negative axis counts from the end.
func (b *Blob) Dim(axis int) int {
	if axis < 0 {
		axis += len(b.shape)
	}
	return b.shape[axis]
}

// legacyDim returns the size of one of the four axes of an old blob; missing
// axes have size 1.
func (b *Blob) legacyDim(axis int) int {
	if axis < len(b.shape) {
		return b.shape[axis]
	}
	return 1
}

// Num returns the size of axis 0, or 1 for a scalar: Caffe's num().
func (b *Blob) Num() int { return b.legacyDim(0) }

// Data returns the elements for reading.
func (b *Blob) Data() []float32 { return b.data.read(b.count) }

// MutableData returns the elements for writing. It is separate from Data so
// that a copy on a device, and what was computed from the elements (DataVersion),
// are known to be out of date.
func (b *Blob) MutableData() []float32 { return b.data.write(b.count) }

// FillLater registers a function that sets the elements when they are first
// accessed, on the host or on a device: what nobody reads costs neither memory
// nor time. The shape must not change until then. Earlier values are lost.
func (b *Blob) FillLater(fill func(data []float32)) {
	b.data = new(memory)
	b.data.pending.Store(&pendingFill{fill: fill})
}

// Diff returns the gradient for reading.
func (b *Blob) Diff() []float32 { return b.diff.read(b.count) }

// MutableDiff returns the gradient for writing.
func (b *Blob) MutableDiff() []float32 { return b.diff.write(b.count) }

// ShareData makes b use the data of other. It fails if the counts differ.
func (b *Blob) ShareData(other *Blob) error {
	if b.count != other.count {
		return fmt.Errorf("blob of shape %v cannot share the data of one of shape %v", b.shape, other.shape)
	}
	b.data = other.data
	return nil
}

// ShareDiff makes b use the diff of other. It fails if the counts differ.
func (b *Blob) ShareDiff(other *Blob) error {
	if b.count != other.count {
		return fmt.Errorf("blob of shape %v cannot share the diff of one of shape %v", b.shape, other.shape)
	}
	b.diff = other.diff
	return nil
}

// SharesData reports whether the blobs use the same memory for their data.
func (b *Blob) SharesData(other *Blob) bool { return b.data == other.data }

// SharesDiff reports whether the blobs use the same memory for their diff.
func (b *Blob) SharesDiff(other *Blob) bool { return b.diff == other.diff }

// DataID returns a map key that identifies the memory of the data: two blobs
// have the same key if they share it.
func (b *Blob) DataID() any { return b.data }

// DiffID returns a map key that identifies the memory of the diff.
func (b *Blob) DiffID() any { return b.diff }

// HostBytes returns how much host memory data and diff use so far, including
// memory shared with other blobs.
func (b *Blob) HostBytes() int64 {
	if b.data == nil {
		return 0
	}
	return 4 * int64(cap(b.data.host)+cap(b.diff.host))
}

// ShapeEqual reports whether the blob has the given shape.
func (b *Blob) ShapeEqual(shape []int) bool {
	if len(shape) != len(b.shape) {
		return false
	}
	for i, n := range shape {
		if b.shape[i] != n {
			return false
		}
	}
	return true
}

// ShapeString returns the sizes and the count as Caffe's log shows them:
// "64 20 24 24 (737280)".
func (b *Blob) ShapeString() string {
	var s strings.Builder
	for _, n := range b.shape {
		s.WriteString(strconv.Itoa(n))
		s.WriteByte(' ')
	}
	return s.String() + "(" + strconv.Itoa(b.count) + ")"
}
