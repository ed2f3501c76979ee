package solver_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// counting multiplies its bottom by the number of its forward passes, as a
// margin loss with a changing λ does. It is a layer with a state.
type counting struct{ passes uint32 }

var _ layers.Stateful = (*counting)(nil)

func init() {
	layers.Register(layers.Info{
		Type: "Counting", Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(*layers.Spec) (layers.Layer, error) { return new(counting), nil },
	})
}

func (l *counting) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *counting) Reshape(bottom, top []*blob.Blob) error {
	return top[0].Reshape(bottom[0].Shape()...)
}

func (l *counting) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.passes++
	for i, x := range bottom[0].Data() {
		top[0].MutableData()[i] = x * float32(l.passes)
	}
	return nil
}

func (l *counting) Backward(_ context.Context, top []*blob.Blob, _ []bool, bottom []*blob.Blob) error {
	for i, dy := range top[0].Diff() {
		bottom[0].MutableDiff()[i] = dy * float32(l.passes)
	}
	return nil
}

func (l *counting) State() []byte { return binary.LittleEndian.AppendUint32(nil, l.passes) }

func (l *counting) SetState(state []byte) error {
	if len(state) != 4 {
		return fmt.Errorf("%d bytes, want 4", len(state))
	}
	l.passes = binary.LittleEndian.Uint32(state)
	return nil
}

// stateful is a net whose weights depend on the seed, by the filler and by
// dropout, and on the number of passes.
const stateful = `base_lr: 0.001 lr_policy: "fixed" snapshot_prefix: "$prefix" net_param {
  layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 dim: 1 } } }
  layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
  layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" }
  layer { name: "ip2" type: "InnerProduct" bottom: "ip" top: "ip2" inner_product_param { num_output: 1 weight_filler { type: "xavier" } } }
  layer { name: "count" type: "Counting" bottom: "ip2" top: "count" }
  layer { name: "loss" type: "EuclideanLoss" bottom: "count" bottom: "label" top: "loss" }
}`

// TestResumeUnseeded checks that a run without random_seed, with a layer that
// has a state, goes on from its snapshot as if it had not been interrupted.
func TestResumeUnseeded(t *testing.T) {
	step := func(s *solver.Solver, n int) (weights []byte) {
		if err := s.Step(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		weights, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.Net().ToProto(false))
		if err != nil {
			t.Fatal(err)
		}
		return weights
	}
	whole := newSolver(t, stateful, solver.Options{})
	step(whole, 4)
	_, state, err := whole.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	want := step(whole, 4)
	for _, tt := range []struct {
		name string
		opts solver.Options
		same bool
	}{
		{"with its seed", solver.Options{Snapshot: state}, true},
		{"with another", solver.Options{}, false}, // or the test would show nothing
	} {
		s := newSolver(t, stateful, tt.opts)
		if err := s.Restore(state); err != nil {
			t.Fatal(err)
		}
		if got := step(s, 4); bytes.Equal(got, want) != tt.same {
			t.Errorf("%s: the weights are equal: %v, want %v", tt.name, !tt.same, tt.same)
		}
	}
	seeded := newSolver(t, "random_seed: 7\n"+stateful, solver.Options{Snapshot: state})
	if _, state, err = seeded.Snapshot(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	m := new(caffepb.SolverState)
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	if m.RandomSeed != nil {
		t.Errorf("the state has seed %d, but random_seed is in the file", m.GetRandomSeed())
	}
}

// TestLayerStateErrors checks that a state that does not fit changes nothing.
func TestLayerStateErrors(t *testing.T) {
	s := newSolver(t, stateful, solver.Options{})
	if err := s.Step(context.Background(), 3); err != nil {
		t.Fatal(err)
	}
	_, path, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Step(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		change func(*caffepb.SolverState)
		want   string // "" for no error
		passes uint32
	}{
		{func(m *caffepb.SolverState) { m.LayerState[0].State = nil }, `the state of layer "count": 0 bytes, want 4`, 5},
		{func(m *caffepb.SolverState) { m.LayerState[0].Type = proto.String("Other") },
			`the state of layer "count" is for type Other, the layer has type Counting`, 5},
		{func(m *caffepb.SolverState) { m.LearnedNet = proto.String("gone.caffemodel") }, "weights of the snapshot: \"gone.caffemodel\": no such file (working directory ", 5},
		{func(m *caffepb.SolverState) { m.LayerState = nil }, "", 5}, // Caffe's own
		{func(m *caffepb.SolverState) {}, "", 3},
	} {
		m := new(caffepb.SolverState)
		if err := proto.Unmarshal(data, m); err != nil {
			t.Fatal(err)
		}
		tt.change(m)
		changed, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "changed.solverstate")
		if err := os.WriteFile(path, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		err = s.Restore(path)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
		for _, l := range s.Net().Layers() {
			if c, ok := l.Impl.(*counting); ok && c.passes != tt.passes {
				t.Errorf("%q: the layer has counted %d passes, want %d", tt.want, c.passes, tt.passes)
			}
		}
	}
}
