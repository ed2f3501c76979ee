// Package npy reads and writes arrays in the files of NumPy: .npy files, which
// hold one array, and .npz files, which are zip archives of these. The format is
// that of NumPy's NEP 1 and of its numpy/lib/format.py.
package npy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// An Array is an array of float32, as a .npy file holds it.
type Array struct {
	Shape []int     // no sizes for a scalar
	Data  []float32 // in row-major order
}

const (
	magic      = "\x93NUMPY"
	alignment  = 64      // of the data, in version 1.0 of the format as NumPy writes it
	maxHeader  = 1 << 16 // NumPy reads headers of up to 10000 bytes
	maxCount   = math.MaxInt32
	chunkBytes = 1 << 16 // that are converted at a time
)

// Write writes an array as a .npy file of float32 in row-major order. It fails if
// the number of elements is not that of the shape.
func Write(w io.Writer, a Array) error {
	count, err := elements(a.Shape)
	if err != nil {
		return err
	}
	if count != len(a.Data) {
		return fmt.Errorf("npy: shape %v has %d elements, got %d", a.Shape, count, len(a.Data))
	}
	if _, err := w.Write(header(a.Shape)); err != nil {
		return err
	}
	return writeElements(w, a.Data)
}

// writeElements writes elements as a file has them.
func writeElements(w io.Writer, data []float32) error {
	chunk := make([]byte, 0, chunkBytes)
	for _, v := range data {
		chunk = binary.LittleEndian.AppendUint32(chunk, math.Float32bits(v))
		if len(chunk) == chunkBytes {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	_, err := w.Write(chunk)
	return err
}

// header returns what comes before the elements.
func header(shape []int) []byte { return paddedHeader(shape, 0) }

// paddedHeader is header with spaces up to a size, a multiple of the alignment.
func paddedHeader(shape []int, size int) []byte {
	sizes := make([]string, len(shape))
	for i, n := range shape {
		sizes[i] = strconv.Itoa(n)
	}
	tuple := strings.Join(sizes, ", ")
	if len(shape) == 1 {
		tuple += ","
	}
	text := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", tuple)
	const fixed = len(magic) + 4 // the version, and the length in two bytes
	for (fixed+len(text)+1)%alignment != 0 || fixed+len(text)+1 < size {
		text += " "
	}
	text += "\n"
	head := append([]byte(magic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	return append(head, text...)
}

// elements returns the number of elements of a shape.
func elements(shape []int) (int, error) {
	count := 1
	for _, n := range shape {
		switch {
		case n < 0:
			return 0, fmt.Errorf("npy: shape %v has a negative size", shape)
		case n > 0 && count > maxCount/n:
			return 0, fmt.Errorf("npy: shape %v has more than %d elements", shape, maxCount)
		}
		count *= n
	}
	return count, nil
}

// Read reads a .npy file and converts its elements to float32. They may be floats
// of 4 or 8 bytes, integers or booleans, of either byte order; arrays in
// Fortran's order come out in row-major order. What follows the array in r is
// not read, but for what a buffer takes.
func Read(r io.Reader) (Array, error) {
	in := bufio.NewReaderSize(r, chunkBytes)
	text, err := readHeader(in)
	if err != nil {
		return Array{}, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return Array{}, err
	}
	data, err := h.read(in)
	if err != nil {
		return Array{}, err
	}
	if h.fortran {
		data = rowMajor(data, h.shape)
	}
	return Array{h.shape, data}, nil
}

// readHeader returns the dictionary that describes an array.
func readHeader(in io.Reader) ([]byte, error) {
	head := make([]byte, len(magic)+2)
	if _, err := io.ReadFull(in, head); err != nil || !bytes.HasPrefix(head, []byte(magic)) {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		return nil, errors.New("npy: not a .npy file: it does not begin with \\x93NUMPY")
	}
	major := head[len(magic)]
	size := make([]byte, 4)
	switch major {
	case 1:
		size = size[:2]
	case 2, 3:
	default:
		return nil, fmt.Errorf("npy: the file is of version %d.%d of the format, want 1.0, 2.0 or 3.0", major, head[len(magic)+1])
	}
	if _, err := io.ReadFull(in, size); err != nil {
		return nil, cutShort("its header", err)
	}
	length := binary.LittleEndian.Uint32(append(size, 0, 0)[:4])
	if length > maxHeader {
		return nil, fmt.Errorf("npy: the header has %d bytes, want at most %d", length, maxHeader)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, cutShort("its header", err)
	}
	return text, nil
}

// cutShort says of the error of a read in which part of the file it is.
func cutShort(part string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("npy: the file ends within %s", part)
	}
	return err
}

// description is the header of an array.
type description struct {
	order   binary.ByteOrder
	element element
	fortran bool
	shape   []int
}

// element is how the elements are stored.
type element struct {
	size  int // in bytes
	value func([]byte, binary.ByteOrder) float32
}

// elementTypes are the types by their names in a header, without byte order.
var elementTypes = map[string]element{
	"f4": {4, func(b []byte, o binary.ByteOrder) float32 { return math.Float32frombits(o.Uint32(b)) }},
	"f8": {8, func(b []byte, o binary.ByteOrder) float32 { return float32(math.Float64frombits(o.Uint64(b))) }},
	"b1": {1, func(b []byte, _ binary.ByteOrder) float32 { return float32(b[0]) }},
	"u1": {1, func(b []byte, _ binary.ByteOrder) float32 { return float32(b[0]) }},
	"u2": {2, func(b []byte, o binary.ByteOrder) float32 { return float32(o.Uint16(b)) }},
	"u4": {4, func(b []byte, o binary.ByteOrder) float32 { return float32(o.Uint32(b)) }},
	"u8": {8, func(b []byte, o binary.ByteOrder) float32 { return float32(o.Uint64(b)) }},
	"i1": {1, func(b []byte, _ binary.ByteOrder) float32 { return float32(int8(b[0])) }},
	"i2": {2, func(b []byte, o binary.ByteOrder) float32 { return float32(int16(o.Uint16(b))) }},
	"i4": {4, func(b []byte, o binary.ByteOrder) float32 { return float32(int32(o.Uint32(b))) }},
	"i8": {8, func(b []byte, o binary.ByteOrder) float32 { return float32(int64(o.Uint64(b))) }},
}

// The entries of the dictionary. Their order is free; Python 2 wrote sizes as 3L.
var (
	descrEntry = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	orderEntry = regexp.MustCompile(`'fortran_order':\s*(True|False)\b`)
	shapeEntry = regexp.MustCompile(`'shape':\s*\(([0-9L,\s]*)\)`)
)

func parseHeader(text []byte) (h description, err error) {
	descr, order, shape := descrEntry.FindSubmatch(text), orderEntry.FindSubmatch(text), shapeEntry.FindSubmatch(text)
	if order == nil || shape == nil || descr == nil && !bytes.Contains(text, []byte("'descr':")) {
		return h, fmt.Errorf("npy: header %q lacks 'descr', 'fortran_order' or 'shape'", bytes.TrimSpace(text))
	}
	if descr == nil || len(descr[1]) == 0 {
		return h, errors.New("npy: the elements have fields, want one number each")
	}
	h.order = binary.LittleEndian
	if descr[1][0] == '>' {
		h.order = binary.BigEndian
	}
	var ok bool
	if h.element, ok = elementTypes[string(descr[1][1:])]; !ok || !bytes.ContainsAny(descr[1][:1], "<>|") {
		return h, fmt.Errorf("npy: elements of type %q are not supported, want float32 or float64 (f4, f8), integers or booleans", descr[1])
	}
	h.fortran = string(order[1]) == "True"
	for size := range strings.SplitSeq(string(shape[1]), ",") {
		if size = strings.TrimSuffix(strings.TrimSpace(size), "L"); size == "" {
			continue // after the last comma
		}
		n, err := strconv.Atoi(size)
		if err != nil {
			return h, fmt.Errorf("npy: size %q in the shape is not a number or too large", size)
		}
		h.shape = append(h.shape, n)
	}
	_, err = elements(h.shape)
	return h, err
}

// read reads the elements, in the order of the file. Memory grows with what is
// there, whatever the header says.
func (h *description) read(in io.Reader) ([]float32, error) {
	count, err := elements(h.shape)
	if err != nil {
		return nil, err
	}
	const atOnce = chunkBytes / 8
	data := make([]float32, 0, min(count, 16*atOnce))
	chunk := make([]byte, atOnce*h.element.size)
	for len(data) < count {
		part := chunk[:min(atOnce, count-len(data))*h.element.size]
		if _, err := io.ReadFull(in, part); err != nil {
			return nil, cutShort(fmt.Sprintf("the elements, want %d of %d bytes", count, h.element.size), err)
		}
		for ; len(part) > 0; part = part[h.element.size:] {
			data = append(data, h.element.value(part, h.order))
		}
	}
	return data, nil
}

// rowMajor returns elements in row-major order that are given in Fortran's order,
// in which the first index changes fastest.
func rowMajor(data []float32, shape []int) []float32 {
	sorted := make([]float32, len(data))
	at := make([]int, len(shape))
	for _, v := range data {
		to := 0
		for axis, n := range shape {
			to = to*n + at[axis]
		}
		sorted[to] = v
		for axis := range at {
			if at[axis]++; at[axis] < shape[axis] {
				break
			}
			at[axis] = 0
		}
	}
	return sorted
}
