package net

import (
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/prototxt"
)

// A matcher finds the layers of a net for the layers of a file or of another
// net, which have the same names. Of several layers of one name the first goes
// with the first, the second with the second; layers with weights and layers
// without are counted apart.
//
// Differs from Caffe: there the weights of all layers of one name go to the
// first of them, one over the other, and the rest keep their fillers.
type matcher struct {
	layers map[layerKey][]*Layer
	asked  map[layerKey]int
}

type layerKey struct {
	name    string
	weights bool
}

// matcher returns the net's matcher, at the beginning. It is kept, because a
// solver shares the weights of its nets before each test.
func (n *Net) matcher() *matcher {
	if n.match == nil {
		n.match = &matcher{layers: make(map[layerKey][]*Layer), asked: make(map[layerKey]int)}
		for _, l := range n.layers {
			key := layerKey{l.Name, len(l.Params) > 0}
			n.match.layers[key] = append(n.match.layers[key], l)
		}
	}
	clear(n.match.asked)
	return n.match
}

// next returns the layer for the next layer of that name in the source, or nil.
// If one of the two has weights and the other has none, they go together all
// the same, so that the caller can report it.
func (m *matcher) next(name string, weights bool) *Layer {
	key := layerKey{name, weights}
	i := m.asked[key]
	m.asked[key]++
	found := m.layers[key]
	if len(found) == 0 {
		found = m.layers[layerKey{name, !weights}]
	}
	if i < len(found) {
		return found[i]
	}
	return nil
}

// warnSameNames sends a warning for each name of two layers with weights of
// their own: other programs lose the weights of one of them.
func (b *builder) warnSameNames() {
	first := make(map[string]*Layer)
	for _, l := range b.layers {
		if len(l.Params) == 0 {
			continue
		}
		other := first[l.Name]
		if other == nil {
			first[l.Name] = l
			continue
		}
		if slices.EqualFunc(l.Params, other.Params, (*blob.Blob).SharesData) {
			continue
		}
		text := fmt.Sprintf("two layers are named %q and have weights: programs that go by names lose those of one", l.Name)
		at := b.file.Positions.Of(l.source, "name", 0)
		if before := b.file.Positions.Of(other.source, "name", 0); before.IsValid() {
			text += fmt.Sprintf("; the other is in line %d", before.Line)
		}
		e := &prototxt.Error{Pos: at, Err: fmt.Errorf("%s", text)}
		if !at.IsValid() {
			e.Pos.File = b.file.File
		}
		event.Send(b.observer, event.Note{Level: event.Warning, Source: event.Caller(0), Text: e.Error()})
	}
}

// Unloaded returns the names of the layers with weights that no file has had
// weights for, neither under their own name nor as part of shared weights.
func (n *Net) Unloaded() []string { return n.without(n.loaded) }

// without returns the names of the layers that have weights which are not among
// those given, and do not share any of these.
func (n *Net) without(given map[*blob.Blob]bool) []string {
	var names []string
	for _, p := range n.params {
		if given[p.Blob] || p.Owner != nil && given[p.Owner.Blob] {
			continue
		}
		if len(names) == 0 || names[len(names)-1] != p.Layer {
			names = append(names, p.Layer)
		}
	}
	return names
}
