package hdf5

import (
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// A Dataset is an array of a file that is open for reading.
type Dataset struct {
	file  *File
	path  string
	id    hid
	class Class
	shape []int
	chunk int // rows of a chunk, 1 if there are none

	stored int64 // bytes in the file
}

// A Class is the kind of a dataset's elements, by the numbers of H5T_class_t.
type Class int

// The classes of which this package can read elements.
const (
	Integer Class = 0
	Float   Class = 1
	String  Class = 3
)

var classNames = []string{"H5T_INTEGER", "H5T_FLOAT", "H5T_TIME", "H5T_STRING", "H5T_BITFIELD", "H5T_OPAQUE", "H5T_COMPOUND",
	"H5T_REFERENCE", "H5T_ENUM", "H5T_VLEN", "H5T_ARRAY"}

// String returns the library's name: "H5T_FLOAT".
func (c Class) String() string {
	if c >= 0 && int(c) < len(classNames) {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", int(c))
}

// Dataset opens a dataset. Close closes it, or that of the file.
//
// A dataset whose elements lie in other files is refused, and one that claims to be
// far larger than what the file has of it.
func (f *File) Dataset(path string) (*Dataset, error) {
	d := &Dataset{file: f, path: path}
	err := f.do(func() error {
		there, err := f.exists(path)
		if err == nil && !there {
			err = errors.New("there is none")
		}
		if err == nil {
			d.id, err = f.lib.open("H5Dopen2", uintptr(f.id), uintptr(unsafe.Pointer(text(path))), defaultProperties)
		}
		if err == nil {
			if err = d.describe(); err != nil {
				f.lib.close("H5Dclose", d.id)
			}
		}
		return d.named(err)
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// named returns an error that names the dataset.
func (d *Dataset) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("dataset %q: %w", d.path, err)
}

// describe finds the type and the shape.
func (d *Dataset) describe() error {
	l := d.file.lib
	if err := d.file.inside(d.id, d.path); err != nil {
		return err
	}
	typ, err := l.open("H5Dget_type", uintptr(d.id))
	if err != nil {
		return err
	}
	defer l.close("H5Tclose", typ)
	class, err := l.check("H5Tget_class", uintptr(typ))
	if err != nil {
		return err
	}
	d.class = Class(class)
	space, err := l.open("H5Dget_space", uintptr(d.id))
	if err != nil {
		return err
	}
	defer l.close("H5Sclose", space)
	if d.shape, err = l.extent(space); err != nil {
		return err
	}
	element := int64(l.call("H5Tget_size", uintptr(typ)))
	if element <= 0 || element > smallDataset {
		return fmt.Errorf("an element has %d bytes", element)
	}
	if err := d.checkSize(element); err != nil {
		return err
	}
	return d.checkLayout(element)
}

// extent returns the shape of a space.
func (l *library) extent(space hid) ([]int, error) {
	const scalar, simple = 0, 1
	switch kind, err := l.check("H5Sget_simple_extent_type", uintptr(space)); {
	case err != nil:
		return nil, err
	case kind == scalar:
		return nil, nil
	case kind != simple:
		return nil, errors.New("it has no shape")
	}
	axes, err := l.check("H5Sget_simple_extent_ndims", uintptr(space))
	if err != nil || axes == 0 {
		return nil, err
	}
	sizes := make([]uint64, axes)
	if _, err := l.check("H5Sget_simple_extent_dims", uintptr(space), uintptr(unsafe.Pointer(&sizes[0])), 0); err != nil {
		return nil, err
	}
	shape := make([]int, axes)
	count := uint64(1)
	for i, n := range sizes {
		if n > math.MaxInt || n != 0 && count > math.MaxInt/4/n {
			return nil, fmt.Errorf("its shape %v is out of range", sizes)
		}
		count *= max(n, 1)
		shape[i] = int(n)
	}
	return shape, nil
}

// checkLayout refuses a dataset whose elements do not lie in the file as their number
// demands, since the library would read outside of its memory.
func (d *Dataset) checkLayout(element int64) error {
	l := d.file.lib
	properties, err := l.open("H5Dget_create_plist", uintptr(d.id))
	if err != nil {
		return err
	}
	defer l.close("H5Pclose", properties)
	const compact, contiguous, chunked = 0, 1, 2
	layout, err := l.check("H5Pget_layout", uintptr(properties))
	d.chunk = 1
	switch {
	case err != nil:
		return err
	case layout == compact:
		if bytes := int64(d.Count()) * element; d.stored < bytes {
			return fmt.Errorf("its shape %v has %d bytes, but the file has %d of them: it is damaged", d.shape, bytes, d.stored)
		}
	case layout == contiguous:
		files, err := l.check("H5Pget_external_count", uintptr(properties))
		if err != nil {
			return err
		}
		if files != 0 {
			return errors.New("its elements lie in other files")
		}
		return d.checkContiguous(element)
	case layout == chunked:
		if len(d.shape) == 0 {
			return errors.New("a single number in chunks")
		}
		sizes := make([]uint64, len(d.shape))
		_, err := l.check("H5Pget_chunk", uintptr(properties), uintptr(len(sizes)), uintptr(unsafe.Pointer(&sizes[0])))
		if err != nil {
			return err
		}
		d.chunk = int(min(sizes[0], math.MaxInt32))
		bytes := float64(element)
		for _, n := range sizes {
			bytes *= float64(n)
		}
		if bytes > max(smallDataset, maxCompression*float64(d.file.size)) {
			return fmt.Errorf("its chunks of shape %v have %.3g bytes in a file of %d", sizes, bytes, d.file.size)
		}
	default:
		return errors.New("its elements lie in other datasets or files (a virtual dataset)")
	}
	return nil
}

// checkContiguous is checkLayout for elements in one piece. A dataset that was never
// written has none.
func (d *Dataset) checkContiguous(element int64) error {
	if d.stored == 0 {
		return nil
	}
	bytes := int64(d.Count()) * element
	at := int64(d.file.lib.call("H5Dget_offset", uintptr(d.id)))
	if at < 0 || at > d.file.size-bytes || d.stored < bytes {
		return fmt.Errorf("its shape %v has %d bytes, of which the file has %d, at byte %d of %d: it is damaged",
			d.shape, bytes, d.stored, at, d.file.size)
	}
	return nil
}

// Bounds of the size of a dataset.
const (
	smallDataset   = 1 << 20 // bytes that any dataset may have
	maxCompression = 1100    // how many times larger than their part of the file elements may be; deflate reaches 1032
)

// checkSize refuses a dataset of elements of the given size that is too large for
// its file, before anybody allocates memory for it.
func (d *Dataset) checkSize(element int64) error {
	count := int64(1)
	for _, n := range d.shape {
		count *= int64(n)
	}
	d.stored = int64(d.file.lib.call("H5Dget_storage_size", uintptr(d.id)))
	if d.stored < 0 || d.stored > d.file.size {
		return fmt.Errorf("it has %d bytes, but the file %d: the file is damaged", d.stored, d.file.size)
	}
	if count > smallDataset/element && count/maxCompression > d.stored/element {
		return fmt.Errorf("its shape %v has %d elements of %d bytes, but the file has only %d bytes of them", d.shape, count, element, d.stored)
	}
	return nil
}

// Shape returns the sizes of the axes; a single number has none.
func (d *Dataset) Shape() []int { return d.shape }

// Class returns the kind of the elements.
func (d *Dataset) Class() Class { return d.class }

// ChunkRows returns how many rows, which axis 0 counts, lie together in the file and
// are read and unpacked together: 1 if the dataset is not divided into chunks.
func (d *Dataset) ChunkRows() int { return d.chunk }

// Stored returns how many bytes of the file the elements take.
func (d *Dataset) Stored() int64 { return d.stored }

// Count returns the number of elements.
func (d *Dataset) Count() int {
	n := 1
	for _, size := range d.shape {
		n *= size
	}
	return n
}

// Close closes the dataset.
func (d *Dataset) Close() error {
	return d.file.lib.do(func() error {
		if d.file.id == 0 || d.id == 0 {
			return nil
		}
		err := d.file.lib.close("H5Dclose", d.id)
		d.id = 0
		return d.file.named(err)
	})
}

// do calls the library for an open dataset.
func (d *Dataset) do(what func() error) error {
	return d.file.do(func() error {
		if d.id == 0 {
			return d.named(errClosed.Err)
		}
		return d.named(what())
	})
}

// numbers returns an error if the elements are no numbers.
func (d *Dataset) numbers() error {
	if d.class != Integer && d.class != Float {
		return fmt.Errorf("its elements have type %v, want numbers: H5T_FLOAT or H5T_INTEGER", d.class)
	}
	return nil
}

// wholeSpace is H5S_ALL: all elements.
const wholeSpace = 0

// Read reads all elements in row-major order, converted to float32. dst has their
// number.
func (d *Dataset) Read(dst []float32) error {
	return d.do(func() error {
		if err := d.numbers(); err != nil {
			return err
		}
		if len(dst) != d.Count() {
			return fmt.Errorf("it has %d elements, there is room for %d", d.Count(), len(dst))
		}
		if len(dst) == 0 {
			return nil
		}
		l := d.file.lib
		_, err := l.check("H5Dread", uintptr(d.id), uintptr(l.ids["float32"]), wholeSpace, wholeSpace, defaultProperties,
			uintptr(unsafe.Pointer(&dst[0])))
		return err
	})
}

// ReadRows reads rows first to first+n-1, which axis 0 counts, in row-major order,
// converted to float32. dst has the number of their elements.
func (d *Dataset) ReadRows(first, n int, dst []float32) error {
	return d.do(func() error {
		if err := d.numbers(); err != nil {
			return err
		}
		switch {
		case len(d.shape) == 0:
			return errors.New("it is a single number and has no rows")
		case first < 0 || n < 0 || first+n > d.shape[0]:
			return fmt.Errorf("it has %d rows, want rows %d to %d", d.shape[0], first, first+n-1)
		}
		row := 1
		for _, size := range d.shape[1:] {
			row *= size
		}
		if len(dst) != n*row {
			return fmt.Errorf("%d rows have %d elements, there is room for %d", n, n*row, len(dst))
		}
		if len(dst) == 0 {
			return nil
		}
		return d.readRows(first, n, dst)
	})
}

func (d *Dataset) readRows(first, n int, dst []float32) error {
	l := d.file.lib
	space, err := l.open("H5Dget_space", uintptr(d.id))
	if err != nil {
		return err
	}
	defer l.close("H5Sclose", space)
	if err := l.selectRows(space, d.shape, first, n); err != nil {
		return err
	}
	count := uint64(len(dst))
	memory, err := l.open("H5Screate_simple", 1, uintptr(unsafe.Pointer(&count)), 0)
	if err != nil {
		return err
	}
	defer l.close("H5Sclose", memory)
	_, err = l.check("H5Dread", uintptr(d.id), uintptr(l.ids["float32"]), uintptr(memory), uintptr(space), defaultProperties,
		uintptr(unsafe.Pointer(&dst[0])))
	return err
}

// selectRows selects n rows of a space.
func (l *library) selectRows(space hid, shape []int, first, n int) error {
	start, count := make([]uint64, len(shape)), make([]uint64, len(shape))
	for i, size := range shape {
		count[i] = uint64(size)
	}
	start[0], count[0] = uint64(first), uint64(n)
	const set = 0
	_, err := l.check("H5Sselect_hyperslab", uintptr(space), set, uintptr(unsafe.Pointer(&start[0])), 0,
		uintptr(unsafe.Pointer(&count[0])), 0)
	return err
}
