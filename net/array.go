package net

import (
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// An array is the data or the diff of a blob between layers, or of several blobs
// that share it, with its live range: the steps in which its values are needed.
// Layer i of n runs forward in step i and backward in step 2n-1-i.
type array struct {
	blobs       []*blob.Blob
	diff        bool
	own         bool // has storage of its own, because it may be read at any time
	layer       int  // the first with the array as a top
	first, last int  // steps; last is -1 if no step uses the array

	whole *array // the top of a layers.Joiner, in which the array lies from element at on; nil if in none
	at    int
}

// live reports whether the passes use the array at all.
func (a *array) live() bool { return a.last >= 0 }

// count returns the number of elements.
func (a *array) count() int {
	n := 0
	for _, b := range a.blobs {
		n = max(n, b.Count())
	}
	return n
}

// use extends the live range to step.
func (a *array) use(step int) {
	if !a.live() {
		a.first = step
	}
	a.first, a.last = min(a.first, step), max(a.last, step)
}

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

// An operation is a layer with those fused into it.
type operation struct {
	*Layer
	index    int          // of the layer
	inputs   []*blob.Blob // the bottoms of all layers that an earlier operation computes
	down     []bool       // for each of them, whether the backward pass computes its gradient
	tops     []*blob.Blob // of the last layer
	backward bool         // the backward pass runs it
}

// operations returns the operations of a forward pass in their order.
func (n *Net) operations() []operation {
	var ops []operation
	for i, l := range n.layers {
		if l.FusedInto == nil {
			inputs, down := l.inputs()
			ops = append(ops, operation{l, i, inputs, down, l.end().Tops, l.runsBackward()})
		}
	}
	return ops
}

// group records which blobs share their data or diffs because a layer made them
// share, before the net puts unrelated arrays into one slot.
func (b *builder) group() {
	b.data = b.groups((*blob.Blob).DataID)
	b.diffs = b.groups((*blob.Blob).DiffID)
}

// groups returns the tops of all layers, those with the same id in one group.
func (b *builder) groups(id func(*blob.Blob) any) [][]*blob.Blob {
	var groups [][]*blob.Blob
	seen := make(map[*blob.Blob]bool)
	index := make(map[any]int) // of the group with an id
	for _, l := range b.layers {
		for _, top := range l.Tops {
			if seen[top] {
				continue
			}
			seen[top] = true
			if g, ok := index[id(top)]; ok {
				groups[g] = append(groups[g], top)
				continue
			}
			index[id(top)] = len(groups)
			groups = append(groups, []*blob.Blob{top})
		}
	}
	return groups
}

// arrays returns the arrays of the net with their live ranges, with or without a
// backward pass.
//
// Arrays that may be read after a pass or written before it have storage of their
// own: the tops of layers without bottoms, the outputs of the net, and losses,
// whose diff holds their weight. So have diffs that Backward reads and no layer
// writes, which stay zero.
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
	for _, l := range n.layers {
		if l.before != nil {
			data[l.before.Bottoms[0]].join(data[l.Bottoms[0]], data)
		}
	}
	for kept := range n.kept {
		data[kept].own = true
	}
	for _, out := range n.outputs {
		data[out.Blob].own, diffs[out.Blob].own = true, true
	}
	ops := n.operations()
	for _, op := range ops {
		for _, b := range op.inputs {
			data[b].use(op.index)
		}
		for _, b := range op.tops {
			data[b].use(op.index)
		}
	}
	if backward {
		n.backwardArrays(ops, data, diffs)
	}
	if n.joins {
		joinBottoms(ops, data)
	}
	return all
}

// backwardArrays extends the live ranges to the steps of the backward pass.
func (n *Net) backwardArrays(ops []operation, data, diffs map[*blob.Blob]*array) {
	written := make(map[*blob.Blob]bool) // blobs whose diff an operation below writes
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
			written[b] = false // a layer above that works in place has another version of the blob
		}
		for j, b := range op.inputs {
			if written[b] = op.backward && op.down[j]; !written[b] {
				continue
			}
			if j >= len(op.Bottoms) && !diffs[op.tops[0]].own && !diffs[b].own {
				diffs[op.tops[0]].join(diffs[b], diffs)
			}
			diffs[b].use(step)
		}
	}
}

// join makes the blobs of b share a: the gradient of a blob that a chain adds takes the place of
// the gradient of the top, and a blob that nobody computes has the data of another one. of has
// the arrays of all blobs.
func (a *array) join(b *array, of map[*blob.Blob]*array) {
	for _, each := range b.blobs {
		of[each] = a
	}
	a.blobs = append(slices.Clip(a.blobs), b.blobs...)
	a.layer = min(a.layer, b.layer)
	b.last = -1 // no step uses it any more
}

// reads reports whether the backward pass of a layer reads the data of its
// bottoms and of its tops.
func reads(impl layers.Layer) (bottom, top bool) {
	if r, ok := impl.(layers.BackwardReader); ok {
		return r.BackwardReads()
	}
	return true, true
}
