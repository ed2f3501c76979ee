package solver

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/net"
)

// TestAll runs all test nets, in Caffe's order. It ends early if the user stops
// training.
func (s *Solver) TestAll(ctx context.Context) error {
	s.stopped = false
	for i := range s.testNets {
		if s.stopped {
			return nil
		}
		if err := s.test(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// test runs test_iter batches through a test net and sends the means of its
// outputs, as Test of Caffe's solver.cpp does, or with eval_type: detection their mean
// average precision, as TestDetection of SSD's.
//
// Differs from Caffe: the batches are a function of the iteration, so that a
// resumed run has those of one that was never interrupted.
func (s *Solver) test(ctx context.Context, i int) error {
	n, batches := s.testNets[i], int(s.param.TestIter[i])
	emit(s, TestStart{Iter: s.iter, Net: i, Batches: batches})
	if err := n.ShareTrainedWith(s.net); err != nil {
		return err
	}
	n.SetPass(s.testNumber() * int64(batches))
	var loss float32
	s.scores, s.detections = s.scores[:0], s.detections[:0]
	detects := s.param.GetEvalType() == detection
	for batch := range batches {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.obey(); err != nil {
			return err
		}
		if s.stopped {
			emit(s, TestInterrupted{Iter: s.iter, Net: i})
			return nil
		}
		l, err := s.forward(ctx, n)
		if err != nil {
			return err
		}
		loss += l
		switch {
		case detects:
			err = s.addDetections(n)
		case batch == 0:
			s.scores = appendOutputs(s.scores, n)
		default:
			err = s.addScores(n)
		}
		if err != nil {
			return err
		}
		emit(s, TestBatch{Iter: s.iter, Net: i, Batch: batch, Batches: batches})
	}
	for j := range s.scores {
		s.scores[j].Value /= float32(batches)
	}
	result := TestResult{
		Iter: s.iter, Net: i, Loss: loss / float32(batches), HasLoss: s.param.GetTestComputeLoss(), Outputs: s.scores,
	}
	if detects && batches > 0 {
		var err error
		if result.Outputs, result.Classes, err = s.detectionResult(n); err != nil {
			return err
		}
		result.ShowClasses = s.param.GetShowPerClassResult()
	}
	emit(s, result)
	return nil
}

// addScores adds the outputs of a batch to the sums of the test.
func (s *Solver) addScores(n *net.Net) error {
	j := 0
	for _, out := range n.Outputs() {
		values := out.Blob.Data()
		if len(values) > len(s.scores)-j {
			return fmt.Errorf("the shape of output %q of the test net has changed to %v between two batches", out.Name, out.Blob.Shape())
		}
		for _, v := range values {
			s.scores[j].Value += v
			j++
		}
	}
	return nil
}

// testNumber returns how many tests an uninterrupted run has made before the one
// of the current iteration.
func (s *Solver) testNumber() int64 {
	k := int64(s.iter) / int64(s.param.GetTestInterval())
	if !s.param.GetTestInitialization() && k > 0 {
		k--
	}
	return k
}

// obey carries out what the user has asked for since the last batch of a test.
func (s *Solver) obey() error {
	for action := s.action(); action != None; action = s.action() {
		if action == Stop {
			s.stopped = true
			return nil
		}
		if _, _, err := s.Snapshot(); err != nil {
			return err
		}
	}
	return nil
}
