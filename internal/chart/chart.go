// Package chart draws curves, as pictures and as text for terminals.
package chart

import (
	"math"
	"strconv"
)

// A Chart is several diagrams of the same quantity on the horizontal axis.
type Chart struct {
	X      string // its name
	Panels []Panel
}

// A Panel is one diagram.
type Panel struct {
	Y      string // name of what its curves show
	Log    bool   // on a logarithmic scale, which has no place for values below or at 0
	Curves []Curve
}

// A Curve is a line through points, broken where one is not finite.
type Curve struct {
	Name   string
	Color  int // number of its color: curves that belong together have the same
	Dashed bool
	Points []Point
}

// A Point is a point of a curve.
type Point struct{ X, Y float64 }

// An axis maps values to places from 0 to 1.
type axis struct {
	log      bool
	min, max float64
	ticks    []tick
}

// A tick is a marked value of an axis.
type tick struct {
	value float64
	label string
}

// place returns where a value is: from 0 to 1 between the ends of the axis.
func (a *axis) place(v float64) float64 {
	if a.log {
		return math.Log(v/a.min) / math.Log(a.max/a.min)
	}
	return (v - a.min) / (a.max - a.min)
}

// has reports whether a value can be shown.
func (a *axis) has(v float64) bool {
	return !math.IsNaN(v) && v >= a.min && v <= a.max
}

// newAxis returns an axis for values, with about n ticks. Unless it is tight, it
// begins and ends at ticks.
func newAxis(values []float64, log, tight bool, n int) *axis {
	a := &axis{log: log, min: math.Inf(1), max: math.Inf(-1)}
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > math.MaxFloat64/4 || log && v <= 0 {
			continue
		}
		a.min, a.max = min(a.min, v), max(a.max, v)
	}
	if a.min > a.max { // nothing to show
		a.min, a.max = 0, 1
		if log {
			a.min = 0.1
		}
	}
	if log {
		a.logTicks(n)
	} else {
		a.linearTicks(n, tight)
	}
	return a
}

// linearTicks sets ticks at multiples of 1, 2 or 5 times a power of ten.
func (a *axis) linearTicks(n int, tight bool) {
	if a.min == a.max {
		half := max(math.Abs(a.min)/2, 1e-300)
		if a.min == 0 {
			half = 1
		}
		a.min, a.max = a.min-half, a.max+half
	}
	step := stepOf((a.max - a.min) / float64(max(n, 1)))
	first, last := math.Floor(a.min/step+1e-9), math.Ceil(a.max/step-1e-9)
	if tight {
		first, last = math.Ceil(a.min/step-1e-9), math.Floor(a.max/step+1e-9)
	} else {
		a.min, a.max = min(a.min, first*step), max(a.max, last*step)
	}
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	for k := first; k <= last; k++ {
		a.ticks = append(a.ticks, tick{k * step, linearLabel(k*step, digits, max(math.Abs(a.min), math.Abs(a.max)))})
	}
}

// stepOf returns the smallest 1, 2 or 5 times a power of ten that is not below a
// number.
func stepOf(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, f := range []float64{1, 2, 5} {
		if f*power >= least*(1-1e-9) {
			return f * power
		}
	}
	return 10 * power
}

// linearLabel formats a tick with as many digits as the step between ticks has, or
// as 2e-06 if the axis is about numbers so small or large.
func linearLabel(v float64, digits int, largest float64) string {
	if v == 0 || math.Abs(v) < largest*1e-12 {
		return "0"
	}
	if digits > 4 && largest < 1e-3 || largest >= 1e7 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// logTicks sets ticks at powers of ten, and between them if these are few.
func (a *axis) logTicks(n int) {
	if a.min == a.max {
		a.min, a.max = a.min/2, a.max*2
	}
	factors := []float64{1}
	switch decades := math.Log10(a.max / a.min); {
	case decades < 1:
		factors = []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	case decades < 3:
		factors = []float64{1, 2, 5}
	}
	first, last := math.Floor(math.Log10(a.min)), math.Ceil(math.Log10(a.max))
	var ticks []float64
	for e := first; e <= last; e++ {
		for _, f := range factors {
			ticks = append(ticks, f*math.Pow(10, e))
		}
	}
	// The axis ends at the nearest ticks outside.
	from, to := 0, len(ticks)-1
	for from+1 < len(ticks) && ticks[from+1] <= a.min*(1+1e-9) {
		from++
	}
	for to > from+1 && ticks[to-1] >= a.max*(1-1e-9) {
		to--
	}
	ticks = ticks[from : to+1]
	a.min, a.max = min(a.min, ticks[0]), max(a.max, ticks[len(ticks)-1])
	every := (len(ticks) + 2*max(n, 1) - 1) / (2 * max(n, 1))
	for i := 0; i < len(ticks); i += every {
		a.ticks = append(a.ticks, tick{ticks[i], strconv.FormatFloat(ticks[i], 'g', 4, 64)})
	}
}

// axes returns the axes of a panel: the horizontal one fits all panels.
func (c *Chart) axes(p *Panel, nx, ny int) (x, y *axis) {
	var xs, ys []float64
	for _, panel := range c.Panels {
		for _, curve := range panel.Curves {
			for _, q := range curve.Points {
				xs = append(xs, q.X)
			}
		}
	}
	for _, curve := range p.Curves {
		for _, q := range curve.Points {
			ys = append(ys, q.Y)
		}
	}
	return newAxis(xs, false, true, nx), newAxis(ys, p.Log, false, ny)
}

// parts returns the pieces of a curve that can be shown.
func (c *Curve) parts(x, y *axis) [][]Point {
	var parts [][]Point
	broken := true
	for _, q := range c.Points {
		if !x.has(q.X) || !y.has(q.Y) {
			broken = true
			continue
		}
		if broken {
			parts = append(parts, nil)
			broken = false
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], q)
	}
	return parts
}

// thin returns a curve of at most 4n points that looks the same: of the points in
// each n-th of its length, the first, the last, the lowest and the highest.
func thin(points []Point, n int) []Point {
	if len(points) <= 4*n {
		return points
	}
	var kept []Point
	for i := range n {
		part := points[i*len(points)/n : (i+1)*len(points)/n]
		low, high := 0, 0
		for k, q := range part {
			if q.Y < part[low].Y {
				low = k
			}
			if q.Y > part[high].Y {
				high = k
			}
		}
		last := -1
		for _, k := range []int{0, min(low, high), max(low, high), len(part) - 1} {
			if k > last {
				kept = append(kept, part[k])
				last = k
			}
		}
	}
	return kept
}
