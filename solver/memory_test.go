package solver_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// trainZoo makes a solver for a net of the zoo with made-up data, which tests
// after every third iteration.
func trainZoo(t *testing.T, name string, workers *parallel.Pool, opts solver.Options) *solver.Solver {
	t.Helper()
	e, err := zoo.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	file, err := e.Read()
	if err != nil {
		t.Fatal(err)
	}
	opts.Workers, opts.Synthetic = workers, &net.Synthetic{Shape: e.Shape[:], Batch: 2}
	s, err := solver.New(&prototxt.Solver{Param: &caffepb.SolverParameter{
		NetParam: file.Param, BaseLr: proto.Float32(1e-4), LrPolicy: proto.String("fixed"), Momentum: proto.Float32(0.9),
		RandomSeed: proto.Int64(1), TestIter: []int32{2}, TestInterval: proto.Int32(3),
	}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestNetsAllocateNothing trains and tests nets with every kind of layer.
func TestNetsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED with -race, which allocates; make test runs it without")
	}
	workers := parallel.NewPool(2)
	defer workers.Close()
	for _, name := range []string{"lenet", "cifar10-quick", "cifar10-full", "alexnet-cifar10", "liunet-digits"} {
		s := trainZoo(t, name, workers, solver.Options{})
		step := func() {
			if err := s.Step(context.Background(), 3); err != nil {
				t.Fatal(err)
			}
		}
		step()
		if n := testing.AllocsPerRun(2, step); n > 0 {
			t.Errorf("%s: %v allocations in 3 iterations and a test", name, n)
		}
	}
}

// TestKeepBlobs trains with shared memory and without: the weights are the same
// to the bit where no layer computes others, and nearly the same elsewhere.
func TestKeepBlobs(t *testing.T) {
	workers := parallel.NewPool(2)
	defer workers.Close()
	for _, name := range []string{"lenet", "cifar10-full", "alexnet-cifar10", "liunet-digits"} {
		shared, kept := trainZoo(t, name, workers, solver.Options{}), trainZoo(t, name, workers, solver.Options{KeepBlobs: true})
		for _, s := range []*solver.Solver{shared, kept} {
			if err := s.Step(context.Background(), 4); err != nil {
				t.Fatal(err)
			}
		}
		tolerance := float32(0)
		if strings.HasPrefix(name, "liunet") {
			tolerance = 1e-3 // two images in a batch normalization make rounding errors large
		}
		for i, p := range kept.Net().Params() {
			got := shared.Net().Params()[i].Blob.Data()
			for k, want := range p.Blob.Data() {
				if d := got[k] - want; !(max(d, -d) <= tolerance*max(1, want, -want)) {
					t.Fatalf("%s: param %d of layer %s: number %d is %g, %g if all blobs are kept", name, p.Index, p.Layer, k, got[k], want)
				}
			}
		}
	}
}
