package net

import (
	"cmp"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
)

// Memory is storage shared by blobs that are not needed at the same time: those
// of one net as its passes go by, and those of several nets that run in turn,
// such as the nets for training and testing. The zero Memory is empty and ready
// to use.
type Memory struct{ slots []*slot }

// A slot is storage that arrays reuse one after another.
type slot struct {
	storage blob.Storage
	size    int // elements
}

// Bytes returns how much storage the nets made with m need.
func (m *Memory) Bytes() int64 {
	var n int64
	for _, s := range m.slots {
		n += 4 * int64(s.size)
	}
	return n
}

// assign returns a slot for each array that shares storage, and adds missing
// slots to m. From the largest array to the smallest, each gets the smallest slot
// that is large enough and free during its live range.
func (m *Memory) assign(arrays []*array) map[*array]*slot {
	shared := make([]*array, 0, len(arrays))
	for _, a := range arrays {
		if !a.own && a.live() && a.count() > 0 {
			shared = append(shared, a)
		}
	}
	slices.SortStableFunc(shared, func(a, b *array) int {
		return cmp.Or(cmp.Compare(b.count(), a.count()), cmp.Compare(a.first, b.first))
	})
	occupants := make(map[*slot][]*array)
	assigned := make(map[*array]*slot)
	for _, a := range shared {
		var best *slot
		for _, s := range m.slots {
			if !slices.ContainsFunc(occupants[s], a.overlaps) && (best == nil || fitsBetter(a.count(), s.size, best.size)) {
				best = s
			}
		}
		if best == nil {
			best = new(slot)
			m.slots = append(m.slots, best)
		}
		best.size = max(best.size, a.count())
		occupants[best] = append(occupants[best], a)
		assigned[a] = best
	}
	return assigned
}

// fitsBetter reports whether a slot of size s suits n elements better than one of
// size t: the smaller of two that are large enough, otherwise the larger.
func fitsBetter(n, s, t int) bool {
	if s >= n && t >= n {
		return s < t
	}
	return s > t
}

// place puts the arrays of the net into the shared memory.
func (b *builder) place() {
	if b.memory == nil {
		return
	}
	for a, s := range b.memory.assign(b.arrays(!b.forwardOnly)) {
		s.storage.Reserve(s.size)
		a.place(&s.storage)
	}
}

// Keep gives every blob storage of its own and has every layer run by itself, as
// in a net made without Memory: from the next pass on, each blob holds what the
// last layer that computes it has left there. Do not call it between a forward
// pass and its backward pass.
func (n *Net) Keep() {
	if n.memory == nil {
		return
	}
	for _, a := range n.arrays(!n.forwardOnly) {
		if !a.own {
			a.place(new(blob.Storage))
		}
	}
	n.memory = nil
	n.unfuse()
	n.runner.reset()
}
