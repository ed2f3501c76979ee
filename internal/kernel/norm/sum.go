package norm

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// BackwardAdd is Backward after a pass with Add, whose result y several layers may have
// read: dys are their gradients, of which dy is the sum, in their order. It reads the sign
// of y, unless Slope is 1, in place of that of z. It sets dz, which may be dys[0] or dx, to
// the gradient of z, which is that of Add too.
func (m *Norm) BackwardAdd(p *parallel.Pool, batch bool, x, y []float32, dys [][]float32, dz, dx []float32, sum, dot []float64) {
	m.check("Norm.BackwardAdd", x, dz)
	m.check("Norm.BackwardAdd", dys...)
	vec.Check("Norm.BackwardAdd", len(dys), 1)
	vec.Check("Norm.BackwardAdd", min(len(sum), len(dot)), m.C)
	if m.Slope != 1 {
		m.check("Norm.BackwardAdd", y)
	}
	if dx != nil {
		m.check("Norm.BackwardAdd", dx)
	}
	m.backward(p, batch, normArgs{Norm: m, x: x, dy: dz, dst: dx, slope: 1, dys: dys, y: y}, sum, dot)
}

// finish computes the sum and the rectifier of the elements lo to hi-1.
func (a *normArgs) finish(lo, hi int) {
	if a.Add == nil {
		return
	}
	y := a.dst[lo:hi]
	vec.Add(y, a.Add[lo:hi], y)
	if a.Slope != 1 {
		vec.ReLU(a.Slope, y, y)
	}
}

// gather sets dz, which the loops over channels find in dy, at the elements lo to hi-1.
func (a *normArgs) gather(lo, hi int) {
	dz, sum := a.dy[lo:hi], a.dys[0][lo:hi]
	for _, dy := range a.dys[1:] {
		vec.Add(sum, dy[lo:hi], dz)
		sum = dz
	}
	switch {
	case a.Slope != 1:
		vec.ReLUBackward(a.Slope, a.y[lo:hi], sum, dz)
	case hi > lo && &sum[0] != &dz[0]:
		copy(dz, sum)
	}
}

var rowGather = parallel.Loop[normArgs]{Body: func(a *normArgs, _, lo, hi int) { a.gather(lo*a.C*a.S, hi*a.C*a.S) }}
