// Package blob holds the arrays that layers read and write.
package blob

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// A Blob is an array of float32 with a shape, in row-major order, together with
// a second one of the same shape for its gradient, as in Caffe's blob.hpp. The
// first is called data and the second diff.
//
// The numbers are made, as zeros, when they are first asked for: a blob whose
// diff nobody uses has none. The zero Blob is an array without numbers.
//
// The numbers may also be on a Device. They move by themselves: each of Data,
// Diff and their like returns the newest numbers, on the host or on the device,
// and those with Mutable in their name make the copy on the other side old.
type Blob struct {
	shape []int
	count int
	data  *memory
	diff  *memory
}

// memory is the storage of one array. Blobs that share an array share it.
type memory struct {
	host    []float32
	reserve int       // how many numbers to make room for at least, when room is made
	device  *onDevice // nil if there never was a copy on a device
	pending atomic.Pointer[pendingFill]
}

// A pendingFill sets values that nobody has asked for yet.
type pendingFill struct {
	once sync.Once
	fill func(data []float32)
}

// slice returns the first n numbers, for which it makes room.
func (m *memory) slice(n int) []float32 {
	if m == nil { // of a zero Blob
		return nil
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
		grown := make([]float32, n, max(n, m.reserve))
		copy(grown, m.host)
		m.host = grown
	}
	if len(m.host) < n { // several goroutines may read what is there
		m.host = m.host[:n]
	}
	return m.host[:n:n]
}

// maxCount is the largest number of elements, which is Caffe's.
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

// Reshape gives the blob another shape; no size at all makes it a scalar. The
// numbers up to the smaller count are kept, and no memory is given back. It
// fails, and changes nothing, if a size is negative, or if there are more than
// 32 axes or 2^31-1 elements.
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

// ReshapeLike gives the blob the shape of another.
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

// Axis returns the number of an axis, where a negative one counts from the
// end, or an error if there is no such axis.
func (b *Blob) Axis(i int) (int, error) {
	if i < -len(b.shape) || i >= len(b.shape) {
		return 0, fmt.Errorf("axis %d is out of range for the %d axes of shape %v", i, len(b.shape), b.shape)
	}
	if i < 0 {
		i += len(b.shape)
	}
	return i, nil
}

// Dim returns the size of an axis, where a negative one counts from the end.
func (b *Blob) Dim(axis int) int {
	if axis < 0 {
		axis += len(b.shape)
	}
	return b.shape[axis]
}

// legacyDim is the size of one of the four axes of an old blob: axes that are
// not there have size 1.
func (b *Blob) legacyDim(axis int) int {
	if axis < len(b.shape) {
		return b.shape[axis]
	}
	return 1
}

// Num returns the size of axis 0, or 1 for a scalar: Caffe's num().
func (b *Blob) Num() int { return b.legacyDim(0) }

// Data returns the numbers for reading.
func (b *Blob) Data() []float32 { return b.data.read(b.count) }

// MutableData returns the numbers for writing. It is apart from Data so that a
// copy elsewhere, on a device, is known to be out of date.
func (b *Blob) MutableData() []float32 { return b.data.write(b.count) }

// FillLater has the values set by fill when they are first asked for, on the
// host or on a device: what nobody reads takes neither memory nor time. Until
// then the shape must stay. Values that were there before are lost.
func (b *Blob) FillLater(fill func(data []float32)) {
	b.data = new(memory)
	b.data.pending.Store(&pendingFill{fill: fill})
}

// Diff returns the gradient for reading.
func (b *Blob) Diff() []float32 { return b.diff.read(b.count) }

// MutableDiff returns the gradient for writing.
func (b *Blob) MutableDiff() []float32 { return b.diff.write(b.count) }

// ShareData makes the numbers of other also those of b. It fails if the counts
// differ.
func (b *Blob) ShareData(other *Blob) error {
	if b.count != other.count {
		return fmt.Errorf("blob of shape %v cannot share the data of one of shape %v", b.shape, other.shape)
	}
	b.data = other.data
	return nil
}

// ShareDiff makes the gradient of other also that of b. It fails if the counts
// differ.
func (b *Blob) ShareDiff(other *Blob) error {
	if b.count != other.count {
		return fmt.Errorf("blob of shape %v cannot share the diff of one of shape %v", b.shape, other.shape)
	}
	b.diff = other.diff
	return nil
}

// SharesData reports whether the two blobs have the same numbers in memory.
func (b *Blob) SharesData(other *Blob) bool { return b.data == other.data }

// SharesDiff reports whether the two blobs have the same gradient in memory.
func (b *Blob) SharesDiff(other *Blob) bool { return b.diff == other.diff }

// DataID and DiffID return values to use as keys of maps: those of two blobs are
// equal if the blobs share data or diff.
func (b *Blob) DataID() any { return b.data }

// DiffID is explained at DataID.
func (b *Blob) DiffID() any { return b.diff }

// HostBytes returns how much memory the numbers and the gradient take so far,
// each counted even if it is shared with another blob.
func (b *Blob) HostBytes() int64 {
	if b.data == nil {
		return 0
	}
	return 4 * int64(cap(b.data.host)+cap(b.diff.host))
}

// ShapeEqual reports whether the shape is the given one.
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
