package solver_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/modelfile"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// A goldenCase is one folder of golden values.
type goldenCase struct {
	dir       string
	file      *prototxt.Solver
	workers   *parallel.Pool
	device    *cuda.Device                       // of GOCAFFE_DEVICE, if that is set
	feed      func(n *net.Net, pass int64) error // fills the inputs
	tolerance map[string]float64                 // by the line of tolerance.txt before the number
	losses    [][]float64                        // lines of losses.txt
	engine    layers.Engine

	// ahead is by how many iterations a training may be ahead of the tolerances of the losses,
	// and factor multiplies those of weights on the way.
	ahead  int
	factor float64

	// snapshotTolerance is that of the numbers in snapshots, for which the
	// folder has none, in parts of the largest number of a blob.
	snapshotTolerance float64

	worst float64 // largest error, in parts of its tolerance
	where string
}

func openCase(t *testing.T, dir string) *goldenCase {
	t.Helper()
	// Five times the 1e-6 that weights have: histories hold the gradients of
	// the last few iterations, which vary more.
	c := &goldenCase{dir: dir, tolerance: make(map[string]float64), factor: 1, snapshotTolerance: 5e-6}
	if _, real := cudatest.Number(t); real {
		c.device = cudatest.Device(t)
	}
	var err error
	if c.file, err = prototxt.ReadSolver(filepath.Join(dir, "solver.prototxt")); err != nil {
		t.Fatal(err)
	}
	p := c.file.Param
	p.SnapshotPrefix = proto.String(filepath.Join(t.TempDir(), "snap"))
	if p.Net != nil {
		p.Net = proto.String(filepath.Join(dir, p.GetNet()))
	}
	if p.TrainNet != nil {
		p.TrainNet = proto.String(filepath.Join(dir, p.GetTrainNet()))
	}
	for line := range lines(t, filepath.Join(dir, "tolerance.txt")) {
		var tolerance float64
		what, number := line[:strings.LastIndexByte(line, ' ')], line[strings.LastIndexByte(line, ' '):]
		if _, err := fmt.Sscan(number, &tolerance); err != nil {
			t.Fatalf("tolerance.txt: %q: %v", line, err)
		}
		c.tolerance[what] = tolerance
	}
	for line := range lines(t, filepath.Join(dir, "losses.txt")) {
		var values []float64
		for _, field := range strings.Fields(line) {
			var v float64
			if _, err := fmt.Sscan(field, &v); err != nil {
				t.Fatalf("losses.txt: %q: %v", line, err)
			}
			values = append(values, v)
		}
		c.losses = append(c.losses, values)
	}
	return c
}

// lines returns the lines of a file that are not comments.
func lines(t *testing.T, path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		for s.Scan() {
			if line := s.Text(); line != "" && line[0] != '#' && !yield(line) {
				return
			}
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	}
}

func readModel(t *testing.T, path string) *caffepb.NetParameter {
	t.Helper()
	if modelfile.IsHDF5(path) {
		model, _, err := modelfile.ReadNet(path)
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	model := new(caffepb.NetParameter)
	readMessage(t, path, model)
	return model
}

func readState(t *testing.T, path string) *caffepb.SolverState {
	t.Helper()
	if modelfile.IsHDF5(path) {
		state, err := modelfile.ReadHDF5State(path)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	state := new(caffepb.SolverState)
	readMessage(t, path, state)
	return state
}

func readMessage(t *testing.T, path string, m proto.Message) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// snapshot returns the pattern of the names of Caffe's snapshots.
func (c *goldenCase) snapshot(extension string) string {
	if c.file.Param.GetSnapshotFormat() == caffepb.SolverParameter_HDF5 {
		extension += ".h5"
	}
	return "snap_iter_%d" + extension
}

// snapshots returns the iterations of Caffe's snapshots.
func (c *goldenCase) snapshots() []int {
	var iters []int
	for k := range 21 {
		if c.has(k, c.snapshot(".solverstate")) {
			iters = append(iters, k)
		}
	}
	return iters
}
