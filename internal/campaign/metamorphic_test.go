package campaign

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// open creates a solver in the working folder. The caller closes it and its threads.
func open(t *testing.T, text string, threads int, opts solver.Options) (*solver.Solver, func()) {
	t.Helper()
	file, err := prototxt.ParseSolver("solver.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	opts.Workers = parallel.NewPool(threads)
	s, err := solver.New(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		s.Close()
		opts.Workers.Close()
	}
}

func step(t *testing.T, s *solver.Solver, n int) {
	t.Helper()
	if err := s.Step(context.Background(), n); err != nil {
		t.Fatal(err)
	}
}

// TestMetamorphic compares runs that must agree bit for bit: an uninterrupted run on one
// thread, and a run in pieces. Each piece acts like a new process, with its own number
// of threads, shared or separate memory, and with or without tests in between. In half
// of the nets, a BatchNorm computes the layers after it if memory is shared, and then
// rounds differently: in these, either all pieces share memory or none does.
func TestMetamorphic(t *testing.T) {
	t.Logf("-seed %d -sequences %d", *seed, *sequences)
	dir := t.TempDir()
	trainFixture(t, dir, "")
	write(t, filepath.Join(dir, "plain.prototxt"), regexp.MustCompile(`(?m)^.*type: "(BatchNorm|Scale)".*\n`).ReplaceAll([]byte(netText), nil))
	t.Chdir(dir)
	pieces := 0
	for i := range *sequences {
		pieces += sequence(t, random("sequence", i))
		if t.Failed() {
			t.Fatalf("-seed %d, sequence %d", *seed, i)
		}
	}
	t.Logf("%d pieces", pieces)
}

// options returns random options of a solver.
func options(r *rand.Rand) string {
	rule := []string{"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"}[r.IntN(6)]
	text := fmt.Sprintf("net: \"net.prototxt\" base_lr: 0.01 type: %q random_seed: %d snapshot_prefix: \"snap/s\" iter_size: %d\n",
		rule, r.IntN(1000), 1+r.IntN(3))
	switch rule {
	case "SGD", "Nesterov", "Adam":
		text += "momentum: 0.9 "
	case "AdaDelta":
		text += "momentum: 0.95 delta: 1e-6 "
	case "RMSProp":
		text += "rms_decay: 0.98 "
	}
	text += []string{
		`lr_policy: "fixed"`, `lr_policy: "step" stepsize: 5 gamma: 0.5`, `lr_policy: "inv" gamma: 0.01 power: 0.75`,
		`lr_policy: "multistep" stepvalue: 3 stepvalue: 9 gamma: 0.3`, `lr_policy: "poly" power: 1 max_iter: 40`,
	}[r.IntN(5)]
	text += []string{" weight_decay: 0.001", ` weight_decay: 0.001 regularization_type: "L1"`, " clip_gradients: 0.5", ""}[r.IntN(4)]
	return text
}

// snapshot returns the bytes of the weights and of the state.
func snapshot(t *testing.T, s *solver.Solver) (model, state []byte, path string) {
	t.Helper()
	m, path, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return read(t, m), read(t, path), path
}

func sequence(t *testing.T, r *rand.Rand) (pieces int) {
	text := options(r)
	keep, fixed := r.IntN(2) == 0, r.IntN(2) == 0
	if !fixed {
		text = strings.Replace(text, "net.prototxt", "plain.prototxt", 1)
	}
	total := 10 + r.IntN(20)
	s, done := open(t, text, 1, solver.Options{KeepBlobs: keep})
	step(t, s, total)
	model, state, _ := snapshot(t, s)
	done()

	var story strings.Builder
	last := ""
	for at := 0; at < total; pieces++ {
		n := min(1+r.IntN(8), total-at)
		threads, tested := 1+r.IntN(4), r.IntN(2) == 0
		if !fixed {
			keep = r.IntN(2) == 0
		}
		piece := text
		if tested {
			piece += fmt.Sprintf(" test_iter: 2 test_interval: %d", 1+r.IntN(4))
		}
		fmt.Fprintf(&story, "  %d iterations, %d threads, blobs kept %v, tests %v\n", n, threads, keep, tested)
		s, done := open(t, piece, threads, solver.Options{KeepBlobs: keep, Snapshot: last})
		if last != "" {
			if err := s.Restore(last); err != nil {
				t.Fatal(err)
			}
			// Saving what was loaded changes nothing.
			was := read(t, last)
			if _, again, _ := snapshot(t, s); !bytes.Equal(again, was) {
				t.Errorf("iteration %d: the state differs after it was loaded and saved", at)
			}
		}
		step(t, s, n)
		at += n
		gotModel, gotState, path := snapshot(t, s)
		done()
		if last != "" && path != last {
			os.Remove(last)
			os.Remove(strings.TrimSuffix(last, "solverstate") + "caffemodel")
		}
		last = path
		if at == total && (!bytes.Equal(gotModel, model) || !bytes.Equal(gotState, state)) {
			t.Errorf("weights equal %v, state equal %v; solver: %s\n%s", bytes.Equal(gotModel, model), bytes.Equal(gotState, state), text, &story)
		}
	}
	return pieces
}

// exactNet has a batch of any size, and few, small numbers: data, targets and weights are
// small integers, so all sums are exact in float32, in any order.
const exactNet = `net_param {
  layer { name: "data" type: "Data" top: "data" top: "label"
    transform_param { mean_value: 2 } data_param { source: "whole" batch_size: %d backend: LMDB } }
  layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1
    weight_filler { type: "constant" value: 1 } } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "loss" }
} base_lr: 0.0625 momentum: 0.5 lr_policy: "fixed" iter_size: %d snapshot_prefix: "snap/exact" random_seed: 1`

// TestBatchSplit checks that a batch in one piece and one split by iter_size give the
// same weights if sums are exact. (Otherwise they differ by rounding, since the order of
// a sum depends on its length.)
func TestBatchSplit(t *testing.T) {
	dir := t.TempDir()
	trainFixture(t, dir, "")
	t.Chdir(dir)
	integers(t, filepath.Join(dir, "whole"), random("whole", 0))
	var want []byte
	for size := 1; size <= 16; size *= 2 {
		s, done := open(t, fmt.Sprintf(exactNet, 16/size, size), 1+size%3, solver.Options{})
		step(t, s, 2)
		var got bytes.Buffer
		for _, p := range s.Net().Params() {
			for _, x := range p.Blob.Data() {
				if math.IsNaN(float64(x)) || x == 1 {
					t.Fatalf("iter_size %d: weight %g, want a trained one", size, x)
				}
				fmt.Fprintf(&got, "%08x ", math.Float32bits(x))
			}
		}
		done()
		if want == nil {
			want = got.Bytes()
		} else if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("iter_size %d: weights\n%s, want those of one batch\n%s", size, &got, want)
		}
	}
}
