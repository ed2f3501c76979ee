package solver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/solver"
)

// talking is a counting layer that sends a note and events of its own type, as a
// plugin may.
type talking struct {
	counting
	spec *layers.Spec
}

// A talkingPass is sent in each forward pass of a talking layer.
type talkingPass struct{ pass int64 }

func init() {
	layers.Register(layers.Info{
		Type: "Talking", Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) { return &talking{spec: s}, nil },
	})
}

func (l *talking) SetUp(_, _ []*blob.Blob) error {
	l.spec.Notef(event.Info, "hello")
	return nil
}

func (l *talking) Forward(ctx context.Context, bottom, top []*blob.Blob) error {
	event.Send(l.spec.Env.Observer, talkingPass{l.spec.Env.Pass})
	return l.counting.Forward(ctx, bottom, top)
}

// TestOneObserver checks that the observer of a solver receives the events of
// the solver, its nets and their layers, in the order in which things happen.
func TestOneObserver(t *testing.T) {
	var got []string
	s := newSolver(t, `base_lr: 0 lr_policy: "fixed" random_seed: 1 net_param {`+strings.Replace(line, `layer { name: "loss" type: "EuclideanLoss" bottom: "ip"`,
		`layer { name: "talker" type: "Talking" bottom: "ip" top: "said" } layer { name: "loss" type: "EuclideanLoss" bottom: "said"`, 1)+`}`, solver.Options{
		Observer: event.Func(func(e any) {
			text := strings.TrimPrefix(fmt.Sprintf("%T", e), "*")
			switch e := e.(type) {
			case *event.Note:
				text += " " + e.Layer + ": " + e.Text
			case *talkingPass:
				text += fmt.Sprint(" ", e.pass)
			}
			got = append(got, text)
		}),
	})
	if err := s.Step(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	layer := []string{"net.LayerAdded", "net.LayerReady"}
	want := slices.Concat(
		[]string{"solver.Initializing", "solver.CreatingNet", "net.Initializing"},
		layer, layer, []string{"net.LayerAdded", "event.Note talker: hello", "net.LayerReady"}, layer,
		slices.Repeat([]string{"net.BackwardDecided"}, 4),
		[]string{"net.OutputFound", "net.Initialized", "solver.Initialized"},
		[]string{"solver.StepStart", "solver_test.talkingPass 0", "solver.Iteration", "solver_test.talkingPass 1", "solver.Iteration"},
	)
	if !slices.Equal(got, want) {
		t.Errorf("the events are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
