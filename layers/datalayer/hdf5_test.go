package datalayer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// hdf5Folder writes files of the given numbers of rows, and returns their list. Row i
// of all has data i, i+0.5 and label i.
func hdf5Folder(t testing.TB, rows ...int) string {
	t.Helper()
	dir := t.TempDir()
	var list strings.Builder
	first := 0
	for i, n := range rows {
		var data, label []float32
		for j := first; j < first+n; j++ {
			data = append(data, float32(j), float32(j)+0.5)
			label = append(label, float32(j))
		}
		first += n
		path := filepath.Join(dir, fmt.Sprintf("%d.h5", i))
		writeHDF5(t, path, func(w *hdf5.Writer) error {
			if err := w.Write("label", []int{n}, label); err != nil {
				return err
			}
			sets, err := w.Rows("data", []int{2, 1}) // in chunks
			if err != nil {
				return err
			}
			return sets.Append(n, data)
		})
		fmt.Fprintf(&list, "%s\n", path)
	}
	name := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(name, []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func writeHDF5(t testing.TB, path string, write func(*hdf5.Writer) error) {
	t.Helper()
	w, err := hdf5.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
}

func hdf5Text(list, options string) string {
	return fmt.Sprintf(`layer { name: "d" type: "HDF5Data" top: "data" top: "label" hdf5_data_param { source: %q batch_size: 4 %s } }`, list, options)
}

// TestHDF5Data looks at the order of several epochs, whose batches cross the ends of
// files, and resumes.
func TestHDF5Data(t *testing.T) {
	hdf5test.Need(t)
	list := hdf5Folder(t, 3, 0, 6, 1)
	batches := run(t, new(layers.Env), hdf5Text(list, ""), upTo(10)...)
	for i, label := range labels(batches, 4) {
		if label != i%10 || batches[i/4][2*(i%4)] != float32(label) || batches[i/4][2*(i%4)+1] != float32(label)+0.5 {
			t.Fatalf("row %d of the batches: label %d and data %v, want the rows in their order", i, label, batches[i/4])
		}
	}
	d := cudatest.Device(t)
	for _, options := range []string{"", "shuffle: true"} {
		layertest.CheckData(t, d, hdf5Text(list, options))
	}
}

// TestHDF5Shuffle wants the rows of a file one after the other in each epoch, each once,
// in an order of files and rows that changes.
func TestHDF5Shuffle(t *testing.T) {
	hdf5test.Need(t)
	list := hdf5Folder(t, 4, 5, 3)
	got := labels(run(t, &layers.Env{Seed: 3}, hdf5Text(list, "shuffle: true"), upTo(60)...), 4)
	fileOf := func(label int) int { return min(label/4, 1) + label/9 }
	orders, fileOrders := map[string]bool{}, map[string]bool{}
	for e := range len(got) / 12 {
		epoch := got[12*e:][:12]
		var files []int
		for i, label := range epoch {
			if f := fileOf(label); i == 0 || f != files[len(files)-1] {
				files = append(files, f)
			}
		}
		sorted := slices.Sorted(slices.Values(epoch))
		if len(files) != 3 || !slices.Equal(sorted, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}) {
			t.Fatalf("epoch %d is %v, want each row once and each file as a whole", e, epoch)
		}
		orders[fmt.Sprint(epoch)], fileOrders[fmt.Sprint(files)] = true, true
	}
	if len(orders) != 20 || len(fileOrders) < 4 {
		t.Errorf("%d orders of rows and %d of files in 20 epochs", len(orders), len(fileOrders))
	}
}

// TestHDF5Parts reads files in parts and row by row, as large ones are.
func TestHDF5Parts(t *testing.T) {
	hdf5test.Need(t)
	list := hdf5Folder(t, 7, 4)
	for _, block := range []int{0, 1, 3, 7} {
		s, err := readHDF5List(list)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.open([]string{"data", "label"}, false); err != nil {
			t.Fatal(err)
		}
		for i := range s.files {
			if s.files[i].block < s.files[i].rows {
				t.Fatalf("file %d is read in parts of %d rows, want as a whole", i, s.files[i].block)
			}
			s.files[i].block = block
		}
		for _, row := range []int{0, 1, 6, 7, 10, 2, 9} {
			r := s.NewReader().(*hdf5Reader)
			f, number := s.find(row)
			got := make([]float32, 2)
			if block == 0 {
				if err := r.openFile(f.path); err != nil {
					t.Fatal(err)
				}
				if err := r.sets[0].ReadRows(number, 1, got); err != nil {
					t.Fatal(err)
				}
			} else {
				b, err := r.load(f, number/block*block)
				if err != nil {
					t.Fatal(err)
				}
				copy(got, b.data[0][(number-b.first)*2:])
			}
			if want := []float32{float32(row), float32(row) + 0.5}; !slices.Equal(got, want) {
				t.Errorf("parts of %d rows, row %d: %v, want %v", block, row, got, want)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, tt := range []struct {
		rows, size, chunk int
		shuffle           bool
		want              int
	}{
		{100, 12, 1, false, 100},
		{0, 12, 1, false, 1},
		{5, 0, 1, true, 5},
		{1 << 20, 1 << 10, 1, false, 1 << 16},
		{1 << 20, 1 << 10, 1000, false, 65000},
		{1 << 20, 1 << 10, 1 << 18, false, 1 << 18},
		{1 << 20, 1 << 10, 1, true, 1 << 20},
		{1 << 23, 1 << 10, 1, true, 0},
	} {
		if got := blockRows(tt.rows, tt.size, tt.chunk, tt.shuffle); got != tt.want {
			t.Errorf("blockRows(%d, %d, %d, %v) = %d, want %d", tt.rows, tt.size, tt.chunk, tt.shuffle, got, tt.want)
		}
	}
}

// TestHDF5Blocks wants the blocks of the last use to be kept, up to a size.
func TestHDF5Blocks(t *testing.T) {
	f := &hdf5File{rows: 1000, block: 10}
	s := hdf5Blocks{row: hdf5Whole / 35}
	a := s.block(f, 0)
	b := s.block(f, 10)
	if s.block(f, 0) != a || s.block(f, 10) != b {
		t.Error("a block is not kept")
	}
	s.block(f, 20)
	s.block(f, 0)
	s.block(f, 30) // one too many: the block used least recently, b, goes
	if s.block(f, 0) != a || s.block(f, 10) == b || len(s.list) != 3 {
		t.Errorf("%d blocks are kept, want the last three", len(s.list))
	}
	s.row = hdf5Whole
	if s.block(f, 40); len(s.list) != 1 {
		t.Errorf("%d blocks are kept beside one that is too large", len(s.list)-1)
	}
}

func TestHDF5DataLog(t *testing.T) {
	hdf5test.Need(t)
	t.Chdir(reference.Golden(t, "formats/hdf5_data"))
	var log logged
	run(t, &layers.Env{Observer: log.observer()}, hdf5Text("list.txt", "shuffle: true"), 0)
	want := []string{
		"I hdf5_data_layer.cpp:81] Loading list of HDF5 filenames from: list.txt",
		"I hdf5_data_layer.cpp:95] Number of HDF5 files: 3",
		"I hdf5.cpp:33] Datatype class: H5T_FLOAT",
	}
	if !slices.Equal(log.lines, want) {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(log.lines, "\n"), strings.Join(want, "\n"))
	}
}

func TestHDF5DataErrors(t *testing.T) {
	hdf5test.Need(t)
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	list := func(name string, datas, labels []int) string {
		path := filepath.Join(dir, name+".h5")
		writeHDF5(t, path, func(w *hdf5.Writer) error {
			for set, shape := range map[string][]int{"data": datas, "label": labels} {
				count := 1
				for _, n := range shape {
					count *= n
				}
				if shape != nil {
					if err := w.Write(set, shape, make([]float32, count)); err != nil {
						return err
					}
				}
			}
			return w.WriteText("text", "x")
		})
		return write(name+".txt", "\n"+path+"\n")
	}
	good := filepath.Join(dir, "good.h5")
	list("good", []int{4, 2}, []int{4})
	wide := list("wide", []int{4, 3}, []int{4})
	both := write("both.txt", good+" "+filepath.Join(dir, "wide.h5")+"\n")
	text := write("x.h5", "no HDF5 file")
	for _, tt := range []struct{ text, want string }{
		{hdf5Text("", ""), "source is missing, want a file that lists HDF5 files"},
		{strings.Replace(hdf5Text(wide, ""), "batch_size: 4", "", 1), "batch_size is 0 or missing"},
		{strings.Replace(hdf5Text(wide, ""), "hdf5_data", "transform_param { scale: 2 } hdf5_data", 1), "HDF5Data does not transform data"},
		{hdf5Text(filepath.Join(dir, "absent.txt"), ""), "no such file"},
		{hdf5Text(write("empty.txt", "\n \n"), ""), "empty.txt is empty, want at least one HDF5 file"},
		{hdf5Text(write("none.txt", "absent.h5"), ""), `none.txt:1: "absent.h5": no such file`},
		{hdf5Text(write("text.txt", text), ""), "text.txt:1: " + text + ": 12 bytes, not an HDF5 file"},
		{hdf5Text(list("nolabel", []int{4, 2}, nil), ""), `nolabel.txt:2: ` + dir + `/nolabel.h5: dataset "label": there is none`},
		{hdf5Text(list("scalar", []int{4, 2}, []int{}), ""), `dataset "label" is a single number, want at least one axis`},
		{hdf5Text(list("rows", []int{4, 2}, []int{5}), ""), `dataset "label" has 5 rows, "data" has 4`},
		{hdf5Text(list("norows", []int{0, 2}, []int{0}), ""), `norows.txt have no rows`},
		{hdf5Text(both, ""), `rows of dataset "data" have shape [3], in ` + good + ` [2]`},
		{strings.Replace(hdf5Text(wide, ""), `"label"`, `"text"`, 1), `dataset "text" has elements of type H5T_STRING, want H5T_FLOAT or H5T_INTEGER`},
	} {
		_, err := layertest.SetUp(new(layers.Env), tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got error %v, want one with %q", err, tt.want)
		}
	}
}

// TestHDF5Output writes what Caffe has written, and more passes than Caffe can.
func TestHDF5Output(t *testing.T) {
	hdf5test.Need(t)
	golden := reference.Golden(t, "formats/hdf5_output")
	inputs := reference.Arrays(t, filepath.Join(golden, "inputs.binaryproto"))
	var bottoms []*blob.Blob
	for _, input := range inputs["inputs"] {
		b := new(blob.Blob)
		if err := b.FromProto(input, true); err != nil {
			t.Fatal(err)
		}
		bottoms = append(bottoms, b)
	}
	path := filepath.Join(t.TempDir(), "out.h5")
	text := fmt.Sprintf(`layer { name: "out" type: "HDF5Output" bottom: "data" bottom: "label" hdf5_output_param { file_name: %q } }`, path)
	write := func(passes int) {
		t.Helper()
		var log logged
		f, err := layertest.SetUp(&layers.Env{Observer: log.observer()}, text, bottoms...)
		if err != nil {
			t.Fatal(err)
		}
		for range passes {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		want := []string{"I hdf5_output_layer.cpp:33] Saving HDF5 file " + path, "I hdf5_output_layer.cpp:38] Successfully saved 5 rows"}
		if !slices.Equal(log.lines[:2], want) {
			t.Errorf("the log has %q, want %q", log.lines[:2], want)
		}
	}
	read := func(path, set string) (shape []int, data []float32) {
		t.Helper()
		f, err := hdf5.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		d, err := f.Dataset(set)
		if err != nil {
			t.Fatal(err)
		}
		data = make([]float32, d.Count())
		if err := d.Read(data); err != nil {
			t.Fatal(err)
		}
		return d.Shape(), data
	}
	for passes := 1; passes <= 2; passes++ { // the second file takes the place of the first
		write(passes)
		for _, set := range hdf5OutputSets {
			shape, data := read(path, set)
			wantShape, want := read(filepath.Join(golden, "out.h5"), set)
			wantShape[0] *= passes
			want = slices.Concat([][]float32{want, want}[:passes]...)
			if !slices.Equal(shape, wantShape) || !slices.Equal(data, want) {
				t.Errorf("%d passes, %s: shape %v, want %v; or the numbers differ", passes, set, shape, wantShape)
			}
		}
	}
	layertest.Checked(t, "HDF5Output", layertest.Reference)
	out := hdf5test.Python(t, `
import h5py, numpy, sys
ours, caffes = h5py.File(sys.argv[1], "r"), h5py.File(sys.argv[2], "r")
for name in caffes: print(name, ours[name].dtype, numpy.array_equal(ours[name], numpy.concatenate([caffes[name], caffes[name]])))
print(sorted(ours) == sorted(caffes))`, path, filepath.Join(golden, "out.h5"))
	if want := "data float32 True\nlabel float32 True\nTrue\n"; out != want {
		t.Errorf("h5py sees %s, want %s", out, want)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("files %v, want out.h5 only", entries)
	}
}

func TestHDF5OutputErrors(t *testing.T) {
	hdf5test.Need(t)
	dir := t.TempDir()
	text := func(param string) string {
		return `layer { name: "out" type: "HDF5Output" bottom: "data" bottom: "label"` + "\n" + param + ` }`
	}
	param := fmt.Sprintf(`hdf5_output_param { file_name: "%s/x.h5" }`, dir)
	g := func(shape ...int) *blob.Blob { return layertest.Gaussian(1, shape...) }
	layertest.CheckError(t, 2, `layer "out": file_name is missing, want the HDF5 file to write`, text("hdf5_output_param { }"), g(2, 3), g(2))
	layertest.CheckError(t, 1, `layer "out": 3 labels for 2 items of data, want as many`, text(param), g(2, 3), g(3))
	layertest.CheckError(t, 1, `layer "out": shape 2 1 1 1 3 (6) has 5 axes, want at most 4`, text(param), g(2, 1, 1, 1, 3), g(2))
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("files %v, want none before a pass", entries)
	}

	absent := text(`hdf5_output_param { file_name: "/absent/x.h5" }`)
	f := layertest.New(t, absent, g(2, 3), g(2))
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), "/absent/x.h5") {
		t.Errorf("an absent folder: %v", err)
	}

	f = layertest.New(t, text(param), g(2, 3), g(2))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if err := f.Bottom[0].Reshape(2, 4); err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), "the items have shape [4 1 1], those in the file [3 1 1]") {
		t.Errorf("another shape: %v", err)
	}
	if err := f.Bottom[0].Reshape(0, 3); err != nil {
		t.Fatal(err)
	}
	if err := f.Bottom[1].Reshape(0); err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err != nil {
		t.Errorf("a pass of no items: %v", err)
	}
	none := layertest.New(t, text(fmt.Sprintf(`hdf5_output_param { file_name: "%s/none.h5" }`, dir)), g(2, 0), g(2, 0))
	if err := errors.Join(none.Forward(), none.Forward(), none.Close()); err != nil {
		t.Errorf("items without elements: %v", err)
	}
	for _, b := range f.Bottom {
		if err := b.Reshape(2, 3); err != nil {
			t.Fatal(err)
		}
		b.MutableDiff()[5] = 1
	}
	if err := f.Layer.Backward(t.Context(), nil, []bool{true, false}, f.Bottom); err != nil {
		t.Fatal(err)
	}
	if f.Bottom[0].Diff()[5] != 0 || f.Bottom[1].Diff()[5] != 1 {
		t.Error("Backward: want the diff of the first bottom 0, and the other left alone")
	}
}
