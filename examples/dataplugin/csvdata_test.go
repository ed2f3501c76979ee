package csvdata

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

func text(file, more string) string {
	return fmt.Sprintf(`layer { name: "d" type: "CSVData" top: "x" top: "y" csv_data_param { source: %q labels: 2 %s } }`, file, more)
}

// TestPromises checks what a data layer promises: a batch depends on the seed and
// the number of the pass alone, whether or not the run was resumed, for any number
// of threads, and on a GPU, to which batches are uploaded ahead of time. Without a
// GPU, a simulated one is used. Reading allocates nothing.
func TestPromises(t *testing.T) {
	d := cudatest.Device(t)
	for _, more := range []string{
		"batch_size: 7",
		"batch_size: 64 shuffle: true noise: 0.1",
		"batch_size: 150 shuffle: true", // of the 100 lines
	} {
		layertest.CheckData(t, d, text("arm_test.csv", more))
		layertest.CheckAllocs(t, text("arm_test.csv", more))
	}
}

// TestArm compares the rows with the formula that the files were made with, in the
// order of the file: the angles of two joints and the place of a hand.
func TestArm(t *testing.T) {
	for file, lines := range map[string]int{"arm_train.csv": 400, "arm_test.csv": 100} {
		f := layertest.New(t, text(file, fmt.Sprintf("batch_size: %d", lines)))
		defer f.Close()
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if !f.Top[0].ShapeEqual([]int{lines, 2}) || !f.Top[1].ShapeEqual([]int{lines, 2}) {
			t.Fatalf("%s: shapes %v and %v", file, f.Top[0].Shape(), f.Top[1].Shape())
		}
		x, y := f.Top[0].Data(), f.Top[1].Data()
		for i := range lines {
			shoulder, elbow := float64(x[2*i]), float64(x[2*i+1])
			want := [2]float64{math.Cos(shoulder) + math.Cos(shoulder+elbow), math.Sin(shoulder) + math.Sin(shoulder+elbow)}
			for k := range want {
				if got := float64(y[2*i+k]); !(math.Abs(got-want[k]) <= 0.51e-4) { // the files have four digits
					t.Errorf("%s, record %d: label %d is %v, want %v", file, i, k, got, want[k])
				}
			}
		}
	}
}

func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "table.csv")
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// column runs the layer and returns the first feature of each item.
func column(t *testing.T, env *layers.Env, text string, passes int) []float32 {
	t.Helper()
	f, err := layertest.SetUp(env, text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []float32
	for range passes {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		for i := range f.Top[0].Dim(0) {
			all = append(all, f.Top[0].Data()[i*f.Top[0].Dim(1)])
		}
		env.Pass++
	}
	return all
}

func TestOrder(t *testing.T) {
	file := write(t, "a,b,c\n1,0,0\r\n\n2, 0,0\n  \n3,0,0\n4,0,0\n5,0,0")
	if got := column(t, new(layers.Env), text(file, "batch_size: 3"), 3); !slices.Equal(got, []float32{1, 2, 3, 4, 5, 1, 2, 3, 4}) {
		t.Errorf("in order: %v", got)
	}
	got := column(t, new(layers.Env), text(file, "batch_size: 5 shuffle: true"), 4)
	different := false
	for epoch := range 4 {
		records := slices.Clone(got[5*epoch:][:5])
		different = different || !slices.Equal(records, got[:5])
		slices.Sort(records)
		if !slices.Equal(records, []float32{1, 2, 3, 4, 5}) {
			t.Errorf("epoch %d of a shuffled file has %v", epoch, got[5*epoch:][:5])
		}
	}
	if !different {
		t.Errorf("all epochs have the order %v", got[:5])
	}
}

// TestNoise checks mean and variance of the noise, and that tests have none.
func TestNoise(t *testing.T) {
	file := write(t, "a,b,c\n3,0,0\n")
	const more = "batch_size: 1000 noise: 2"
	var mean, square float64
	for _, v := range column(t, new(layers.Env), text(file, more), 10) {
		mean += float64(v-3) / 1e4
		square += float64(v-3) * float64(v-3) / 1e4
	}
	// Of 10,000 numbers, five standard errors are 0.1 and 0.28.
	if math.Abs(mean) > 0.1 || math.Abs(square-4) > 0.28 {
		t.Errorf("the noise has mean %.3f and variance %.3f, want 0 and 4", mean, square)
	}
	for _, v := range column(t, &layers.Env{Phase: caffepb.Phase_TEST}, text(file, more), 1) {
		if v != 3 {
			t.Fatalf("in tests a feature is %v, want 3", v)
		}
	}
}

func TestNoLabels(t *testing.T) {
	f := layertest.New(t, `layer { type: "CSVData" top: "x" csv_data_param { source: "arm_test.csv" labels: 0 } }`)
	defer f.Close()
	if err := f.Forward(); err != nil || len(f.Top) != 1 || !f.Top[0].ShapeEqual([]int{1, 4}) {
		t.Errorf("shape %v, error %v, want all four columns", f.Top[0].Shape(), err)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		content, more, want string
	}{
		{"", "", "FILE is empty, want a line with the names of the columns"},
		{"a,b,c\n", "", "FILE has no line after the names of the columns"},
		{"a,b\n1,2\n", "", "2 of the 2 columns are labels, want at least one that is not"},
		{"a,b,c\n\n1,2\n", "", "FILE:3: got 2 columns, want 3 as in the first line"},
		{"a,b,c\n1,two,3\n", "", `FILE:2: column 2 is "two", want a number`},
		{"a,b,c\n1,2,3,\n", "", `FILE:2: column 4 is "", want a number`},
		{"a,b,c\n1,2,3\n", "batch_size: 0", "batch_size is 0 or missing, want at least 1"},
		{"a,b,c\n1,2,3\n", "noise: -1", "noise is -1, want 0 or more"},
		{"a,b,c\n1,2,3\n", "noise: nan", "noise is NaN, want 0 or more"},
	} {
		file := write(t, tt.content)
		layertest.CheckError(t, 1, `layer "d": `+strings.Replace(tt.want, "FILE", file, 1), text(file, tt.more))
	}
	layertest.CheckError(t, 1, `layer "d": source is missing, want a CSV file`, `layer { name: "d" type: "CSVData" top: "x" }`)
	layertest.CheckError(t, 2, `layer "d": open no.csv: no such file or directory`, `layer { name: "d" type: "CSVData" top: "x"
		csv_data_param { source: "no.csv" } }`)

	// A bad line fails the pass that comes to it.
	env := new(layers.Env)
	file := write(t, "a,b,c\n1,2,3\n4,5,6\n7,8,x\n")
	f, err := layertest.SetUp(env, text(file, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for env.Pass = range 3 {
		err := f.Forward()
		want := "layer.prototxt:1:78: layer \"d\": " + file + `:4: column 3 is "x", want a number`
		if bad := env.Pass == 2; bad && (err == nil || err.Error() != want) || !bad && err != nil {
			t.Errorf("pass %d: got %v, want in pass 2 %s", env.Pass, err, want)
		}
	}
}
