package solver

import (
	"time"

	"github.com/gocaffe/gocaffe/net"
)

// An iteration receives the losses of the passes of one iteration and sends its
// event when all are known.
type iteration struct {
	solver  *Solver
	iter    int
	number  int // of the iteration within Step, from 0
	display bool
	rate    float32
	moved   int     // see Solver.rate
	loss    float32 // sum over the passes so far
}

var _ net.Receiver = (*iteration)(nil)

// newIteration returns the current iteration of a Step that began at start. It
// reuses one whose event has been sent, if there is one.
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

// smooth sets smoothedLoss to the mean loss of the last average_loss iterations,
// as UpdateSmoothedLoss of Caffe's solver.cpp does. loss is that of iteration i
// of Step.
//
// Differs from Caffe: each mean is summed afresh. Caffe keeps a running float32
// sum, which drifts after a large loss and stays NaN after one.
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

// appendOutputs appends the elements of the output blobs of a net.
func appendOutputs(list []Output, n *net.Net) []Output {
	for _, out := range n.Outputs() {
		for _, v := range out.Blob.Data() {
			list = append(list, Output{Name: out.Name, Value: v, LossWeight: out.LossWeight})
		}
	}
	return list
}
