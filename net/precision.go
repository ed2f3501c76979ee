package net

import (
	"fmt"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// notePrecision sends a note of how many layers compute in Options.Precision, and a warning
// if it is none of them.
func (b *builder) notePrecision() {
	p := b.opts.Precision
	if p == kernel.FP32 {
		return
	}
	rounded, all := 0, 0
	for _, l := range b.layers {
		if r, ok := l.Impl.(layers.Rounder); ok {
			all++
			if r.Rounds() {
				rounded++
			}
		}
	}
	note := event.Note{Level: event.Info, Source: event.Caller(0),
		Text: fmt.Sprintf("Products in %v by %s: in %d of %d layers, the others compute in fp32", p, p.Variant(), rounded, all)}
	if rounded == 0 {
		note.Level = event.Warning
		note.Text = fmt.Sprintf("No product in %v: all %d convolutions and inner products compute in fp32", p, all)
	}
	event.Send(b.observer, note)
}
