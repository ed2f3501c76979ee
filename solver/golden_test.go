package solver_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/hdf5test"
	"github.com/gocaffe/gocaffe/internal/modelfile"
	"github.com/gocaffe/gocaffe/internal/reference"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	_ "github.com/gocaffe/gocaffe/plugins/all"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// TestGoldenSolvers trains the nets of golden/solvers for 20 iterations and
// compares each loss, the learning rates, the weights and the snapshots with
// Caffe's, and continues from each of Caffe's snapshots.
func TestGoldenSolvers(t *testing.T) {
	root := reference.Golden(t, "solvers")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, entry := range entries {
		passedCase := t.Run(entry.Name(), func(t *testing.T) {
			c := openCase(t, filepath.Join(root, entry.Name()))
			if c.file.Param.GetSnapshotFormat() == caffepb.SolverParameter_HDF5 {
				hdf5test.Need(t)
			}
			c.feed = cycle(reference.Arrays(t, filepath.Join(c.dir, "inputs.binaryproto"))["inputs"])
			c.train(t, 20)
			for _, k := range c.snapshots() {
				t.Run(fmt.Sprintf("restore_%d", k), func(t *testing.T) { c.restore(t, k, 20) })
			}
			t.Logf("largest error: %.0f%% of its tolerance, at %s", 100*c.worst, c.where)
		})
		if passedCase {
			passed++
		}
	}
	t.Logf("%d of %d cases passed or were skipped", passed, len(entries))
	if len(entries) < 30 {
		t.Errorf("%d cases, want at least 30", len(entries))
	}
}

// cycle returns what fills the inputs with the batches data, label, data,
// label, ..., again and again.
func cycle(batches []*caffepb.BlobProto) func(*net.Net, int64) error {
	return func(n *net.Net, pass int64) error {
		batch := 2 * int(pass%int64(len(batches)/2))
		copy(n.Blob("data").MutableData(), batches[batch].Data)
		copy(n.Blob("label").MutableData(), batches[batch+1].Data)
		return nil
	}
}

// train runs the case from its start weights. After the iterations for which
// Caffe has left weights or a snapshot it makes a snapshot and compares.
func (c *goldenCase) train(t *testing.T, iterations int) {
	var s *solver.Solver
	seen := 0
	observe := func(e any) {
		switch e := e.(type) {
		case *solver.Iteration:
			c.checkIteration(t, e)
			seen++
		case *solver.Snapshotted:
			c.checkSnapshot(t, e)
		}
	}
	s, err := solver.New(c.file, solver.Options{
		Workers:       c.workers,
		Device:        c.device,
		Engine:        c.engine,
		Observer:      event.Func(observe),
		BeforeForward: c.feed,
		Action: func() solver.Action {
			if c.has(s.Iter(), "after_%d.caffemodel") || c.has(s.Iter(), c.snapshot(".solverstate")) {
				return solver.Snapshot
			}
			return solver.None
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.LoadWeights([]string{filepath.Join(c.dir, "start.caffemodel")}); err != nil {
		t.Fatal(err)
	}
	c.checkWeights(t, s.Net().ToProto(false), "start.caffemodel")
	if err := s.Step(context.Background(), iterations); err != nil {
		t.Fatal(err)
	}
	if seen != iterations || s.Iter() != iterations {
		t.Errorf("%d iterations were reported, the solver is at %d, want %d", seen, s.Iter(), iterations)
	}
}

// restore continues from Caffe's snapshot of iteration k.
func (c *goldenCase) restore(t *testing.T, k, until int) {
	s, err := solver.New(c.file, solver.Options{
		Device:        c.device,
		BeforeForward: c.feed,
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				want := c.losses[e.Iter]
				c.check(t, float64(e.Loss), want[1], c.tolerance[fmt.Sprintf("loss %d", e.Iter)]*want[1], "loss after restore", e.Iter)
			}
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Restore(filepath.Join(c.dir, fmt.Sprintf(c.snapshot(".solverstate"), k))); err != nil {
		t.Fatal(err)
	}
	if s.Iter() != k {
		t.Fatalf("restored to iteration %d, want %d", s.Iter(), k)
	}
	if err := s.Step(context.Background(), until-k); err != nil {
		t.Fatal(err)
	}
	c.checkWeights(t, s.Net().ToProto(false), fmt.Sprintf("after_%d.caffemodel", until))
}

func (c *goldenCase) has(k int, pattern string) bool {
	_, err := os.Stat(filepath.Join(c.dir, fmt.Sprintf(pattern, k)))
	return err == nil
}

// checkIteration compares loss, smoothed loss and learning rate. The rate must
// be the same to the last of the nine digits.
func (c *goldenCase) checkIteration(t *testing.T, e *solver.Iteration) {
	want := c.losses[e.Iter]
	tolerance := c.tolerance[fmt.Sprintf("loss %d", min(e.Iter+c.ahead, len(c.losses)-1))] * want[1]
	c.check(t, float64(e.Loss), want[1], tolerance, "loss", e.Iter)
	switch len(want) {
	case 3:
		c.check(t, float64(output(e.Outputs, "lambda")), want[2], 1e-6*want[2], "lambda", e.Iter)
	case 4:
		c.check(t, float64(e.SmoothedLoss), want[2], tolerance, "smoothed loss", e.Iter)
		if e.LR != float32(want[3]) {
			t.Errorf("iteration %d: lr is %.9g, want %.9g", e.Iter, e.LR, want[3])
		}
	}
}

// check compares a number and keeps the worst one.
func (c *goldenCase) check(t *testing.T, got, want, tolerance float64, what ...any) {
	t.Helper()
	d := math.Abs(got - want)
	if !(d <= tolerance) {
		t.Errorf("%v: %.9g, want %.9g within %.1e", what, got, want, tolerance)
	}
	if tolerance > 0 && d/tolerance > c.worst {
		c.worst, c.where = d/tolerance, strings.TrimSpace(fmt.Sprintln(what...))
	}
}

// restartFactor multiplies the tolerances of weights after one iteration from Caffe's snapshot:
// a single rectifier whose argument is so near 0 that rounding decides its side exceeds them. With
// Caffe's order of sums on AVX2, one in liunet_16 gives 1.3 times the tolerance.
const restartFactor = 3

// checkWeights compares weights with those of a file of the case.
func (c *goldenCase) checkWeights(t *testing.T, got *caffepb.NetParameter, file string) {
	t.Helper()
	want := readModel(t, filepath.Join(c.dir, file))
	weights := make(map[string][]*caffepb.BlobProto)
	for _, layer := range got.Layer {
		weights[layer.GetName()] = layer.Blobs
	}
	compared := 0
	for _, layer := range want.Layer {
		blobs := weights[layer.GetName()]
		if len(blobs) != len(layer.Blobs) {
			t.Errorf("%s: layer %q has %d blobs, want %d", file, layer.GetName(), len(blobs), len(layer.Blobs))
			continue
		}
		for i, b := range layer.Blobs {
			tolerance, known := c.tolerance[fmt.Sprintf("%s %s %d", file, layer.GetName(), i)]
			if !known {
				// A shared blob has a line only for its owner.
				tolerance = 1e-6*largest(b.Data) + 1e-7
			}
			switch {
			case strings.HasPrefix(file, "after_"):
				tolerance *= c.factor
			case strings.HasPrefix(file, "restarted_"):
				tolerance *= restartFactor
			}
			c.checkData(t, blobs[i].Data, b.Data, tolerance, file, layer.GetName(), i)
			compared++
		}
	}
	if compared == 0 {
		t.Errorf("%s: no blob was compared", file)
	}
}

func (c *goldenCase) checkData(t *testing.T, got, want []float32, tolerance float64, what ...any) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%v: %d numbers, want %d", what, len(got), len(want))
		return
	}
	worst := 0
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= math.Abs(float64(got[worst])-float64(want[worst]))) {
			worst = i
		}
	}
	if len(want) > 0 {
		c.check(t, float64(got[worst]), float64(want[worst]), tolerance, append(slices.Clone(what), "number", worst)...)
	}
}

func largest(x []float32) float64 {
	var m float64
	for _, v := range x {
		m = max(m, math.Abs(float64(v)))
	}
	return m
}

// checkSnapshot compares a snapshot with Caffe's: weights and histories in
// value, and everything else exactly.
func (c *goldenCase) checkSnapshot(t *testing.T, e *solver.Snapshotted) {
	model := readModel(t, e.Model)
	if c.has(e.Iter, "after_%d.caffemodel") && !modelfile.IsHDF5(e.Model) { // which leaves out shared weights
		c.checkWeights(t, model, fmt.Sprintf("after_%d.caffemodel", e.Iter))
	}
	if !c.has(e.Iter, c.snapshot(".solverstate")) {
		return
	}
	state := readState(t, e.State)
	wantState := readState(t, filepath.Join(c.dir, fmt.Sprintf(c.snapshot(".solverstate"), e.Iter)))
	if state.GetLearnedNet() != e.Model {
		t.Errorf("snapshot %d: learned_net is %q, want %q", e.Iter, state.GetLearnedNet(), e.Model)
	}
	if modelfile.IsHDF5(e.State) {
		t.Run(fmt.Sprintf("h5dump_%d", e.Iter), func(t *testing.T) { c.checkTree(t, e.State, e.Iter) })
	}
	state.LearnedNet = wantState.LearnedNet
	if sum, err := prototxt.FileSum(e.Model); err != nil || !bytes.Equal(sum[:], state.LearnedNetSha256) {
		t.Errorf("snapshot %d: the sum of the weights is %x, want %x (%v)", e.Iter, state.LearnedNetSha256, sum, err)
	}
	state.LayerState, state.LearnedNetSha256, state.Engine, state.Kernels = nil, nil, nil, nil // which Caffe does not have
	for i := range min(len(state.History), len(wantState.History)) {
		c.checkBlob(t, state.History[i], wantState.History[i], "history", e.Iter, i)
	}
	if !proto.Equal(state, wantState) {
		t.Errorf("snapshot %d: the state differs from Caffe's in more than numbers:\n%v\nwant\n%v", e.Iter, state, wantState)
	}
	wantModel := readModel(t, filepath.Join(c.dir, fmt.Sprintf(c.snapshot(".caffemodel"), e.Iter)))
	for i := range min(len(model.Layer), len(wantModel.Layer)) {
		got, want := model.Layer[i], wantModel.Layer[i]
		for j := range min(len(got.Blobs), len(want.Blobs)) {
			c.checkBlob(t, got.Blobs[j], want.Blobs[j], "snapshot", e.Iter, got.GetName(), j)
		}
	}
	if !proto.Equal(model, wantModel) {
		t.Errorf("snapshot %d: the model differs from Caffe's in more than numbers:\n%v\nwant\n%v", e.Iter, model, wantModel)
	}
}

// checkTree compares what h5dump prints of a state: groups, datasets, types and shapes.
// Ours has one group more.
func (c *goldenCase) checkTree(t *testing.T, file string, iter int) {
	t.Helper()
	tree := func(file string) string {
		_, text, _ := strings.Cut(hdf5test.Dump(t, "-H", file), "\n") // without the name
		return regexp.MustCompile(`STRSIZE \d+`).ReplaceAllString(text, "")
	}
	got, want := tree(file), tree(filepath.Join(c.dir, fmt.Sprintf(c.snapshot(".solverstate"), iter)))
	before, own, _ := strings.Cut(got, `   GROUP "gocaffe" {`)
	_, after, found := strings.Cut(own, "\n   }\n")
	if !found || before+after != want {
		t.Errorf("snapshot %d: h5dump prints\n%s\nwant, but for the group gocaffe,\n%s", iter, got, want)
	}
}

// checkBlob compares the numbers of two blobs of snapshots, and removes them.
func (c *goldenCase) checkBlob(t *testing.T, got, want *caffepb.BlobProto, what ...any) {
	t.Helper()
	if got == nil || want == nil {
		return // of an HDF5 file that leaves out shared weights
	}
	c.checkData(t, got.Data, want.Data, c.snapshotTolerance*largest(want.Data)+1e-7, what...)
	c.checkData(t, got.Diff, want.Diff, c.snapshotTolerance*largest(want.Diff)+1e-7, append(slices.Clone(what), "diff")...)
	got.Data, got.Diff, want.Data, want.Diff = nil, nil, nil, nil
}
