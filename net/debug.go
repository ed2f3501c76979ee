package net

import (
	"math"
	"strconv"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
)

// sendMagnitude sends the mean absolute value of x, which is the data of a blob
// of a layer or, with backward, its diff.
func (n *Net) sendMagnitude(l *Layer, backward, weights bool, blob string, x []float32) {
	event.Send(n.observer, BlobMagnitude{
		Layer: l.Name, Backward: backward, Weights: weights, Blob: blob, Mean: float32(kernel.Asum(n.workers, x)) / float32(len(x)),
	})
}

// forwardInfo sends the magnitudes of what a layer has computed, and of its
// weights.
func (n *Net) forwardInfo(l *Layer) {
	if n.observer == nil {
		return
	}
	for j, top := range l.Tops {
		n.sendMagnitude(l, false, false, l.TopNames[j], top.Data())
	}
	for k, w := range l.Params {
		n.sendMagnitude(l, false, true, n.params[l.first+k].Name, w.Data())
	}
}

// backwardInfo sends the magnitudes of the gradients that a layer has computed.
func (n *Net) backwardInfo(l *Layer) {
	if n.observer == nil {
		return
	}
	for j, bottom := range l.Bottoms {
		if l.PropagateDown[j] {
			n.sendMagnitude(l, true, false, l.BottomNames[j], bottom.Diff())
		}
	}
	for k, w := range l.Params {
		if l.ParamBackward[k] {
			n.sendMagnitude(l, true, true, strconv.Itoa(k), w.Diff())
		}
	}
}

// backwardSummary sends the norms of all weights and gradients.
func (n *Net) backwardSummary() {
	if n.observer == nil {
		return
	}
	var e ParamNorms
	for _, p := range n.learned {
		e.DataL1 += kernel.Asum(n.workers, p.Blob.Data())
		e.DiffL1 += kernel.Asum(n.workers, p.Blob.Diff())
		e.DataL2 += kernel.SumSq(n.workers, p.Blob.Data())
		e.DiffL2 += kernel.SumSq(n.workers, p.Blob.Diff())
	}
	e.DataL2, e.DiffL2 = math.Sqrt(e.DataL2), math.Sqrt(e.DiffL2)
	event.Send(n.observer, e)
}
