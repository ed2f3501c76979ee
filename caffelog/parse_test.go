package caffelog_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// The logs are Caffe's, and the files are what its parse_log.py made of them.
func TestGoldenCSV(t *testing.T) {
	dir := reference.Golden(t, "formats/logs")
	for _, name := range []string{"train.log", "resume.log"} {
		log := parse(t, read(t, filepath.Join(dir, name)))
		for ending, rows := range map[string][]caffelog.Row{".train": log.Train, ".test": log.Test[0]} {
			var got bytes.Buffer
			if err := caffelog.WriteCSV(&got, rows, ','); err != nil {
				t.Fatal(err)
			}
			if want := read(t, filepath.Join(dir, name+ending)); got.String() != want {
				t.Errorf("%s%s: got\n%s\nwant\n%s", name, ending, &got, want)
			}
		}
	}
}

// The rates are those of the rows, unlike parse_log.py's; the golden log has a
// display each 10 iterations with its rate, and base_lr is 0.05.
func TestGoldenRows(t *testing.T) {
	dir := reference.Golden(t, "formats/logs")
	log := parse(t, read(t, filepath.Join(dir, "train.log"))+read(t, filepath.Join(dir, "resume.log")))
	if want := []caffelog.Run{{Net: "small"}, {Net: "small", Resumed: true, Seconds: 0.208854}}; !reflect.DeepEqual(log.Runs, want) {
		t.Errorf("runs %+v, want %+v", log.Runs, want)
	}
	for i, r := range log.Train[:10] {
		// The policy of the golden solver: inv, gamma 0.01, power 0.75.
		if want := 0.05 * math.Pow(1+0.01*float64(r.Iteration), -0.75); r.Iteration != 10*i || math.Abs(r.LearningRate-want) > 5e-6*want { // six digits
			t.Errorf("row %d: iteration %d, rate %g, want %g", i, r.Iteration, r.LearningRate, want)
		}
	}
	last := log.Train[len(log.Train)-1]
	if last.Run != 1 || last.Iteration != 100 || last.Loss != 4.37514e-05 || len(last.Outputs) != 0 {
		t.Errorf("the last row is %+v", last)
	}
	test := log.Test[0][0].Outputs
	if test[0].Name != "accuracy" || test[0].Value != 0.0666667 || !math.IsNaN(test[0].Loss) || test[1].Name != "loss" || test[1].Loss != 2.42713 {
		t.Errorf("the first test is %+v", test)
	}

	trainings := log.Trainings()
	if len(trainings) != 1 {
		t.Fatalf("%d trainings, want the resumed run to continue the first", len(trainings))
	}
	var iterations []int
	for i, r := range trainings[0].Train {
		iterations = append(iterations, r.Iteration)
		if i > 0 && r.Seconds <= trainings[0].Train[i-1].Seconds {
			t.Errorf("iteration %d is after %g seconds, the row before after %g", r.Iteration, r.Seconds, trainings[0].Train[i-1].Seconds)
		}
		if wantRun := min(1, i/4); r.Run != wantRun { // the second run resumed at 40
			t.Errorf("iteration %d is from run %d, want %d", r.Iteration, r.Run, wantRun)
		}
	}
	if got, want := fmt.Sprint(iterations), "[0 10 20 30 40 50 60 70 80 90 100]"; got != want {
		t.Errorf("iterations %s, want %s", got, want)
	}
	if last := trainings[0].Train[10].Seconds; last < 0.17 || last > 0.2 { // 0.11 s and 0.07 s, without 0.09 s between them
		t.Errorf("the training took %g seconds", last)
	}
}

func TestParseForms(t *testing.T) {
	const (
		nan  = "NaN"
		none = ""
	)
	for _, tt := range []struct{ name, log, train, test string }{
		{"no line of a log", "Iteration 3, loss = 1\nhello\n\n", none, none},
		{"a year, and a prefix of another program",
			"2024-09-02T01:02:03Z I20240902 13:35:56.474978 16020 solver.cpp:239] Iteration 3 (9 iter/s, 1s/2 iters), loss = 0.5\n",
			"3 0s lr NaN loss 0.5", none},
		{"NVIDIA's Caffe",
			"I0902 13:35:56.000000 1 solver.cpp:239] Solving net\n" +
				"I0902 13:35:56.250000 1 solver.cpp:239] Iteration 3 (9 iter/s, 1s/2 iters), 1.2/10.0ep, loss = 0.5\n" +
				"I0902 13:35:56.500000 1 solver.cpp:258]     Train net output #0: l = 0.25 (* 2 = 0.5 loss)\n" +
				"I0902 13:35:56.500000 1 sgd_solver.cpp:171] Iteration 3, lr = 0.1, m = 0.9, wd = 0.0001, gs = 1\n",
			"3 0.5s lr 0.1 loss 0.5 l=0.25*0.5", none},
		{"a loss that is not finite",
			"I0902 13:35:56.000000 1 solver.cpp:239] Iteration 3, loss = -nan\n" +
				"I0902 13:35:56.000000 1 solver.cpp:258]     Train net output #0: l = nan (* 1 = nan loss)\n" +
				"I0902 13:35:57.000000 1 solver.cpp:239] Iteration 4, loss = 1.#INF\n",
			"3 0s lr NaN loss NaN l=NaN*NaN; 4 1s lr NaN loss +Inf", none},
		{"two test nets",
			"I0902 13:35:56.000000 1 solver.cpp:347] Iteration 0, Testing net (#0)\n" +
				"I0902 13:35:56.000000 1 solver.cpp:414]     Test net output #0: a = 1\n" +
				"I0902 13:35:56.000000 1 solver.cpp:347] Iteration 0, Testing net (#1)\n" +
				"I0902 13:35:56.000000 1 solver.cpp:414]     Test net output #0: a = 2\n" +
				"I0902 13:35:56.000000 1 solver.cpp:400] Test loss: 3\n" +
				"I0902 13:35:56.000000 1 sgd_solver.cpp:171] Iteration 0, lr = 0.1\n",
			none, "0 0s lr 0.1 loss NaN a=1 | 0 0s lr 0.1 loss 3 a=2"},
		{"new year's eve",
			"I1231 23:59:59.000000 1 solver.cpp:239] Solving net\n" +
				"I0101 00:00:01.000000 1 solver.cpp:239] Iteration 3, loss = 1\n",
			"3 2s lr NaN loss 1", none},
		{"a long line", strings.Repeat("x", 1<<17) + "\nI0902 13:35:56.000000 1 solver.cpp:239] Iteration 3, loss = 1", "3 0s lr NaN loss 1", none},
		{"no date", "I9999 13:35:56.000000 1 solver.cpp:239] Iteration 3, loss = 1", none, none},
	} {
		log := parse(t, tt.log)
		var tests []string
		for _, rows := range log.Test {
			tests = append(tests, rowText(rows))
		}
		if got := rowText(log.Train); got != tt.train {
			t.Errorf("%s: training %q, want %q", tt.name, got, tt.train)
		}
		if got := strings.Join(tests, " | "); got != tt.test {
			t.Errorf("%s: tests %q, want %q", tt.name, got, tt.test)
		}
	}
}

func rowText(rows []caffelog.Row) string {
	var all []string
	for _, r := range rows {
		s := fmt.Sprintf("%d %gs lr %g loss %g", r.Iteration, r.Seconds, r.LearningRate, r.Loss)
		for _, o := range r.Outputs {
			s += fmt.Sprintf(" %s=%g", o.Name, o.Value)
			if o.Loss == o.Loss || math.IsNaN(o.Value) {
				s += fmt.Sprintf("*%g", o.Loss)
			}
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

// A training that begins anew is no continuation.
func TestTrainingsAnew(t *testing.T) {
	const run = "I0902 13:35:56.000000 1 solver.cpp:239] Solving net\n" +
		"I0902 13:35:58.000000 1 solver.cpp:239] Iteration 0, loss = 1\n"
	trainings := parse(t, run+run).Trainings()
	if len(trainings) != 2 {
		t.Fatalf("%d trainings, want 2", len(trainings))
	}
	for i, tr := range trainings {
		if len(tr.Train) != 1 || tr.Train[0].Seconds != 2 || tr.Train[0].Run != 0 {
			t.Errorf("training %d has %+v", i, tr.Train)
		}
	}
}

func TestCSVColumns(t *testing.T) {
	rows := []caffelog.Row{
		{Iteration: 5, Seconds: 0.5, Outputs: []caffelog.Output{{Name: "class", Value: 1}, {Name: "class", Value: math.NaN()}}},
		{Iteration: 7},
		{Iteration: 10, Seconds: 1e-5, Outputs: []caffelog.Output{{Name: "a;b", Value: math.Inf(-1)}, {Name: "class", Value: 1e16}}},
	}
	var got bytes.Buffer
	if err := caffelog.WriteCSV(&got, rows, ';'); err != nil {
		t.Fatal(err)
	}
	want := "NumIters;Seconds;LearningRate;class;class[1];\"a;b\"\r\n5.0;0.5;0.0;1.0;nan;\r\n10.0;1e-05;0.0;1e+16;;-inf\r\n"
	if got.String() != want {
		t.Errorf("got\n%q\nwant\n%q", &got, want)
	}
}

// Whatever a log says, its rows belong to its runs, and its CSV files have as many
// columns in each line.
func FuzzParse(f *testing.F) {
	f.Add("I0902 13:35:56.000000 1 solver.cpp:239] Solving net\nI0902 13:35:56.250000 1 solver.cpp:239] Iteration 3, loss = 0.5\n" +
		"I0902 13:35:56.500000 1 solver.cpp:258]     Train net output #0: l = 0.25 (* 2 = 0.5 loss)\n")
	f.Add("I0902 13:35:56.000000 1 solver.cpp:347] Iteration 0, Testing net (#1)\nI0902 13:35:56.000000 1 solver.cpp:414]     Test net output #0: a = 1\n" +
		"I0902 13:35:56.000000 1 caffe.cpp:235] Resuming from x\nI0902 13:35:56.000000 1 sgd_solver.cpp:171] Iteration 0, lr = 0.1\n")
	f.Fuzz(func(t *testing.T, text string) {
		log := parse(t, text)
		rows := log.Train
		for _, test := range log.Test {
			rows = append(rows, test...)
		}
		for _, r := range rows {
			if r.Run < 0 || r.Run >= len(log.Runs) {
				t.Fatalf("a row of run %d of %d", r.Run, len(log.Runs))
			}
		}
		var out bytes.Buffer
		if err := caffelog.WriteCSV(&out, rows, ','); err != nil {
			t.Fatal(err)
		}
		if _, err := csv.NewReader(&out).ReadAll(); err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, training := range log.Trainings() {
			kept += len(training.Train)
		}
		if kept > len(log.Train) || kept == 0 && len(log.Train) > 0 {
			t.Fatalf("%d rows of %d are left in trainings", kept, len(log.Train))
		}
	})
}

func parse(t *testing.T, text string) *caffelog.Log {
	t.Helper()
	log, err := caffelog.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
