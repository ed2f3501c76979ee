package npy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readRows returns all rows of an array of an archive, one after the other.
func readRows(a *Archive, name string) (shape []int, data []float32, err error) {
	rows, err := a.Rows(name)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	width, err := elements(rows.Shape[1:])
	if err != nil {
		return nil, nil, err
	}
	row := make([]float32, width)
	for {
		err := rows.Next(row)
		if errors.Is(err, io.EOF) {
			return rows.Shape, data, nil
		}
		if err != nil {
			return nil, nil, err
		}
		data = append(data, row...)
	}
}

// TestRows compares the rows of arrays with the arrays.
func TestRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npz")
	arrays := []Array{counting(2, 3), counting(7), counting(3, 2, 5), counting(0, 4), counting(2, 0)}
	if err := os.WriteFile(path, archive(t, arrays), 0o666); err != nil {
		t.Fatal(err)
	}
	a, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for i, name := range []string{"a/0.0", "a/1.0", "a/2.0", "a/3.0", "a/4.0"} {
		shape, data, err := readRows(a, name)
		if err != nil || !slices.Equal(shape, arrays[i].Shape) || !slices.Equal(data, arrays[i].Data) {
			t.Errorf("%s: rows %v of shape %v, error %v, want %v", name, data, shape, err, arrays[i])
		}
		if whole, err := a.Array(name); err != nil || !same(whole, arrays[i]) {
			t.Errorf("%s: array %v, error %v, want %v", name, whole, err, arrays[i])
		}
	}
	if _, err := a.Array("b"); err == nil || !strings.Contains(err.Error(), `there is no array "b", only ["a/0.0"`) {
		t.Errorf("error %v of an array that is not there", err)
	}
}

func TestRowsRefuse(t *testing.T) {
	good := archive(t, []Array{counting(2, 3)})
	damaged := bytes.Clone(good)
	damaged[bytes.Index(damaged, []byte("\n"))+4] ^= 1 // in an element
	path := filepath.Join(t.TempDir(), "x.npz")
	for want, file := range map[string][]byte{
		"checksum error":       damaged,
		"it has no rows":       archive(t, []Array{{Data: []float32{1}}}),
		"within its first row": bytes.Replace(good, []byte("(2, 3)"), []byte("(2,99)"), 1),
	} {
		if err := os.WriteFile(path, file, 0o666); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := readRows(a, "a/0.0"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		a.Close()
	}
}
