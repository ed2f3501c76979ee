package gocaffecmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
)

// TestZoo writes every net of the zoo and checks it as a user would: with the
// shape of its data, all solvers and both phases.
func TestZoo(t *testing.T) {
	list, _ := mustRun(t, "zoo")
	for _, e := range zoo.Entries() {
		t.Run(e.Name, func(t *testing.T) {
			name := e.Name + " "
			if e.Base != "" {
				name = "\n  " + strings.TrimPrefix(name, e.Base)
			}
			if !strings.Contains(list, name) {
				t.Errorf("gocaffe zoo does not list it:\n%s", list)
			}
			dir := filepath.Join(t.TempDir(), "a folder", "within")
			mustRun(t, "zoo", "write", e.Name, dir)
			shape := fmt.Sprintf("%d,%d,%d", e.Shape[0], e.Shape[1], e.Shape[2])
			for _, s := range e.Solvers {
				out, _ := mustRun(t, "check", filepath.Join(dir, s), "--input-shape", shape, "--threads", "1")
				if strings.Count(out, "memory: ") != 2 || strings.Contains(out, "note:") {
					t.Errorf("gocaffe check %s has not shown both nets:\n%s", s, out)
				}
			}
			if code, _, stderr := run("zoo", "write", e.Name, dir); code != 1 || !strings.Contains(stderr, "--force") {
				t.Errorf("writing over the files gives exit code %d and %s", code, stderr)
			}
			mustRun(t, "zoo", "write", e.Name, dir, "--force")
		})
	}
}

// TestDigits follows the zoo's own hints: convert, zoo write, train, test.
func TestDigits(t *testing.T) {
	t.Chdir(t.TempDir())
	mustRun(t, "convert", "digits", "d")
	mustRun(t, "zoo", "write", "liunet-digits", "d")
	path := filepath.Join("d", "liunet_digits_solver.prototxt")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	short := strings.NewReplacer("max_iter: 1000", "max_iter: 20", "stepvalue: 600\n", "", "stepvalue: 850\n", "").Replace(string(text))
	if short == string(text) {
		t.Fatal("the solver of the zoo is not as this test thinks")
	}
	write(t, path, short)
	_, log := mustRun(t, "train", "--solver", path)
	if !strings.Contains(log, "Optimization Done.") {
		t.Errorf("training has not ended:\n%s", log)
	}
	_, log = mustRun(t, "test", "--model", "d/liunet_digits_train_test.prototxt", "--weights", "d/liunet_digits_iter_20.caffemodel", "--iterations", "5")
	if !strings.Contains(log, "] accuracy = 0.") {
		t.Errorf("no accuracy:\n%s", log)
	}

	// With EM-Softmax the log shows the diversity term, and a test how alike the classifiers are.
	mustRun(t, "zoo", "write", "liunet-digits-em", "d")
	model := "d/liunet_digits_em_train_test.prototxt"
	net, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	write(t, model, strings.Replace(string(net), `top: "loss" top: "ip2"`, `top: "loss" top: "ip2" top: "diversity"`, 1))
	path = filepath.Join("d", "liunet_digits_em_solver.prototxt")
	if text, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.NewReplacer("max_iter: 1000", "max_iter: 1", "test_iter: 20", "test_iter: 1", "stepvalue: 600\n", "", "stepvalue: 850\n", "").Replace(string(text)))
	_, log = mustRun(t, "train", "--solver", path)
	if !strings.Contains(log, "Train net output #0: diversity = ") {
		t.Errorf("the log does not show the diversity term:\n%s", log)
	}
	_, log = mustRun(t, "test", "--model", model, "--weights", "d/liunet_digits_em_iter_1.caffemodel", "--iterations", "1")
	if !strings.Contains(log, "em: mean cosine between the 2 classifiers = ") {
		t.Errorf("the test does not print the mean cosine:\n%s", log)
	}
}

// TestMNIST converts the real MNIST and trains LeNet on it for a little while:
// after 400 iterations it is right in 94 of 100 cases.
func TestMNIST(t *testing.T) {
	mnist, err := filepath.Abs(reference.Data(t, "mnist"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	mustRun(t, "convert", "mnist", mnist, "mnist")
	mustRun(t, "zoo", "write", "lenet", "mnist")
	out, _ := mustRun(t, "compute-mean", "mnist/mnist_train_lmdb", "mean.binaryproto")
	// 255 times the mean of MNIST's training images that everybody knows, 0.1307.
	if !strings.Contains(out, "mean_value channel [0]: 33.3") {
		t.Errorf("compute-mean prints:\n%s", out)
	}
	path := filepath.Join("mnist", "lenet_solver.prototxt")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.NewReplacer("max_iter: 10000", "max_iter: 400\nrandom_seed: 1", "test_iter: 100", "test_iter: 20", "test_interval: 500", "test_interval: 400").Replace(string(text)))
	_, log := mustRun(t, "train", "--solver", path)
	i := strings.LastIndex(log, "accuracy = 0.")
	if i < 0 || log[i:] < "accuracy = 0.94" {
		t.Errorf("the accuracy is below 0.94:\n%s", log[max(i, 0):])
	}
}
