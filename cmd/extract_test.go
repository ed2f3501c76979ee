package gocaffecmd

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/npy"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// readArray reads a .npy file.
func readArray(t *testing.T, path string) npy.Array {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	array, err := npy.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return array
}

// features returns the records of a database of features.
func features(t *testing.T, path string) (keys []string, datums []*caffepb.Datum) {
	t.Helper()
	keys = records(t, path)
	db, err := data.OpenAny(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range keys {
		_, value, err := db.Record(i, new([]byte))
		if err != nil {
			t.Fatal(err)
		}
		datum := new(caffepb.Datum)
		if err := proto.Unmarshal(value, datum); err != nil {
			t.Fatal(err)
		}
		datums = append(datums, datum)
	}
	return keys, datums
}

// TestExtractFeatures compares all kinds of outputs with the blobs of a net that runs
// on one record at a time.
func TestExtractFeatures(t *testing.T) {
	logFolder(t)
	keys := records(t, "idx_lmdb")
	n := len(keys)
	batchSize(t, "one.prototxt", 1)
	batchSize(t, "seven.prototxt", 7)
	scores, labels := scoresOf(t, "one.prototxt", "small_iter_100.caffemodel", "ip1", n)
	same := func(what string, i, k int, got float32) {
		t.Helper()
		if v := scores[i][k]; float64(got) < v-1e-5 || float64(got) > v+1e-5 { // products of other sizes round otherwise
			t.Errorf("%s: value %d of item %d is %g, want %g", what, k, i, got, v)
		}
	}

	stdout, _ := mustRun(t, "extract-features", "--model", "seven.prototxt", "--weights", "small_iter_100.caffemodel",
		"--blobs", "ip1,label,ip1,ip1", "--output", "ip1.npy,label.csv,ip1_lmdb,ip1.csv")
	if want := fmt.Sprintf("ip1: %d items of 10 values in ip1.npy\n", n); !strings.HasPrefix(stdout, want) {
		t.Errorf("it prints\n%swant\n%s", stdout, want)
	}
	array := readArray(t, "ip1.npy")
	if !slices.Equal(array.Shape, []int{n, 10}) {
		t.Fatalf("the array has the shape %v, want %d x 10", array.Shape, n)
	}
	rows, labelRows := readCSV(t, "ip1.csv"), readCSV(t, "label.csv")
	if len(rows) != n+1 || len(labelRows) != n+1 || strings.Join(rows[0], ",") != "key,f0,f1,f2,f3,f4,f5,f6,f7,f8,f9" {
		t.Fatalf("%d and %d rows, the first one %v", len(rows), len(labelRows), rows[0])
	}
	dbKeys, datums := features(t, "ip1_lmdb")
	for i := range n {
		if want := fmt.Sprintf("%010d", i); dbKeys[i] != want {
			t.Errorf("key %d is %s, want %s", i, dbKeys[i], want)
		}
		if d := datums[i]; d.GetChannels() != 10 || d.GetHeight() != 1 || d.GetWidth() != 1 || len(d.FloatData) != 10 || d.Data != nil || d.Label != nil || d.Encoded != nil {
			t.Fatalf("record %d is %v", i, d)
		}
		if rows[1+i][0] != keys[i] || !slices.Equal(labelRows[1+i], []string{keys[i], strconv.Itoa(labels[i])}) {
			t.Errorf("row %d is %v and %v, want key %s and label %d", i, rows[1+i], labelRows[1+i], keys[i], labels[i])
		}
		for k := range 10 {
			v := array.Data[10*i+k]
			same("ip1.npy", i, k, v)
			if datums[i].FloatData[k] != v || float32(atof(t, rows[1+i][1+k])) != v {
				t.Errorf("item %d: the database has %g, the .csv file %s, the .npy file %g", i, datums[i].FloatData[k], rows[1+i][1+k], v)
			}
		}
	}

	// Caffe's arguments, by Caffe's name: whole batches, again from the start at the end.
	batches := n/7 + 1
	mustRun(t, "extract_features", "small_iter_100.caffemodel", "seven.prototxt", "conv1,ip1", "conv_db,ip_db", strconv.Itoa(batches), "leveldb", "CPU")
	dbKeys, datums = features(t, "ip_db")
	if len(dbKeys) != 7*batches {
		t.Fatalf("%d records, want %d batches of 7", len(dbKeys), batches)
	}
	for i, d := range datums {
		for k, v := range d.FloatData {
			same("ip_db", i%n, k, v)
		}
	}
	_, conv := features(t, "conv_db")
	mustRun(t, "extract-features", "small_iter_100.caffemodel", "seven.prototxt", "conv1,ip1", "x.npz", "2")
	arrays, err := npy.ReadFile("x.npz")
	if err != nil || len(arrays) != 2 || arrays[0].Name != "conv1" || arrays[1].Name != "ip1" || arrays[0].Shape[0] != 14 || len(arrays[0].Shape) != 4 {
		t.Fatalf("%d arrays, %v", len(arrays), err)
	}
	size := len(arrays[0].Data) / 14
	for i := range 14 {
		d := conv[i]
		if int(d.GetChannels()) != arrays[0].Shape[1] || int(d.GetHeight()) != arrays[0].Shape[2] || int(d.GetWidth()) != arrays[0].Shape[3] ||
			!slices.Equal(d.FloatData, arrays[0].Data[i*size:][:size]) {
			t.Errorf("item %d of conv1 differs in the database and the .npz file", i)
		}
	}
}

// TestExtractFeaturesWarns has weights with NaN, and a net with a layer that the file
// lacks.
func TestExtractFeaturesWarns(t *testing.T) {
	logFolder(t)
	model, _, err := prototxt.ReadBinaryNet("small_iter_100.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range model.Layer {
		if l.GetName() == "conv1" {
			l.Blobs[0].Data[0] = float32(math.NaN())
		}
		if l.GetName() == "ip1" {
			l.Name = proto.String("other")
		}
	}
	if err := prototxt.WriteBinary("nan.caffemodel", model); err != nil {
		t.Fatal(err)
	}
	_, stderr := mustRun(t, "extract-features", "nan.caffemodel", "net.prototxt", "ip1", "x.npy", "1")
	if !strings.Contains(stderr, `layer "conv1": 1 of the `) || !strings.Contains(stderr, "nan.caffemodel has no weights for ip1") || strings.Count(stderr, "\n") != 2 {
		t.Errorf("it says\n%s", stderr)
	}
}

func TestExtractFeaturesRefuses(t *testing.T) {
	logFolder(t)
	write(t, "input.prototxt", `layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 } } }`)
	write(t, "taken.npy", "x")
	mustRun(t, "zoo", "write", "lenet", ".")
	flags := func(model, blobs, outputs string) []string {
		return []string{"--model", model, "--weights", "small_iter_100.caffemodel", "--blobs", blobs, "-o", outputs}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{flags("net.prototxt", "ip9", "x.npy"), `net.prototxt: unknown feature blob name "ip9"; did you mean "ip1"?`},
		{flags("net.prototxt", "ip1,label", "x.npy"), "there are 2 blobs and 1 outputs, want one output for each blob, or one .npz file"},
		{flags("net.prototxt", "ip1,label", "x.npy,x.npy"), "x.npy is there twice"},
		{flags("net.prototxt", "ip1,", "x.npy,y.npy"), "the name of a blob or of its output is empty"},
		{flags("net.prototxt", "ip1", "taken.npy"), "taken.npy: file already exists; --force replaces it"},
		{flags("net.prototxt", "ip1", "idx_lmdb"), "idx_lmdb: file already exists: there is an LMDB database already; --force replaces it"},
		{flags("net.prototxt", "loss", "loss.npy"), `blob "loss" has the shape [], want one with an axis for items`},
		{flags("input.prototxt", "data", "x.npy"), `layer "in" is an Input, which ` + "`gocaffe extract-features` has no data for"},
		{append(flags("net.prototxt", "ip1", "x_db"), "--backend", "hdf5"), `the kind of databases is "hdf5", want lmdb or leveldb`},
		{append(flags("net.prototxt", "ip1", "x.npy"), "--iterations", "0"), "the number of batches is 0, want a positive number, or all"},
		{[]string{"a", "b", "c"}, "extract-features: got 3 arguments, want WEIGHTS MODEL BLOBS OUTPUTS BATCHES"},
		{[]string{"a", "b", "c", "d", "many"}, `the number of batches is "many", want a number or all`},
		{[]string{"a", "b", "c", "d", "1", "lmdb", "TPU"}, `got "TPU" after the kind of database, want CPU or GPU`},
		{[]string{"a", "b", "c", "d", "1", "lmdb", "GPU", "first"}, `the number of the GPU is "first", want a number`},
		{[]string{"--model", "net.prototxt"}, "extract-features: --weights FILE is missing"},
	} {
		code, _, stderr := run(append([]string{"extract-features"}, tt.args...)...)
		if code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %s, want %s", tt.args, code, stderr, tt.want)
		}
		for _, path := range []string{"x.npy", "loss.npy", "x_db"} {
			if _, err := os.Lstat(path); err == nil {
				t.Errorf("%v: after the error there is %s", tt.args, path)
			}
		}
	}
}

// TestToolsOnGPU compares test --iterations all, extract-features and classify on a GPU
// with those on the CPU.
func TestToolsOnGPU(t *testing.T) {
	logFolder(t)
	batchSize(t, "seven.prototxt", 7)
	mustRun(t, "deploy", "--model", "seven.prototxt", "--weights", "small_iter_100.caffemodel", "-o", "deployed")
	writePNG(t, "img/a.png", 9, 8, 1)
	writePNG(t, "img/b.png", 30, 20, 2)
	results := func(dir string, flags ...string) {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		mustRun(t, append([]string{"test", "--model", "seven.prototxt", "--weights", "small_iter_100.caffemodel", "--iterations", "all", "--predictions", dir + "/p.csv"}, flags...)...)
		mustRun(t, append([]string{"extract-features", "--model", "seven.prototxt", "--weights", "small_iter_100.caffemodel", "--blobs", "ip1", "-o", dir + "/f.csv"}, flags...)...)
		mustRun(t, append([]string{"classify", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "img", "--oversample", "--images-dim", "40,40", "-o", dir + "/c.csv"}, flags...)...)
	}
	results("cpu")
	cudatest.Fake(t)
	results("gpu", "--gpu", "0")
	for _, name := range []string{"p.csv", "f.csv", "c.csv"} {
		want, got := readCSV(t, "cpu/"+name), readCSV(t, "gpu/"+name)
		if len(got) != len(want) || len(want) < 3 {
			t.Errorf("%s: %d rows, want %d", name, len(got), len(want))
			continue
		}
		for i, row := range want {
			for k, cell := range row {
				v, err := strconv.ParseFloat(cell, 64)
				w, err2 := strconv.ParseFloat(got[i][k], 64)
				if err != nil || err2 != nil {
					if cell != got[i][k] {
						t.Errorf("%s, row %d: %s, want %s", name, i, got[i][k], cell)
					}
				} else if math.Abs(v-w) > 1e-4*max(0.1, math.Abs(v)) { // sums in another order
					t.Errorf("%s, row %d, column %d: %g, want %g", name, i, k, w, v)
				}
			}
		}
	}
}
