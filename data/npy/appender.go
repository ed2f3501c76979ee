package npy

import (
	"bufio"
	"fmt"
	"io"
	"slices"
)

// An Appender writes a .npy file whose first size becomes known at the end: items of
// one shape are appended, and are not held in memory.
type Appender struct {
	out   io.WriterAt
	data  *bufio.Writer
	item  []int
	size  int // elements of an item
	items int
}

// appenderHeader is the size of the header that an Appender leaves space for: that of
// all shapes with up to five sizes.
const appenderHeader = 128

// NewAppender begins a .npy file of items of the given shape. Data is written to w in
// order, and the header at its beginning by Close.
func NewAppender(w interface {
	io.Writer
	io.WriterAt
}, item []int) (*Appender, error) {
	size, err := elements(item)
	if err != nil {
		return nil, err
	}
	a := &Appender{out: w, data: bufio.NewWriterSize(w, chunkBytes), item: slices.Clone(item), size: size}
	if n := len(header(append([]int{maxCount}, item...))); n > appenderHeader {
		return nil, fmt.Errorf("npy: the shape %v of an item has too many sizes", item)
	}
	_, err = a.data.Write(make([]byte, appenderHeader))
	return a, err
}

// Append writes some items, with their elements in row-major order.
func (a *Appender) Append(items []float32) error {
	if a.size == 0 || len(items)%a.size != 0 {
		return fmt.Errorf("npy: items of shape %v have %d elements, got %d elements", a.item, a.size, len(items))
	}
	a.items += len(items) / a.size
	return writeElements(a.data, items)
}

// Items returns the number of items so far.
func (a *Appender) Items() int { return a.items }

// Close writes the header. It does not close the file.
func (a *Appender) Close() error {
	if err := a.data.Flush(); err != nil {
		return err
	}
	_, err := a.out.WriteAt(paddedHeader(append([]int{a.items}, a.item...), appenderHeader), 0)
	return err
}
