package recurrent

import (
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// packRows is the number of streams from which on Wh is packed for a pass: with fewer,
// a product reads it once and is as fast as memory.
const packRows = 5

// A multiplier multiplies the N rows of each step of a pass by Wh or Whᵀ.
type multiplier struct {
	l     *recurrent
	pool  *parallel.Pool
	trans bool
}

// multiplier returns the multiplier by Whᵀ, if trans is set, or by Wh.
func (l *recurrent) multiplier(p *parallel.Pool, trans bool) multiplier {
	m := multiplier{l: l, pool: p, trans: trans}
	if l.n >= packRows {
		k, n := m.sizes()
		l.packed.Pack(p, trans, k, n, l.Blobs[l.ofHidden()].Data(), l.d)
	}
	return m
}

// sizes returns the numbers of rows and columns of the multiplier.
func (m *multiplier) sizes() (k, n int) {
	if m.trans {
		return m.l.d, m.l.g
	}
	return m.l.g, m.l.d
}

// multiply computes y = x times the multiplier + beta y.
func (m *multiplier) multiply(x []float32, ldx int, beta float32, y []float32, ldy int) {
	l := m.l
	if l.n >= packRows {
		l.packed.Gemm(m.pool, l.n, x, ldx, beta, y, ldy)
		return
	}
	k, n := m.sizes()
	kernel.Gemm(m.pool, false, m.trans, l.n, n, k, 1, x, ldx, l.Blobs[l.ofHidden()].Data(), l.d, beta, y, ldy)
}
