package net

import (
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// needBackward decides which layers the backward pass runs, from the end of
// the net to its beginning: those that have something to train at or above
// them, that the loss depends on, and whose gradient no propagate_down: false
// cuts off. Blobs are told apart by name, as in Caffe's net.cpp.
func (b *builder) needBackward(force bool) {
	underLoss := make(map[string]bool)
	skipped := make(map[string]bool)
	for i := len(b.layers) - 1; i >= 0; i-- {
		l := b.layers[i]
		contributes, cutOff := false, true
		for j, top := range l.tops {
			contributes = contributes || l.LossWeights[j] != 0 || underLoss[top.name]
			cutOff = cutOff && skipped[top.name]
		}
		if l.NeedsBackward && cutOff {
			l.NeedsBackward = false
			clear(l.PropagateDown)
		}
		if !contributes {
			l.NeedsBackward = false
			clear(l.PropagateDown)
		}
		event.Send(b.observer, BackwardDecided{Layer: l.Name, Needs: l.NeedsBackward})
		for j, bottom := range l.bottoms {
			if contributes {
				underLoss[bottom.name] = true
			}
			if !l.PropagateDown[j] {
				skipped[bottom.name] = true
			}
		}
	}
	if force {
		b.forceBackward()
	}
}

// forceBackward makes the backward pass compute every gradient there is.
func (b *builder) forceBackward() {
	for _, l := range b.layers {
		l.NeedsBackward = true
		for j := range l.bottoms {
			l.PropagateDown[j] = l.PropagateDown[j] || l.allowsForce(j)
		}
		for k := range l.Params {
			l.setParamBackward(k, true)
		}
	}
}

// allowsForce tells whether bottom j has a gradient.
func (l *Layer) allowsForce(j int) bool {
	if f, ok := l.Impl.(layers.BackwardForcer); ok {
		return f.AllowForceBackward(j)
	}
	return !l.Info.Loss || j != 1
}

func (l *Layer) setParamBackward(k int, need bool) {
	l.ParamBackward[k] = need
	if p, ok := l.Impl.(layers.ParamPropagator); ok {
		p.SetParamPropagateDown(k, need)
	}
}
