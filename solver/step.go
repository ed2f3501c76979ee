package solver

import (
	"context"
	"time"

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
// last snapshot, and shows loss and test results once more: Solve of Caffe's
// solver.cpp. If the user stops it, it writes the snapshot and returns nil;
// Stopped tells that.
func (s *Solver) Solve(ctx context.Context) error {
	if s.param.GetSnapshotAfterTrain() {
		if err := s.probeSnapshot(); err != nil {
			return err
		}
	}
	emit(s, SolveStart{Net: s.net.Name(), Policy: s.param.GetLrPolicy(), Iter: s.iter, MaxIter: int(s.param.GetMaxIter())})
	start := s.iter
	if err := s.Step(ctx, int(s.param.GetMaxIter())-s.iter); err != nil {
		return err
	}
	if s.param.GetSnapshotAfterTrain() && !due(s.iter, s.param.GetSnapshot()) {
		if _, _, err := s.Snapshot(); err != nil {
			return err
		}
	}
	if !s.stopped {
		if err := s.showFinal(ctx, start); err != nil {
			return err
		}
	}
	emit(s, Finished{Iter: s.iter, Early: s.stopped})
	return nil
}

// showFinal shows the loss and the test results of the trained weights.
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
	if due(s.iter, s.param.GetTestInterval()) {
		return s.TestAll(ctx)
	}
	return nil
}

// due tells whether iteration iter is one of every so many; 0 means never.
func due(iter int, every int32) bool { return every != 0 && iter%int(every) == 0 }

// Step trains for n iterations, or until the user stops it, with the tests and
// snapshots that the file asks for: Step of Caffe's solver.cpp. The smoothed
// loss begins anew. When it fails, what training updates is as after the last
// complete iteration.
func (s *Solver) Step(ctx context.Context, n int) error {
	start, stop := s.iter, s.iter+n
	s.stopped = false
	s.losses, s.smoothedLoss = s.losses[:0], 0
	emit(s, StepStart{Iter: start, Stop: stop})
	err := s.steps(ctx, start, stop)
	if err != nil {
		// Observers hear of the iterations that are complete, if the device can still
		// tell, and the next Step of nothing that this one has left.
		_ = s.flush(start)
		s.pending = s.pending[:0]
		_, _ = s.net.TakeLosses()
	}
	return err
}

// steps makes the iterations from start to stop.
func (s *Solver) steps(ctx context.Context, start, stop int) error {
	for s.iter < stop {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.clearDiffs(); err != nil {
			return err
		}
		if due(s.iter, s.param.GetTestInterval()) && (s.iter > 0 || s.param.GetTestInitialization()) {
			if err := s.flush(start); err != nil {
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
		snapshot := due(s.iter, s.param.GetSnapshot()) || action == Snapshot
		if snapshot || action == Stop || s.iter == stop {
			if err := s.flush(start); err != nil {
				return err
			}
		}
		if snapshot {
			if _, _, err := s.Snapshot(); err != nil {
				return err
			}
		}
		if action == Stop {
			s.stopped = true
			return nil
		}
	}
	return nil
}

// iterate is one iteration of those from start to stop: the gradient over
// iter_size batches, and the update.
func (s *Solver) iterate(ctx context.Context, start, stop int) error {
	display := due(s.iter, s.param.GetDisplay())
	s.net.SetDebugInfo(display && s.param.GetDebugInfo())
	s.setPass()
	p := pending{iter: s.iter, begin: time.Now(), display: display}
	for range s.param.GetIterSize() {
		if err := s.enqueue(ctx, s.net); err != nil {
			return err
		}
		if s.opts.Device == nil {
			if err := s.takeLosses(&p); err != nil {
				return err
			}
		}
		if err := s.net.Backward(ctx); err != nil {
			return err
		}
	}
	p.rate, p.moved = s.rate()
	s.pending = append(s.pending, p)
	if display || s.opts.Device == nil || len(s.pending) >= maxPending || time.Since(s.flushed) > flushEvery {
		if err := s.flush(start); err != nil {
			return err
		}
	}
	return s.update(p.rate, s.iter+1 < stop)
}

// A pending iteration is one that was started and whose loss nobody has asked
// for. A GPU computes while the host goes on: it is waited for when a loss is
// shown, and now and then.
type pending struct {
	iter    int
	begin   time.Time
	display bool
	rate    float32
	moved   int
	loss    float32 // sum over the known passes
	known   int     // passes
}

// maxPending and flushEvery bound how long a loss stays unknown.
const (
	maxPending = 128
	flushEvery = 200 * time.Millisecond
)

// takeLosses reads the losses of an iteration's passes so far.
func (s *Solver) takeLosses(p *pending) error {
	losses, err := s.net.TakeLosses()
	if err != nil {
		return err
	}
	for _, l := range losses {
		s.watch(l, p.iter)
		p.loss += l
		p.known++
	}
	return nil
}

// flush tells of the pending iterations, of which all passes have been started.
func (s *Solver) flush(start int) error {
	if len(s.pending) == 0 {
		return nil
	}
	losses, err := s.net.TakeLosses()
	if err != nil {
		return err
	}
	s.flushed = time.Now()
	took := s.flushed.Sub(s.pending[0].begin) / time.Duration(len(s.pending))
	size := int(s.param.GetIterSize())
	for i := range s.pending {
		p := &s.pending[i]
		for ; p.known < size; p.known++ {
			s.watch(losses[0], p.iter)
			p.loss += losses[0]
			losses = losses[1:]
		}
		loss := p.loss / float32(size)
		s.smooth(loss, p.iter-start)
		s.outputs = s.outputs[:0]
		if p.display {
			s.outputs = appendOutputs(s.outputs, s.net)
		}
		emit(s, Iteration{
			Iter: p.iter, Loss: loss, SmoothedLoss: s.smoothedLoss, LR: p.rate, MultiStep: p.moved,
			Duration: took, Display: p.display, Every: int(s.param.GetDisplay()), Outputs: s.outputs,
		})
	}
	s.pending = s.pending[:0]
	return nil
}

// setPass makes the pass of the train net that of the current iteration, so
// that data and random numbers are a function of the iteration.
func (s *Solver) setPass() {
	if pass := int64(s.iter) * int64(s.param.GetIterSize()); s.net.Pass() != pass {
		s.net.SetPass(pass)
	}
}

// forward runs the forward pass of a net and waits for the loss.
func (s *Solver) forward(ctx context.Context, n *net.Net) (loss float32, err error) {
	if err := s.before(n); err != nil {
		return 0, err
	}
	return n.Forward(ctx)
}

// enqueue runs the forward pass of a net.
func (s *Solver) enqueue(ctx context.Context, n *net.Net) error {
	if err := s.before(n); err != nil {
		return err
	}
	return n.Enqueue(ctx)
}

func (s *Solver) before(n *net.Net) error {
	if s.opts.BeforeForward == nil {
		return nil
	}
	return s.opts.BeforeForward(n, n.Pass())
}

// smooth averages the loss over the last average_loss iterations, of which this
// is number i since the start: UpdateSmoothedLoss of Caffe's solver.cpp.
func (s *Solver) smooth(loss float32, i int) {
	window := int(s.param.GetAverageLoss())
	if len(s.losses) < window {
		s.losses = append(s.losses, loss)
		n := float32(len(s.losses))
		s.smoothedLoss = (s.smoothedLoss*(n-1) + loss) / n
		return
	}
	oldest := &s.losses[i%window]
	s.smoothedLoss += (loss - *oldest) / float32(window)
	*oldest = loss
}

// action asks what the user wants.
func (s *Solver) action() Action {
	if s.opts.Action == nil {
		return None
	}
	return s.opts.Action()
}

// appendOutputs appends the numbers of the output blobs of a net.
func appendOutputs(list []Output, n *net.Net) []Output {
	for _, out := range n.Outputs() {
		for _, v := range out.Blob.Data() {
			list = append(list, Output{Name: out.Name, Value: v, LossWeight: out.LossWeight})
		}
	}
	return list
}
