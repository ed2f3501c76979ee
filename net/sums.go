package net

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// sumPlanes has layers take the sums of their top for the layer that needs those of its bottom,
// where both support that (layers.PlaneSummer, layers.PlaneSumsReader), no layer between changes
// the data, and nobody else can, because the top is not kept.
func (b *builder) sumPlanes() {
	for _, l := range b.layers {
		r, ok := l.Impl.(layers.PlaneSumsReader)
		if !ok || l.FusedInto != nil || len(l.Bottoms) != 1 {
			continue
		}
		from := l.makers[0]
		s, ok := from.Impl.(layers.PlaneSummer)
		if !ok || len(from.Tops) != 1 || b.kept[from.Tops[0]] {
			continue
		}
		if sums := new(kernel.PlaneSums); r.ReadPlaneSums(sums) && s.SumPlanes(sums) {
			l.summer = from
		}
	}
}

// unsum has the layer take the sums of its bottom itself.
func (l *Layer) unsum() {
	if l.summer == nil {
		return
	}
	l.Impl.(layers.PlaneSumsReader).ReadPlaneSums(nil)
	l.summer.Impl.(layers.PlaneSummer).SumPlanes(nil)
	l.summer = nil
}
