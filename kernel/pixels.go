package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/pixels"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

type pixelArgs struct {
	mirrored    bool
	mean, scale float32
	means       []float32
	x           []byte
	y           []float32
}

var pixelLoop = parallel.Loop[pixelArgs]{Body: func(a *pixelArgs, _, i, j int) {
	from, to := i, j // in x
	if a.mirrored {
		from, to = len(a.y)-j, len(a.y)-i
	}
	var means []float32
	if a.means != nil {
		means = a.means[from:to]
	}
	pixels.Scale(a.mirrored, a.mean, a.scale, a.x[from:to], means, a.y[i:j])
}}

// Pixels sets y to (x - mean) scale or, unless means is nil, to
// (x - means) scale, where means has an element for each of x. If mirrored is
// set, y gets the elements in reverse order: its last one is that of x[0].
func Pixels(p *parallel.Pool, mirrored bool, mean, scale float32, x []byte, means, y []float32) {
	if direct(p, len(y)) {
		pixels.Scale(mirrored, mean, scale, x, means, y)
		return
	}
	vec.Check("Pixels", len(x), len(y))
	if means != nil {
		vec.Check("Pixels", len(means), len(y))
	}
	pixelLoop.Run(p, len(y), vec.Block, pixelArgs{mirrored: mirrored, mean: mean, scale: scale, x: x, means: means, y: y})
}
