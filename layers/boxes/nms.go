package boxes

// NMS is greedy non-maximum suppression: of boxes that overlap, it keeps the one with
// the highest score. It keeps its memory from one use to the next.
type NMS struct {
	// Threshold is the overlap up to which both boxes are kept.
	Threshold float32

	// Eta lowers the threshold while boxes are found: after each kept box a threshold
	// above 0.5 is multiplied by it. 0 and 1 leave it as it is.
	Eta float32

	// Most is how many boxes are kept at most, the first ones; 0 for all.
	Most int

	// Pixel is 0 for coordinates that are fractions, 1 for pixels (Box.Area).
	Pixel float32

	kept  []Box
	areas []float32
}

// Reserve allocates memory for n boxes, so that Keep does not allocate.
func (n *NMS) Reserve(boxes int) {
	if cap(n.kept) < boxes {
		n.kept, n.areas = make([]Box, 0, boxes), make([]float32, 0, boxes)
	}
}

// Keep appends the numbers of the boxes that are kept to kept and returns the result.
// order has the numbers of boxes to choose from, the one with the highest score first
// (Ranking.Top).
func (n *NMS) Keep(boxes []Box, order, kept []int32) []int32 {
	n.kept, n.areas = n.kept[:0], n.areas[:0]
	threshold := n.Threshold
next:
	for _, i := range order {
		box := boxes[i]
		area := box.Area(n.Pixel)
		for k, other := range n.kept {
			// Not written as overlap <= threshold, which would keep NaN.
			if !(overlap(other, box, n.areas[k], area, n.Pixel) <= threshold) {
				continue next
			}
		}
		n.kept, n.areas = append(n.kept, box), append(n.areas, area)
		kept = append(kept, i)
		if len(n.kept) == n.Most {
			break
		}
		if n.Eta > 0 && n.Eta < 1 && threshold > 0.5 {
			threshold *= n.Eta
		}
	}
	return kept
}
