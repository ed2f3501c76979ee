package solver_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/solver"
)

// trace writes down events in short form.
type trace struct{ events []string }

func (tr *trace) Observe(event any) {
	var text string
	switch e := event.(type) {
	case *solver.CreatingNet:
		text = fmt.Sprintf("net %s%s", map[bool]string{true: "test "}[e.Test], e.Field)
	case *solver.SolveStart:
		text = fmt.Sprintf("solve %s %s %d-%d", e.Net, e.Policy, e.Iter, e.MaxIter)
	case *solver.StepStart:
		text = fmt.Sprintf("step %d-%d", e.Iter, e.Stop)
	case *solver.Iteration:
		text = fmt.Sprintf("%d", e.Iter)
		if e.Display {
			text += " shown"
		}
	case *solver.TestStart:
		text = fmt.Sprintf("test#%d@%d x%d", e.Net, e.Iter, e.Batches)
	case *solver.TestResult:
		text = fmt.Sprintf("result#%d", e.Net)
	case *solver.TestInterrupted:
		text = fmt.Sprintf("interrupted#%d", e.Net)
	case *solver.Snapshotted:
		text = fmt.Sprintf("snapshot %s", strings.TrimPrefix(filepath.Base(e.State), "snap_iter_"))
	case *solver.FinalLoss:
		text = "final"
	case *solver.Finished:
		text = fmt.Sprintf("finished %d early=%v", e.Iter, e.Early)
	default:
		return
	}
	tr.events = append(tr.events, text)
}

// TestSchedule checks when Solve tests, shows, makes snapshots and stops. The
// wanted order is that of Solver::Solve, Step and TestAll in solver.cpp.
func TestSchedule(t *testing.T) {
	const base = "base_lr: 0.01 lr_policy: \"fixed\" snapshot_prefix: \"$prefix\" net_param {" + line + "}\n"
	for _, tt := range []struct {
		name, text string
		actions    map[int]solver.Action // by the number of the poll
		want       string
	}{
		{"plain", `max_iter: 3`, nil,
			"net net_param; solve line fixed 0-3; step 0-3; 0; 1; 2; snapshot 3.solverstate; finished 3 early=false"},
		{"display", `max_iter: 4 display: 2 snapshot_after_train: false`, nil,
			"net net_param; solve line fixed 0-4; step 0-4; 0 shown; 1; 2 shown; 3; final; finished 4 early=false"},
		{"snapshots", `max_iter: 4 snapshot: 2`, nil,
			"net net_param; solve line fixed 0-4; step 0-4; 0; 1; snapshot 2.solverstate; 2; 3; snapshot 4.solverstate; finished 4 early=false"},
		{"snapshot after train", `max_iter: 3 snapshot: 2`, nil,
			"net net_param; solve line fixed 0-3; step 0-3; 0; 1; snapshot 2.solverstate; 2; snapshot 3.solverstate; finished 3 early=false"},
		{"tests", `max_iter: 2 test_iter: 3 test_interval: 2 snapshot_after_train: false`, nil,
			"net net_param; net test net_param; solve line fixed 0-2; step 0-2; test#0@0 x3; result#0; 0; 1; test#0@2 x3; result#0; finished 2 early=false"},
		{"no test at first", `max_iter: 3 test_iter: 1 test_interval: 2 test_initialization: false snapshot_after_train: false`, nil,
			"net net_param; net test net_param; solve line fixed 0-3; step 0-3; 0; 1; test#0@2 x1; result#0; 2; finished 3 early=false"},
		{"offset of tests", `max_iter: 5 test_iter: 1 test_interval: 3 test_offset: 1 snapshot_after_train: false`, nil,
			"net net_param; net test net_param; solve line fixed 0-5; step 0-5; 0; test#0@1 x1; result#0; 1; 2; 3; test#0@4 x1; result#0; 4; finished 5 early=false"},
		{"order of test nets", `max_iter: 0 snapshot_after_train: false test_interval: 1 test_iter: 1 test_iter: 2 test_iter: 3 test_iter: 4
			test_net_param {` + line + `} test_net_param {` + line + `}`, nil,
			"net net_param; net test test_net_param; net test test_net_param; net test net_param; net test net_param; solve line fixed 0-0; step 0-0; " +
				"test#0@0 x1; result#0; test#1@0 x2; result#1; test#2@0 x3; result#2; test#3@0 x4; result#3; finished 0 early=false"},
		{"stop", `max_iter: 9`, map[int]solver.Action{1: solver.Stop},
			"net net_param; solve line fixed 0-9; step 0-9; 0; 1; snapshot 2.solverstate; finished 2 early=true"},
		{"stop at a snapshot", `max_iter: 9 snapshot: 2 display: 1`, map[int]solver.Action{1: solver.Stop},
			"net net_param; solve line fixed 0-9; step 0-9; 0 shown; 1 shown; snapshot 2.solverstate; finished 2 early=true"},
		{"snapshot on request", `max_iter: 3 snapshot_after_train: false`, map[int]solver.Action{0: solver.Snapshot},
			"net net_param; solve line fixed 0-3; step 0-3; 0; snapshot 1.solverstate; 1; 2; finished 3 early=false"},
		{"stop in a test", `max_iter: 9 test_iter: 5 test_iter: 5 test_interval: 1`, map[int]solver.Action{2: solver.Snapshot, 4: solver.Stop},
			"net net_param; net test net_param; net test net_param; solve line fixed 0-9; step 0-9; test#0@0 x5; snapshot 0.solverstate; " +
				"interrupted#0; snapshot 0.solverstate; finished 0 early=true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			polls := -1
			tr := new(trace)
			s := newSolver(t, base+tt.text, solver.Options{
				Observer: tr,
				Action: func() solver.Action {
					polls++
					return tt.actions[polls]
				},
			})
			if err := s.Solve(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(tr.events, "; "); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if want := strings.HasSuffix(tt.want, "early=true"); s.Stopped() != want {
				t.Errorf("Stopped is %v", s.Stopped())
			}
		})
	}
}
