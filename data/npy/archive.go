package npy

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gocaffe/gocaffe/internal/readfile"
)

// An Archive is an open .npz file, whose arrays can be read one by one. Close it after
// use.
type Archive struct {
	path    string
	file    *os.File
	entries []*zip.File
}

// Open opens a .npz file.
func Open(path string) (*Archive, error) {
	file, size, err := readfile.Open(path)
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(file, size)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: not a .npz file or a damaged one: %w", path, err)
	}
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, extension) {
			file.Close()
			return nil, fmt.Errorf("%s: entry %q is not a .npy file", path, f.Name)
		}
	}
	return &Archive{path, file, archive.File}, nil
}

const extension = ".npy"

func arrayName(f *zip.File) string { return strings.TrimSuffix(f.Name, extension) }

// Close closes the file.
func (a *Archive) Close() error { return a.file.Close() }

// Array reads the array of the given name, as Read does.
func (a *Archive) Array(name string) (Array, error) {
	f, err := a.entry(name)
	if err != nil {
		return Array{}, err
	}
	return a.read(f)
}

func (a *Archive) entry(name string) (*zip.File, error) {
	var names []string
	for _, f := range a.entries {
		if arrayName(f) == name {
			return f, nil
		}
		names = append(names, arrayName(f))
	}
	return nil, fmt.Errorf("%s: there is no array %q, only %q", a.path, name, names)
}

// read reads the array of an entry.
func (a *Archive) read(f *zip.File) (Array, error) {
	array, err := readEntry(f)
	if err == nil {
		err = checkName(a.file, f)
	}
	if err != nil {
		return Array{}, a.wrap(f, err)
	}
	return array, nil
}

func (a *Archive) wrap(f *zip.File, err error) error {
	return fmt.Errorf("%s: array %q: %w", a.path, arrayName(f), err)
}

// Rows reads an array row by row, in little memory. A row is what one index of the
// first axis selects.
type Rows struct {
	Shape []int // of the whole array

	archive *Archive
	entry   *zip.File
	in      *bufio.Reader
	closer  io.Closer
	h       description
	bytes   []byte // of a row
	next    int
}

// Rows opens the array of the given name. It must have one axis at least and be in
// row-major order. Close the Rows after use.
func (a *Archive) Rows(name string) (*Rows, error) {
	f, err := a.entry(name)
	if err != nil {
		return nil, err
	}
	if err := checkName(a.file, f); err != nil {
		return nil, a.wrap(f, err)
	}
	entry, err := f.Open()
	if err != nil {
		return nil, a.wrap(f, err)
	}
	r := &Rows{archive: a, entry: f, in: bufio.NewReaderSize(entry, chunkBytes), closer: entry}
	if err := r.open(int64(f.UncompressedSize64)); err != nil {
		entry.Close()
		return nil, a.wrap(f, err)
	}
	return r, nil
}

// open reads the header of an entry of the given size.
func (r *Rows) open(size int64) error {
	text, err := readHeader(r.in)
	if err != nil {
		return err
	}
	if r.h, err = parseHeader(text); err != nil {
		return err
	}
	r.Shape = r.h.shape
	if len(r.Shape) == 0 || r.h.fortran {
		return errors.New("npy: it has no rows: want one axis at least, in row-major order")
	}
	width, err := elements(r.Shape[1:])
	if err != nil {
		return err
	}
	if int64(width)*int64(r.h.element.size) > size {
		return cutShort("its first row", io.ErrUnexpectedEOF)
	}
	r.bytes = make([]byte, width*r.h.element.size)
	return nil
}

// Next reads the next row into row, which must have as many elements. After the last
// row it returns io.EOF; then the checksum of the array has been compared.
func (r *Rows) Next(row []float32) error {
	size := r.h.element.size
	if len(row)*size != len(r.bytes) {
		return fmt.Errorf("npy: a row has %d elements, got space for %d", len(r.bytes)/size, len(row))
	}
	if r.next == r.Shape[0] {
		rest, err := io.Copy(io.Discard, r.in)
		switch {
		case err != nil:
			return r.archive.wrap(r.entry, err)
		case rest > 0:
			return r.archive.wrap(r.entry, errSurplus)
		}
		return io.EOF
	}
	if _, err := io.ReadFull(r.in, r.bytes); err != nil {
		return r.archive.wrap(r.entry, cutShort(fmt.Sprintf("row %d of %d", r.next, r.Shape[0]), err))
	}
	for i := range row {
		row[i] = r.h.element.value(r.bytes[i*size:], r.h.order)
	}
	r.next++
	return nil
}

// Close ends reading.
func (r *Rows) Close() error { return r.closer.Close() }
