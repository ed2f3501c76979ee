package hdf5_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// FuzzHDF5 reads all that is in damaged files. Every read succeeds or fails; what
// libhdf5 itself makes of a file is its own affair, but nothing may be larger than the
// file allows.
func FuzzHDF5(f *testing.F) {
	hdf5test.Need(f)
	formats := reference.Golden(f, "formats")
	for _, name := range []string{"hdf5_output/out.h5", "hdf5_data/b.h5", "weights/model.caffemodel.h5"} {
		data, err := os.ReadFile(filepath.Join(formats, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	path := filepath.Join(f.TempDir(), "x.h5")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := hdf5.Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		groups := []string{""}
		for n := 0; n < len(groups) && n < 50; n++ {
			members, err := file.Members(groups[n] + "/")
			if err != nil {
				continue
			}
			for _, m := range members {
				at := groups[n] + "/" + m
				switch kind, err := file.Kind(at); {
				case err != nil:
				case kind == hdf5.Group:
					groups = append(groups, at)
				case kind == hdf5.Numbers:
					readAll(t, file, at, int64(len(data)))
				}
			}
		}
	})
}

// readAll reads a dataset in every way.
func readAll(t *testing.T, file *hdf5.File, path string, size int64) {
	file.Int(path)
	file.Text(path)
	d, err := file.Dataset(path)
	if err != nil {
		return
	}
	defer d.Close()
	if d.Stored() > size || int64(d.Count()) > max(1<<20, 1100*size) {
		t.Fatalf("%s: %d elements and %d bytes in a file of %d", path, d.Count(), d.Stored(), size)
	}
	all := make([]float32, d.Count())
	d.Read(all)
	if len(d.Shape()) == 0 || len(all) == 0 {
		return
	}
	row := make([]float32, len(all)/d.Shape()[0])
	d.ReadRows(d.Shape()[0]-1, 1, row)
}
