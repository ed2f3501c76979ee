package solver_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/digits"
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
)

// digitsGradients returns the gradients of the weights of liunet-digits after the
// first forward and backward pass on 64 drawn digits.
func digitsGradients(t *testing.T, engine layers.Engine) (names []string, gradients [][]float32) {
	t.Helper()
	const batch = 64
	workers := parallel.NewPool(0)
	defer workers.Close()
	n, err := net.New(&prototxt.Net{Param: liunetDigits(t, batch)}, net.Options{
		State: &caffepb.NetState{Phase: caffepb.Phase_TRAIN.Enum()}, Workers: workers, Seed: 1, Engine: engine,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	pixels := make([]byte, digits.Size*digits.Size)
	data, label := n.Blob("data").MutableData(), n.Blob("label").MutableData()
	for i := range batch {
		label[i] = float32(digits.Image(1, uint64(i), pixels))
		for k, v := range pixels {
			data[i*len(pixels)+k] = float32(v) / 256
		}
	}
	if _, err := n.Forward(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := n.Backward(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, param := range n.Params() {
		names = append(names, param.Layer)
		gradients = append(gradients, slices.Clone(param.Blob.Diff()))
	}
	return names, gradients
}

// TestEngineGradients compares the gradients of a net with max pooling. The rounding of
// Winograd's algorithm decides between two values in a window of the last pooling that are
// 7e-6 apart, so its gradients are far from those of Caffe's order of sums, which are the same
// on every processor but for their last bits.
func TestEngineGradients(t *testing.T) {
	names, direct := digitsGradients(t, layers.CaffeEngine)
	distances := func(other [][]float32) (largest float64) {
		for i, want := range direct {
			var difference, norm float64
			for k, v := range want {
				d := float64(other[i][k]) - float64(v)
				difference, norm = difference+d*d, norm+float64(v)*float64(v)
			}
			if norm > 0 { // the running statistics have no gradient
				t.Logf("%s, %d weights: %.2g", names[i], len(want), math.Sqrt(difference/norm))
				largest = max(largest, math.Sqrt(difference/norm))
			}
		}
		return largest
	}
	_, fast := digitsGradients(t, layers.DefaultEngine)
	if d := distances(fast); !(d > 1e-4 && d < 2e-2) {
		t.Errorf("with Winograd's algorithm the gradients differ by up to %.2g of their norm, want 0.3 to 0.8 per cent", d)
	}
	if cpu.Best() == cpu.Generic {
		return
	}
	cpu.Use(cpu.Generic)
	defer cpu.Use(cpu.Best())
	_, generic := digitsGradients(t, layers.CaffeEngine)
	if d := distances(generic); !(d < 2e-5) {
		t.Errorf("with engine caffe the gradients of %v and %v differ by up to %.2g of their norm, want less than 2e-5", cpu.Best(), cpu.Generic, d)
	}
}

// TestEngineSnapshot checks that a state names the engine of its run, and that resuming
// with another one gives a warning.
func TestEngineSnapshot(t *testing.T) { eachFormat(t, testEngineSnapshot) }

func testEngineSnapshot(t *testing.T, format string) {
	text := `base_lr: 0.1 lr_policy: "fixed" snapshot_prefix: "$prefix" ` + format + ` net_param {` + line + `}`
	engines := []layers.Engine{layers.DefaultEngine, layers.CaffeEngine}
	for _, engine := range engines {
		s := newSolver(t, text, solver.Options{Engine: engine})
		if err := s.Step(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		_, state, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for _, resumed := range engines {
			var want []string
			warnings := restoreWarnings(t, text, solver.Options{Engine: resumed}, state)
			if engine != resumed {
				want = []string{fmt.Sprintf("%s is of a run with the engine %v, this one has the engine %v: it rounds differently", state, engine, resumed)}
			}
			if !slices.Equal(warnings, want) {
				t.Errorf("a run with the engine %v that is resumed with %v warns of %q, want %q", engine, resumed, warnings, want)
			}
		}
	}
}

// restoreWarnings returns the warnings of a new solver that reads a state.
func restoreWarnings(t *testing.T, text string, opts solver.Options, state string) (warnings []string) {
	t.Helper()
	opts.Observer = event.Func(func(e any) {
		if note, ok := e.(*event.Note); ok && note.Level == event.Warning {
			warnings = append(warnings, note.Text)
		}
	})
	if err := newSolver(t, text, opts).Restore(state); err != nil {
		t.Fatal(err)
	}
	return warnings
}

// TestKernelsSnapshot checks that a state names the instructions of its run's kernels, and
// that resuming with others gives a warning.
func TestKernelsSnapshot(t *testing.T) { eachFormat(t, testKernelsSnapshot) }

func testKernelsSnapshot(t *testing.T, format string) {
	defer cpu.Use(cpu.Best())
	text := `base_lr: 0.1 lr_policy: "fixed" snapshot_prefix: "$prefix" ` + format + ` net_param {` + line + `}`
	var levels []cpu.Level
	for _, level := range cpu.Levels() {
		if cpu.Has(level) {
			levels = append(levels, level)
		}
	}
	for _, level := range levels {
		cpu.Use(level)
		_, state, err := newSolver(t, text, solver.Options{}).Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for _, resumed := range levels {
			var want []string
			if level != resumed {
				want = []string{fmt.Sprintf("%s is of a run with the kernels for %v, this one has the kernels for %v: it rounds differently", state, level, resumed)}
			}
			cpu.Use(resumed)
			if warnings := restoreWarnings(t, text, solver.Options{}, state); !slices.Equal(warnings, want) {
				t.Errorf("a run with %v that is resumed with %v warns of %q, want %q", level, resumed, warnings, want)
			}
		}
	}
}

// TestKernelsUnnamed checks that a state of an older version, which names no kernels, gives
// no warning.
func TestKernelsUnnamed(t *testing.T) {
	text := `base_lr: 0.1 lr_policy: "fixed" snapshot_prefix: "$prefix" net_param {` + line + `}`
	_, path, err := newSolver(t, text, solver.Options{}).Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	state := new(caffepb.SolverState)
	if err := prototxt.ReadBinary(path, state); err != nil {
		t.Fatal(err)
	}
	state.Kernels = nil
	if err := prototxt.WriteBinary(path, state); err != nil {
		t.Fatal(err)
	}
	if warnings := restoreWarnings(t, text, solver.Options{}, path); warnings != nil {
		t.Errorf("resuming warns of %q", warnings)
	}
}
