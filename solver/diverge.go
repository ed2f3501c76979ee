package solver

import (
	"math"

	"github.com/gocaffe/gocaffe/kernel"
)

// watch sends an event at the first loss that is not finite, and at the first
// that is the loss of an overflowed softmax. On the CPU it is called between the
// forward and the backward pass, while the blobs have what led to the loss; on a
// GPU, later. Training goes on, as in Caffe.
func (s *Solver) watch(loss float32, iter int) {
	switch {
	case loss-loss != 0: // NaN or infinite
		if !s.diverged {
			s.diverged = true
			e := Diverged{Iter: iter, Loss: loss}
			s.locate(&e)
			emit(s, e)
		}
	case math.Abs(float64(loss)-saturatedLoss) < 1e-4:
		if !s.saturated {
			s.saturated = true
			emit(s, Saturated{Iter: iter, Loss: loss})
		}
	}
}

// saturatedLoss is -log of the smallest normal float32, to which Caffe's
// softmax_loss_layer.cpp clamps probabilities.
var saturatedLoss = 126 * math.Ln2

// locate finds the first layer with a non-finite number in its weights or,
// failing that, in its tops.
func (s *Solver) locate(e *Diverged) {
	for _, l := range s.net.Layers() {
		for i, w := range l.Params {
			if kernel.AnyNonFinite(s.opts.Workers, w.Data()) {
				e.Layer, e.Param = l.Name, i
				return
			}
		}
		for i, top := range l.Tops {
			if kernel.AnyNonFinite(s.opts.Workers, top.Data()) {
				e.Layer, e.Blob = l.Name, l.TopNames[i]
				return
			}
		}
	}
}
