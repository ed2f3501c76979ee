package npy

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// A Writer writes a .npz file array by array.
type Writer struct {
	archive *zip.Writer
	written map[string]bool
}

// NewWriter returns a writer of a .npz file to w. The file is complete only after
// Close.
func NewWriter(w io.Writer) *Writer {
	return &Writer{zip.NewWriter(w), make(map[string]bool)}
}

// Write appends an array under a name, the key that numpy.load shows. Arrays are
// stored without compression, as numpy.savez stores them, and the same arrays
// make the same bytes. It fails if the name has been written before.
func (w *Writer) Write(name string, a Array) error {
	if w.written[name] {
		return fmt.Errorf("npy: there are two arrays of the name %q", name)
	}
	w.written[name] = true
	entry, err := w.archive.CreateHeader(&zip.FileHeader{
		Name:     name + ".npy",
		Method:   zip.Store,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), // the first that zip knows
	})
	if err != nil {
		return err
	}
	if err := Write(entry, a); err != nil {
		return fmt.Errorf("%w, of array %q", err, name)
	}
	return nil
}

// Close writes the end of the file. It does not close the io.Writer.
func (w *Writer) Close() error { return w.archive.Close() }

// A Named is an array of a .npz file.
type Named struct {
	Name string // without .npy
	Array
}

// ReadFile reads the arrays of a .npz file, in the order of the file, as Read
// reads one.
func ReadFile(path string) ([]Named, error) {
	a, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	var arrays []Named
	for _, f := range a.entries {
		array, err := a.read(f)
		if err != nil {
			return nil, err
		}
		arrays = append(arrays, Named{arrayName(f), array})
	}
	return arrays, nil
}

var errSurplus = errors.New("npy: there is more than the array")

func readEntry(f *zip.File) (Array, error) {
	entry, err := f.Open()
	if err != nil {
		return Array{}, err
	}
	defer entry.Close()
	in := bufio.NewReaderSize(entry, chunkBytes) // which Read uses as it is
	a, err := Read(in)
	if err != nil {
		return Array{}, err
	}
	// At the end of the entry its checksum is compared.
	rest, err := io.Copy(io.Discard, in)
	if err == nil && rest > 0 {
		err = errSurplus
	}
	return a, err
}

// Sizes and places in the header that stands before an entry of a zip file, from
// APPNOTE.TXT of PKWARE, 4.3.7.
const (
	entryHeaderSize  = 30
	entryNameSizeAt  = 26
	entryExtraSizeAt = 28
	entrySignature   = "PK\x03\x04"
)

// checkName checks that an entry's own header has the name that the directory at
// the end of the file gives it: checksums are of the arrays and not of their
// names. As Python's zipfile, and so NumPy, does.
func checkName(file io.ReaderAt, f *zip.File) error {
	data, err := f.DataOffset()
	if err != nil {
		return err
	}
	// The header ends with the name and an extra field of unknown size.
	size := min(data, int64(entryHeaderSize+len(f.Name)+math.MaxUint16))
	b := make([]byte, size)
	if _, err := file.ReadAt(b, data-size); err != nil {
		return err
	}
	for at := len(b) - entryHeaderSize - len(f.Name); at >= 0; at-- {
		if h := b[at:]; bytes.HasPrefix(h, []byte(entrySignature)) &&
			int(binary.LittleEndian.Uint16(h[entryNameSizeAt:])) == len(f.Name) &&
			entryHeaderSize+len(f.Name)+int(binary.LittleEndian.Uint16(h[entryExtraSizeAt:])) == len(h) &&
			string(h[entryHeaderSize:][:len(f.Name)]) == f.Name {
			return nil
		}
	}
	return errors.New("npy: the directory of the .npz file names the array and its own header does not: the file is damaged")
}
