package solver

import (
	"context"
	"errors"

	"github.com/gocaffe/gocaffe/net"
)

// An Action is what a user asks of a running solver.
type Action byte

// The actions of Caffe's signal handler.
const (
	None     Action = iota
	Stop            // end training after this iteration
	Snapshot        // write a snapshot after this iteration
)

// Solve trains up to max_iter, with tests and snapshots on the way, writes the
// last snapshot, and sends the final loss and test results, as Solve of Caffe's
// solver.cpp does. If the user stops it, it writes the snapshot and returns nil,
// and Stopped returns true. While it runs, no other process can train with the
// same snapshot_prefix.
//
// Differs from Caffe: a snapshot that cannot be written does not end training.
// A SnapshotFailed event is sent, and the next display tries again; Solve
// returns the error if the last try has failed too. And if a pass fails, Solve
// writes a snapshot of the iterations before it, and returns the error.
func (s *Solver) Solve(ctx context.Context) error {
	if s.param.GetSnapshotAfterTrain() {
		if err := s.probeSnapshot(); err != nil {
			return err
		}
	}
	s.warn(s.lintSolve())
	unlock, err := s.lockSnapshots()
	if err != nil {
		return err
	}
	defer unlock()
	emit(s, SolveStart{Net: s.net.Name(), Policy: s.param.GetLrPolicy(), Iter: s.iter, MaxIter: int(s.param.GetMaxIter())})
	start := s.iter
	if err := s.Step(ctx, int(s.param.GetMaxIter())-s.iter); err != nil {
		s.salvage(start, err)
		return err
	}
	if s.param.GetSnapshotAfterTrain() && !due(s.iter, s.param.GetSnapshot()) || s.unsaved != nil {
		s.trySnapshot()
	}
	if !s.stopped {
		if err := s.showFinal(ctx, start); err != nil {
			return errors.Join(s.unsaved, err)
		}
	}
	emit(s, Finished{Iter: s.iter, Early: s.stopped})
	return s.unsaved
}

// showFinal sends the loss and the test results of the trained weights.
func (s *Solver) showFinal(ctx context.Context, start int) error {
	if due(s.iter, s.param.GetDisplay()) {
		s.setPass()
		loss, err := s.forward(ctx, s.net)
		if err != nil {
			return err
		}
		s.smooth(loss, s.iter-start)
		emit(s, FinalLoss{Iter: s.iter, SmoothedLoss: s.smoothedLoss})
	}
	if s.testDue() {
		return s.TestAll(ctx)
	}
	return nil
}

// due reports whether something that happens every so many iterations, or never
// if every is 0, happens in iteration iter.
func due(iter int, every int32) bool { return every != 0 && iter%int(every) == 0 }

// testDue reports whether the tests come before this iteration: every test_interval
// iterations, counted from Intel's test_offset.
func (s *Solver) testDue() bool {
	return due(s.iter-int(s.param.GetTestOffset()), s.param.GetTestInterval())
}

// Step trains for n iterations, or until the user stops it, with the tests and
// snapshots that the file asks for, as Step of Caffe's solver.cpp does. It
// resets the smoothed loss. If it fails, the state of training is that after the
// last complete iteration.
func (s *Solver) Step(ctx context.Context, n int) error {
	start, stop := s.iter, s.iter+n
	s.stopped = false
	s.losses, s.smoothedLoss = s.losses[:0], 0
	emit(s, StepStart{Iter: start, Stop: stop})
	err := s.steps(ctx, start, stop)
	if err != nil {
		_ = s.net.Wait() // sends the events of the iterations before the error, if their losses can still be read
	}
	return err
}

// steps runs the iterations from start to stop-1.
func (s *Solver) steps(ctx context.Context, start, stop int) error {
	for s.iter < stop {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.net.ClearParamDiffs(); err != nil {
			return err
		}
		if s.testDue() && (s.iter > 0 || s.param.GetTestInitialization()) {
			if err := s.net.Wait(); err != nil {
				return err
			}
			if err := s.TestAll(ctx); err != nil {
				return err
			}
			if s.stopped {
				return nil
			}
		}
		if err := s.iterate(ctx, start, stop); err != nil {
			return err
		}
		action := s.action()
		snapshot := due(s.iter, s.param.GetSnapshot()) || action == Snapshot || s.unsaved != nil && due(s.iter, s.param.GetDisplay())
		if snapshot || action == Stop || s.iter == stop {
			if err := s.net.Wait(); err != nil {
				return err
			}
		}
		if snapshot {
			s.trySnapshot()
		}
		if action == Stop {
			s.stopped = true
			return nil
		}
	}
	return nil
}

// iterate runs one of the iterations from start to stop-1: it computes the
// gradient over iter_size batches and updates the weights.
func (s *Solver) iterate(ctx context.Context, start, stop int) error {
	display := due(s.iter, s.param.GetDisplay())
	s.net.SetDebugInfo(display && s.param.GetDebugInfo())
	s.setPass()
	it := s.newIteration(start, display)
	for range s.param.GetIterSize() {
		if err := s.before(s.net); err != nil {
			return err
		}
		if err := s.net.Start(ctx, it); err != nil {
			return err
		}
		if err := s.net.Backward(ctx); err != nil {
			return err
		}
	}
	rate, moved := s.rate()
	it.rate, it.moved = rate, moved
	if err := s.net.End(it); err != nil {
		return err
	}
	if display { // so that the outputs are those of this iteration
		if err := s.net.Wait(); err != nil {
			return err
		}
	}
	return s.update(rate, s.iter+1 < stop)
}

// setPass sets the pass of the train net to that of the current iteration, so
// that data and random numbers are a function of the iteration.
func (s *Solver) setPass() {
	if pass := int64(s.iter) * int64(s.param.GetIterSize()); s.net.Pass() != pass {
		s.net.SetPass(pass)
	}
}

// forward runs the forward pass of a net and returns the loss.
func (s *Solver) forward(ctx context.Context, n *net.Net) (loss float32, err error) {
	if err := s.before(n); err != nil {
		return 0, err
	}
	return n.Forward(ctx)
}

// before calls Options.BeforeForward for the next pass of a net.
func (s *Solver) before(n *net.Net) error {
	if s.opts.BeforeForward == nil {
		return nil
	}
	return s.opts.BeforeForward(n, n.Pass())
}

// action returns what the user asks for.
func (s *Solver) action() Action {
	if s.opts.Action == nil {
		return None
	}
	return s.opts.Action()
}
