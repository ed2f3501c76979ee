package hdf5

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
)

// A Writer writes an HDF5 file, which gets its name when it is complete. Every
// writer must be ended by Commit or Abort. The files have nothing in them but what
// was written: not the time, for instance.
type Writer struct {
	lib  *library
	file *atomicfile.File
	path string
	id   hid
	link hid // properties of links: missing groups are made
}

// Create begins to write a file. One of that name stays as it is until Commit.
func Create(path string) (*Writer, error) {
	l, err := load()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file, err := atomicfile.Create(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{lib: l, file: file, path: path}
	if err := l.do(w.open); err != nil {
		w.Abort()
		return nil, w.named(err)
	}
	return w, nil
}

func (w *Writer) open() error {
	l := w.lib
	access, err := l.fileAccess()
	if err != nil {
		return err
	}
	defer l.close("H5Pclose", access)
	if w.link, err = l.open("H5Pcreate", uintptr(l.ids["link create"])); err != nil {
		return err
	}
	if _, err := l.check("H5Pset_create_intermediate_group", uintptr(w.link), 1); err != nil {
		return err
	}
	const truncate = 2
	w.id, err = l.open("H5Fcreate", uintptr(unsafe.Pointer(text(w.file.Temp()))), truncate, defaultProperties, uintptr(access))
	return err
}

// named returns an error that names the file.
func (w *Writer) named(err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: "write", Path: w.path, Err: err}
}

// do calls the library for an open file.
func (w *Writer) do(path string, what func() error) error {
	return w.lib.do(func() error {
		if w.id == 0 {
			return w.named(os.ErrClosed)
		}
		if strings.ContainsRune(path, 0) {
			return w.named(fmt.Errorf("%q: want a name without a zero byte", path))
		}
		if err := w.file.BeforeWrite(); err != nil {
			return err
		}
		if err := what(); err != nil {
			return w.named(fmt.Errorf("%q: %w", path, err))
		}
		return nil
	})
}

// Commit completes the file and gives it its name. If it fails, there is no file, or
// the one that was there before.
func (w *Writer) Commit() error {
	if err := w.close(); err != nil {
		w.file.Abort()
		return w.named(err)
	}
	return w.file.Commit()
}

// Abort removes what was written. After Commit it does nothing.
func (w *Writer) Abort() {
	w.close()
	w.file.Abort()
}

func (w *Writer) close() error {
	return w.lib.do(func() error {
		var err error
		if w.id != 0 {
			err = w.lib.close("H5Fclose", w.id)
		}
		if w.link != 0 {
			w.lib.close("H5Pclose", w.link)
		}
		w.id, w.link = 0, 0
		return err
	})
}

// Group makes a group, and those above it that are not there. One that is there is
// no error.
func (w *Writer) Group(path string) error {
	return w.do(path, func() error {
		group, err := w.lib.open("H5Gopen2", uintptr(w.id), uintptr(unsafe.Pointer(text(path))), defaultProperties)
		if err != nil {
			group, err = w.lib.open("H5Gcreate2", uintptr(w.id), uintptr(unsafe.Pointer(text(path))), uintptr(w.link), defaultProperties, defaultProperties)
		}
		if err != nil {
			return err
		}
		return w.lib.close("H5Gclose", group)
	})
}

// Write writes a dataset of float32 in row-major order. Groups above it that are not
// there are made. No sizes at all make a single number.
func (w *Writer) Write(path string, shape []int, data []float32) error {
	count := 1
	for _, n := range shape {
		count *= n
	}
	return w.do(path, func() error {
		if len(data) != count {
			return fmt.Errorf("shape %v has %d elements, got %d", shape, count, len(data))
		}
		var first unsafe.Pointer
		if count > 0 {
			first = unsafe.Pointer(&data[0])
		}
		return w.write(path, "float32", shape, first)
	})
}

// WriteInt writes a dataset with one integer, of shape 1.
func (w *Writer) WriteInt(path string, v int32) error {
	return w.do(path, func() error { return w.write(path, "int32", []int{1}, unsafe.Pointer(&v)) })
}

// WriteBytes writes a dataset of bytes, numbers from 0 to 255.
func (w *Writer) WriteBytes(path string, b []byte) error {
	return w.do(path, func() error {
		return w.write(path, "uint8", []int{len(b)}, unsafe.Pointer(unsafe.SliceData(b)))
	})
}

// WriteText writes a dataset with one string of fixed length, which a zero byte
// ends.
func (w *Writer) WriteText(path, s string) error {
	return w.do(path, func() error {
		typ, err := w.lib.open("H5Tcopy", uintptr(w.lib.ids["string"]))
		if err != nil {
			return err
		}
		defer w.lib.close("H5Tclose", typ)
		if _, err := w.lib.check("H5Tset_size", uintptr(typ), uintptr(len(s)+1)); err != nil {
			return err
		}
		return w.writeType(path, typ, nil, unsafe.Pointer(text(s)))
	})
}

func (w *Writer) write(path, typ string, shape []int, data unsafe.Pointer) error {
	return w.writeType(path, w.lib.ids[typ], shape, data)
}

// writeType writes a dataset whose elements have the same type in memory and in the
// file.
func (w *Writer) writeType(path string, typ hid, shape []int, data unsafe.Pointer) error {
	l := w.lib
	space, err := l.space(shape, false)
	if err != nil {
		return err
	}
	defer l.close("H5Sclose", space)
	properties, err := l.datasetProperties()
	if err != nil {
		return err
	}
	defer l.close("H5Pclose", properties)
	set, err := l.open("H5Dcreate2", uintptr(w.id), uintptr(unsafe.Pointer(text(path))), uintptr(typ), uintptr(space), uintptr(w.link),
		uintptr(properties), defaultProperties)
	if err != nil {
		return err
	}
	if data != nil {
		_, err = l.check("H5Dwrite", uintptr(set), uintptr(typ), wholeSpace, wholeSpace, defaultProperties, uintptr(data))
	}
	if closeErr := l.close("H5Dclose", set); err == nil {
		err = closeErr
	}
	return err
}

// space returns a space of a shape. Axis 0 of a growing one has no bound.
func (l *library) space(shape []int, growing bool) (hid, error) {
	if len(shape) == 0 {
		const scalar = 0
		return l.open("H5Screate", scalar)
	}
	sizes, most := make([]uint64, len(shape)), make([]uint64, len(shape))
	for i, n := range shape {
		sizes[i], most[i] = uint64(n), uint64(n)
	}
	if growing {
		const unlimited = ^uint64(0)
		most[0] = unlimited
	}
	return l.open("H5Screate_simple", uintptr(len(sizes)), uintptr(unsafe.Pointer(&sizes[0])), uintptr(unsafe.Pointer(&most[0])))
}

// datasetProperties returns properties of new datasets, which hold no times: files of
// the same content are the same.
func (l *library) datasetProperties() (hid, error) {
	properties, err := l.open("H5Pcreate", uintptr(l.ids["dataset create"]))
	if err != nil {
		return 0, err
	}
	if _, err := l.check("H5Pset_obj_track_times", uintptr(properties), 0); err != nil {
		l.close("H5Pclose", properties)
		return 0, err
	}
	return properties, nil
}

// Rows is a dataset of float32 that grows along axis 0.
type Rows struct {
	writer *Writer
	path   string
	row    []int // shape of a row
	rows   int
}

// Rows makes a dataset with no rows yet, whose rows have the given shape. Groups above
// it that are not there are made.
func (w *Writer) Rows(path string, row []int) (*Rows, error) {
	r := &Rows{writer: w, path: path, row: row}
	err := w.do(path, func() error {
		l := w.lib
		space, err := l.space(r.shape(0), true)
		if err != nil {
			return err
		}
		defer l.close("H5Sclose", space)
		properties, err := l.datasetProperties()
		if err != nil {
			return err
		}
		defer l.close("H5Pclose", properties)
		chunk := make([]uint64, 1+len(row))
		bytes := 4
		for i, n := range row {
			chunk[1+i] = uint64(max(n, 1))
			bytes *= max(n, 1)
		}
		const chunkBytes = 64 << 10
		chunk[0] = uint64(max(chunkBytes/bytes, 1))
		if _, err := l.check("H5Pset_chunk", uintptr(properties), uintptr(len(chunk)), uintptr(unsafe.Pointer(&chunk[0]))); err != nil {
			return err
		}
		set, err := l.open("H5Dcreate2", uintptr(w.id), uintptr(unsafe.Pointer(text(path))), uintptr(l.ids["float32"]), uintptr(space),
			uintptr(w.link), uintptr(properties), defaultProperties)
		if err != nil {
			return err
		}
		return l.close("H5Dclose", set)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Rows) shape(rows int) []int { return append([]int{rows}, r.row...) }

// Append appends n rows.
func (r *Rows) Append(n int, data []float32) error {
	count := n
	for _, size := range r.row {
		count *= size
	}
	w, l := r.writer, r.writer.lib
	return w.do(r.path, func() error {
		if len(data) != count {
			return fmt.Errorf("%d rows have %d elements, got %d", n, count, len(data))
		}
		if count == 0 {
			return nil
		}
		set, err := l.open("H5Dopen2", uintptr(w.id), uintptr(unsafe.Pointer(text(r.path))), defaultProperties)
		if err != nil {
			return err
		}
		err = r.append(set, n, data)
		if closeErr := l.close("H5Dclose", set); err == nil {
			err = closeErr
		}
		return err
	})
}

func (r *Rows) append(set hid, n int, data []float32) error {
	l := r.writer.lib
	shape := r.shape(r.rows + n)
	sizes := make([]uint64, len(shape))
	for i, size := range shape {
		sizes[i] = uint64(size)
	}
	if _, err := l.check("H5Dset_extent", uintptr(set), uintptr(unsafe.Pointer(&sizes[0]))); err != nil {
		return err
	}
	space, err := l.open("H5Dget_space", uintptr(set))
	if err != nil {
		return err
	}
	defer l.close("H5Sclose", space)
	if err := l.selectRows(space, shape, r.rows, n); err != nil {
		return err
	}
	memory, err := l.space([]int{len(data)}, false)
	if err != nil {
		return err
	}
	defer l.close("H5Sclose", memory)
	if _, err := l.check("H5Dwrite", uintptr(set), uintptr(l.ids["float32"]), uintptr(memory), uintptr(space), defaultProperties,
		uintptr(unsafe.Pointer(&data[0]))); err != nil {
		return err
	}
	r.rows += n
	return nil
}
