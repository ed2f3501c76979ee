// Package idx reads IDX files, the format of MNIST and similar sets: arrays of
// bytes whose first axis counts the items.
package idx

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gocaffe/gocaffe/internal/readfile"
)

// maxItem is the limit of the size of an item, so that a damaged file cannot
// exhaust the memory.
const maxItem = 1 << 28

// A Reader reads an IDX file item by item.
type Reader struct {
	// Items is the number of items in the header, at least 1. Shape has the sizes
	// of an item, none if that is one byte.
	Items int
	Shape []int

	name  string
	in    io.Reader
	file  io.Closer
	read  int
	first []byte // the first item, until Next returns it
}

// Open opens an IDX file, which may be gzipped.
func Open(path string) (*Reader, error) {
	f, _, err := readfile.Open(path)
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

// NewReader reads the header of an IDX file and the first item, so that ItemSize is
// a size that the file really has. Errors begin with name.
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
	// two zeros, the type of the elements, the number of axes
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
			if n == 0 || n > 1<<31-1 {
				return nil, fmt.Errorf("%s: the header of the IDX file says %d items, want 1 to %d", name, n, 1<<31-1)
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
	var first bytes.Buffer // grows with what is there, not with what the header says
	if _, err := io.CopyN(&first, r.in, int64(size)); err != nil {
		return nil, r.failed(err, r.item())
	}
	r.first = first.Bytes()
	return r, nil
}

// item names the item that is read next, for errors.
func (r *Reader) item() string { return fmt.Sprintf("item %d of %d", r.read, r.Items) }

// ItemSize returns the number of bytes of an item.
func (r *Reader) ItemSize() int {
	size := 1
	for _, n := range r.Shape {
		size *= n
	}
	return size
}

// Next reads the next item, of ItemSize bytes. With the last item it checks that
// the file ends there and, if it is compressed, that its checksum is right. After
// the last item it returns io.EOF.
func (r *Reader) Next(item []byte) error {
	if r.read == r.Items {
		return io.EOF
	}
	if item = item[:r.ItemSize()]; r.read == 0 {
		copy(item, r.first)
		r.first = nil
	} else if _, err := io.ReadFull(r.in, item); err != nil {
		return r.failed(err, r.item())
	}
	r.read++
	if r.read == r.Items {
		return r.end()
	}
	return nil
}

// end fails unless the file ends here.
func (r *Reader) end() error {
	switch _, err := io.ReadFull(r.in, make([]byte, 1)); err {
	case io.EOF:
		return nil
	case nil:
		return fmt.Errorf("%s: the IDX file goes on after item %d, the last of its header", r.name, r.Items-1)
	default:
		return fmt.Errorf("%s: the compressed file is damaged, or has more in it, after item %d, the last: %w", r.name, r.Items-1, err)
	}
}

// fill reads a part of the header.
func (r *Reader) fill(b []byte, what string) error {
	if _, err := io.ReadFull(r.in, b); err != nil {
		return r.failed(err, what)
	}
	return nil
}

// failed returns the error of reading what is named.
func (r *Reader) failed(err error, what string) error {
	var corrupt flate.CorruptInputError
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: the IDX file ends before %s: is it cut short?", r.name, what)
	case errors.As(err, &corrupt):
		return fmt.Errorf("%s: the compressed file is damaged: %w", r.name, err)
	}
	return fmt.Errorf("%s: %w", r.name, err)
}

// Close closes the file that Open has opened.
func (r *Reader) Close() error { return r.file.Close() }
