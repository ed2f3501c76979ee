package net

import (
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// splitsBottom reports whether a layer that works in place in the file gets a
// separate top, so that it need not copy its bottom.
func (b *builder) splitsBottom(l *Layer) bool {
	k, ok := l.Impl.(layers.Keeper)
	return ok && b.memory != nil && !b.forwardOnly && k.KeepsBottom()
}

// fuse lets layers also compute the layers after them, where no other layer reads
// the blobs between. On a device each layer runs by itself, because some layers
// have no version for it and run on the host.
func (b *builder) fuse() {
	if b.memory == nil || b.opts.Device != nil {
		return
	}
	next := b.followers()
	for _, l := range b.layers {
		f, ok := l.Impl.(layers.Fuser)
		if !ok || l.FusedInto != nil {
			continue
		}
		var chain []*Layer
		var offer []layers.Layer
		for at := l; next[at] != nil && at.passesTo(next[at]); at = next[at] {
			chain = append(chain, next[at])
			offer = append(offer, next[at].Impl)
		}
		l.chain = chain[:f.Fuse(offer)]
		for _, taken := range l.chain {
			taken.FusedInto = l
		}
		if !l.NeedsBackward { // a layer fused into it may need it, and then it runs
			clear(l.PropagateDown)
		}
	}
}

// followers returns for each layer with a single top the layer that reads it.
func (b *builder) followers() map[*Layer]*Layer {
	next := make(map[*Layer]*Layer)
	maker := make(map[*blob.Blob]*Layer)
	for _, l := range b.layers {
		for _, bottom := range l.Bottoms {
			if from := maker[bottom]; len(from.Tops) == 1 {
				next[from] = l
			}
		}
		for _, top := range l.Tops {
			maker[top] = l
		}
	}
	return next
}

// passesTo reports whether l and the layer that reads its top could be computed
// together: next has one bottom and one top, neither top is a loss, and the fused
// backward pass computes no gradient of l that separate ones would not.
func (l *Layer) passesTo(next *Layer) bool {
	if next.FusedInto != nil || len(next.Bottoms) != 1 || len(next.Tops) != 1 || l.LossWeights[0] != 0 || next.LossWeights[0] != 0 {
		return false
	}
	if l.NeedsBackward {
		return next.NeedsBackward && next.PropagateDown[0]
	}
	return !next.NeedsBackward || !slices.Contains(l.ParamBackward, true)
}

// unfuse has every layer run by itself.
func (n *Net) unfuse() {
	for _, l := range n.layers {
		if l.FusedInto = nil; len(l.chain) > 0 {
			l.chain = nil
			l.Impl.(layers.Fuser).Fuse(nil)
		}
	}
}

// end returns the last layer fused into l, or l itself.
func (l *Layer) end() *Layer {
	if len(l.chain) == 0 {
		return l
	}
	return l.chain[len(l.chain)-1]
}

// runsBackward reports whether the backward pass runs l by itself: because it or
// a layer fused into it needs that.
func (l *Layer) runsBackward() bool {
	need := l.NeedsBackward
	for _, fused := range l.chain {
		need = need || fused.NeedsBackward
	}
	return need && l.FusedInto == nil
}
