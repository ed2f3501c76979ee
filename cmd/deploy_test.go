package gocaffecmd

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"

	_ "github.com/gocaffe/gocaffe/plugins/emsoftmax"
)

// sameScores runs the TEST net of a model and the net of a deployed folder, on
// the same data, and fails if a blob of both differs by more than tolerance.
// It returns the mean loss of the TEST net.
func sameScores(t *testing.T, model, weights, dir, name string, batches int, tolerance float64) (loss float64) {
	t.Helper()
	open := func(model, weights string, phase caffepb.Phase) *net.Net {
		file, err := prototxt.ReadNet(model)
		if err != nil {
			t.Fatal(err)
		}
		n, err := net.New(file, net.Options{State: &caffepb.NetState{Phase: phase.Enum()}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		if err := n.LoadWeights(weights); err != nil {
			t.Fatal(err)
		}
		return n
	}
	test := open(model, weights, caffepb.Phase_TEST)
	deployed := open(filepath.Join(dir, "deploy.prototxt"), filepath.Join(dir, "deploy.caffemodel"), caffepb.Phase_TEST)
	for range batches {
		l, err := test.Forward(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		loss += float64(l) / float64(batches)
		data := test.Blob("data")
		if err := deployed.Blob("data").Reshape(data.Shape()...); err != nil {
			t.Fatal(err)
		}
		copy(deployed.Blob("data").MutableData(), data.Data())
		if _, err := deployed.Forward(context.Background()); err != nil {
			t.Fatal(err)
		}
		got, want := deployed.Blob(name).Data(), test.Blob(name).Data()
		if len(got) != len(want) || len(got) == 0 {
			t.Fatalf("%s has %d numbers, want %d", name, len(got), len(want))
		}
		for i := range got {
			if !(math.Abs(float64(got[i])-float64(want[i])) <= tolerance) {
				t.Fatalf("%s[%d] is %g, in the TEST net it is %g", name, i, got[i], want[i])
			}
		}
	}
	return loss
}

// TestDeploy deploys the net of Caffe's logs with the weights that Caffe made.
func TestDeploy(t *testing.T) {
	logFolder(t)
	args := []string{"deploy", "--model", "net.prototxt", "--weights", "small_iter_100.caffemodel", "--minloglevel", "1"}
	stdout, _ := mustRun(t, append(args, "-o", "out")...)
	want := `out/deploy.prototxt
out/deploy.caffemodel
input data: 1 x 1 x 14 x 12
  preprocessing: multiply by 0.00390625
output prob
replaced: loss (SoftmaxWithLoss) -> prob (Softmax)
left out: accuracy (Accuracy)
checked: on random data the outputs equal those of the TEST net to `
	if !strings.HasPrefix(filepath.ToSlash(stdout), want) {
		t.Errorf("the program says\n%s\nwant\n%s", stdout, want)
	}
	sameScores(t, "net.prototxt", "small_iter_100.caffemodel", "out", "ip1", 4, 0)
	text, err := os.ReadFile("out/deploy.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"lr_mult", "filler", "include", "label", "loss", "Data", "split", "phase"} {
		if strings.Contains(string(text), unwanted+":") || strings.Contains(string(text), unwanted+" {") || strings.Contains(string(text), `"`+unwanted) {
			t.Errorf("%q is in the deployed net\n%s", unwanted, text)
		}
	}
	for _, wanted := range []string{"# Made by gocaffe deploy from net.prototxt and small_iter_100.caffemodel.", `# preprocessing of "data": multiply by 0.00390625`} {
		if !strings.Contains(string(text), wanted+"\n") {
			t.Errorf("there is no line %q in\n%s", wanted, text)
		}
	}

	code, _, stderr := run(append(args, "-o", "out", "--batch", "3")...)
	if code != 1 || !strings.Contains(stderr, "already exists; --force replaces it") {
		t.Errorf("over files that are there: exit code %d, %s", code, stderr)
	}
	stdout, _ = mustRun(t, append(args, "-o", "out", "--batch", "3", "--force")...)
	if !strings.Contains(stdout, "input data: 3 x 1 x 14 x 12\n") {
		t.Errorf("with --batch 3 the program says\n%s", stdout)
	}
	// Without the data, the shape must be given.
	if err := os.Rename("idx_lmdb", "moved"); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = run(append(args, "-o", "absent")...)
	if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "; give --input-shape C,H,W") {
		t.Errorf("without data: exit code %d, %s", code, stderr)
	}
	mustRun(t, append(args, "-o", "absent", "--input-shape", "1,14,12", "--batch=3")...)
	a, err := os.ReadFile("absent/deploy.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("out/deploy.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("with --input-shape the net is\n%s\nwith the data\n%s", a, b)
	}
}

// TestDeployEMSoftmax trains a net with the EM-Softmax loss, and compares the
// scores of the net that is deployed with those of the TEST net, and its
// report in gocaffe test with Caffe's lines.
func TestDeployEMSoftmax(t *testing.T) {
	logFolder(t)
	for path, edit := range map[string]func(string) string{
		"net.prototxt": func(text string) string {
			cut := strings.Index(text, `layer { name: "accuracy"`)
			return strings.Replace(text[:cut], "num_output: 10", "num_output: 16", 1) + `
layer { name: "em" type: "EMSoftmaxLoss" bottom: "ip1" bottom: "label" top: "loss" top: "score" em_softmax_param { num_output: 10 m: 1 lambda: 0.1 V: 3 } }
layer { name: "accuracy" type: "Accuracy" bottom: "score" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "quiet" type: "Silence" bottom: "score" include { phase: TRAIN } }
`
		},
		"solver.prototxt": func(text string) string {
			return regexp.MustCompile(`max_iter: \d+`).ReplaceAllString(text, "max_iter: 20")
		},
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, edit(string(text)))
	}
	const weights = "small_iter_20.caffemodel"
	mustRun(t, "train", "--solver", "solver.prototxt", "--minloglevel", "1")
	stdout, _ := mustRun(t, "deploy", "--model", "net.prototxt", "--weights", weights, "-o", "out", "--minloglevel", "1")
	if !strings.Contains(stdout, "replaced: em (EMSoftmaxLoss) -> em (InnerProduct), prob (Softmax)\n") {
		t.Errorf("the program says\n%s", stdout)
	}
	loss := sameScores(t, "net.prototxt", weights, "out", "score", 4, 1e-6)

	report, log := mustRun(t, "test", "--model", "net.prototxt", "--weights", weights, "--iterations", "4", "--per-class")
	shown := log[strings.LastIndex(log, "loss = ")+len("loss = "):]
	shown, _, _ = strings.Cut(shown, " ")
	if math.Abs(atof(t, shown)-loss) > 1e-5*loss {
		t.Errorf("gocaffe test has the loss %s, the TEST net %g", shown, loss)
	}
	// In TEST the loss is the cross-entropy of the scores.
	line := tableOf(t, report, strings.Split(report, "\n")[2])["1"]
	if got := atof(t, line[1]); math.Abs(got-loss) > 1e-5*loss {
		t.Errorf("the report has the cross-entropy %g, the loss is %g", got, loss)
	}

	// Without a name for the scores, the report and the deployed net find them.
	text, err := os.ReadFile("net.prototxt")
	if err != nil {
		t.Fatal(err)
	}
	short := string(text)[:strings.Index(string(text), `layer { name: "accuracy"`)]
	write(t, "short.prototxt", strings.Replace(short, ` top: "score"`, "", 1))
	shortReport, _ := mustRun(t, "test", "--model", "short.prototxt", "--weights", weights, "--iterations", "4", "--per-class", "--minloglevel", "1")
	same := strings.Join(strings.Fields(strings.ReplaceAll(shortReport, "short.prototxt", "net.prototxt")), " ")
	if want := strings.Join(strings.Fields(report), " "); same != want {
		t.Errorf("without a name for the scores the report is\n%s\nwith one\n%s", shortReport, report)
	}
	mustRun(t, "deploy", "--model", "short.prototxt", "--weights", weights, "-o", "short", "--minloglevel", "1")
	sameScores(t, "net.prototxt", weights, "short", "score", 1, 1e-6)
}

// TestDeployErrors gives what goes wrong most often. Each must end with lines
// of gocaffe, one for all but the net whose layers all do not fit, and leave
// no file.
func TestDeployErrors(t *testing.T) {
	logFolder(t)
	other, err := filepath.Abs(reference.Golden(t, "solvers/sgd_momentum_l2"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no model", []string{"--weights", "x", "-o", "out"}, "deploy: --model FILE is missing"},
		{"no weights", []string{"--model", "x", "-o", "out"}, "deploy: --weights FILE is missing"},
		{"no folder", []string{"--model", "x", "--weights", "x"}, "deploy: -o DIR is missing"},
		{"absent model", []string{"--model", "absent.prototxt", "--weights", "x", "-o", "out"}, "absent.prototxt"},
		{"absent weights", []string{"--model", "net.prototxt", "--weights", "absent.caffemodel", "-o", "out"}, "absent.caffemodel"},
		{"weights of another net", []string{"--model", "net.prototxt", "--weights", filepath.Join(other, "start.caffemodel"), "-o", "out"}, `start.caffemodel: `},
		{"shape", []string{"--model", "net.prototxt", "--weights", "small_iter_100.caffemodel", "-o", "out", "--input-shape", "1,x"}, `--input-shape is "1,x"`},
		{"wrong shape", []string{"--model", "net.prototxt", "--weights", "small_iter_100.caffemodel", "-o", "out", "--input-shape", "1,20,20"},
			`small_iter_100.caffemodel: layer "ip1": cannot copy param 0`},
		{"batch", []string{"--model", "net.prototxt", "--weights", "small_iter_100.caffemodel", "-o", "out", "--batch", "-1"}, "--batch is -1"},
		{"folder that is a file", []string{"--model", "net.prototxt", "--weights", "small_iter_100.caffemodel", "-o", "net.prototxt"}, "net.prototxt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := listing(t)
			code, _, stderr := run(append(append([]string{"deploy"}, test.args...), "--minloglevel", "2")...)
			if code != 1 || strings.Count(stderr, "\n") != strings.Count(stderr, "gocaffe: ") || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, the error is\n\t%swant 1 and\n\t%s", code, stderr, test.want)
			}
			if after := listing(t); after != before {
				t.Errorf("the folder was\n%s\nand is now\n%s", before, after)
			}
		})
	}
}
