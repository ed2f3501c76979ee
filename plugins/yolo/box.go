package yolo

import "math"

// box is a rectangle by its center and size, in fractions of an image.
type box struct{ x, y, w, h float64 }

// sized returns a box of b's size at the origin.
func (b box) sized() box { return box{w: b.w, h: b.h} }

// sides are two intervals that begin and end: of two boxes, in x or in y.
type sides struct{ from, to, otherFrom, otherTo float64 }

func (b box) horizontal(o box) sides {
	return sides{b.x - b.w/2, b.x + b.w/2, o.x - o.w/2, o.x + o.w/2}
}

func (b box) vertical(o box) sides {
	return sides{b.y - b.h/2, b.y + b.h/2, o.y - o.h/2, o.y + o.h/2}
}

// common returns the length that both have in common; it is negative if they are apart.
func (s sides) common() float64 { return min(s.to, s.otherTo) - max(s.from, s.otherFrom) }

// hull returns the length of the interval around both.
func (s sides) hull() float64 { return max(s.to, s.otherTo) - min(s.from, s.otherFrom) }

// measure is how well two boxes agree: 1 if they are equal.
type measure string

const (
	iou  measure = "IOU"  // common area / area of the union
	giou measure = "GIOU" // minus the share of the rectangle around both that is not in the union
	diou measure = "DIOU" // iou minus a power of the distance of the centers / the diagonal of that rectangle
	ciou measure = "CIOU" // iou minus the square of that and a term for the ratios of width to height
)

// of returns the measure of two boxes. It is NaN if both have no area.
func (m measure) of(a, b box) float64 {
	x, y := a.horizontal(b), a.vertical(b)
	common := 0.0
	if w, h := x.common(), y.common(); w >= 0 && h >= 0 {
		common = w * h
	}
	union := a.w*a.h + b.w*b.h - common
	overlap := common / union
	w, h := x.hull(), y.hull()
	distance := ((a.x-b.x)*(a.x-b.x) + (a.y-b.y)*(a.y-b.y)) / (w*w + h*h)
	switch m {
	case giou:
		return overlap - (w*h-union)/(w*h)
	case diou:
		return overlap - math.Pow(distance, 0.6)
	case ciou:
		ratios := ratioLoss(a, b)
		return overlap - distance - ratios*ratios/(1-overlap+ratios+1e-6)
	}
	return overlap
}

// angle returns the difference of the angles of the diagonals of two boxes, b's minus a's.
func angle(a, b box) float64 { return math.Atan(b.w/b.h) - math.Atan(a.w/a.h) }

// ratioLoss returns how much the ratios of width to height differ, 0 to 1.
func ratioLoss(a, b box) float64 { return 4 / (math.Pi * math.Pi) * angle(a, b) * angle(a, b) }

// edges are derivatives by where a side begins and ends.
type edges struct{ from, to float64 }

// commonBy returns the derivatives of the area in common, where across is the length in
// common in the other direction.
func (s sides) commonBy(across float64) (d edges) {
	if s.from > s.otherFrom {
		d.from = -across
	}
	if s.to < s.otherTo {
		d.to = across
	}
	return d
}

// hullBy returns the derivatives of the length of the hull.
func (s sides) hullBy() (d edges) {
	if s.from < s.otherFrom {
		d.from = -1
	}
	if s.to > s.otherTo {
		d.to = 1
	}
	return d
}

// slopes returns what the fork (and darknet) take for the derivatives of the measure of
// a predicted box by its center and size: those by the size are not halved, and the
// terms of diou and ciou are not the derivatives of those of measure.of (see the
// description of Yolov3).
func (m measure) slopes(pred, truth box) (d box) {
	x, y := pred.horizontal(truth), pred.vertical(truth)
	w, h := x.common(), y.common()
	common := w * h
	union := pred.w*pred.h + truth.w*truth.h - common
	apart := w <= 0 || h <= 0
	hull := x.hull() * y.hull()

	// along returns the slopes by center and size in one direction, where across
	// is the length in common in the other one, size the box's and around the hull's.
	along := func(s sides, across, size, around float64) (center, extent float64) {
		by, hullBy := s.commonBy(across), s.hullBy()
		unionBy := edges{-size - by.from, size - by.to}
		var p edges
		if union > 0 && !(apart && m == giou) {
			p.from = (union*by.from - common*unionBy.from) / (union * union)
			p.to = (union*by.to - common*unionBy.to) / (union * union)
		}
		if m == giou && (hull > 0 || apart) {
			p.from += (hull*unionBy.from - union*hullBy.from*around) / (hull * hull)
			p.to += (hull*unionBy.to - union*hullBy.to*around) / (hull * hull)
		}
		return p.from + p.to, p.to - p.from
	}
	d.x, d.w = along(x, h, pred.h, y.hull())
	d.y, d.h = along(y, w, pred.w, x.hull())
	diagonal := x.hull()*x.hull() + y.hull()*y.hull() // squared
	if m != diou && m != ciou || !(diagonal > 0 || apart) {
		return d
	}
	if apart {
		d = box{}
	}
	distance := (pred.x-truth.x)*(pred.x-truth.x) + (pred.y-truth.y)*(pred.y-truth.y)
	toward := func(s sides, difference float64) (center, extent float64) {
		by := s.hullBy()
		center = 2*difference*diagonal - 2*s.hull()*(by.to+by.from)*distance
		extent = s.hull() * (by.to - by.from) * distance
		return center / (diagonal * diagonal), extent / (diagonal * diagonal)
	}
	cx, cw := toward(x, truth.x-pred.x)
	cy, ch := toward(y, truth.y-pred.y)
	d.x, d.y, d.w, d.h = d.x+cx, d.y+cy, d.w+cw, d.h+ch
	if m == ciou {
		ratios := ratioLoss(pred, truth)
		factor := ratios / (1 - common/union + ratios + 1e-6) * 8 / (math.Pi * math.Pi) * angle(pred, truth)
		d.w += factor * pred.h
		d.h -= factor * pred.w
	}
	return d
}
