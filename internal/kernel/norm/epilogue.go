package norm

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// An Epilogue is what layers after a convolution or an inner product do with its output
// y, an array (N,C,S), while that is in the cache:
//
//	z = Scale·(y - Mean) + Shift + Add    y = z where z > 0, Slope·z elsewhere
//
// Each step rounds as the layer that it replaces: the affine map as Norm, the sum and
// the rectifier as the functions of package vec.
type Epilogue struct {
	Mean, Scale, Shift []float32 // of each channel; nil stands for 0, 1 and 0
	Add                []float32 // (N,C,S); nil for nothing
	Slope              []float32 // of each channel; nil for no rectifier
}

// Check panics if a slice is too short for (n,c,s).
func (e *Epilogue) Check(fn string, n, c, s int) {
	for _, v := range [][]float32{e.Mean, e.Scale, e.Shift, e.Slope} {
		if v != nil {
			vec.Check(fn, len(v), c)
		}
	}
	if e.Add != nil {
		vec.Check(fn, len(e.Add), n*c*s)
	}
}

// Apply computes the elements at to at+n-1 of y, which are of one channel. A nil
// Epilogue changes nothing.
func (e *Epilogue) Apply(ch int, y []float32, at, n int) {
	if e == nil {
		return
	}
	z := y[at:][:n]
	slope := of(e.Slope, ch, 1)
	if e.Mean != nil || e.Scale != nil || e.Shift != nil {
		mean, scale, shift := of(e.Mean, ch, 0), of(e.Scale, ch, 1), of(e.Shift, ch, 0)
		if e.Add == nil {
			active().affineReLU(z, z, mean, scale, shift, slope)
			return
		}
		active().affineReLU(z, z, mean, scale, shift, 1)
	}
	if e.Add != nil {
		vec.Add(z, e.Add[at:][:n], z)
	}
	if slope != 1 {
		vec.ReLU(slope, z, z)
	}
}

// ApplyRows applies e to rows of n elements of y, step apart, the first of which is element
// at: one for each of some channels from ch on.
func (e *Epilogue) ApplyRows(ch, channels int, y []float32, at, step, n int) {
	if e == nil {
		return
	}
	for i := range channels {
		e.Apply(ch+i, y, at+i*step, n)
	}
}

// ApplyUniform applies e to x, elements of some channels from ch on in any order, if it is the
// same function for all of them, and reports whether it is.
func (e *Epilogue) ApplyUniform(ch, channels int, x []float32) bool {
	if e == nil {
		return true
	}
	slope, uniform := e.slope(ch, channels)
	if !uniform || e.Add != nil || e.Mean != nil || e.Scale != nil || e.Shift != nil {
		return false
	}
	if slope != 1 {
		vec.ReLU(slope, x, x)
	}
	return true
}

// ApplyVectors applies e to x, vectors of some lanes with the channels from ch on, if it can, and
// reports whether it could. It cannot with a sum, with different slopes, or with an affine map of
// fewer channels than lanes. Lanes without a channel may have any value.
func (e *Epilogue) ApplyVectors(ch, channels, lanes int, x []float32) bool {
	if e.ApplyUniform(ch, channels, x) {
		return true
	}
	slope, uniform := e.slope(ch, channels)
	if !uniform || e.Add != nil || channels < lanes || e.Mean == nil || e.Scale == nil || e.Shift == nil {
		return false
	}
	active().affineReLUVectors(x, e.Mean[ch:][:lanes], e.Scale[ch:][:lanes], e.Shift[ch:][:lanes], slope)
	return true
}

// slope returns the slope of a channel, and whether those of some channels from there on are equal.
func (e *Epilogue) slope(ch, channels int) (slope float32, uniform bool) {
	if e.Slope == nil {
		return 1, true
	}
	slope = e.Slope[ch]
	for _, s := range e.Slope[ch:][:channels] {
		if s != slope {
			return slope, false
		}
	}
	return slope, true
}

// of returns the value of a channel, or what stands for values that are not given.
func of(values []float32, ch int, otherwise float32) float32 {
	if values == nil {
		return otherwise
	}
	return values[ch]
}

type epilogueArgs struct {
	*Epilogue
	n, c, s int
	y       []float32
}

// Run computes all of y, which is (n,c,s).
func (e *Epilogue) Run(p *parallel.Pool, n, c, s int, y []float32) {
	checkBlobs("Epilogue", n, c, s, y)
	e.Check("Epilogue", n, c, s)
	a := epilogueArgs{Epilogue: e, n: n, c: c, s: s, y: y}
	epiloguePlanes.Run(p, n*c, planesPerPart(s), a)
}

var epiloguePlanes = parallel.Loop[epilogueArgs]{Body: func(a *epilogueArgs, _, lo, hi int) {
	for i := lo; i < hi; i++ {
		a.Apply(i%a.c, a.y, i*a.s, a.s)
	}
}}
