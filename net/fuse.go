package net

import (
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// splitsBottom reports whether a layer that works in place in the file gets a
// separate top, so that it need not copy its bottom.
func (b *builder) splitsBottom(l *Layer) bool {
	k, ok := l.Impl.(layers.Keeper)
	return ok && k.KeepsBottom()
}

// readsTop reports whether the backward pass of the layer that made a blob last reads its data.
func (b *builder) readsTop(x *blob.Blob) bool {
	for _, l := range slices.Backward(b.layers) {
		if slices.Contains(l.Tops, x) {
			r, ok := l.Impl.(layers.BackwardReader)
			if !ok || b.forwardOnly || !l.NeedsBackward && !b.file.Param.GetForceBackward() {
				return false
			}
			_, top := r.BackwardReads()
			return top
		}
	}
	return false
}

// sharesData reports whether another top of some layers has the same data as x, as the tops of
// Split, Reshape and Flatten have that of the bottom.
func sharesData(x *blob.Blob, list []*Layer) bool {
	return slices.ContainsFunc(list, func(l *Layer) bool {
		return slices.ContainsFunc(l.Tops, func(top *blob.Blob) bool { return top != x && top.DataID() == x.DataID() })
	})
}

// fuse lets layers also compute the layers after them, where no other layer reads
// the blobs between. On a device each layer runs by itself, because some layers
// have no version for it and run on the host.
func (b *builder) fuse() {
	next := b.followers()
	b.saveBottoms()
	if b.memory == nil || b.opts.Device != nil {
		return
	}
	for _, l := range b.layers {
		f, ok := l.Impl.(layers.Fuser)
		if !ok || l.FusedInto != nil {
			continue
		}
		chain := []*Layer{l}
		var offer []layers.Layer
		for at := l; next[at] != nil && b.passesTo(chain, next[at]); at = next[at] {
			chain = append(chain, next[at])
			offer = append(offer, next[at].Impl)
		}
		chain = chain[1:]
		l.chain = chain[:f.Fuse(offer)]
		for len(l.chain) > 0 && !b.keepsTop(l) {
			l.chain = chain[:f.Fuse(offer[:len(l.chain)-1])]
		}
		for _, taken := range l.chain {
			taken.FusedInto = l
		}
		if len(l.chain) > 0 && !l.NeedsBackward { // a layer fused into it may need it, and then it runs
			clear(l.PropagateDown)
		}
		l.setInputs()
	}
	b.deferMaps(next)
	b.leaveGrads(next)
	b.sumPlanes()
}

// keepsTop reports whether the backward pass of a layer with its chain finds the data of the
// top that it needs: no later layer changes them in place.
func (b *builder) keepsTop(l *Layer) bool {
	if _, top := reads(l.Impl); !top || b.forwardOnly {
		return true
	}
	end := l.end()
	last := b.changed[end.Tops[0].DataID()]
	return last == nil || last.index <= end.index
}

// saveBottoms has layers save their bottom for Backward, where a later layer changes its data in
// place.
func (b *builder) saveBottoms() {
	for _, l := range b.layers {
		s, ok := l.Impl.(layers.BottomSaver)
		if !ok || b.forwardOnly || !l.NeedsBackward {
			continue
		}
		if last := b.changed[l.Bottoms[0].DataID()]; last != nil && last.index > l.index {
			s.SaveBottom()
		}
	}
}

// followers returns for each layer with a single top the layer that reads it, and records
// for each layer the layers that make its bottoms, or change them last.
func (b *builder) followers() map[*Layer]*Layer {
	next := make(map[*Layer]*Layer)
	maker := make(map[*blob.Blob]*Layer)
	b.changed = make(map[any]*Layer)
	for i, l := range b.layers {
		l.index = i
		l.makers = l.makers[:0]
		for _, bottom := range l.Bottoms {
			from := maker[bottom]
			if len(from.Tops) == 1 {
				next[from] = l
			}
			if last := b.changed[bottom.DataID()]; last != nil && last.index > from.index {
				from = last // through another blob of the same data, such as the top of a Flatten
			}
			l.makers = append(l.makers, from)
		}
		for _, top := range l.Tops {
			if maker[top] = l; slices.Contains(l.Bottoms, top) {
				b.changed[top.DataID()] = l
			}
		}
	}
	return next
}

// passesTo reports whether the first layer of chain, which computes the others, could compute next
// too, which reads the top of the last one: next has one bottom, or is an Adder with another one,
// made before the first one runs; it has one top or is a Splitter; the top between shares no data
// with a blob before it; none is a loss or kept; and the fused backward pass computes no gradient
// that separate ones would not.
func (b *builder) passesTo(chain []*Layer, next *Layer) bool {
	at := chain[len(chain)-1]
	isLoss := func(weight float32) bool { return weight != 0 }
	if next.FusedInto != nil || slices.ContainsFunc(at.LossWeights, isLoss) || slices.ContainsFunc(next.LossWeights, isLoss) {
		return false
	}
	if _, ok := next.Impl.(layers.Splitter); len(next.Tops) != 1 && !ok {
		return false
	}
	if b.kept[at.Tops[0]] && next.Tops[0] != at.Tops[0] || sharesData(at.Tops[0], b.layers[:at.index]) {
		return false
	}
	if len(next.Bottoms) > 1 && !adds(chain[0], at, next) {
		return false
	}
	if b.forwardOnly {
		return true
	}
	if at.NeedsBackward {
		return next.NeedsBackward && !slices.Contains(next.PropagateDown, false)
	}
	trains := func(l *Layer) bool { return slices.Contains(l.ParamBackward, true) }
	return !next.NeedsBackward || len(next.Bottoms) == 1 && !slices.ContainsFunc(chain, trains)
}

// adds reports whether next is an Adder of the top of at and of a blob that is made before
// head runs.
func adds(head, at, next *Layer) bool {
	if _, ok := next.Impl.(layers.Adder); !ok || len(next.Bottoms) != 2 {
		return false
	}
	other := next.makers[0]
	if other == at {
		other = next.makers[1]
	}
	return other.index < head.index
}

// setInputs sets what the chain reads besides the layer's own bottoms.
func (l *Layer) setInputs() {
	l.reads, l.down = slices.Clip(l.Bottoms), slices.Clip(l.PropagateDown)
	at := l
	for _, next := range l.chain {
		for i, maker := range next.makers {
			if maker != at {
				l.reads = append(l.reads, next.Bottoms[i])
				l.down = append(l.down, next.PropagateDown[i])
			}
		}
		at = next
	}
}

// inputs returns the bottoms of Forward and Backward: those of the layer, and after them
// those of fused layers that the layer does not compute itself. down reports for each of
// them whether Backward computes its gradient.
func (l *Layer) inputs() (bottoms []*blob.Blob, down []bool) {
	if len(l.chain) == 0 {
		return l.Bottoms, l.PropagateDown
	}
	return l.reads, l.down
}

// checkShapes asks a layer again whether it can compute what it computes of other layers, since
// that depends on the shapes. It is an error if it cannot: memory is planned for that.
func (l *Layer) checkShapes() error {
	err := l.checkDeferred()
	if err == nil {
		err = l.checkChain()
	}
	l.failed = err != nil
	return err
}

// checkChain offers a layer its chain again. It is an error if it does not take in all.
func (l *Layer) checkChain() error {
	if len(l.chain) == 0 {
		return nil
	}
	var offer []layers.Layer
	for _, fused := range l.chain {
		offer = append(offer, fused.Impl)
	}
	if taken := l.Impl.(layers.Fuser).Fuse(offer); taken < len(offer) {
		left := l.chain[taken]
		return left.wrap(fmt.Errorf("with a bottom of shape %v layer %q, which computes it too, can no longer do so; "+
			"want the shape with which the net was made, or a net that does not fold layers", left.Bottoms[0].Shape(), l.Name))
	}
	return nil
}

// unfuse has every layer run by itself.
func (n *Net) unfuse() {
	for _, l := range n.layers {
		l.undefer()
		l.unleave()
		l.unsum()
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
