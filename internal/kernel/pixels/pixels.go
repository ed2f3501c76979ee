// Package pixels converts the bytes of images to float32.
package pixels

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
)

//go:generate go run -C ../_asm . -subject pixels -out ../pixels/pixels_amd64.s -stubs ../pixels/stubs_amd64.go -pkg pixels
//go:generate go run -C ../_asm ./arm64 -subject pixels -out ../pixels/pixels_arm64.s -stubs ../pixels/stubs_arm64.go

// ops is one implementation of the loops under Scale, for whole vectors only.
type ops struct {
	lanes int // of a vector

	plain, mirrored      func(dst []float32, x []byte, mean, scale float32)
	means, meansMirrored func(dst []float32, x []byte, means []float32, scale float32)
}

// generic is the implementation in plain Go.
var generic = ops{1, pixelsGeneric, pixelsMirroredGeneric, pixelsMeansGeneric, pixelsMeansMirroredGeneric}

// Scale sets y to (x - mean)·scale or, unless means is nil, to (x - means)·scale.
// If mirrored is set, x[0] is the source of the last element of y.
func Scale(mirrored bool, mean, scale float32, x []byte, means, y []float32) {
	n := len(y)
	vec.Check("Pixels", len(x), n)
	if means != nil {
		vec.Check("Pixels", len(means), n)
	}
	f := implementations[cpu.Active()]
	whole := n &^ (f.lanes - 1)
	body, rest := y[:whole], y[whole:]
	if mirrored {
		rest, body = y[:n-whole], y[n-whole:]
	}
	switch {
	case means == nil && mirrored:
		f.mirrored(body, x, mean, scale)
	case means == nil:
		f.plain(body, x, mean, scale)
	case mirrored:
		f.meansMirrored(body, x, means, scale)
	default:
		f.means(body, x, means, scale)
	}
	for i := range rest {
		from := whole + i
		if means != nil {
			mean = means[from]
		}
		to := i
		if mirrored {
			to = len(rest) - 1 - i
		}
		rest[to] = (float32(x[from]) - mean) * scale
	}
}

// pixelsGeneric sets dst to (x - mean)·scale.
func pixelsGeneric(dst []float32, x []byte, mean, scale float32) {
	for i := range dst {
		dst[i] = (float32(x[i]) - mean) * scale
	}
}

// pixelsMirroredGeneric is pixelsGeneric from the last element to the first.
func pixelsMirroredGeneric(dst []float32, x []byte, mean, scale float32) {
	for i := range dst {
		dst[len(dst)-1-i] = (float32(x[i]) - mean) * scale
	}
}

// pixelsMeansGeneric sets dst to (x - means)·scale.
func pixelsMeansGeneric(dst []float32, x []byte, means []float32, scale float32) {
	for i := range dst {
		dst[i] = (float32(x[i]) - means[i]) * scale
	}
}

// pixelsMeansMirroredGeneric is pixelsMeansGeneric from the last element to the
// first.
func pixelsMeansMirroredGeneric(dst []float32, x []byte, means []float32, scale float32) {
	for i := range dst {
		dst[len(dst)-1-i] = (float32(x[i]) - means[i]) * scale
	}
}
