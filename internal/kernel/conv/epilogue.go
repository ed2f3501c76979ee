package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
)

// An epilogue is what is done with each part of the result while that is in the cache.
type epilogue struct {
	*norm.Epilogue                 // nil: nothing
	sums           *norm.PlaneSums // of the result; nil: none. Without an Epilogue
}

// rows finishes rows of n elements of y, step apart, the first of which is element at: one for
// each of some channels from ch on.
func (e epilogue) rows(ch, channels int, y []float32, at, step, n int) {
	e.ApplyRows(ch, channels, y, at, step, n)
	if e.sums != nil {
		for i := range channels {
			e.sums.Written(y, at+i*step, n)
		}
	}
}

// ApplyUniform is that of the Epilogue, but takes no sums: these are left to rows.
func (e epilogue) ApplyUniform(ch, channels int, x []float32) bool {
	return e.sums == nil && e.Epilogue.ApplyUniform(ch, channels, x)
}

// ApplyVectors is the same for vectors of channels.
func (e epilogue) ApplyVectors(ch, channels, lanes int, x []float32) bool {
	return e.sums == nil && e.Epilogue.ApplyVectors(ch, channels, lanes, x)
}

// deinterleave turns x, vectors of n channels from ch on, back to rows of y and finishes these.
// The planes of y have the given size, and element at is the first of the rows.
func (e epilogue) deinterleave(u *gemm.Micro, transpose gemm.TransposeFunc, ch, n, pixels int, x, y []float32, at, size int) {
	if e.sums != nil {
		deinterleaveSums(u, transpose, n, pixels, x, y[at:], size, e.sums.Vectors(u.Lanes, 0, n, at/size, at%size))
		return
	}
	done := e.ApplyVectors(ch, n, u.Lanes, x[:pixels*u.Lanes])
	deinterleave(u, transpose, n, pixels, x, y[at:], size)
	if !done {
		e.rows(ch, n, y, at, size, pixels)
	}
}

// empty reports whether there is nothing to do.
func (e epilogue) empty() bool { return e.Epilogue == nil && e.sums == nil }

// sumPixels is the number of pixels whose sums are taken at a time: while the processor adds them
// up, it writes the 4 KB of them and of 16 channels to memory.
const sumPixels = 64

// deinterleaveSums is deinterleave, and takes the sums of the lanes.
func deinterleaveSums(u *gemm.Micro, transpose gemm.TransposeFunc, n, pixels int, src, dst []float32, step int, sums norm.VectorSums) {
	for q := 0; q < pixels; {
		part := pixels - q
		if part >= 2*sumPixels {
			part = sumPixels
		}
		x := src[q*u.Lanes:][:part*u.Lanes]
		deinterleave(u, transpose, n, part, x, dst[q:], step)
		sums.Add(x)
		q += part
	}
	sums.End()
}
