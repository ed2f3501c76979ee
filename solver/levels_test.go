package solver_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/digits"
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// TestLevels trains a LiuNet of 16 channels on a few drawn digits with each level of
// instructions, on one thread and on three. The threads must not matter at all, and the
// losses must be those of the Go loops. The first is that of the forward pass, the second
// that of the first gradients. The third may differ by more: sooner or later MAX pooling
// takes another element, and the runs part. There is noise on the paper, for in uniform
// areas rounding decides which of equal elements that is.
func TestLevels(t *testing.T) {
	want := trainLevel(t, cpu.Generic, 1)
	if !(want[len(want)-1] < want[0]) {
		t.Errorf("the net learns nothing: losses %g", want)
	}
	kerneltest.EachLevel(t, func(t *testing.T) {
		got := want
		if cpu.Active() != cpu.Generic {
			got = trainLevel(t, cpu.Active(), 1)
		}
		kerneltest.SameBits(t, "losses of three threads", trainLevel(t, cpu.Active(), 3), got)
		for i, tolerance := range []float64{1e-5, 1e-4, 0.02} {
			if v := want[i]; !(math.Abs(float64(got[i]-v)) <= tolerance*float64(v)) {
				t.Errorf("iteration %d: loss %g, want %g within %g", i, got[i], v, tolerance*float64(v))
			}
		}
		t.Logf("losses %g, of the Go loops %g", got, want)
	})
}

// trainLevel returns the losses of some iterations with a level and a number of threads.
func trainLevel(t *testing.T, level cpu.Level, threads int) (losses []float32) {
	t.Helper()
	active := cpu.Active()
	cpu.Use(level)
	defer cpu.Use(active)
	const batch, iterations = 4, 3
	pixels := make([]byte, digits.Size*digits.Size)
	workers := parallel.NewPool(threads)
	defer workers.Close()
	s, err := solver.New(&prototxt.Solver{Param: &caffepb.SolverParameter{
		NetParam: liunetDigits(t, batch),
		BaseLr:   proto.Float32(0.01), LrPolicy: proto.String("fixed"), Momentum: proto.Float32(0.9),
		RandomSeed: proto.Int64(1),
	}}, solver.Options{
		Workers: workers,
		BeforeForward: func(n *net.Net, pass int64) error {
			data, label := n.Blob("data").MutableData(), n.Blob("label").MutableData()
			r := rand.New(rand.NewPCG(1, 2))
			for i := range label {
				label[i] = float32(digits.Image(1, uint64(i), pixels)) // the same in each iteration
				for k, p := range pixels {
					data[i*len(pixels)+k] = float32(p)/256 + 0.1*r.Float32()
				}
			}
			return nil
		},
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				losses = append(losses, e.Loss)
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Step(context.Background(), iterations); err != nil {
		t.Fatal(err)
	}
	return losses
}
