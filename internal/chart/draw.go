package chart

import (
	"image/color"

	"github.com/gocaffe/gocaffe/internal/picture"
)

// colors are told apart by people who see fewer colors too (Okabe and Ito, "Color
// Universal Design", 2008), without its yellow, which is too light for lines.
var colors = []color.Color{
	color.RGBA{0, 114, 178, 255},   // blue
	color.RGBA{213, 94, 0, 255},    // vermilion
	color.RGBA{0, 158, 115, 255},   // green
	color.RGBA{204, 121, 167, 255}, // purple
	color.RGBA{230, 159, 0, 255},   // orange
	color.RGBA{86, 180, 233, 255},  // sky blue
	color.RGBA{0, 0, 0, 255},
	color.RGBA{120, 120, 120, 255},
}

var (
	ink  = color.RGBA{40, 40, 40, 255}
	grid = color.RGBA{225, 225, 225, 255}
	rim  = color.RGBA{150, 150, 150, 255}
)

// Measures in points.
const (
	textSize   = 11
	lineHeight = 16
	margin     = 14
	sample     = 24 // line beside a name in the legend
	fewPoints  = 40 // curves with fewer have dots
	xStep      = 90 // between ticks
	yStep      = 32
)

// Draw draws the chart into a picture of a size in points, its panels below each
// other.
func (c *Chart) Draw(p *picture.Picture, width, height float64) {
	each := (height - margin) / float64(max(len(c.Panels), 1))
	room := each - 3*lineHeight - margin // for curves, with one line of a legend
	left := 0.0
	var xs, ys []*axis
	for i := range c.Panels {
		x, y := c.axes(&c.Panels[i], int(width/xStep), int(max(1, room/yStep)))
		for _, t := range y.ticks {
			left = max(left, 2*margin+picture.TextWidth(textSize, t.label))
		}
		xs, ys = append(xs, x), append(ys, y)
	}
	for i := range c.Panels {
		c.drawPanel(p, &c.Panels[i], xs[i], ys[i], margin+each*float64(i), left, width, each)
	}
}

// drawPanel draws one panel, whose upper side is at top, and its curves right of
// left.
func (c *Chart) drawPanel(p *picture.Picture, panel *Panel, x, y *axis, top, left, width, height float64) {
	right, bottom := width-2*margin, top+height-2*lineHeight-margin
	p.Text(margin, top+textSize, textSize+2, picture.Left, ink, panel.Y)
	top = drawLegend(p, panel.Curves, 2*margin+picture.TextWidth(textSize+2, panel.Y), top+textSize, width-margin) + margin
	for _, t := range y.ticks {
		at := bottom - (bottom-top)*y.place(t.value)
		p.Line([]picture.Point{{X: left, Y: at}, {X: right, Y: at}}, grid, 0.8)
		p.Text(left-6, at+textSize*0.35, textSize, picture.Right, ink, t.label)
	}
	for _, t := range x.ticks {
		at := left + (right-left)*x.place(t.value)
		p.Line([]picture.Point{{X: at, Y: top}, {X: at, Y: bottom}}, grid, 0.8)
		p.Text(at, bottom+lineHeight, textSize, picture.Center, ink, t.label)
	}
	p.Rect(left, top, right-left, bottom-top, nil, rim)
	p.Text((left+right)/2, bottom+2*lineHeight, textSize, picture.Center, ink, c.X)
	for i := range panel.Curves {
		drawCurve(p, &panel.Curves[i], x, y, func(q Point) picture.Point {
			return picture.Point{X: left + (right-left)*x.place(q.X), Y: bottom - (bottom-top)*y.place(q.Y)}
		})
	}
}

// drawCurve draws the parts of a curve that can be shown.
func drawCurve(p *picture.Picture, curve *Curve, x, y *axis, at func(Point) picture.Point) {
	for _, part := range curve.parts(x, y) {
		var points []picture.Point
		for _, q := range thin(part, 500) {
			points = append(points, at(q))
		}
		p.Line(points, curve.ink(), 1.6, curve.dashes()...)
		if len(curve.Points) < fewPoints || len(part) == 1 {
			for _, q := range points {
				p.Rect(q.X-2, q.Y-2, 4, 4, curve.ink(), nil)
			}
		}
	}
}

func (c *Curve) ink() color.Color { return colors[c.Color%len(colors)] }

// dashes returns the pattern of the curve's line, which is another one when the
// colors are used again.
func (c *Curve) dashes() []float64 {
	again := c.Color%(2*len(colors)) >= len(colors)
	switch {
	case c.Dashed && again:
		return []float64{2, 2}
	case c.Dashed:
		return []float64{5, 3}
	case again:
		return []float64{9, 2, 2, 2}
	}
	return nil
}

// drawLegend names the curves in lines between left and right, the first of which
// is on the base line at. It returns the base line of the last one.
func drawLegend(p *picture.Picture, curves []Curve, left, at, right float64) float64 {
	x := left
	for i := range curves {
		c := &curves[i]
		name := picture.Cut(textSize, right-left-sample-6, c.Name)
		size := sample + 6 + picture.TextWidth(textSize, name)
		if x > left && x+size > right {
			x, at = left, at+lineHeight
		}
		p.Line([]picture.Point{{X: x, Y: at - 4}, {X: x + sample, Y: at - 4}}, c.ink(), 2, c.dashes()...)
		p.Text(x+sample+6, at, textSize, picture.Left, ink, name)
		x += size + 2*margin
	}
	return at
}
