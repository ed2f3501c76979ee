package net

import (
	"cmp"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
)

// Memory is shared by blobs that are not needed at the same time: of one net,
// as its passes go by, and of several nets that run in turn, as those for
// training and for tests. The zero Memory is empty and ready for use.
type Memory struct{ rooms []*room }

// A room is memory for arrays that are used one after another.
type room struct {
	storage blob.Storage
	size    int // numbers
}

// Bytes returns how much memory the nets need that have been made with m.
func (m *Memory) Bytes() int64 {
	var n int64
	for _, s := range m.rooms {
		n += 4 * int64(s.size)
	}
	return n
}

// assign finds a room for each array that is not to have memory of its own, and
// makes those that are missing: from the largest array to the smallest, each
// gets the smallest one that is large enough and free while it lives.
func (m *Memory) assign(arrays []*array) map[*array]*room {
	shared := make([]*array, 0, len(arrays))
	for _, a := range arrays {
		if !a.own && a.lives() && a.count() > 0 {
			shared = append(shared, a)
		}
	}
	slices.SortStableFunc(shared, func(a, b *array) int {
		return cmp.Or(cmp.Compare(b.count(), a.count()), cmp.Compare(a.first, b.first))
	})
	in := make(map[*room][]*array)
	places := make(map[*array]*room)
	for _, a := range shared {
		var best *room
		for _, s := range m.rooms {
			if !slices.ContainsFunc(in[s], a.overlaps) && (best == nil || fitsBetter(a.count(), s.size, best.size)) {
				best = s
			}
		}
		if best == nil {
			best = new(room)
			m.rooms = append(m.rooms, best)
		}
		best.size = max(best.size, a.count())
		in[best] = append(in[best], a)
		places[a] = best
	}
	return places
}

// fitsBetter tells whether a room of size s is better for n numbers than one of
// size t: the smaller one of two that are large enough, else the larger one.
func fitsBetter(n, s, t int) bool {
	if s >= n && t >= n {
		return s < t
	}
	return s > t
}

// place puts the arrays of the net into the memory that nets share.
func (b *builder) place() {
	if b.memory == nil {
		return
	}
	for a, s := range b.memory.assign(b.arrays(!b.forwardOnly)) {
		s.storage.Reserve(s.size)
		a.place(&s.storage)
	}
}

// Keep gives every blob memory of its own and has every layer run by itself, as
// in a net that was made without Memory: from the next pass on, each blob holds
// what the last layer that computes it has left there. It is not called
// between a forward pass and its backward pass.
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
