package solver_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/solver"
)

// precisionNet has a convolution and inner products that are large enough for bfloat16.
const precisionNet = `base_lr: 0.01 momentum: 0.9 lr_policy: "fixed" random_seed: 3 snapshot_prefix: "$prefix" net_param {
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 48 dim: 16 dim: 9 dim: 9 } shape { dim: 48 } data_filler { type: "gaussian" } data_filler { type: "constant" value: 2 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 24 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "conv2" type: "Convolution" bottom: "conv" top: "conv2" convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv2" top: "ip" inner_product_param { num_output: 50 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" } }`

// precisionWeights trains for some iterations and returns all weights.
func precisionWeights(t *testing.T, p kernel.Precision, threads int, s *solver.Solver, iterations int) (weights []float32) {
	t.Helper()
	if s == nil {
		workers := parallel.NewPool(threads)
		t.Cleanup(workers.Close)
		s = newSolver(t, precisionNet, solver.Options{Precision: p, Workers: workers})
	}
	if err := s.Step(context.Background(), iterations); err != nil {
		t.Fatal(err)
	}
	for _, param := range s.Net().Params() {
		weights = append(weights, param.Blob.Data()...)
	}
	return weights
}

// TestPrecision trains with rounded factors: the weights are near those of float32 and not
// the same, and the same to the last bit for every number of threads and after a resume.
func TestPrecision(t *testing.T) {
	if err := kernel.BF16.Supported(); err != nil {
		t.Skip("SKIPPED: ", err)
	}
	single := precisionWeights(t, kernel.FP32, 1, nil, 4)
	rounded := precisionWeights(t, kernel.BF16, 1, nil, 4)
	var difference, norm float64
	for i, v := range single {
		d := float64(rounded[i]) - float64(v)
		difference, norm = difference+d*d, norm+float64(v)*float64(v)
	}
	if d := math.Sqrt(difference / norm); !(d > 1e-6 && d < 1e-2) {
		t.Errorf("the weights differ from those of float32 by %.2g of their norm, want more than 1e-6 and less than 1e-2", d)
	}
	if three := precisionWeights(t, kernel.BF16, 3, nil, 4); !slices.Equal(three, rounded) {
		t.Error("with 3 threads the weights are others than with 1")
	}

	s := newSolver(t, precisionNet, solver.Options{Precision: kernel.BF16})
	precisionWeights(t, kernel.BF16, 1, s, 2)
	_, state, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []kernel.Precision{kernel.BF16, kernel.FP32} {
		var warnings []string
		resumed := newSolver(t, precisionNet, solver.Options{Precision: p, Observer: event.Func(func(e any) {
			if note, ok := e.(*event.Note); ok && note.Level == event.Warning {
				warnings = append(warnings, note.Text)
			}
		})})
		if err := resumed.Restore(state); err != nil {
			t.Fatal(err)
		}
		weights := precisionWeights(t, p, 1, resumed, 2)
		switch p {
		case kernel.BF16:
			if !slices.Equal(weights, rounded) || warnings != nil {
				t.Errorf("after a resume the weights are others than without; warnings: %q", warnings)
			}
		case kernel.FP32:
			if len(warnings) != 1 || !strings.Contains(warnings[0], "the engine default, bf16 by "+kernel.BF16.Variant()) {
				t.Errorf("a run in bf16 that is resumed in fp32 warns of %q", warnings)
			}
		}
	}
}
