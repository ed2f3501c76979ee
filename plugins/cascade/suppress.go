package cascade

import (
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// An overlapMode says what the area that two boxes have in common is divided by.
type overlapMode string

const (
	overUnion   overlapMode = "IOU"  // the area of their union
	overSmaller overlapMode = "IOMU" // the smaller of their areas
	overFirst   overlapMode = "IOFU" // the area of the first
)

// check returns an error for the option nms_type of a layer, in the field of that name,
// if there is no such mode.
func (m overlapMode) check(s *layers.Spec, field string) error {
	switch m {
	case overUnion, overSmaller, overFirst:
		return nil
	}
	return s.Errorf(field+".nms_type", "nms_type is %q, want IOU, IOMU or IOFU", string(m))
}

// overlap returns the overlap of two boxes with those areas, in pixels. Unlike
// boxes.Overlap it is 0 for boxes of fractions of pixels that end less than a pixel
// apart, and for those that have a row of height 1 in common, as in the fork.
func (m overlapMode) overlap(a, b boxes.Box, areaA, areaB float32) float32 {
	if areaA == 0 || areaB == 0 {
		return 0
	}
	x0, x1 := max(a.XMin, b.XMin), min(a.XMax, b.XMax)
	y0, y1 := max(a.YMin, b.YMin), min(a.YMax, b.YMax)
	if x0 > x1 || y0 >= y1 {
		return 0
	}
	return m.ratio(float32((x1-x0+1)*(y1-y0+1)), areaA, areaB)
}

// edges returns the overlap of two boxes with those areas whose coordinates are those of
// edges, not of pixels.
func (m overlapMode) edges(a, b boxes.Box, areaA, areaB float32) float32 {
	w, h := min(a.XMax, b.XMax)-max(a.XMin, b.XMin), min(a.YMax, b.YMax)-max(a.YMin, b.YMin)
	if !(w > 0 && h > 0) {
		return 0
	}
	return m.ratio(float32(w*h), areaA, areaB)
}

// ratio returns the overlap of boxes with those areas and the area that they have in
// common.
func (m overlapMode) ratio(common, areaA, areaB float32) float32 {
	whole := areaA + areaB - common
	switch m {
	case overSmaller:
		whole = min(areaA, areaB)
	case overFirst:
		whole = areaA
	}
	if whole <= 0 {
		return 0
	}
	return common / whole
}

// A suppressor finds which of boxes that overlap stay: the ones with the highest scores.
// It keeps its memory from one use to the next.
type suppressor struct {
	mode      overlapMode
	threshold float32 // overlap above which a box does not stay
	edges     bool    // coordinates are those of edges, not of pixels

	ranking boxes.Ranking
	order   []int32
	kept    []boxes.Box
	areas   []float32
}

// reset forgets the boxes of the last use, and allocates for as many.
func (s *suppressor) reset(n int) {
	s.ranking.Reset()
	if cap(s.kept) < n {
		s.ranking.Reserve(n)
		s.order = make([]int32, 0, n)
		s.kept, s.areas = make([]boxes.Box, 0, n), make([]float32, 0, n)
	}
}

// add adds the score of the box of that number.
func (s *suppressor) add(score float32, number int) { s.ranking.Add(score, number) }

// choose appends the numbers of at most limit boxes that stay, of the best boxes that
// were added, to stay, the one with the highest score first. Limits of 0 are none.
func (s *suppressor) choose(all []boxes.Box, best, limit int, stay []int32) []int32 {
	if best == 0 {
		best = -1
	}
	s.order = s.ranking.Top(best, s.order[:0])
	s.kept, s.areas = s.kept[:0], s.areas[:0]
	pixel, overlap := float32(1), s.mode.overlap
	if s.edges {
		pixel, overlap = 0, s.mode.edges
	}
next:
	for _, i := range s.order {
		if limit > 0 && len(s.kept) == limit {
			break
		}
		box := all[i]
		area := box.Area(pixel)
		for k, other := range s.kept {
			if overlap(other, box, s.areas[k], area) > s.threshold {
				continue next
			}
		}
		s.kept, s.areas = append(s.kept, box), append(s.areas, area)
		stay = append(stay, i)
	}
	return stay
}
