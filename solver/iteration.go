package solver

import (
	"time"

	"github.com/gocaffe/gocaffe/net"
)

// An iteration is the net.Receiver of the passes of one iteration. When their
// losses are known it sends the event.
type iteration struct {
	solver  *Solver
	iter    int
	number  int // since the start of Step
	display bool
	rate    float32
	moved   int     // see Solver.rate
	loss    float32 // sum over the passes so far
}

var _ net.Receiver = (*iteration)(nil)

// newIteration returns the current iteration of a Step that began at start. It
// is one whose event was sent, or a new one.
func (s *Solver) newIteration(start int, display bool) *iteration {
	var it *iteration
	if n := len(s.free); n > 0 {
		it, s.free = s.free[n-1], s.free[:n-1]
	} else {
		it = new(iteration)
	}
	*it = iteration{solver: s, iter: s.iter, number: s.iter - start, display: display}
	return it
}

// Loss adds the loss of a pass.
func (it *iteration) Loss(loss float32) {
	it.solver.watch(loss, it.iter)
	it.loss += loss
}

// Done sends the event.
func (it *iteration) Done(took time.Duration) {
	s := it.solver
	loss := it.loss / float32(s.param.GetIterSize())
	s.smooth(loss, it.number)
	s.outputs = s.outputs[:0]
	if it.display {
		s.outputs = appendOutputs(s.outputs, s.net)
	}
	emit(s, Iteration{
		Iter: it.iter, Loss: loss, SmoothedLoss: s.smoothedLoss, LR: it.rate, MultiStep: it.moved,
		Duration: took, Display: it.display, Every: int(s.param.GetDisplay()), Outputs: s.outputs,
	})
	s.free = append(s.free, it)
}

// smooth averages the loss over the last average_loss iterations, of which this
// is number i since the start: UpdateSmoothedLoss of Caffe's solver.cpp.
//
// Differs from Caffe: the sum is taken afresh. Caffe adds each change to a
// float32, which drifts after a large loss and stays NaN after one.
func (s *Solver) smooth(loss float32, i int) {
	if window := int(s.param.GetAverageLoss()); len(s.losses) < window {
		s.losses = append(s.losses, loss)
	} else {
		s.losses[i%window] = loss
	}
	var sum float64
	for _, l := range s.losses {
		sum += float64(l)
	}
	s.smoothedLoss = float32(sum / float64(len(s.losses)))
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
