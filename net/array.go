package net

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// An array is the data or the diff of a blob between layers, or of several that
// share it, with the time in which its numbers are needed. Time is counted in
// steps: layer i of n runs forward in step i and backward in step 2n-1-i.
type array struct {
	blobs       []*blob.Blob
	diff        bool
	own         bool // has memory of its own, because others may read it at any time
	layer       int  // the first with the array as a top
	first, last int  // step
}

// lives tells whether the passes use the array at all.
func (a *array) lives() bool { return a.last >= 0 }

// count returns the number of numbers.
func (a *array) count() int {
	n := 0
	for _, b := range a.blobs {
		n = max(n, b.Count())
	}
	return n
}

// use says that the array holds numbers in a step.
func (a *array) use(step int) {
	if !a.lives() {
		a.first = step
	}
	a.first, a.last = min(a.first, step), max(a.last, step)
}

func (a *array) overlaps(b *array) bool { return a.first <= b.last && b.first <= a.last }

// place puts the array into a storage.
func (a *array) place(s *blob.Storage) {
	for _, b := range a.blobs {
		if a.diff {
			b.PlaceDiff(s)
		} else {
			b.PlaceData(s)
		}
	}
}

// An operation is a layer together with those that it computes too.
type operation struct {
	*Layer
	index    int          // of the layer
	tops     []*blob.Blob // of the last one
	backward bool         // the backward pass runs it
}

func (n *Net) operations() []operation {
	var ops []operation
	for i, l := range n.layers {
		if l.FusedInto == nil {
			ops = append(ops, operation{l, i, l.end().Tops, l.runsBackward()})
		}
	}
	return ops
}

// group records which blobs share their data and their diffs because of what
// the layers do, before the net places arrays that have nothing in common in
// one memory.
func (b *builder) group() {
	b.data = b.groups((*blob.Blob).SharesData)
	b.diffs = b.groups((*blob.Blob).SharesDiff)
}

func (b *builder) groups(share func(a, b *blob.Blob) bool) [][]*blob.Blob {
	var groups [][]*blob.Blob
	seen := make(map[*blob.Blob]bool)
	for _, l := range b.layers {
	tops:
		for _, top := range l.Tops {
			if seen[top] {
				continue
			}
			seen[top] = true
			for g, group := range groups {
				if share(group[0], top) {
					groups[g] = append(group, top)
					continue tops
				}
			}
			groups = append(groups, []*blob.Blob{top})
		}
	}
	return groups
}

// arrays returns the arrays of the net and when they are needed, if there is a
// backward pass or not.
//
// Memory of their own have, as numbers that others may read after a pass or
// write before it: the tops of layers without bottoms, the outputs of the net,
// and losses, whose diff holds their weight. So have diffs that Backward reads
// and nobody writes: they stay zero.
func (n *Net) arrays(backward bool) []*array {
	var all []*array
	index := func(groups [][]*blob.Blob, diff bool) map[*blob.Blob]*array {
		of := make(map[*blob.Blob]*array)
		for _, blobs := range groups {
			a := &array{blobs: blobs, diff: diff, own: n.memory == nil, layer: -1, last: -1}
			all = append(all, a)
			for _, b := range blobs {
				of[b] = a
			}
		}
		return of
	}
	data, diffs := index(n.data, false), index(n.diffs, true)
	for i, l := range n.layers {
		for j, top := range l.Tops {
			for _, a := range []*array{data[top], diffs[top]} {
				if a.layer < 0 {
					a.layer = i
				}
				a.own = a.own || len(l.Bottoms) == 0 || l.LossWeights[j] != 0
			}
			if l.LossWeights[j] != 0 {
				diffs[top].use(i)
			}
		}
	}
	for _, out := range n.outputs {
		data[out.Blob].own, diffs[out.Blob].own = true, true
	}
	ops := n.operations()
	for _, op := range ops {
		for _, b := range op.Bottoms {
			data[b].use(op.index)
		}
		for _, b := range op.tops {
			data[b].use(op.index)
		}
	}
	if backward {
		n.backwardArrays(ops, data, diffs)
	}
	return all
}

// backwardArrays says when the backward pass needs the arrays.
func (n *Net) backwardArrays(ops []operation, data, diffs map[*blob.Blob]*array) {
	written := make(map[*blob.Blob]bool) // the diffs, by the operations below
	for i := len(ops) - 1; i >= 0; i-- {
		op := ops[i]
		step := 2*len(n.layers) - 1 - op.index
		if op.backward {
			bottom, top := reads(op.Impl)
			for _, b := range op.tops {
				diffs[b].use(step)
				diffs[b].own = diffs[b].own || !written[b]
				if top {
					data[b].use(step)
				}
			}
			for _, b := range op.Bottoms {
				if bottom {
					data[b].use(step)
				}
			}
		}
		for _, b := range op.tops {
			written[b] = false // what is above reads another version of a blob in place
		}
		for j, b := range op.Bottoms {
			if written[b] = op.backward && op.PropagateDown[j]; written[b] {
				diffs[b].use(step)
			}
		}
	}
}

// reads returns which data the backward pass of a layer reads.
func reads(impl layers.Layer) (bottom, top bool) {
	if r, ok := impl.(layers.BackwardReader); ok {
		return r.BackwardReads()
	}
	return true, true
}
