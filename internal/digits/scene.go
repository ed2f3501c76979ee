package digits

import (
	"math"
	"math/rand/v2"
)

// SceneSize is the height and width of a scene.
const SceneSize = 96

// An Object is a digit in a scene, with the edges of its box in pixels.
type Object struct {
	Digit                  int
	XMin, YMin, XMax, YMax float64
}

// The sizes of the digits of a scene, in those of an image, and the space between them.
const (
	smallest, largest = 0.9, 2.2
	space             = 2
)

// Scene draws scene number i of the set named by seed into pixels, SceneSize x SceneSize
// grey values in row-major order, and returns its digits: one to six, apart from each
// other and wholly inside.
func Scene(seed, i uint64, pixels []byte) []Object {
	if len(pixels) != SceneSize*SceneSize {
		panic("digits: pixels must have SceneSize*SceneSize elements")
	}
	r := rand.New(rand.NewPCG(seed, i^1<<63)) // not the digits of an image
	c := canvas{SceneSize, SceneSize, make([]float64, SceneSize*SceneSize)}
	var objects []Object
	for wanted := 1 + r.IntN(6); wanted > 0; wanted-- {
		for range 20 { // places, of which the first one that is free is taken
			scale := smallest * math.Pow(largest/smallest, r.Float64())
			o, own := drawAlone(r, scale)
			if !free(o, objects) {
				continue
			}
			for j, v := range own.ink {
				c.ink[j] = max(c.ink[j], v)
			}
			objects = append(objects, o)
			break
		}
	}
	for range r.IntN(12) {
		c.drawMark(r)
	}
	c.develop(r, pixels)
	return objects
}

// drawAlone draws a digit at a random place of a canvas of its own.
func drawAlone(r *rand.Rand, scale float64) (Object, *canvas) {
	c := &canvas{SceneSize, SceneSize, make([]float64, SceneSize*SceneSize)}
	digit := r.IntN(10)
	least, most := c.drawDigit(r, digit, point{r.Float64() * SceneSize, r.Float64() * SceneSize}, 0, scale)
	return Object{digit, least.x, least.y, most.x, most.y}, c
}

// free reports whether an object is inside the scene and apart from the others.
func free(o Object, others []Object) bool {
	if o.XMin < 0 || o.YMin < 0 || o.XMax > SceneSize || o.YMax > SceneSize {
		return false
	}
	for _, b := range others {
		if o.XMin < b.XMax+space && b.XMin < o.XMax+space && o.YMin < b.YMax+space && b.YMin < o.YMax+space {
			return false
		}
	}
	return true
}
