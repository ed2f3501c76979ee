package net

import (
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/layers"
)

// deferMaps has layers leave their top to the layer that reads it, where both support that
// (layers.Deferrer, layers.DeferredReader). The top then shares the data of the bottom. next
// is what followers returned.
func (b *builder) deferMaps(next map[*Layer]*Layer) {
	for _, l := range b.layers {
		d, ok := l.Impl.(layers.Deferrer)
		if !ok || l.FusedInto != nil {
			continue
		}
		reader := next[l.end()]
		if reader == nil || !b.canDefer(l, reader) || !d.Defer(true) {
			continue
		}
		if r, ok := reader.Impl.(layers.DeferredReader); !ok || !r.ReadDeferred(d) {
			d.Defer(false)
			continue
		}
		reader.before = l
		l.end().Tops[0].ShareData(l.Bottoms[0]) // of the same shape, so sharing cannot fail
	}
}

// canDefer reports whether a layer, with those fused into it, could leave its top to the layer
// that reads it: both have one bottom, the top is not kept, and neither the layer nor a later
// one changes the data of the bottom in place.
func (b *builder) canDefer(l, reader *Layer) bool {
	end := l.end()
	if len(l.Bottoms) != 1 || len(end.Tops) != 1 || len(reader.Bottoms) != 1 || b.kept[end.Tops[0]] {
		return false
	}
	last := b.changed[l.Bottoms[0].DataID()]
	return last == nil || last.index < l.index
}

// checkDeferred asks a layer again whether it can compute the map of the layer before. It is an
// error if it cannot.
func (l *Layer) checkDeferred() error {
	if l.before == nil || l.Impl.(layers.DeferredReader).ReadDeferred(l.before.Impl.(layers.Deferrer)) {
		return nil
	}
	return l.wrap(fmt.Errorf("with a bottom of shape %v the layer can no longer compute layer %q as it reads the bottom; "+
		"want the shape with which the net was made, or a net that does not fold layers", l.Bottoms[0].Shape(), l.before.Name))
}

// undefer has the layer before compute its top.
func (l *Layer) undefer() {
	if l.before == nil {
		return
	}
	l.Impl.(layers.DeferredReader).ReadDeferred(nil)
	l.before.Impl.(layers.Deferrer).Defer(false)
	l.before = nil
}

// leaveGrads has layers leave the gradient of their bottom to the layer that made it, where both
// support that (layers.GradLeaver, layers.LeftGradReader), and the gradients of bottom and top
// are the same memory, so that nobody misses that of the top meanwhile. next is what followers
// returned.
func (b *builder) leaveGrads(next map[*Layer]*Layer) {
	if b.forwardOnly {
		return
	}
	for _, l := range b.layers {
		r, ok := l.Impl.(layers.LeftGradReader)
		if !ok || l.FusedInto != nil || len(l.chain) > 0 || !l.NeedsBackward || slices.Contains(l.PropagateDown, false) {
			continue
		}
		after := next[l]
		if after == nil || after.FusedInto != nil || !leavesGrad(after) {
			continue
		}
		g, ok := after.Impl.(layers.GradLeaver)
		if !ok {
			continue
		}
		left := g.LeaveGrad(true)
		if left == nil {
			continue
		}
		if !r.ReadLeftGrad(left) {
			g.LeaveGrad(false)
			continue
		}
		l.after = after
	}
}

// leavesGrad reports whether a layer, with those fused into it, could leave the gradient of its
// bottom.
func leavesGrad(l *Layer) bool {
	end := l.end()
	return len(l.Bottoms) == 1 && l.PropagateDown[0] && len(end.Tops) == 1 && l.Bottoms[0] != end.Tops[0] &&
		l.Bottoms[0].DiffID() == end.Tops[0].DiffID()
}

// unleave has the layer after compute the gradient of its bottom.
func (l *Layer) unleave() {
	if l.after == nil {
		return
	}
	l.Impl.(layers.LeftGradReader).ReadLeftGrad(nil)
	l.after.Impl.(layers.GradLeaver).LeaveGrad(false)
	l.after = nil
}
