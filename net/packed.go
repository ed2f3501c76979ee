package net

import (
	"cmp"
	"slices"

	"github.com/gocaffe/gocaffe/layers"
)

// DefaultPackedWeights is the memory for packed weights of a net whose options have 0: 24 MiB.
const DefaultPackedWeights = 24 << 20

// packer is a layer that can keep its weights packed.
type packer struct {
	layer        *Layer
	impl         layers.WeightPacker
	bytes, plain int64 // of the packed weights, and of the weights
}

// packWeights has layers keep packed weights, within the memory of the options.
func (b *builder) packWeights() {
	b.packedMost = b.opts.PackedWeights
	b.keepPacked()
}

// keepPacked chooses the layers that keep their weights packed, within the memory for that: those
// whose packed weights are the smallest in proportion to the weights come first, and save the
// most time with their memory. Among equals the order is that of the net. A layer that no longer
// fits is left out, and the next ones are tried.
func (n *Net) keepPacked() {
	if n.packedMost <= 0 {
		return
	}
	var list []packer
	for _, l := range n.layers {
		l.packed = 0
		p, ok := l.Impl.(layers.WeightPacker)
		if !ok || l.FusedInto != nil {
			continue
		}
		each := packer{layer: l, impl: p, bytes: p.PackedBytes()}
		for _, w := range l.Params {
			each.plain += 4 * int64(w.Count())
		}
		list = append(list, each)
	}
	slices.SortStableFunc(list, func(a, b packer) int {
		return cmp.Compare(float64(a.bytes)/float64(a.plain), float64(b.bytes)/float64(b.plain))
	})
	left := n.packedMost
	for _, p := range list {
		keep := p.bytes > 0 && p.bytes <= left
		if keep {
			left -= p.bytes
			p.layer.packed = p.bytes
		}
		p.impl.KeepPacked(keep)
	}
}
