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

	DataBytes     int64 // of the blobs between the layers
	DiffBytes     int64 // of their gradients
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
func (p *Plan) Bytes() int64 {
	return p.DataBytes + p.DiffBytes + p.WeightBytes + p.GradientBytes
}

// Plan returns what the net needs with its present shapes. A net for testing
// is taken to run forward only.
func (n *Net) Plan() *Plan {
	p := new(Plan)
	train := n.Phase() == caffepb.Phase_TRAIN
	diffs := n.diffsUsed(train)
	seen := make(map[*blob.Blob]bool)
	for _, l := range n.layers {
		before := p.Bytes()
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
		for _, top := range l.Tops {
			if seen[top] {
				continue // computed in place
			}
			seen[top] = true
			if !sharesAny(top, l.Bottoms) {
				p.DataBytes += 4 * int64(top.Count())
			}
			if diffs[top] {
				p.DiffBytes += 4 * int64(top.Count())
			}
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
		part.Bytes = p.Bytes() - before
		p.Layers = append(p.Layers, part)
	}
	return p
}

// sharesAny tells whether a top has the memory of a bottom, as those of Split
// and Flatten have.
func sharesAny(top *blob.Blob, bottoms []*blob.Blob) bool {
	for _, bottom := range bottoms {
		if top.SharesData(bottom) {
			return true
		}
	}
	return false
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
	fmt.Fprintf(&s, "memory: blobs %.2f MiB, their gradients %.2f MiB, weights %.2f MiB, their gradients %.2f MiB\n",
		mebibytes(p.DataBytes), mebibytes(p.DiffBytes), mebibytes(p.WeightBytes), mebibytes(p.GradientBytes))
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
