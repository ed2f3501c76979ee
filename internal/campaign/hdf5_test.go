package campaign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data/hdf5"
)

// hdf5Kinds are the kinds of HDF5 files. libhdf5 reads them, so a mutant may crash the
// process in that library: these are counted.
var hdf5Kinds = []kind{
	{name: "HDF5 weights", file: "ref/h_iter_4.caffemodel.h5", args: []string{"weights", "ref/h_iter_4.caffemodel.h5", "--json"}, native: true},
	{name: "HDF5 weights in a net", file: "ref/h_iter_4.caffemodel.h5",
		args: []string{"test", "--model", "net.prototxt", "--weights", "ref/h_iter_4.caffemodel.h5", "--iterations", "1"}, native: true},
	{name: "HDF5 solver state", file: "ref/h_iter_4.solverstate.h5",
		args: []string{"train", "--solver", "next_solver.prototxt", "--snapshot", "ref/h_iter_4.solverstate.h5"}, native: true},
	{name: "HDF5 data", file: "rows.h5", args: []string{"test", "--model", "hdf5.prototxt", "--weights", "ref/s_iter_4.caffemodel", "--iterations", "2"}, native: true},
}

func init() {
	if _, err := hdf5.LibraryVersion(); err == nil {
		kinds = append(kinds, hdf5Kinds...)
	}
}

// hdf5Fixture writes what the commands of hdf5Kinds read.
func hdf5Fixture(t *testing.T, dir string) {
	if _, err := hdf5.LibraryVersion(); err != nil {
		t.Logf("SKIPPED: the mutants of HDF5 files: %v", err)
		return
	}
	solver := strings.ReplaceAll(string(read(t, filepath.Join(dir, "solver.prototxt"))), `"snap/s"`, `"ref/h"`)
	write(t, filepath.Join(dir, "hdf5_solver.prototxt"), []byte(solver+"snapshot_format: HDF5\n"))
	mustRun(t, dir, "train", "--solver", "hdf5_solver.prototxt")
	if _, err := os.Stat(filepath.Join(dir, hdf5Kinds[2].file)); err != nil {
		t.Fatal(err)
	}
	w, err := hdf5.Create(filepath.Join(dir, "rows.h5"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	data := make([]float32, 12*36)
	for i := range data {
		data[i] = float32(i%7) / 7
	}
	rows, err := w.Rows("data", []int{1, 6, 6}) // in chunks
	if err == nil {
		err = rows.Append(12, data)
	}
	if err == nil {
		err = w.Write("label", []int{12}, []float32{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1})
	}
	if err == nil {
		err = w.Commit()
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "rows.txt"), []byte("rows.h5\n"))
	layers := strings.Split(netText, "layer {")
	for i, l := range layers {
		if strings.Contains(l, `type: "Data"`) {
			phase := l[strings.Index(l, "include"):strings.Index(l, "\n")]
			layers[i] = ` name: "data" type: "HDF5Data" top: "data" top: "label" ` + phase + ` hdf5_data_param { source: "rows.txt" batch_size: 5 } }` + "\n"
		}
	}
	write(t, filepath.Join(dir, "hdf5.prototxt"), []byte(strings.Join(layers, "layer {")))
}
