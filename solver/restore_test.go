package solver_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// snapshotOf trains line for four iterations and returns the paths of the
// snapshot.
func snapshotOf(t *testing.T, typ string) (model, state string) {
	t.Helper()
	s := newSolver(t, `base_lr: 0.1 type: "`+typ+`" lr_policy: "fixed" snapshot_prefix: "$prefix" net_param {`+line+`}`, solver.Options{})
	if err := s.Step(context.Background(), 4); err != nil {
		t.Fatal(err)
	}
	model, state, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return model, state
}

// TestRestoreErrors gives files that are no state of the solver. The solver
// must be as before.
func TestRestoreErrors(t *testing.T) {
	model, state := snapshotOf(t, "SGD")
	_, adam := snapshotOf(t, "Adam")
	data, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	change := func(name string, f func(*caffepb.SolverState)) string {
		m := new(caffepb.SolverState)
		if err := proto.Unmarshal(data, m); err != nil {
			t.Fatal(err)
		}
		f(m)
		changed, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return write(name, changed)
	}
	weights, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "absent"), "no such file"},
		{model, "this is a .caffemodel file, want the .solverstate file"},
		{write("text", []byte("iter: 4\n")), "this is a text file, want a .solverstate file"},
		{write("empty", nil), "it has no iteration"},
		{write("truncated", data[:len(data)-3]), "not a .solverstate file, or a truncated one"},
		{write("x.h5", data), "bytes, not an HDF5 file"},
		{write("hdf5.solverstate", []byte("\x89HDF\r\n\x1a\n\x00")), "this is an HDF5 file; the names of solver states in HDF5 end in .h5"},
		{adam, "has 2 history blobs, type SGD with 1 params wants 1"},
		{change("none", func(m *caffepb.SolverState) { m.History = nil }), "has 0 history blobs, type SGD with 1 params wants 1"},
		{change("shape", func(m *caffepb.SolverState) { m.History[0].Shape.Dim = []int64{7} }), `history blob 0 has shape [7], want [1 1], the shape of weights 0 of layer "ip"`},
		{change("count", func(m *caffepb.SolverState) { m.History[0].Data = nil }), "needs 1 numbers, it has 0"},
		{change("negative", func(m *caffepb.SolverState) { m.Iter = proto.Int32(-1) }), "not a .solverstate file"},
		{change("gone", func(m *caffepb.SolverState) { m.LearnedNet = proto.String("gone.caffemodel") }), "weights of the snapshot: \"gone.caffemodel\": no such file (working directory "},
		{change("damaged", func(m *caffepb.SolverState) {
			m.LearnedNet = proto.String(write("half.caffemodel", weights[:len(weights)-1]))
		}), "half.caffemodel"},
	} {
		s := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{})
		if err := s.Step(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		before := weight(s)
		err := s.Restore(tt.path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), filepath.Base(tt.path)) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", filepath.Base(tt.path), err, tt.want)
		}
		if s.Iter() != 1 || weight(s) != before {
			t.Errorf("%s: the failure has changed the solver", filepath.Base(tt.path))
		}
	}
}

// TestRestoreMoved checks that the weights are found beside a state that has
// been moved.
func TestRestoreMoved(t *testing.T) {
	model, state := snapshotOf(t, "SGD")
	dir := t.TempDir()
	for _, path := range []string{model, state} {
		if err := os.Rename(path, filepath.Join(dir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	s := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{})
	if err := s.Restore(filepath.Join(dir, filepath.Base(state))); err != nil {
		t.Fatal(err)
	}
	if s.Iter() != 4 || weight(s) == 1 {
		t.Errorf("at iteration %d with weight %v, want 4 and a trained one", s.Iter(), weight(s))
	}
}

// TestResume trains 40 iterations, and 20 and 20 with a snapshot between, with
// everything that is random: fillers, dropout, the order of the images,
// cropping and mirroring, on one and on two threads. All four must be the same
// to the last bit, the results of the tests too.
func TestResume(t *testing.T) {
	t.Run("BINARYPROTO", func(t *testing.T) { testResume(t, "", 1, 2) })
	t.Run("HDF5", func(t *testing.T) {
		hdf5test.Need(t)
		testResume(t, "snapshot_format: HDF5", 2)
	})
}

func testResume(t *testing.T, format string, allThreads ...int) {
	formats := reference.Golden(t, "formats")
	text := fmt.Sprintf(`
		base_lr: 0.01 momentum: 0.9 weight_decay: 0.001 lr_policy: "multistep" gamma: 0.5 stepvalue: 7 stepvalue: 15 stepvalue: 33
		type: "Adam" iter_size: 2 average_loss: 4 max_iter: 40 random_seed: 5 test_iter: 3 test_interval: 8 snapshot_prefix: "$prefix" %s
		net_param {
		  name: "resume"
		  layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
		    transform_param { mirror: true crop_size: 9 scale: 0.004 }
		    image_data_param { source: %q root_folder: %q batch_size: 7 shuffle: true new_height: 11 new_width: 13 } }
		  layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TEST }
		    transform_param { crop_size: 9 scale: 0.004 }
		    image_data_param { source: %q root_folder: %q batch_size: 7 new_height: 11 new_width: 13 } }
		  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3 weight_filler { type: "msra" } } }
		  layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
		  layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
		  layer { name: "ip1" type: "InnerProduct" bottom: "conv" top: "ip1" inner_product_param { num_output: 20 weight_filler { type: "xavier" } } }
		  layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" dropout_param { dropout_ratio: 0.4 } }
		  layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: 0.1 } } }
		  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
		}`,
		format, filepath.Join(formats, "list.txt"), filepath.Join(formats, "images")+"/", filepath.Join(formats, "list.txt"), filepath.Join(formats, "images")+"/")

	var results []string // of the tests of the run
	run := func(threads int, prefix string) *solver.Solver {
		workers := parallel.NewPool(threads)
		t.Cleanup(workers.Close)
		file := parse(t, text)
		file.Param.SnapshotPrefix = proto.String(prefix)
		s, err := solver.New(file, solver.Options{
			Workers: workers,
			Observer: event.Func(func(e any) {
				if e, ok := e.(*solver.TestResult); ok {
					results = append(results, fmt.Sprintf("%d %x", e.Iter, e.Outputs[0].Value))
				}
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	step := func(s *solver.Solver, n int) {
		if err := s.Step(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	final := func(s *solver.Solver) (files [2][]byte) {
		model, state, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range []string{model, state} {
			if files[i], err = os.ReadFile(path); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	prefix := filepath.Join(t.TempDir(), "snap")
	var want [2][]byte
	var wantResults []string
	for _, threads := range allThreads {
		results = nil
		whole := run(threads, prefix)
		step(whole, 40)
		got := final(whole)
		if want[0] == nil {
			want, wantResults = got, results
		}
		compare := func(name string, got [2][]byte) {
			if !bytes.Equal(got[0], want[0]) {
				t.Errorf("%s: the weights differ", name)
			}
			if !bytes.Equal(got[1], want[1]) {
				t.Errorf("%s: the states differ", name)
			}
			if g, w := strings.Join(results, ", "), strings.Join(wantResults, ", "); g != w {
				t.Errorf("%s: the tests gave %s, want %s", name, g, w)
			}
		}
		compare(fmt.Sprintf("%d threads, 40 iterations", threads), got)

		results = nil
		first := run(threads, prefix)
		step(first, 20)
		_, state, err := first.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		second := run(threads, prefix)
		if err := second.Restore(state); err != nil {
			t.Fatal(err)
		}
		step(second, 20)
		compare(fmt.Sprintf("%d threads, 20 and 20 iterations", threads), final(second))
	}
	if len(wantResults) != 5 {
		t.Errorf("%d tests, want 5: %v", len(wantResults), wantResults)
	}
}

// A snapshot that was moved is continued with its own weights, although another
// run has written files of the same names at the old place.
func TestRestoreMovedSnapshot(t *testing.T) {
	model, state := snapshotOf(t, "SGD")
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	write := func(path string, data []byte) string {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	weights, states := read(model), read(state)
	other := func() []byte { // the weights of another run
		s := newSolver(t, `base_lr: 0 lr_policy: "fixed" snapshot_prefix: "$prefix" net_param {`+line+`}`, solver.Options{})
		path, _, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		return read(path)
	}()
	unsigned := func() []byte { // a state as Caffe writes it
		m := new(caffepb.SolverState)
		if err := proto.Unmarshal(states, m); err != nil {
			t.Fatal(err)
		}
		m.LearnedNetSha256 = nil
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}()
	moved := t.TempDir()
	beside := filepath.Join(moved, filepath.Base(model))
	restored := func(state []byte) (w float32, warnings []string, err error) {
		s := newSolver(t, `base_lr: 0.1 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{Observer: event.Func(func(e any) {
			if n, ok := e.(*event.Note); ok {
				warnings = append(warnings, n.Text)
			}
		})})
		err = s.Restore(write(filepath.Join(moved, "x.solverstate"), state))
		return weight(s), warnings, err
	}
	w, _, err := restored(states) // only at the old place
	if err != nil || w == 1 {
		t.Fatalf("weight %v, %v; want that of the snapshot from the old place", w, err)
	}
	write(beside, weights)
	write(model, other)
	for name, state := range map[string][]byte{"ours": states, "Caffe's": unsigned} {
		got, warnings, err := restored(state)
		if err != nil || got != w {
			t.Errorf("%s, weights beside the state: weight %v, %v, want %v", name, got, err, w)
		}
		if warned := len(warnings) == 1 && strings.Contains(warnings[0], "they differ: taking "+beside); warned != (name != "ours") {
			t.Errorf("%s: got the warnings %q", name, warnings)
		}
	}
	write(beside, other)
	write(model, weights)
	if got, _, err := restored(states); err != nil || got != w {
		t.Errorf("other weights beside the state: weight %v, %v, want %v from the old place", got, err, w)
	}
	write(model, other)
	if got, _, err := restored(states); got != 1 || err == nil || !strings.Contains(err.Error(), "not the weights that the snapshot was written with") {
		t.Errorf("other weights at both places: weight %v, %v, want an error", got, err)
	}
}
