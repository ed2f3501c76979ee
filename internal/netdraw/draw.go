package netdraw

import (
	"image/color"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/internal/picture"
)

// colors are those of the kinds of layers.
var colors = [...]color.Color{
	other:    color.RGBA{221, 230, 242, 255},
	input:    color.RGBA{226, 226, 226, 255},
	weighted: color.RGBA{250, 205, 200, 255},
	pooling:  color.RGBA{253, 226, 179, 255},
	neuron:   color.RGBA{214, 240, 206, 255},
	joining:  color.RGBA{205, 226, 250, 255},
	lossKind: color.RGBA{233, 214, 245, 255},
}

var (
	ink  = color.RGBA{30, 30, 30, 255}
	pale = color.RGBA{90, 90, 90, 255}
	rim  = color.RGBA{120, 120, 120, 255}
	wire = color.RGBA{110, 110, 110, 255}
)

// Measures in points.
const (
	nameSize  = 11
	textSize  = 9
	nameLine  = 15
	textLine  = 12
	padding   = 8
	leastBox  = 70
	mostText  = 220 // longer texts are cut
	rankGap   = 30
	edgeOfAll = 16
	titleLine = 24
	arrow     = 5
)

// width and height return the size of a box.
func (b *box) width() float64 {
	w := 0.0
	for _, r := range b.rows {
		w = max(w, picture.TextWidth(nameSize, r.name), picture.TextWidth(textSize, r.text))
	}
	for _, t := range b.tops {
		w = max(w, picture.TextWidth(textSize, t))
	}
	return max(leastBox, min(w, mostText)+2*padding)
}

func (b *box) height() float64 {
	return float64(len(b.rows))*(nameLine+textLine) + float64(len(b.tops))*textLine + padding
}

// A Drawing is a graph with a place for everything.
type Drawing struct {
	Width, Height float64 // points

	g          *Graph
	l          *layout
	start      []float64 // of the ranks, in the direction of the data
	depth      []float64 // of the ranks
	left       float64   // what is added to places across
	length     float64
	horizontal bool
	reversed   bool
}

// Layout finds a place for everything in the graph.
func (g *Graph) Layout() *Drawing {
	d := &Drawing{
		g:          g,
		horizontal: g.o.Direction == "LR" || g.o.Direction == "RL",
		reversed:   g.o.Direction == "BT" || g.o.Direction == "RL",
	}
	d.l = place(g, func(b *box) (across, along float64) {
		if d.horizontal {
			return b.height(), b.width()
		}
		return b.width(), b.height()
	})
	d.length = edgeOfAll
	for _, r := range d.l.ranks {
		depth := 0.0
		for _, id := range r {
			depth = max(depth, d.l.nodes[id].along)
		}
		d.start, d.depth = append(d.start, d.length), append(d.depth, depth)
		d.length += depth + rankGap
	}
	d.length += edgeOfAll - rankGap
	low, high := math.Inf(1), math.Inf(-1)
	for _, n := range d.l.nodes {
		low, high = min(low, n.center-n.across/2), max(high, n.center+n.across/2)
	}
	d.left = edgeOfAll - low
	breadth := high - low + 2*edgeOfAll
	if len(d.l.nodes) == 0 {
		breadth, d.length = 2*edgeOfAll, 2*edgeOfAll
	}
	d.Width, d.Height = breadth, d.length
	if d.horizontal {
		d.Width, d.Height = d.length, breadth
	}
	d.Width = max(d.Width, picture.TextWidth(nameSize+2, g.name)+2*edgeOfAll)
	d.Height += titleLine
	return d
}

// at returns the point at a place across and along the direction of the data.
func (d *Drawing) at(across, along float64) picture.Point {
	across += d.left
	if d.reversed {
		along = d.length - along
	}
	if d.horizontal {
		return picture.Point{X: along, Y: across + titleLine}
	}
	return picture.Point{X: across, Y: along + titleLine}
}

// Draw draws into a picture of the drawing's size.
func (d *Drawing) Draw(p *picture.Picture) {
	p.Text(edgeOfAll, edgeOfAll+4, nameSize+2, picture.Left, ink, d.g.name)
	type segment struct{ from, to int }
	var drawn []segment
	for _, way := range d.l.paths {
		for i, to := range way.nodes[1:] {
			s := segment{way.nodes[i], to}
			if !slices.Contains(drawn[max(0, len(drawn)-1000):], s) {
				drawn = append(drawn, s)
				d.drawEdge(p, s.from, s.to)
			}
		}
	}
	for i, b := range d.g.boxes {
		d.drawBox(p, b, d.l.nodes[i])
	}
}

// drawEdge draws the part of an edge between two ranks, and along the rank of a
// point at its end.
func (d *Drawing) drawEdge(p *picture.Picture, from, to int) {
	a, b := d.l.nodes[from], d.l.nodes[to]
	begin := d.start[a.rank] + a.along + (d.depth[a.rank]-a.along)/2
	end := d.start[b.rank] + (d.depth[b.rank]-b.along)/2
	if a.box < 0 {
		begin = d.start[a.rank] + d.depth[a.rank]
	}
	if b.box < 0 {
		end = d.start[b.rank]
	}
	// The ranks' boxes end at different places: the bend is in the gap between them.
	bendBegin, bendEnd := d.start[a.rank]+d.depth[a.rank], d.start[b.rank]
	middle := (bendBegin + bendEnd) / 2
	p.Line([]picture.Point{d.at(a.center, begin), d.at(a.center, bendBegin)}, wire, 1)
	p.Curve([]picture.Point{d.at(a.center, bendBegin), d.at(a.center, middle), d.at(b.center, middle), d.at(b.center, bendEnd)}, wire, 1)
	if b.box < 0 {
		p.Line([]picture.Point{d.at(b.center, bendEnd), d.at(b.center, d.start[b.rank]+d.depth[b.rank])}, wire, 1)
		return
	}
	p.Line([]picture.Point{d.at(b.center, bendEnd), d.at(b.center, end)}, wire, 1)
	p.Fill([]picture.Point{d.at(b.center, end), d.at(b.center-arrow/2.0, end-arrow-2), d.at(b.center+arrow/2.0, end-arrow-2)}, wire)
}

// drawBox draws a box and its text.
func (d *Drawing) drawBox(p *picture.Picture, b *box, n *node) {
	center := d.at(n.center, d.start[n.rank]+d.depth[n.rank]/2)
	w, h := b.width(), b.height()
	x, y := center.X-w/2, center.Y-h/2
	inside := w - 2*padding
	p.Rect(x, y, w, h, color.White, nil)
	at := y
	for i, r := range b.rows {
		deep := float64(nameLine + textLine)
		if i == len(b.rows)-1 && len(b.tops) == 0 {
			deep += padding
		}
		p.Rect(x, at, w, deep, colors[r.kind], nil)
		p.Text(center.X, at+nameLine-3, nameSize, picture.Center, ink, picture.Cut(nameSize, inside, r.name))
		p.Text(center.X, at+nameLine+textLine-4, textSize, picture.Center, pale, picture.Cut(textSize, inside, r.text))
		at += deep
	}
	for _, t := range b.tops {
		p.Text(center.X, at+textLine-2, textSize, picture.Center, ink, picture.Cut(textSize, inside, t))
		at += textLine
	}
	p.Rect(x, y, w, h, nil, rim)
}
