package norm

import "github.com/gocaffe/gocaffe/parallel"

// An ItemGrad is the dx that Norm.BackwardLater leaves to the next reader of it. The zero
// ItemGrad and nil are those of which nothing is left.
type ItemGrad struct {
	args normArgs
	left bool
}

// BackwardLater is Backward but for dx, which must not be nil: it is left to g, and x and dy are
// needed until it is computed. So it need not come from memory when it is read next.
func (m *Norm) BackwardLater(p *parallel.Pool, batch bool, x, dy, dx []float32, sum, dot []float64, g *ItemGrad) {
	m.checkBackward(x, dy, dx, sum, dot)
	g.args, g.left = normArgs{Norm: m, x: x, dy: dy, dst: dx, slope: m.Slope}, true
	m.sumGrad(p, batch, g.args, sum, dot)
	if byRows(m.N, m.S) {
		g.args.setRows(rowCoefs)
	}
}

// Left reports whether a dx is left.
func (g *ItemGrad) Left() bool { return g != nil && g.left }

// Items computes dx of the items from lo to hi-1. Several goroutines may do so for different
// items. Clear says that all are computed.
func (g *ItemGrad) Items(lo, hi int) {
	a := &g.args
	if byRows(a.N, a.S) {
		for i := lo; i < hi; i++ {
			a.gradRow(i)
		}
		return
	}
	for i := lo * a.C; i < hi*a.C; i++ {
		a.grad(i)
	}
}

// Clear forgets the dx, so that none is left.
func (g *ItemGrad) Clear() { *g = ItemGrad{} }

// Finish computes dx if it is left.
func (g *ItemGrad) Finish(p *parallel.Pool) {
	if !g.Left() {
		return
	}
	m := g.args.Norm
	finishItems.Run(p, m.N, planesPerPart(m.C*m.S), g)
	g.Clear()
}

var finishItems = parallel.Loop[*ItemGrad]{Body: func(g **ItemGrad, _, lo, hi int) { (*g).Items(lo, hi) }}
