package net

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

// A Plan says what a net is made of and what it needs. It is computed from the
// shapes, before any memory is taken.
type Plan struct {
	Layers  []LayerPlan
	Weights int64 // numbers; shared ones count once
	MACs    int64 // multiply-adds of one forward pass

	DataBytes     int64 // of the blobs between the layers, each counted by itself
	DiffBytes     int64 // of their gradients, likewise
	BlobBytes     int64 // of both: less than the sum if the net shares Memory
	WeightBytes   int64
	GradientBytes int64 // of the weights
}

// A LayerPlan is the part of one layer in a Plan.
type LayerPlan struct {
	Name, Type    string
	Bottoms, Tops [][]int // shapes
	Weights       int64   // numbers, shared or not
	MACs          int64   // multiply-adds of one forward pass; 0 if the layer does not tell
	Bytes         int64   // what the layer adds to the memory of the net
	Backward      bool    // the backward pass runs it
}

// Bytes returns the memory that the net needs for its blobs. What layers keep
// for themselves is not in it.
func (p *Plan) Bytes() int64 { return p.BlobBytes + p.WeightBytes + p.GradientBytes }

// Plan returns what the net needs with its present shapes. A net for testing
// is taken to run forward only.
func (n *Net) Plan() *Plan {
	p := new(Plan)
	train := n.Phase() == caffepb.Phase_TRAIN
	added := n.planBlobs(p, train && !n.forwardOnly)
	for i, l := range n.layers {
		before := p.WeightBytes + p.GradientBytes
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
		part.Bytes = added[i] + p.WeightBytes + p.GradientBytes - before
		p.Layers = append(p.Layers, part)
	}
	return p
}

// planBlobs adds the blobs and their gradients to a plan, and returns what each
// layer adds to them: the arrays of its own tops and, of memory that arrays
// share, what is first used while it runs.
func (n *Net) planBlobs(p *Plan, backward bool) []int64 {
	added := make([]int64, len(n.layers))
	arrays := n.arrays(backward)
	places := new(Memory).assign(arrays)
	began := make(map[*room]int) // in which step
	for _, a := range arrays {
		if !a.lives() {
			continue
		}
		bytes := 4 * int64(a.count())
		if a.diff {
			p.DiffBytes += bytes
		} else {
			p.DataBytes += bytes
		}
		if s := places[a]; s == nil {
			added[a.layer] += bytes
		} else if first, ok := began[s]; !ok || a.first < first {
			began[s] = a.first
		}
	}
	for s, step := range began {
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

// String returns the plan as a table with a line for each layer and one for
// the whole.
func (p *Plan) String() string {
	var s strings.Builder
	w := tabwriter.NewWriter(&s, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "layer\ttype\tbottoms\ttops\tweights\tmultiply-adds\tMiB")
	for _, l := range p.Layers {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%.2f\n",
			l.Name, l.Type, shapeList(l.Bottoms), shapeList(l.Tops), l.Weights, l.MACs, mebibytes(l.Bytes))
	}
	fmt.Fprintf(w, "all\t\t\t\t%d\t%d\t%.2f\n", p.Weights, p.MACs, mebibytes(p.Bytes()))
	w.Flush()
	fmt.Fprintf(&s, "memory: blobs and their gradients %.2f MiB", mebibytes(p.BlobBytes))
	if each := p.DataBytes + p.DiffBytes; each > p.BlobBytes {
		fmt.Fprintf(&s, " (%.2f MiB if none were shared)", mebibytes(each))
	}
	fmt.Fprintf(&s, ", weights %.2f MiB, their gradients %.2f MiB\n", mebibytes(p.WeightBytes), mebibytes(p.GradientBytes))
	return s.String()
}

// shapeList returns shapes as "20x1x28x28 20", or "-" if there are none. A
// scalar is "1".
func shapeList(list [][]int) string {
	if len(list) == 0 {
		return "-"
	}
	words := make([]string, len(list))
	for i, shape := range list {
		words[i] = "1"
		if len(shape) > 0 {
			words[i] = strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", "x")
		}
	}
	return strings.Join(words, " ")
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
