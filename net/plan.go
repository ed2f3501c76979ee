package net

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

// A Plan lists the layers of a net and the memory that it needs. It is computed
// from the shapes, before any memory is allocated.
type Plan struct {
	Layers  []LayerPlan
	Weights int64 // elements; shared weights count once
	MACs    int64 // multiply-adds of one forward pass

	DataBytes     int64 // of the blobs between the layers, each counted by itself
	DiffBytes     int64 // of their gradients, each counted by itself
	BlobBytes     int64 // of both: less than their sum if the net shares Memory
	WeightBytes   int64
	GradientBytes int64 // of the weights
	PackedBytes   int64 // of the weights that layers keep packed (Options.PackedWeights)
}

// A LayerPlan is the part of one layer in a Plan.
type LayerPlan struct {
	Name, Type    string
	Bottoms, Tops [][]int // shapes
	Weights       int64   // elements, shared or not
	MACs          int64   // multiply-adds of one forward pass; 0 if the layer is no layers.Counter
	Bytes         int64   // that the layer adds to the memory of the net
	Backward      bool    // the backward pass runs it
}

// Bytes returns the memory that the net needs for its blobs and weights, without
// the layers' private buffers.
func (p *Plan) Bytes() int64 { return p.BlobBytes + p.WeightBytes + p.GradientBytes + p.PackedBytes }

// Plan returns what the net needs with its present shapes. It assumes that a net
// of phase TEST runs forward only.
func (n *Net) Plan() *Plan {
	p := new(Plan)
	train := n.Phase() == caffepb.Phase_TRAIN
	added := n.planBlobs(p, train && !n.forwardOnly)
	for i, l := range n.layers {
		before := p.WeightBytes + p.GradientBytes + p.PackedBytes
		p.PackedBytes += l.packed
		part := LayerPlan{
			Name:     l.Name,
			Type:     l.Type,
			Bottoms:  shapes(l.Bottoms),
			Tops:     shapes(l.Tops),
			Backward: train && l.NeedsBackward,
		}
		if c, ok := l.Impl.(layers.Counter); ok {
			part.MACs = c.MACs()
		}
		for k, w := range l.Params {
			part.Weights += int64(w.Count())
			if n.params[l.first+k].Owner != nil {
				continue
			}
			p.Weights += int64(w.Count())
			p.WeightBytes += 4 * int64(w.Count())
			if train && l.NeedsBackward {
				p.GradientBytes += 4 * int64(w.Count())
			}
		}
		p.MACs += part.MACs
		part.Bytes = added[i] + p.WeightBytes + p.GradientBytes + p.PackedBytes - before
		p.Layers = append(p.Layers, part)
	}
	return p
}

// planBlobs adds the blobs and their gradients to a plan, and returns the bytes
// that each layer adds to them: those of its tops that have storage of their own,
// and the slots that are first used while it runs.
func (n *Net) planBlobs(p *Plan, backward bool) []int64 {
	added := make([]int64, len(n.layers))
	arrays := n.arrays(backward)
	assigned := new(Memory).assign(arrays)
	firstUse := make(map[*slot]int) // step
	for _, a := range arrays {
		if !a.live() {
			continue
		}
		bytes := 4 * int64(a.count())
		if a.diff {
			p.DiffBytes += bytes
		} else {
			p.DataBytes += bytes
		}
		if a.whole != nil {
			continue
		}
		if s := assigned[a]; s == nil {
			added[a.layer] += bytes
		} else if first, ok := firstUse[s]; !ok || a.first < first {
			firstUse[s] = a.first
		}
	}
	for s, step := range firstUse {
		added[min(step, 2*len(n.layers)-1-step)] += 4 * int64(s.size)
	}
	for _, bytes := range added {
		p.BlobBytes += bytes
	}
	return added
}

func shapes(blobs []*blob.Blob) [][]int {
	all := make([][]int, len(blobs))
	for i, b := range blobs {
		all[i] = append([]int{}, b.Shape()...)
	}
	return all
}
