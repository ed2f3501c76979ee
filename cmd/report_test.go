package gocaffecmd

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
)

// spoil writes the weights of the log folder with so much noise that the net
// makes mistakes.
func spoil(t *testing.T, path string, seed uint64) {
	t.Helper()
	p, _, err := prototxt.ReadBinaryNet("small_iter_100.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	noise := rand.New(rand.NewPCG(seed, 0))
	for _, l := range p.Layer {
		if l.GetName() == "ip1" {
			for i := range l.Blobs[0].Data {
				l.Blobs[0].Data[i] += float32(0.25 * noise.NormFloat64())
			}
		}
	}
	if err := prototxt.WriteBinary(path, p); err != nil {
		t.Fatal(err)
	}
}

// scoresOf runs the TEST net of a file for some batches, and returns the scores
// and the label of each item.
func scoresOf(t *testing.T, model, weights, scores string, batches int) (items [][]float64, labels []int) {
	t.Helper()
	file, err := prototxt.ReadNet(model)
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, net.Options{State: &caffepb.NetState{Phase: caffepb.Phase_TEST.Enum()}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.LoadWeights(weights); err != nil {
		t.Fatal(err)
	}
	for range batches {
		if _, err := n.Forward(context.Background()); err != nil {
			t.Fatal(err)
		}
		b := n.Blob(scores)
		for item := range slices.Chunk(b.Data(), b.Dim(1)) {
			var wide []float64
			for _, v := range item {
				wide = append(wide, float64(v))
			}
			items = append(items, wide)
		}
		for _, v := range n.Blob("label").Data() {
			labels = append(labels, int(v))
		}
	}
	return items, labels
}

// tableOf returns the words of each line of a table, by the first word.
func tableOf(t *testing.T, text, header string) map[string][]string {
	t.Helper()
	_, rest, ok := strings.Cut(text, header+"\n")
	if !ok {
		t.Fatalf("there is no line %q in\n%s", header, text)
	}
	lines := make(map[string][]string)
	for line := range strings.Lines(rest) {
		words := strings.Fields(line)
		if len(words) == 0 {
			break
		}
		lines[words[0]] = words[1:]
	}
	return lines
}

func atof(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestEnsemble compares the report on three nets with a plain computation from
// their scores.
func TestEnsemble(t *testing.T) {
	logFolder(t)
	const batches, topK = 4, 3
	var args []string
	var all [][][]float64
	var labels []int
	for i := range 3 {
		path := fmt.Sprintf("%d.caffemodel", i)
		spoil(t, path, uint64(i))
		args = append(args, "--weights", path)
		scores, l := scoresOf(t, "net.prototxt", path, "ip1", batches)
		all, labels = append(all, scores), l
	}

	// What the program must find.
	probabilities := func(x []float64) []float64 {
		p, sum := make([]float64, len(x)), 0.0
		for _, v := range x {
			sum += math.Exp(v)
		}
		for k, v := range x {
			p[k] = math.Exp(v) / sum
		}
		return p
	}
	hit := func(x []float64, class, k int) float64 {
		order := make([]int, len(x))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int {
			if x[a] > x[b] {
				return -1
			}
			return 1
		})
		if slices.Index(order, class) < k {
			return 1
		}
		return 0
	}
	n := float64(len(labels))
	var top1, top3, loss [4]float64 // of the nets and, last, of the ensemble
	for item, class := range labels {
		mean := make([]float64, 10)
		for i := range all {
			p := probabilities(all[i][item])
			for k := range p {
				mean[k] += p[k] / 3
			}
			top1[i] += hit(p, class, 1) / n
			top3[i] += hit(p, class, topK) / n
			loss[i] -= math.Log(p[class]) / n
		}
		top1[3] += hit(mean, class, 1) / n
		top3[3] += hit(mean, class, topK) / n
		loss[3] -= math.Log(mean[class]) / n
	}
	for i := range 3 {
		if top1[i] == top1[3] || top1[i] == 1 || top1[i] == top3[i] {
			t.Fatalf("net %d has the accuracy %g, the ensemble %g: the nets of this test must make mistakes, and different ones", i+1, top1[i], top1[3])
		}
	}

	stdout, _ := mustRun(t, append(args, "test", "--model", "net.prototxt", "--iterations", "4", "--top-k", "1,3", "--minloglevel", "1")...)
	if !strings.HasPrefix(stdout, "60 items\n") {
		t.Errorf("the report is\n%s\nwant 60 items", stdout)
	}
	header := stdout[strings.Index(stdout, "net "):]
	header, _, _ = strings.Cut(header, "\n")
	lines := tableOf(t, stdout, header)
	for i, name := range []string{"1", "2", "3", "ensemble"} {
		words := lines[name]
		if len(words) < 3 {
			t.Fatalf("there is no line for %s in\n%s", name, stdout)
		}
		for j, want := range []float64{top1[i], top3[i], loss[i]} {
			// Six digits are printed.
			if got := atof(t, words[j]); math.Abs(got-want) > 5e-6*max(0.1, want) {
				t.Errorf("%s: column %d is %g, want %g", name, j+1, got, want)
			}
		}
	}

	// The same with a model for each, and in another order of flags.
	again, _ := mustRun(t, "test", "--model", "net.prototxt", "--weights", "0.caffemodel", "--weights", "1.caffemodel", "--model", "net.prototxt",
		"--model=net.prototxt", "--weights=2.caffemodel", "-iterations=4", "-top_k=1", "--top-k", "3", "--minloglevel=1")
	if again != stdout {
		t.Errorf("with three models the report is\n%s\nwith one it was\n%s", again, stdout)
	}
}

// TestConfusion checks that the tables of one net agree with each other and
// with Caffe's accuracy, which the log still has.
func TestConfusion(t *testing.T) {
	logFolder(t)
	spoil(t, "0.caffemodel", 1)
	args := []string{"test", "--model", "net.prototxt", "--weights", "0.caffemodel", "--iterations", "4"}
	_, plain := mustRun(t, args...)
	stdout, log := mustRun(t, append(args, "--per-class", "--confusion", "--confusion-file", "matrix.csv")...)
	sameLog(t, log, plain)

	_, labels := scoresOf(t, "net.prototxt", "0.caffemodel", "ip1", 4)
	want := make([]int, 10)
	for _, class := range labels {
		want[class]++
	}
	classes := tableOf(t, stdout, "class  items  right  accuracy")
	f, err := os.Open("matrix.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	matrix, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(matrix[0], ","); got != "class,0,1,2,3,4,5,6,7,8,9" || len(matrix) != 11 {
		t.Fatalf("the file has %d lines and begins with %s", len(matrix), got)
	}
	header := "class, taken for:" + stdout[strings.Index(stdout, "class, taken for:")+len("class, taken for:"):]
	header, _, _ = strings.Cut(header, "\n")
	_, text, _ := strings.Cut(stdout, header+"\n")
	printed := strings.Split(strings.TrimSpace(text), "\n")
	total, right := 0, 0
	for k, line := range matrix[1:] {
		if got := strings.Join(strings.Fields(printed[k]), ","); got != strings.Join(line, ",") {
			t.Errorf("the table has %s, the file %v", got, line)
		}
		row := 0
		for _, word := range line[1:] {
			row += int(atof(t, word))
		}
		total += row
		hits := int(atof(t, line[1+k]))
		right += hits
		share := "-"
		if row > 0 {
			share = fmt.Sprintf("%.6f", float64(hits)/float64(row))
		}
		if got := strings.Join(classes[strconv.Itoa(k)], " "); row != want[k] || got != fmt.Sprintf("%d %d %s", row, hits, share) {
			t.Errorf("class %d has %q, its line of the matrix %v, and there are %d items of it", k, got, line, want[k])
		}
	}
	accuracy := log[strings.LastIndex(log, "accuracy = ")+len("accuracy = "):]
	accuracy, _, _ = strings.Cut(accuracy, "\n")
	if share := float64(right) / float64(total); total != len(labels) || math.Abs(share-atof(t, accuracy)) > 1e-6 || share == 1 {
		t.Errorf("%d of %d are right, %g; Caffe's accuracy is %s of %d", right, total, share, accuracy, len(labels))
	}
}

// TestRank checks that equal scores count against the true class, as in
// Caffe's Accuracy, in both results.
func TestRank(t *testing.T) {
	for _, test := range []struct {
		scores        []float64
		class         int
		higher, taken int
	}{
		{[]float64{1, 3, 2}, 1, 0, 1},
		{[]float64{1, 3, 2}, 2, 1, 1},
		{[]float64{1, 3, 2}, 0, 2, 1},
		{[]float64{3, 3, 2}, 0, 1, 1},
		{[]float64{3, 3, 2}, 1, 1, 0},
		{[]float64{3, 3, 2}, 2, 2, 0},
		{[]float64{2, 2, 2}, 1, 2, 0},
		{[]float64{2, 2, 2}, 0, 2, 1},
	} {
		if higher, taken := rank(test.scores, test.class); higher != test.higher || taken != test.taken {
			t.Errorf("rank(%v, %d) = %d, %d, want %d, %d", test.scores, test.class, higher, taken, test.higher, test.taken)
		}
	}
}

// TestPlaces checks scores of several places in an item, and labels that do
// not count.
func TestPlaces(t *testing.T) {
	ignore := int32(255)
	c := &classifier{
		axis: -2, ignore: &ignore,
		shape:  []int{2, 3, 2}, // items x classes x places
		scores: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
		labels: []float32{2, 255, 0, 3},
	}
	if classes, inner := c.classes(); classes != 3 || inner != 2 {
		t.Fatalf("%d classes and %d places, want 3 and 2", classes, inner)
	}
	got := make([]float64, 3)
	for i, want := range [][]float64{{0, 2, 4}, {1, 3, 5}, {6, 8, 10}, {7, 9, 11}} {
		if err := c.place(i, got); err != nil || !slices.Equal(got, want) {
			t.Errorf("place %d has %v, %v, want %v", i, got, err, want)
		}
	}
	for i, want := range []int{2, -1, 0} {
		if got, err := c.class(i, 3); err != nil || got != want {
			t.Errorf("place %d is of class %d, %v, want %d", i, got, err, want)
		}
	}
	if _, err := c.class(3, 3); err == nil {
		t.Error("label 3 of 3 classes is no error")
	}
	c.scores[3] = float32(math.NaN())
	if err := c.place(1, got); err == nil {
		t.Error("NaN is no error")
	}
}

// TestEnsembleErrors gives nets that do not go together.
func TestEnsembleErrors(t *testing.T) {
	logFolder(t)
	text, err := os.ReadFile("net.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(path string, pairs ...string) {
		t.Helper()
		changed := strings.NewReplacer(pairs...).Replace(string(text))
		if changed == string(text) {
			t.Fatalf("nothing to change for %s", path)
		}
		write(t, path, changed)
	}
	edit("batch.prototxt", "batch_size: 15", "batch_size: 12")
	edit("two.prototxt", `layer { name: "loss"`, `layer { name: "ip2" type: "InnerProduct" bottom: "pool1" top: "ip2" inner_product_param { num_output: 10 } }
		layer { name: "loss2" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss2" } layer { name: "loss"`)
	edit("regress.prototxt", `layer { name: "accuracy" type: "Accuracy" bottom: "ip1" bottom: "label" top: "accuracy" include { phase: TEST } }`, "",
		`layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "loss" }`, "")
	edit("distances.prototxt", `top: "accuracy"`, `top: "accuracy" accuracy_param { min_is_better: true }`,
		`layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "loss" }`, "")
	edit("classes.prototxt", "num_output: 10", "num_output: 12", `name: "ip1" type`, `name: "ip1_" type`)
	edit("shuffled.prototxt", `top: "data" top: "label" include { phase: TEST }`, `top: "data" top: "label0" include { phase: TEST }`,
		`layer { name: "accuracy"`, `layer { name: "one" type: "Power" bottom: "label0" top: "label" power_param { shift: 0 scale: 0 } include { phase: TEST } } layer { name: "accuracy"`)

	const w = "small_iter_100.caffemodel"
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"counts", []string{"--model", "net.prototxt", "--model", "net.prototxt", "--weights", w},
			"test: got 2 --model and 1 --weights, want one --model for each --weights, or one for all"},
		{"batch sizes", []string{"--model", "net.prototxt", "--weights", w, "--model", "batch.prototxt", "--weights", w},
			"net 2 (batch.prototxt, small_iter_100.caffemodel), batch 0: it has 12 labels, the first net has 15; the batch sizes must be equal"},
		{"labels", []string{"--model", "net.prototxt", "--weights", w, "--model", "shuffled.prototxt", "--weights", w},
			"all nets must read the same data in the same order"},
		{"classes", []string{"--model", "net.prototxt", "--weights", w, "--model", "classes.prototxt", "--weights", w},
			"net 2 (classes.prototxt, small_iter_100.caffemodel), batch 0: it has 12 classes, the first net has 10"},
		{"two classifiers", []string{"--model", "two.prototxt", "--weights", w, "--per-class"},
			"two.prototxt: the net has 2 classifiers: ip1 (labels label), ip2 (labels label); choose one with --scores NAME"},
		{"no such classifier", []string{"--model", "two.prototxt", "--weights", w, "--scores", "pool1"},
			"two.prototxt: --scores pool1: no loss or Accuracy compares that blob with labels"},
		{"no classifier", []string{"--model", "regress.prototxt", "--weights", w, "--confusion"}, "regress.prototxt: the net has no classifier in phase TEST"},
		{"distances", []string{"--model", "distances.prototxt", "--weights", w, "--top-k", "2"}, "distances.prototxt: the net has no classifier in phase TEST"},
		{"top-k", []string{"--model", "net.prototxt", "--weights", w, "--top-k", "1,11"}, "--top-k is 11, but the nets have 10 classes"},
		{"top-0", []string{"--model", "net.prototxt", "--weights", w, "--top-k", "0"}, "--top-k is 0, want 1 or more"},
		{"absent weights", []string{"--model", "net.prototxt", "--weights", w, "--weights", "absent.caffemodel"}, "absent.caffemodel"},
		{"unwritable matrix", []string{"--model", "net.prototxt", "--weights", w, "--confusion-file", "absent/m.csv"}, "absent/m.csv"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, _, stderr := run(append(test.args, "test", "--iterations", "2", "--minloglevel", "2")...)
			if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, the error is\n\t%swant 1 and\n\t%s", code, stderr, test.want)
			}
		})
	}
	stdout, _ := mustRun(t, "test", "--model", "two.prototxt", "--weights", w, "--scores", "ip1", "--iterations", "2", "--minloglevel", "1")
	if !strings.HasPrefix(stdout, "30 items") {
		t.Errorf("with --scores the report is\n%s", stdout)
	}
}
