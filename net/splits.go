package net

import (
	"fmt"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// A port is a bottom or a top of a layer.
type port struct{ layer, index int }

// wiring records which top each bottom reads. A layer that works in place has a
// top that is distinct from the one it overwrites.
type wiring struct {
	sources map[port]port   // the top that each bottom reads; bottoms without one are missing
	readers map[port][]port // of the tops: the bottoms, in the order of the file
	losses  map[port]float32
}

// wire matches bottoms with tops by the names of the blobs.
func wire(param []*caffepb.LayerParameter) wiring {
	w := wiring{make(map[port]port), make(map[port][]port), make(map[port]float32)}
	last := make(map[string]port) // the last top of each name
	for i, layer := range param {
		for j, name := range layer.Bottom {
			if source, ok := last[name]; ok {
				bottom := port{i, j}
				w.sources[bottom] = source
				w.readers[source] = append(w.readers[source], bottom)
			}
		}
		for j, name := range layer.Top {
			last[name] = port{i, j}
			if j < len(layer.LossWeight) {
				w.losses[port{i, j}] = layer.LossWeight[j]
			}
		}
	}
	return w
}

// uses returns how often a top is used: once by each bottom that reads it, and
// once by the loss if it has a loss weight.
func (w wiring) uses(top port) int {
	n := len(w.readers[top])
	if w.losses[top] != 0 {
		n++
	}
	return n
}

// insertSplits returns the layers with a Split layer after every top that is used
// more than once, as Caffe's insert_splits.cpp does: each use then reads a blob of
// its own, and the Split layer adds their gradients. Layers that change are
// copied, with their positions.
func insertSplits(param []*caffepb.LayerParameter, positions *prototxt.Positions) []*caffepb.LayerParameter {
	w := wire(param)
	next := make(map[port]int) // the index of the next free top of each split
	var all []*caffepb.LayerParameter
	for i, layer := range param {
		own := layer
		change := func() *caffepb.LayerParameter {
			if own == layer {
				own = proto.Clone(layer).(*caffepb.LayerParameter)
				positions.Copied(layer, own)
			}
			return own
		}
		for j, name := range layer.Bottom {
			source := w.sources[port{i, j}]
			if w.uses(source) > 1 {
				change().Bottom[j] = splitBlobName(param[source.layer].GetName(), name, source.index, next[source])
				next[source]++
			}
		}
		var splits []*caffepb.LayerParameter
		for j, name := range layer.Top {
			top := port{i, j}
			uses := w.uses(top)
			if uses < 2 {
				continue
			}
			split := newSplit(layer.GetName(), name, j, uses)
			positions.Copied(layer, split) // errors about the split point at the layer
			if weight := w.losses[top]; weight != 0 {
				// The first top of the split is the loss.
				split.LossWeight = make([]float32, uses)
				split.LossWeight[0] = weight
				next[top]++
				moveLoss(change(), j)
			}
			splits = append(splits, split)
		}
		all = append(append(all, own), splits...)
	}
	return all
}

// moveLoss removes the loss weight of a top, which its split has now.
//
// Differs from Caffe: Caffe removes all loss weights of the layer. Another top then
// loses its weight, and that of a loss layer becomes 1 again, so that the loss is
// counted twice.
func moveLoss(layer *caffepb.LayerParameter, top int) {
	layer.LossWeight[top] = 0
	for _, weight := range layer.LossWeight {
		if weight != 0 {
			return
		}
	}
	if info := layers.Of(layer); info == nil || !info.Loss {
		layer.LossWeight = nil
	}
}

func newSplit(layer, blob string, top, uses int) *caffepb.LayerParameter {
	split := &caffepb.LayerParameter{
		Name:   proto.String(fmt.Sprintf("%s_%s_%d_split", blob, layer, top)),
		Type:   proto.String("Split"),
		Bottom: []string{blob},
	}
	for k := range uses {
		split.Top = append(split.Top, splitBlobName(layer, blob, top, k))
	}
	return split
}

func splitBlobName(layer, blob string, top, use int) string {
	return fmt.Sprintf("%s_%s_%d_split_%d", blob, layer, top, use)
}
