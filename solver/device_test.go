package solver_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// small is a net all of whose layers below the inputs run on a GPU, so that its
// passes are recorded.
const small = `
  layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 6 dim: 2 dim: 5 dim: 5 } shape { dim: 6 } } }
  layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
  layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
  layer { name: "drop" type: "Dropout" bottom: "conv" top: "drop" }
  layer { name: "ip" type: "InnerProduct" bottom: "drop" top: "ip" param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
    inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
`

// feedSmall fills the inputs with numbers that depend on the pass.
func feedSmall(n *net.Net, pass int64) error {
	layers.NewRand(7, "data").Gaussian(nil, uint64(pass), 0, 1, n.Blob("data").MutableData())
	for i := range n.Blob("label").MutableData() {
		n.Blob("label").MutableData()[i] = float32((int64(i) + pass) % 4)
	}
	return nil
}

// trainSmall trains small for 12 iterations and returns its weights and what the
// observers received the losses.
func trainSmall(t *testing.T, text string, d *cuda.Device) (weights, losses []float32) {
	t.Helper()
	s := newSolver(t, text+"\nbase_lr: 0.05 lr_policy: \"step\" gamma: 0.5 stepsize: 4 random_seed: 5 weight_decay: 0.01 net_param {"+small+"}",
		solver.Options{Device: d, BeforeForward: feedSmall, Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				if e.Iter != len(losses)/3 {
					t.Errorf("iteration %d is told as number %d", e.Iter, len(losses)/3)
				}
				losses = append(losses, e.Loss, e.SmoothedLoss, e.LR)
			}
		})})
	if err := s.Step(context.Background(), 12); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Net().Params() {
		weights = append(weights, p.Blob.Data()...)
	}
	return weights, losses
}

// TestDevice trains with each rule and several options on a GPU and on the CPU.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, text := range []string{
		`type: "SGD" momentum: 0.9 display: 5 average_loss: 3`,
		`type: "SGD" momentum: 0.9 regularization_type: "L1" iter_size: 2`,
		`type: "SGD" momentum: 0.5 clip_gradients: 0.3`,
		`type: "Nesterov" momentum: 0.9`,
		`type: "AdaGrad"`,
		`type: "RMSProp" rms_decay: 0.9`,
		`type: "AdaDelta" momentum: 0.9 delta: 1e-6`,
		`type: "Adam" momentum: 0.9 momentum2: 0.99`,
	} {
		weights, losses := trainSmall(t, text, d)
		wantWeights, wantLosses := trainSmall(t, text, nil)
		compareSmall(t, text+": weights", weights, wantWeights)
		compareSmall(t, text+": losses", losses, wantLosses)
	}
}

func compareSmall(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	for i, w := range want {
		// Rules with a root and a small delta enlarge differences near 0.
		if !(math.Abs(float64(got[i]-w)) <= 1e-4*max(1, math.Abs(float64(w)))) {
			t.Errorf("%s[%d] is %g on a GPU, %g on the CPU", what, i, got[i], w)
			return
		}
	}
}

// TestDeviceLeNet trains LeNet on a GPU, for 20 iterations, or 3 on the fake one, and
// compares each loss, and the weights after 1 and 10, with Caffe's.
func TestDeviceLeNet(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: takes several seconds")
	}
	c := openCase(t, reference.Golden(t, "nets/lenet"))
	c.device = cudatest.Device(t)
	c.feed = mnistFeed(readMNIST(t, "train"), mnist{}, 0, 256)
	c.file.Param.Display = proto.Int32(1)
	iterations := 3
	if _, real := cudatest.Number(t); real {
		iterations = 20
	}
	c.train(t, iterations)
	t.Logf("largest error: %.0f%% of its tolerance, at %s", 100*c.worst, c.where)
}

// TestDeviceRecords checks that iterations without a shown loss are played from
// recordings, and that none waits for the device.
func TestDeviceRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short")
	}
	control := cudatest.Fake(t, "log=1")
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	s := newSolver(t, "base_lr: 0.05 lr_policy: \"fixed\" net_param {"+small+"}", solver.Options{Device: d, BeforeForward: feedSmall})
	step := func(n int) map[string]int {
		if err := s.Step(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		calls := make(map[string]int)
		for _, line := range control.Calls() {
			var name string
			fmt.Sscan(line, &name)
			for i, c := range name {
				if c == '(' {
					name = name[:i]
					break
				}
			}
			calls[name]++
		}
		return calls
	}
	step(3)
	few := step(2)
	begin := time.Now()
	many := step(12)
	reports := int(time.Since(begin) / (200 * time.Millisecond)) // on a slow machine a loss is read now and then
	for name, n := range many {
		per := float64(n-few[name]) / 10
		switch {
		case name == "cuGraphLaunch" && per != 4: // clear, forward, backward, update
			t.Errorf("%g graphs are launched in an iteration, want 4", per)
		case name == "cuLaunchKernel" && per > 1: // the number of the pass, for Dropout
			t.Errorf("%g kernels are launched in an iteration", per)
		case name == "cuMemAlloc_v2" && per != 0, (name == "cuStreamSynchronize" || name == "cuMemcpyDtoHAsync_v2") && n-few[name] > reports:
			t.Errorf("%g times %s in an iteration", per, name)
		}
	}
}

// TestDeviceInterrupted stops training on a GPU between two displays and goes on:
// each iteration is reported once.
func TestDeviceInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	told := 0
	s := newSolver(t, "average_loss: 5 base_lr: 0.05 lr_policy: \"fixed\" net_param {"+small+"}", solver.Options{
		Device: cudatest.Device(t),
		BeforeForward: func(n *net.Net, pass int64) error {
			if pass == 8 {
				cancel()
			}
			return feedSmall(n, pass)
		},
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				if e.Iter != told {
					t.Errorf("iteration %d is told as number %d", e.Iter, told)
				}
				told++
			}
		}),
	})
	if err := s.Step(ctx, 20); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that the context was cancelled", err)
	}
	if told != s.Iter() {
		t.Errorf("%d iterations were reported, %d were made", told, s.Iter())
	}
	if err := s.Step(context.Background(), 12); err != nil {
		t.Fatal(err)
	}
	if told != s.Iter() {
		t.Errorf("%d iterations were reported, %d were made", told, s.Iter())
	}
}

// normalized is a net with the statistics of two BatchNorm layers.
const normalized = `
  layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 6 dim: 2 dim: 5 dim: 5 } shape { dim: 6 } } }
  layer { name: "bn1" type: "BatchNorm" bottom: "data" top: "bn1" }
  layer { name: "conv" type: "Convolution" bottom: "bn1" top: "conv" convolution_param { num_output: 3 kernel_size: 3 bias_term: false weight_filler { type: "xavier" } } }
  layer { name: "bn2" type: "BatchNorm" bottom: "conv" top: "bn2" param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 decay_mult: 0 } }
  layer { name: "ip" type: "InnerProduct" bottom: "bn2" top: "ip" inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
  layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
`

// TestDeviceStatistics checks that the statistics of BatchNorm are not cleared, not
// updated and not clipped on a GPU, except by rules that keep something of their
// decay or of an earlier training; and that they and the histories are those of
// the CPU.
func TestDeviceStatistics(t *testing.T) {
	const all, trained = 9, 3 // blobs of weights
	for _, tt := range []struct {
		text string
		rule string
		want int // updates in an iteration
	}{
		{`type: "SGD" momentum: 0.9`, "solver_sgd", trained},
		{`type: "Nesterov" momentum: 0.9`, "solver_nesterov", trained},
		{`type: "SGD" clip_gradients: 1e-3`, "solver_sgd", trained},
		{`type: "Adam" momentum: 0.9 momentum2: 0.99`, "solver_adam", all},
	} {
		control := cudatest.Fake(t, "log=1")
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		var state [2][]float32
		for i, device := range []*cuda.Device{nil, d} {
			s := newSolver(t, tt.text+" base_lr: 0.05 lr_policy: \"fixed\" random_seed: 5 weight_decay: 0.01 snapshot_prefix: \"$prefix\" net_param {"+normalized+"}",
				solver.Options{Device: device, BeforeForward: feedSmall})
			if err := s.Step(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
			control.Calls()
			if err := s.Step(context.Background(), 1); err != nil { // it is recorded, and so calls the driver as the first
				t.Fatal(err)
			}
			calls := strings.Join(control.Calls(), "\n")
			if device != nil {
				if got := strings.Count(calls, "cuLaunchKernel("+tt.rule+","); got != tt.want {
					t.Errorf("%s: %d updates, want %d", tt.text, got, tt.want)
				}
				if got := strings.Count(calls, "cuMemsetD32Async(0, "); got != trained {
					t.Errorf("%s: %d diffs are cleared, want %d", tt.text, got, trained)
				}
			}
			if err := s.Step(context.Background(), 4); err != nil {
				t.Fatal(err)
			}
			for _, p := range s.Net().Params() {
				state[i] = append(state[i], p.Blob.Data()...)
				state[i] = append(state[i], p.Blob.Diff()...)
			}
			state[i] = append(state[i], histories(t, s)...)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		compareSmall(t, tt.text, state[1], state[0])
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// histories returns the numbers of all histories of a solver.
func histories(t *testing.T, s *solver.Solver) (all []float32) {
	t.Helper()
	_, file, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var state caffepb.SolverState
	readMessage(t, file, &state)
	for _, h := range state.History {
		all = append(all, h.Data...)
	}
	return all
}

// TestStatisticsRestored goes on from a snapshot in which statistics of BatchNorm
// have a history that is not zero, as if they had been trained before: then SGD
// goes on to change them, as in Caffe.
func TestStatisticsRestored(t *testing.T) {
	const text = `type: "SGD" momentum: 0.5 base_lr: 0.05 lr_policy: "fixed" random_seed: 5 snapshot_prefix: "$prefix" net_param {` + normalized + `}`
	for _, d := range []*cuda.Device{nil, cudatest.Device(t)} {
		s := newSolver(t, text, solver.Options{Device: d, BeforeForward: feedSmall})
		if err := s.Step(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		_, file, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		var state caffepb.SolverState
		readMessage(t, file, &state)
		state.History[0].Data[0] = 64 // the mean of bn1's first channel
		data, err := proto.Marshal(&state)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(file); err != nil {
			t.Fatal(err)
		}
		before := s.Net().Params()[0].Blob.Data()[0]
		if err := s.Step(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		if got := s.Net().Params()[0].Blob.Data()[0]; !(got < before-31) || histories(t, s)[0] != 32 {
			t.Errorf("device %v: the mean is %g, before %g: want about 32 less; the history is %g, want 32", d != nil, got, before, histories(t, s)[0])
		}
	}
}

// TestStatisticsRules checks what a solver relies on that leaves out statistics:
// with an lr_mult of 0, SGD and Nesterov leave weights without gradient and their
// history as they are, to the bit, whatever their decay. The other rules do not.
func TestStatisticsRules(t *testing.T) {
	w := []float32{1.5, -2e-38, float32(math.Copysign(0, -1)), 3e38}
	bits := func(x []float32) (b []uint32) {
		for _, v := range x {
			b = append(b, math.Float32bits(v))
		}
		return b
	}
	for rule, still := range map[kernel.Rule]bool{kernel.SGD: true, kernel.Nesterov: true,
		kernel.AdaGrad: false, kernel.RMSProp: false, kernel.AdaDelta: false, kernel.Adam: false} {
		for _, l1 := range []bool{false, true} {
			param, zero := slices.Clone(w), make([]float32, len(w))
			diff, h, h2 := slices.Clone(zero), slices.Clone(zero), slices.Clone(zero)
			u := kernel.Update{Rule: rule, Param: param, Diff: diff, History: h, History2: h2,
				Clip: 1, Normalize: 1, L1: l1, Decay: 0.1, Momentum: 0.9, Momentum2: 0.9, Delta: 1e-8}
			u.Run(nil)
			same := slices.Equal(bits(param), bits(w)) && slices.Equal(bits(diff), bits(zero)) && slices.Equal(bits(h), bits(zero))
			if same != still {
				t.Errorf("rule %v: weights %g, diffs %g and history %g are as before: %v, want %v", rule, param, diff, h, same, still)
			}
		}
	}
}
