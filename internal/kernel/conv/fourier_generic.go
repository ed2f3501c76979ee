package conv

import (
	"math"
	"unsafe"
)

// The transforms of 5x5 weights in tiles of fourierSize by fourierSize pixels are real
// discrete Fourier transforms along both axes. Along one axis, elements x of a period of 12
// have the sums over n of
//
//	c(k) = x(n) cos(πkn/6) for k from 0 to 6, s(k) = x(n) sin(πkn/6) for k from 1 to 5
//
// and with them, along the other axis, the sums cc, cs, sc and ss. Frequencies (k,l) and
// (k,-l) are complex numbers P-iQ, with P = cc-ss and Q = cs+sc, and P = cc+ss and Q = sc-cs.
// They are real numbers where both k and l are 0 or 6.
//
// The product of a frequency d of the input and the conjugate of one g of the weights is made
// of three products of real numbers:
//
//	M1 = P(g) (P(d)+Q(d)), M2 = -(P(g)+Q(g)) P(d), M3 = (Q(g)-P(g)) Q(d)
//	P = M1+M3, Q = M1+M2

const (
	fourierSize     = 12
	fourierOutputs  = fourierSize - 5 + 1
	fourierMatrices = 4 + 3*70 // products: of 4 real frequencies and 70 complex ones

	// fourierScale is the factor of real frequencies of the weights, and half that of the
	// others: it makes the other transforms the inverse.
	fourierScale = 1. / (fourierSize * fourierSize)
)

// waves holds the factors of c(0) to c(6) and s(1) to s(5).
var waves = func() (w [fourierSize][fourierSize]float32) {
	for n := range fourierSize {
		for k := range 7 {
			w[k][n] = float32(math.Cos(math.Pi / 6 * float64(k*n%fourierSize)))
		}
		for k := 1; k < 6; k++ {
			w[6+k][n] = float32(math.Sin(math.Pi / 6 * float64(k*n%fourierSize)))
		}
	}
	return w
}()

// A spectrum has the sums of a tile: rows and columns 0 to 6 are c(0) to c(6), the others s(1)
// to s(5).
type spectrum [fourierSize][fourierSize]float32

// analyze sets the sums of n by n elements.
func (s *spectrum) analyze(n int, load func(i, j int) float32) {
	var half spectrum
	for j := range n {
		for i := range n {
			x := load(i, j)
			for k := range half {
				half[k][j] += waves[k][i] * x
			}
		}
	}
	for k := range s {
		for l := range s {
			s[k][l] = 0
			for j := range n {
				s[k][l] += waves[l][j] * half[k][j]
			}
		}
	}
}

// synthesize is the transpose of analyze.
func (s *spectrum) synthesize(n int, store func(i, j int, v float32)) {
	var half spectrum
	for k := range s {
		for j := range n {
			for l := range s {
				half[k][j] += waves[l][j] * s[k][l]
			}
		}
	}
	for j := range n {
		for i := range n {
			var sum float32
			for k := range s {
				sum += waves[k][i] * half[k][j]
			}
			store(i, j, sum)
		}
	}
}

// each calls one of its functions for each frequency, in the order of the products: with the
// place of a real one, with those of P and Q, or with those of cc, cs, sc and ss of two.
func (s *spectrum) each(alone func(x *float32), single func(p, q *float32), pair func(cc, cs, sc, ss *float32)) {
	for _, k := range []int{0, 6} {
		alone(&s[k][0])
		alone(&s[k][6])
		for l := 1; l < 6; l++ {
			single(&s[k][l], &s[k][6+l])
		}
	}
	for k := 1; k < 6; k++ {
		single(&s[k][0], &s[6+k][0])
		single(&s[k][6], &s[6+k][6])
		for l := 1; l < 6; l++ {
			pair(&s[k][l], &s[k][6+l], &s[6+k][l], &s[6+k][6+l])
		}
	}
}

// factors stores the factors of the products: scale times real frequencies, and what three
// gives of complex ones.
func (s *spectrum) factors(scale float32, three func(p, q float32) [3]float32, store func(v float32)) {
	all := func(p, q float32) {
		for _, v := range three(p, q) {
			store(v)
		}
	}
	s.each(func(x *float32) { store(scale * *x) },
		func(p, q *float32) { all(*p, *q) },
		func(cc, cs, sc, ss *float32) {
			all(*cc-*ss, *cs+*sc)
			all(*cc+*ss, *sc-*cs)
		})
}

// products is the transpose of factors.
func (s *spectrum) products(scale float32, whole func(a, b, c float32) (p, q float32), load func() float32) {
	next := func() (p, q float32) {
		a := load()
		b := load()
		return whole(a, b, load())
	}
	s.each(func(x *float32) { *x = scale * load() },
		func(p, q *float32) { *p, *q = next() },
		func(cc, cs, sc, ss *float32) {
			p1, q1 := next()
			p2, q2 := next()
			*cc, *ss, *sc, *cs = p1+p2, p2-p1, q1+q2, q1-q2
		})
}

// fourierGeneric holds the transforms in Go.
var fourierGeneric = transforms{
	input: fourierSpread(fourierSize, func(p, q float32) [3]float32 { return [3]float32{p + q, p, q} }),
	grad:  fourierSpread(fourierOutputs, func(p, q float32) [3]float32 { return [3]float32{p + q, q, p} }),
	output: func(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, _ *float32) {
		const size = fourierOutputs * fourierOutputs
		var s spectrum
		for t, offsets := 0, unsafe.Slice(table, tiles*size); t < tiles; t++ {
			for lane := range genericLanes {
				xi := 0
				s.products(1, func(a, b, c float32) (p, q float32) { return a + c, a + b }, func() float32 {
					xi++
					return *at(src, t*nextTile+(xi-1)*nextXi+lane)
				})
				s.synthesize(fourierOutputs, func(i, j int, v float32) {
					*at(dst, int(offsets[t*size+i*fourierOutputs+j])+lane) = v + *at(bias, lane)
				})
			}
		}
	},
	filter: func(n int, src *float32, srcStep int, dst *float32, dstStep int, _ *float32) {
		const scale = 2 * fourierScale
		var s spectrum
		for lane := range n * genericLanes {
			s.analyze(5, func(i, j int) float32 { return *at(src, (i*5+j)*srcStep+lane) })
			xi := 0
			s.factors(fourierScale, func(p, q float32) [3]float32 { return [3]float32{scale * p, -scale * (p + q), scale * (q - p)} }, func(v float32) {
				*at(dst, xi*dstStep+lane) = v
				xi++
			})
		}
	},
	filterGrad: func(n int, src *float32, srcStep int, dst *float32, dstStep int, _ *float32) {
		const scale = 2 * fourierScale
		var s spectrum
		for lane := range n * genericLanes {
			xi := 0
			s.products(fourierScale, func(a, b, c float32) (p, q float32) { return scale * (a - (b + c)), scale * (c - b) }, func() float32 {
				xi++
				return *at(src, (xi-1)*srcStep+lane)
			})
			s.synthesize(5, func(i, j int, v float32) { *at(dst, (i*5+j)*dstStep+lane) = v })
		}
	},
}

func fourierSpread(n int, three func(p, q float32) [3]float32) spreadFunc {
	return func(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, _ *float32) {
		var s spectrum
		for t, offsets := 0, unsafe.Slice(table, tiles*n*n); t < tiles; t++ {
			for lane := range genericLanes {
				s.analyze(n, func(i, j int) float32 { return *at(src, int(offsets[(t*n+i)*n+j])+lane) })
				xi := 0
				s.factors(1, three, func(v float32) {
					*at(dst, t*nextTile+xi*nextXi+lane) = v
					xi++
				})
			}
		}
	}
}
