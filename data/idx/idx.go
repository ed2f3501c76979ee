// Package idx reads the IDX files in which MNIST and sets like it come: arrays
// of bytes whose first axis counts the items.
package idx

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxItem bounds the size of an item, so that a damaged file cannot ask for all
// memory.
const maxItem = 1 << 28

// A Reader reads an IDX file item by item.
type Reader struct {
	// Items is the number of items that the file says it has, Shape the sizes of
	// an item, none if that is one byte.
	Items int
	Shape []int

	name string
	in   io.Reader
	file io.Closer
	read int
}

// Open opens an IDX file, which may be compressed by gzip.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := NewReader(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	r.file = f
	return r, nil
}

// NewReader reads the header of an IDX file, which errors call name.
func NewReader(in io.Reader, name string) (*Reader, error) {
	buffered := bufio.NewReaderSize(in, 1<<16)
	in = buffered
	if start, _ := buffered.Peek(2); bytes.Equal(start, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		in = z
	}
	r := &Reader{name: name, in: in}
	var head [4]byte
	if err := r.fill(head[:], "its magic number"); err != nil {
		return nil, err
	}
	// two zeros, the type of the numbers, the number of axes
	if head[0] != 0 || head[1] != 0 || head[2] != 0x08 || head[3] == 0 {
		return nil, fmt.Errorf("%s: not an IDX file of bytes: magic number %#08x, want 0x08NN for NN axes", name, binary.BigEndian.Uint32(head[:]))
	}
	size := 1
	for axis := range int(head[3]) {
		var word [4]byte
		if err := r.fill(word[:], "the sizes of its axes"); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(word[:])
		if axis == 0 {
			if n > 1<<31-1 {
				return nil, fmt.Errorf("%s: the IDX file says it has %d items", name, n)
			}
			r.Items = int(n)
			continue
		}
		if n == 0 || n > maxItem/uint32(size) {
			return nil, fmt.Errorf("%s: the items of the IDX file have size %d on axis %d, want 1 to %d bytes in all", name, n, axis, maxItem)
		}
		size *= int(n)
		r.Shape = append(r.Shape, int(n))
	}
	return r, nil
}

// ItemSize returns the number of bytes of an item.
func (r *Reader) ItemSize() int {
	size := 1
	for _, n := range r.Shape {
		size *= n
	}
	return size
}

// Next reads the next item, of ItemSize bytes. After the last it returns io.EOF.
func (r *Reader) Next(item []byte) error {
	if r.read == r.Items {
		return io.EOF
	}
	if err := r.fill(item[:r.ItemSize()], fmt.Sprintf("item %d of %d", r.read, r.Items)); err != nil {
		return err
	}
	r.read++
	return nil
}

func (r *Reader) fill(b []byte, what string) error {
	_, err := io.ReadFull(r.in, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: the IDX file ends before %s: is it cut short?", r.name, what)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

// Close closes the file that Open has opened.
func (r *Reader) Close() error { return r.file.Close() }
