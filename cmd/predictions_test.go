package gocaffecmd

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/prototxt"
)

// batchSize rewrites net.prototxt of the log folder with another batch size for tests.
func batchSize(t *testing.T, path string, size int) {
	t.Helper()
	file, err := prototxt.ReadNet("net.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range file.Param.Layer {
		if l.DataParam != nil {
			n := uint32(size)
			l.DataParam.BatchSize = &n
		}
	}
	write(t, path, string(prototxt.Marshal(file.Param)))
}

// records returns the number of records of a database, and the key of each.
func records(t *testing.T, path string) (keys []string) {
	t.Helper()
	db, err := data.OpenAny(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range db.Len() {
		key, _, err := db.Record(i, new([]byte))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(key))
	}
	return keys
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(readFile(t, path))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// outputsOf returns the loss and the outputs that a test has logged.
func outputsOf(t *testing.T, log string) []float64 {
	t.Helper()
	var values []float64
	for _, match := range regexp.MustCompile(`(?m)caffe\.cpp:(?:309|321)\] (?:Loss: |\w+ = )(\S+)`).FindAllStringSubmatch(log, -1) {
		values = append(values, atof(t, match[1]))
	}
	return values
}

// TestIterationsAll tests each record once in batches that do not divide the records:
// the means must be those of batches of 1, and the predictions those of the scores.
func TestIterationsAll(t *testing.T) {
	logFolder(t)
	spoil(t, "s.caffemodel", 3)
	keys := records(t, "idx_lmdb")
	n := len(keys)
	size := 7
	if n%size == 0 {
		t.Fatalf("%d records are whole batches of %d", n, size)
	}
	batchSize(t, "one.prototxt", 1)
	batchSize(t, "seven.prototxt", size)
	_, single := mustRun(t, "test", "--model", "one.prototxt", "--weights", "s.caffemodel", "--iterations", strconv.Itoa(n))
	_, all := mustRun(t, "test", "--model", "seven.prototxt", "--weights", "s.caffemodel", "--iterations", "all", "--predictions", "p.csv")
	if want := fmt.Sprintf("Running for %d iterations.", n/size+1); !strings.Contains(all, want) {
		t.Errorf("the log does not say %q:\n%s", want, all)
	}
	got, want := outputsOf(t, all), outputsOf(t, single)
	if len(want) < 3 || len(got) != len(want) {
		t.Fatalf("outputs %v and %v", got, want)
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-5*math.Abs(want[i]) { // both have six digits
			t.Errorf("output %d is %g, in batches of 1 it is %g", i, got[i], want[i])
		}
	}

	scores, labels := scoresOf(t, "one.prototxt", "s.caffemodel", "ip1", n)
	rows := readCSV(t, "p.csv")
	if len(rows) != n+1 || strings.Join(rows[0], ",") != "key,label,prediction,probability,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9" {
		t.Fatalf("%d rows, the first one %v", len(rows), rows[0])
	}
	wrong := 0
	for i, row := range rows[1:] {
		sum, best := 0.0, 0
		for k, v := range scores[i] {
			sum += math.Exp(v)
			if v > scores[i][best] {
				best = k
			}
		}
		if row[0] != keys[i] || row[1] != strconv.Itoa(labels[i]) || row[2] != strconv.Itoa(best) {
			t.Errorf("row %d is %v, want key %s, label %d, prediction %d", i, row, keys[i], labels[i], best)
		}
		if best != labels[i] {
			wrong++
		}
		for k, v := range scores[i] {
			p := math.Exp(v) / sum
			if got := atof(t, row[4+k]); math.Abs(got-p) > 1e-5*p {
				t.Errorf("row %d: the probability of %d is %g, want %g", i, k, got, p)
			}
		}
		if row[3] != row[4+best] {
			t.Errorf("row %d has the probability %s, want %s", i, row[3], row[4+best])
		}
	}
	if wrong == 0 || wrong == n {
		t.Errorf("%d of %d predictions are wrong: the test wants both kinds", wrong, n)
	}

	// The same as JSON, and once more after the end of the data with --iterations N.
	mustRun(t, "test", "--model", "seven.prototxt", "--weights", "s.caffemodel", "--iterations", strconv.Itoa(n/size+1), "--predictions", "p.json")
	var objects []prediction
	if err := json.Unmarshal([]byte(readFile(t, "p.json")), &objects); err != nil {
		t.Fatal(err)
	}
	if len(objects) != (n/size+1)*size {
		t.Errorf("%d objects, want whole batches", len(objects))
	}
	for i, o := range objects {
		row := rows[1+i%n]
		if o.Key != row[0] || strconv.Itoa(o.Label) != row[1] || strconv.Itoa(o.Prediction) != row[2] || sixDigits(float64(o.Probabilities[4])) != row[8] {
			t.Errorf("object %d is %+v, the row is %v", i, o, row)
		}
	}
}

// TestPredictionsOfEnsemble averages two nets.
func TestPredictionsOfEnsemble(t *testing.T) {
	logFolder(t)
	var single [2][][]string
	for i := range single {
		weights := fmt.Sprintf("%d.caffemodel", i)
		spoil(t, weights, uint64(i))
		mustRun(t, "test", "--model", "net.prototxt", "--weights", weights, "--iterations", "2", "--predictions", "p.csv")
		single[i] = readCSV(t, "p.csv")
	}
	mustRun(t, "test", "--model", "net.prototxt", "--weights", "0.caffemodel", "--weights", "1.caffemodel", "--iterations", "2", "--predictions", "p.csv")
	for i, row := range readCSV(t, "p.csv")[1:] {
		for k := range 10 {
			want := (atof(t, single[0][1+i][4+k]) + atof(t, single[1][1+i][4+k])) / 2
			if got := atof(t, row[4+k]); math.Abs(got-want) > 1e-5*want {
				t.Errorf("row %d: the probability of %d is %g, want the mean %g", i, k, got, want)
			}
		}
	}
}

func TestPredictionsRefuses(t *testing.T) {
	logFolder(t)
	text := readFile(t, "net.prototxt")
	batchSize(t, "one.prototxt", 1)
	write(t, "dummy.prototxt", `layer { name: "d" type: "DummyData" top: "x" top: "label" dummy_data_param { shape { dim: 4 dim: 10 } shape { dim: 4 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" }`)
	write(t, "two.prototxt", text+`layer { name: "second" type: "Data" top: "other" data_param { source: "idx_lmdb" backend: LMDB batch_size: 2 } include { phase: TEST } }`)
	write(t, "places.prototxt", `layer { name: "d" type: "DummyData" top: "x" top: "label" dummy_data_param { shape { dim: 4 dim: 10 dim: 2 } shape { dim: 4 dim: 2 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" }`)
	for _, tt := range []struct {
		model, iterations, file string
		want                    string
	}{
		{"net.prototxt", "1", "p.txt", "--predictions p.txt: want a name that ends in .csv or .json"},
		{"dummy.prototxt", "all", "p.csv", `dummy.prototxt:1:1: layer "d": a layer of type DummyData has no records that could be read once each; --iterations N needs no such layers`},
		{"two.prototxt", "all", "p.csv", "all data layers need as many records and as large batches"},
		{"places.prototxt", "1", "p.csv", "--predictions: the net has 8 labels and 80 scores for 4 records, want one label and 10 scores for each"},
		{"net.prototxt", "some", "p.csv", `test: invalid argument "some" for "--iterations" flag: want a number or all`},
		{"net.prototxt", "0", "p.csv", "--iterations is 0, want a positive number"},
	} {
		code, _, stderr := run("test", "--minloglevel", "2", "--model", tt.model, "--weights", "small_iter_100.caffemodel", "--iterations", tt.iterations, "--predictions", tt.file)
		if code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s, %s, %s: exit code %d, %s, want %s", tt.model, tt.iterations, tt.file, code, stderr, tt.want)
		}
		if _, err := os.Lstat(tt.file); err == nil {
			t.Errorf("after the error there is %s", tt.file)
		}
	}
}
