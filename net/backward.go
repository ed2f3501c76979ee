package net

import (
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// needBackward decides which layers the backward pass runs, from the last layer to
// the first: those that have weights to train or lie below a layer that has, that
// the loss depends on, and whose gradient no propagate_down: false cuts off. As in
// Caffe's net.cpp, blobs of the same name count as one.
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

// forceBackward makes the backward pass compute every gradient.
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

// allowsForce reports whether force_backward applies to bottom j.
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
