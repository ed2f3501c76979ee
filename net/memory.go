package net

import (
	"cmp"
	"slices"
	"sort"

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

// maxTried is how many slots are tried for an array before a new one is made. Few
// nets have as many arrays that live at the same time; without a bound the time
// would grow with their square.
const maxTried = 4096

// assign returns a slot for each array that shares storage, and adds missing
// slots to m. From the largest array to the smallest, each gets the smallest slot
// that is large enough and free during its live range.
func (m *Memory) assign(arrays []*array) map[*array]*slot {
	shared := make([]*array, 0, len(arrays))
	for _, a := range arrays {
		if !a.own && a.whole == nil && a.live() && a.count() > 0 {
			shared = append(shared, a)
		}
	}
	slices.SortStableFunc(shared, func(a, b *array) int {
		return cmp.Or(cmp.Compare(b.count(), a.count()), cmp.Compare(a.first, b.first))
	})
	taken := make([]occupants, len(m.slots))
	assigned := make(map[*array]*slot)
	for _, a := range shared {
		n, best := a.count(), -1
		for i := len(m.slots) - 1; i >= max(0, len(m.slots)-maxTried); i-- {
			// The slots of this net are from the largest to the smallest, so >= and not >
			// makes the first of equal ones the best.
			if (best < 0 || !fitsBetter(n, m.slots[best].size, m.slots[i].size)) && taken[i].free(a) {
				best = i
			}
		}
		if best < 0 {
			best = len(m.slots)
			m.slots = append(m.slots, new(slot))
			taken = append(taken, nil)
		}
		s := m.slots[best]
		s.size = max(s.size, n)
		taken[best] = taken[best].with(a)
		assigned[a] = s
	}
	return assigned
}

// occupants are the live ranges of the arrays in a slot, which do not overlap,
// in the order of time.
type occupants []liveRange

type liveRange struct{ first, last int }

// after returns the index of the first live range that does not end before step.
func (o occupants) after(step int) int {
	if n := len(o); n == 0 || o[n-1].last < step {
		return n
	}
	return sort.Search(len(o), func(i int) bool { return o[i].last >= step })
}

// free reports whether the slot is free during the live range of a.
func (o occupants) free(a *array) bool {
	i := o.after(a.first)
	return i == len(o) || o[i].first > a.last
}

// with returns the occupants and a, for which the slot is free.
func (o occupants) with(a *array) occupants {
	return slices.Insert(o, o.after(a.first), liveRange{a.first, a.last})
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
	arrays := b.arrays(!b.forwardOnly)
	for a, s := range b.memory.assign(arrays) {
		s.storage.Reserve(s.size)
		a.place(&s.storage)
	}
	b.placeParts(arrays)
}

// Keeps reports whether a blob holds what a pass computed: because every blob does, or it is
// an output, the top of a layer without bottoms or in Options.Keep.
func (n *Net) Keeps(name string) bool {
	b := n.byName[name]
	return b != nil && (n.memory == nil || b.source || n.kept[b.Blob] ||
		slices.ContainsFunc(n.outputs, func(o Output) bool { return o.Blob == b.Blob }))
}

// Keep gives every blob storage of its own and has every layer run by itself, as
// in a net made without Memory: from the next pass on, each blob holds what the
// last layer that computes it has left there. Do not call it between a forward
// pass and its backward pass.
func (n *Net) Keep() {
	if n.memory == nil {
		return
	}
	n.unfuse()
	n.joins = false
	for _, l := range n.layers {
		l.parts = nil
	}
	for _, a := range n.arrays(!n.forwardOnly) {
		if !a.own {
			a.place(new(blob.Storage))
		}
	}
	n.memory = nil
	n.runner.reset()
}
