package ssd

import "github.com/gocaffe/gocaffe/layers/boxes"

// Values of a match that are no object.
const (
	unmatched = -1
	ignored   = -2 // outside of the image
)

// leastOverlap is the overlap that counts at all, as in Caffe.
const leastOverlap = 1e-6

// matcher matches boxes with objects. It keeps its memory.
type matcher struct {
	threshold     float32 // of overlap, for boxes that are not the best of an object
	perPrediction bool    // whether there are such boxes
	inside        bool    // whether boxes must be inside of the image

	objects  []int32   // the numbers of the objects that take part
	overlaps []float32 // (boxes, objects)
	best     []int32   // of each object, the unmatched box with the largest overlap
}

// match sets match to the number of each box's object, unmatched or ignored, and
// largest to the largest overlap of each box. Only objects of the label take part; -1 is
// all.
//
// As in Caffe's MatchBBox, the pair with the largest overlap is matched first, then the
// one with the largest of the remaining boxes and objects, and so on; of equal ones the
// one with the lower box, then with the lower object.
func (m *matcher) match(objects []object, label int, all []boxes.Box, match []int32, largest []float32) {
	m.objects = m.objects[:0]
	for i, o := range objects {
		if label < 0 || int(o.label) == label {
			m.objects = append(m.objects, int32(i))
		}
	}
	for i := range match {
		match[i], largest[i] = unmatched, 0
	}
	g := len(m.objects)
	if g == 0 {
		return
	}
	m.overlap(objects, all, match, largest)
	m.best = m.best[:0]
	for j := range g {
		m.best = append(m.best, m.bestBox(j, match))
	}
	for range g {
		pair := -1
		for j, box := range m.best {
			if box >= 0 && (pair < 0 || m.better(j, pair)) {
				pair = j
			}
		}
		if pair < 0 {
			break
		}
		box := m.best[pair]
		match[box] = m.objects[pair]
		for j, other := range m.best {
			switch {
			case j == pair:
				m.best[j] = -1
			case other == box:
				m.best[j] = m.bestBox(j, match)
			}
		}
	}
	if m.perPrediction {
		m.matchRest(match)
	}
}

// overlap computes the overlaps, and marks the boxes that are ignored.
func (m *matcher) overlap(objects []object, all []boxes.Box, match []int32, largest []float32) {
	g := len(m.objects)
	if n := len(all) * g; cap(m.overlaps) < n {
		m.overlaps = make([]float32, n)
	}
	m.overlaps = m.overlaps[:len(all)*g]
	for i, box := range all {
		row := m.overlaps[i*g:][:g]
		if m.inside && box != box.Clip(1, 1) {
			clear(row)
			match[i] = ignored
			continue
		}
		for j, o := range m.objects {
			v := boxes.Overlap(box, objects[o].box, 0)
			if !(v > leastOverlap) {
				v = 0
			}
			row[j] = v
			largest[i] = max(largest[i], v)
		}
	}
}

// bestBox returns the unmatched box with the largest overlap with an object, the lowest
// of equal ones, or -1 if there is none.
func (m *matcher) bestBox(j int, match []int32) int32 {
	g, best, at := len(m.objects), float32(0), int32(-1)
	for i := range match {
		if v := m.overlaps[i*g+j]; v > best && match[i] == unmatched {
			best, at = v, int32(i)
		}
	}
	return at
}

// better reports whether object j and its best box go before those of object k < j.
func (m *matcher) better(j, k int) bool {
	g := len(m.objects)
	a, b := m.overlaps[int(m.best[j])*g+j], m.overlaps[int(m.best[k])*g+k]
	return a > b || a == b && m.best[j] < m.best[k]
}

// matchRest matches each box that is left with the object that it overlaps most.
func (m *matcher) matchRest(match []int32) {
	g := len(m.objects)
	for i := range match {
		if match[i] != unmatched {
			continue
		}
		best := float32(0)
		for j, v := range m.overlaps[i*g:][:g] {
			if v > best && v >= m.threshold {
				best, match[i] = v, m.objects[j]
			}
		}
	}
}
