package net

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// joinBottoms makes the bottoms of each layers.Joiner parts of its top if it is the last that
// uses them: later changes of the top do not matter then. Those with storage of their own
// stay where they are.
func joinBottoms(ops []operation, data map[*blob.Blob]*array) {
	for _, op := range ops {
		if j, ok := op.Impl.(layers.Joiner); !ok || !j.Joins() {
			continue
		}
		whole, at := data[op.tops[0]], 0
		for _, bottom := range op.Bottoms {
			if a := data[bottom]; !a.own && a.last == op.index {
				a.whole, a.at = whole, at
				whole.use(a.first)
			}
			at += bottom.Count()
		}
	}
}

// placeParts puts arrays into the tops that they are parts of, which have been placed.
func (b *builder) placeParts(arrays []*array) {
	for _, a := range arrays {
		if a.whole == nil {
			continue
		}
		whole, at := a.whole, a.at
		for ; whole.whole != nil; whole = whole.whole {
			at += whole.at
		}
		s := whole.blobs[0].DataPart(at, a.count())
		a.place(s)
		b.layers[a.last].parts = append(b.layers[a.last].parts, s)
	}
}

// separate gives the bottoms of a layer that are parts of its top memory of their own.
func (l *Layer) separate() {
	for _, s := range l.parts {
		s.Separate()
	}
	l.parts = nil
}
