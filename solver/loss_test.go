package solver_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/solver"
)

// TestSmoothedLossAfterLargeOne: a first loss of 5e9 leaves nothing behind in
// the losses shown later, which fall to 0.
func TestSmoothedLossAfterLargeOne(t *testing.T) {
	const steep = `
		layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 1 dim: 1 } data_filler { value: 1 } data_filler { value: 2 } } }
		layer { name: "f" type: "InnerProduct" bottom: "x" top: "f" inner_product_param { num_output: 1 bias_term: false weight_filler { value: 100000 } } }
		layer { name: "l" type: "EuclideanLoss" bottom: "f" bottom: "y" top: "l" }`
	for _, average := range []int{1, 2} {
		var last solver.Iteration
		s := newSolver(t, fmt.Sprintf(`base_lr: 0.99999 lr_policy: "fixed" average_loss: %d net_param {%s}`, average, steep), solver.Options{
			BeforeForward: func(*net.Net, int64) error { return nil },
			Observer: event.Func(func(e any) {
				if e, ok := e.(*solver.Iteration); ok {
					if e.Iter == 0 && e.Loss < 1e9 {
						t.Errorf("the first loss is %v, want a large one", e.Loss)
					}
					last = *e
				}
			}),
		})
		if err := s.Step(context.Background(), 6); err != nil {
			t.Fatal(err)
		}
		if last.Loss != 0 || last.SmoothedLoss != 0 {
			t.Errorf("average_loss %d: loss %v, shown as %v, want 0", average, last.Loss, last.SmoothedLoss)
		}
	}
}

// TestSmoothedLossRestarts checks that each Step averages anew.
func TestSmoothedLossRestarts(t *testing.T) {
	var got []solver.Iteration
	s := newSolver(t, `base_lr: 0.1 average_loss: 3 lr_policy: "fixed" net_param {`+line+`}`, solver.Options{
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Iteration); ok {
				got = append(got, *e)
			}
		}),
	})
	for _, n := range []int{5, 2} {
		got = nil
		if err := s.Step(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		for i, e := range got {
			var mean float64
			first := max(i-2, 0)
			for _, o := range got[first : i+1] {
				mean += float64(o.Loss) / float64(i+1-first)
			}
			if !(math.Abs(float64(e.SmoothedLoss)-mean) < 1e-6) {
				t.Errorf("iteration %d of %d: smoothed loss %v, want %v", i, n, e.SmoothedLoss, mean)
			}
		}
		if len(got) != n || got[0].Loss <= 0 || got[0].Loss == got[1].Loss {
			t.Errorf("the losses are %v, want %d that fall", got, n)
		}
	}
}

// TestDiverged checks that the first loss that is not finite is reported once,
// with the place, and that training goes on.
func TestDiverged(t *testing.T) {
	for _, tt := range []struct {
		name          string
		poison        func(n *net.Net, pass int64)
		iter          int
		layer, blob   string
		param         int
		lr, firstLine string
	}{
		{"blob", func(n *net.Net, pass int64) {
			if pass == 2 {
				n.Blob("label").MutableData()[1] = float32(math.NaN())
			}
		}, 2, "data", "label", 0, "0.1", `Training has diverged: the loss is nan at iteration 2; the first non-finite number is in blob "label" of layer "data".`},
		{"weights", func(*net.Net, int64) {}, 1, "ip", "", 0, "3e38", // the update of w is 7.5e38
			`at iteration 1; the first non-finite number is in weights 0 of layer "ip".`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var events []solver.Diverged
			var log []string
			s := newSolver(t, `base_lr: `+tt.lr+` lr_policy: "fixed" net_param {`+line+`}`, solver.Options{
				BeforeForward: func(n *net.Net, pass int64) error {
					err := linePoints(n, pass)
					tt.poison(n, pass)
					return err
				},
				Observer: event.Multi(
					event.Func(func(e any) {
						if e, ok := e.(*solver.Diverged); ok {
							events = append(events, *e)
						}
					}),
					caffelog.New(func(level event.Level, source, text string) {
						if level == event.Warning {
							log = append(log, text)
						}
					}),
				),
			})
			if err := s.Step(context.Background(), 6); err != nil {
				t.Fatal(err)
			}
			if len(events) != 1 || s.Iter() != 6 {
				t.Fatalf("%d events after %d iterations, want 1 after 6", len(events), s.Iter())
			}
			e := events[0]
			if e.Layer != tt.layer || e.Blob != tt.blob || e.Param != tt.param || e.Iter != tt.iter {
				t.Errorf("got %+v, want iteration %d, layer %q, blob %q, param %d", e, tt.iter, tt.layer, tt.blob, tt.param)
			}
			if len(log) != 1 || !strings.Contains(log[0], tt.firstLine) {
				t.Errorf("the log has %q, want one line with %q", log, tt.firstLine)
			}
		})
	}
}

// TestSaturated checks the hint at a loss of 87.3365.
func TestSaturated(t *testing.T) {
	var events []solver.Saturated
	s := newSolver(t, `base_lr: 0 lr_policy: "fixed" net_param {
		layer { name: "data" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
		layer { name: "loss" type: "SoftmaxWithLoss" bottom: "data" bottom: "label" top: "loss" } }`, solver.Options{
		BeforeForward: func(n *net.Net, pass int64) error {
			copy(n.Blob("data").MutableData(), []float32{0, 0, 1000, 0, 0, 1000})
			if pass < 1 {
				n.Blob("data").MutableData()[2] = 0
			}
			return nil
		},
		Observer: event.Func(func(e any) {
			if e, ok := e.(*solver.Saturated); ok {
				events = append(events, *e)
			}
		}),
	})
	if err := s.Step(context.Background(), 3); err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0].Iter != 1 || !strings.Contains(events[0].String(), "87.3365") {
		t.Errorf("got %v, want one event at iteration 1", events)
	}
}
