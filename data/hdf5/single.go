package hdf5

import (
	"fmt"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// Int returns the number of a dataset with one integer.
func (f *File) Int(path string) (int, error) {
	d, err := f.Dataset(path)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	var v int32
	err = d.do(func() error {
		if d.class != Integer || d.Count() != 1 {
			return fmt.Errorf("it has type %v and shape %v, want one integer", d.class, d.shape)
		}
		l := f.lib
		_, err := l.check("H5Dread", uintptr(d.id), uintptr(l.ids["int32"]), wholeSpace, wholeSpace, defaultProperties, uintptr(unsafe.Pointer(&v)))
		return err
	})
	return int(v), err
}

// Bytes returns the elements of a dataset of small integers.
func (f *File) Bytes(path string) ([]byte, error) {
	d, err := f.Dataset(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b := make([]byte, d.Count())
	err = d.do(func() error {
		if d.class != Integer {
			return fmt.Errorf("it has type %v, want integers", d.class)
		}
		if len(b) == 0 {
			return nil
		}
		l := f.lib
		_, err := l.check("H5Dread", uintptr(d.id), uintptr(l.ids["uint8"]), wholeSpace, wholeSpace, defaultProperties, uintptr(unsafe.Pointer(&b[0])))
		return err
	})
	return b, err
}

// Text returns the text of a dataset with one string.
func (f *File) Text(path string) (string, error) {
	d, err := f.Dataset(path)
	if err != nil {
		return "", err
	}
	defer d.Close()
	var s string
	err = d.do(func() error {
		if d.class != String || d.Count() != 1 {
			return fmt.Errorf("it has type %v and shape %v, want one string", d.class, d.shape)
		}
		var err error
		s, err = d.readText()
		return err
	})
	return s, err
}

// readText reads a string, of fixed or of variable length.
func (d *Dataset) readText() (string, error) {
	l := d.file.lib
	typ, err := l.open("H5Dget_type", uintptr(d.id))
	if err != nil {
		return "", err
	}
	defer l.close("H5Tclose", typ)
	variable, err := l.check("H5Tis_variable_str", uintptr(typ))
	if err != nil {
		return "", err
	}
	if variable == 0 {
		b := make([]byte, int(l.call("H5Tget_size", uintptr(typ)))) // describe has bounded it
		_, err := l.check("H5Dread", uintptr(d.id), uintptr(typ), wholeSpace, wholeSpace, defaultProperties, uintptr(unsafe.Pointer(&b[0])))
		return dynlib.GoString(b), err
	}
	space, err := l.open("H5Dget_space", uintptr(d.id))
	if err != nil {
		return "", err
	}
	defer l.close("H5Sclose", space)
	var at uintptr
	if _, err := l.check("H5Dread", uintptr(d.id), uintptr(typ), wholeSpace, wholeSpace, defaultProperties, uintptr(unsafe.Pointer(&at))); err != nil {
		return "", err
	}
	s := dynlib.TextAt(at)
	_, err = l.check("H5Dvlen_reclaim", uintptr(typ), uintptr(space), defaultProperties, uintptr(unsafe.Pointer(&at)))
	return s, err
}
