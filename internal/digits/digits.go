// Package digits draws a set of handwritten-like digits, to train on when no data
// set is available. Each digit consists of a few strokes with randomly displaced
// points, under a random affine map, drawn with a pen of random width on a noisy
// background, with stray marks. Scenes have several digits of different sizes, with
// their boxes. Image or scene i of a seed is the same in every run.
package digits

import (
	"math"
	"math/rand/v2"
)

// Size is the height and width of an image.
const Size = 28

type point struct{ x, y float64 }

// strokes are the paths of the pen for each digit, in a square from 0 to 1 with y
// downwards. A path is a smooth curve near its points.
var strokes = [10][][]point{
	{{{.5, .05}, {.2, .2}, {.15, .5}, {.2, .8}, {.5, .95}, {.8, .8}, {.85, .5}, {.8, .2}, {.5, .05}}},
	{{{.3, .25}, {.55, .05}, {.55, .95}}},
	{{{.15, .3}, {.3, .05}, {.75, .1}, {.8, .4}, {.4, .7}, {.15, .95}, {.5, .9}, {.9, .95}}},
	{{{.15, .15}, {.5, .0}, {.85, .2}, {.7, .45}, {.4, .5}, {.75, .5}, {.9, .75}, {.6, 1}, {.1, .85}}},
	{{{.65, .05}, {.35, .35}, {.1, .65}, {.5, .65}, {.95, .65}}, {{.65, .05}, {.65, .5}, {.65, .95}}},
	{{{.8, .05}, {.25, .05}, {.2, .45}, {.55, .4}, {.85, .6}, {.75, .9}, {.4, 1}, {.1, .85}}},
	{{{.75, .05}, {.4, .2}, {.15, .6}, {.25, .9}, {.6, 1}, {.85, .75}, {.65, .5}, {.35, .55}, {.18, .7}}},
	{{{.1, .08}, {.5, .05}, {.9, .08}, {.65, .4}, {.45, .7}, {.4, .98}}},
	{{{.5, .48}, {.2, .3}, {.3, .05}, {.7, .05}, {.8, .3}, {.5, .48}, {.15, .7}, {.3, .98}, {.7, .98}, {.85, .7}, {.5, .48}}},
	{{{.8, .35}, {.6, .5}, {.25, .45}, {.2, .15}, {.5, .0}, {.8, .15}, {.82, .5}, {.75, .8}, {.5, 1}}},
}

// Image draws image number i of the set named by seed into pixels, Size x Size
// grey values in row-major order, 255 for the pen, and returns its digit.
func Image(seed, i uint64, pixels []byte) (digit int) {
	if len(pixels) != Size*Size {
		panic("digits: pixels must have Size*Size elements")
	}
	r := rand.New(rand.NewPCG(seed, i))
	digit = r.IntN(10)
	c := canvas{Size, Size, make([]float64, Size*Size)}

	c.drawDigit(r, digit, point{Size / 2, Size / 2}, 1.7, 1)
	for range r.IntN(3) {
		c.drawMark(r)
	}
	c.develop(r, pixels)
	return digit
}

// A canvas is an image that is being drawn: the ink of each pixel, from 0 to 1.
type canvas struct {
	width, height int
	ink           []float64
}

// drawDigit draws a digit near a place: the distance of its centre has the standard
// deviation wander. A scale of 1 is that of an image of Size. It returns the edges of
// what it draws.
func (c *canvas) drawDigit(r *rand.Rand, digit int, centre point, wander, scale float64) (least, most point) {
	angle := r.NormFloat64() * 0.22
	shear := r.NormFloat64() * 0.2
	scaleX, scaleY := scale*15*math.Exp(r.NormFloat64()*0.14), scale*18*math.Exp(r.NormFloat64()*0.12)
	centreX, centreY := centre.x+r.NormFloat64()*wander, centre.y+r.NormFloat64()*wander
	sin, cos := math.Sincos(angle)
	place := func(p point) point {
		x, y := (p.x-0.5)*scaleX, (p.y-0.5)*scaleY
		x += shear * y
		return point{centreX + cos*x - sin*y, centreY + sin*x + cos*y}
	}
	width := scale * (0.9 + 0.9*r.Float64())
	least, most = point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	for _, way := range strokes[digit] {
		points := make([]point, len(way))
		for j, p := range way {
			points[j] = place(point{p.x + r.NormFloat64()*0.045, p.y + r.NormFloat64()*0.045})
		}
		curve(points, func(a, b point) {
			c.drawSegment(a, b, width, 1)
			for _, p := range []point{a, b} {
				least = point{min(least.x, p.x-width), min(least.y, p.y-width)}
				most = point{max(most.x, p.x+width), max(most.y, p.y+width)}
			}
		})
	}
	return least, most
}

// drawMark draws a stray mark.
func (c *canvas) drawMark(r *rand.Rand) {
	from := point{r.Float64() * float64(c.width), r.Float64() * float64(c.height)}
	to := point{from.x + r.NormFloat64()*4, from.y + r.NormFloat64()*4}
	c.drawSegment(from, to, 0.7, 0.7)
}

// develop turns the ink into pixels, on a noisy background.
func (c *canvas) develop(r *rand.Rand, pixels []byte) {
	pen, ground := 0.65+0.35*r.Float64(), 0.06+0.08*r.Float64()
	for j, v := range c.ink {
		v = pen*v + ground*math.Abs(r.NormFloat64())
		pixels[j] = byte(math.Round(255 * min(max(v, 0), 1)))
	}
}

// curve calls draw for each segment of a Catmull-Rom spline through the points.
func curve(points []point, draw func(from, to point)) {
	const steps = 6
	last := points[0]
	for j := 0; j+1 < len(points); j++ {
		p0, p1, p2, p3 := points[max(j-1, 0)], points[j], points[j+1], points[min(j+2, len(points)-1)]
		for s := 1; s <= steps; s++ {
			t := float64(s) / steps
			next := point{spline(p0.x, p1.x, p2.x, p3.x, t), spline(p0.y, p1.y, p2.y, p3.y, t)}
			draw(last, next)
			last = next
		}
	}
}

func spline(a, b, c, d, t float64) float64 {
	return b + 0.5*t*(c-a+t*(2*a-5*b+4*c-d+t*(3*(b-c)+d-a)))
}

// drawSegment darkens the pixels near a line, with an edge one pixel soft.
func (c *canvas) drawSegment(a, b point, width, strength float64) {
	reach := width + 1
	x0, x1 := int(math.Floor(min(a.x, b.x)-reach)), int(math.Ceil(max(a.x, b.x)+reach))
	y0, y1 := int(math.Floor(min(a.y, b.y)-reach)), int(math.Ceil(max(a.y, b.y)+reach))
	dx, dy := b.x-a.x, b.y-a.y
	length := dx*dx + dy*dy
	for y := max(y0, 0); y <= min(y1, c.height-1); y++ {
		for x := max(x0, 0); x <= min(x1, c.width-1); x++ {
			px, py := float64(x)+0.5-a.x, float64(y)+0.5-a.y
			t := 0.0
			if length > 0 {
				t = min(max((px*dx+py*dy)/length, 0), 1)
			}
			distance := math.Hypot(px-t*dx, py-t*dy)
			v := strength * min(max(width+0.5-distance, 0), 1)
			c.ink[y*c.width+x] = max(c.ink[y*c.width+x], v)
		}
	}
}
