package winograd

import "math"

// The transforms of 5x5 weights in tiles of 12x12 are real discrete Fourier transforms along
// both axes. Along one axis, elements x of a period of 12 have the sums over n of
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

// FourierSize is the period, and FourierOutputs and FourierTaps are the sizes of the output of a
// tile and of the weights.
const (
	FourierSize    = 12
	FourierTaps    = 5
	FourierOutputs = FourierSize - FourierTaps + 1
)

// FourierName and FourierLabel are those of an Algorithm.
const (
	FourierName  = "Fourier"
	FourierLabel = "Fourier transforms for 5x5 weights"
)

// Fourier writes the transforms, which need a matrix of FourierSize by FourierSize elements.
type Fourier[V, P any] struct {
	Arithmetic[V]
	Loop    func(n int, body func()) // n times
	Pointer func(at int) P           // to element at of the matrix
	Move    func(p P, by int)
	Get     func(p P, at int) V
	Put     func(p P, at int, r V)
}

// An optional is an element, or zero.
type optional[V any] struct {
	v  V
	ok bool
}

func (f Fourier[V, P]) add(x, y optional[V]) optional[V] {
	if !y.ok {
		return x
	}
	return optional[V]{f.Add(x.v, y.v), true}
}

func (f Fourier[V, P]) sub(x, y optional[V]) optional[V] {
	if !y.ok {
		return x
	}
	return optional[V]{f.Sub(x.v, y.v), true}
}

// Root is the sine of 60 degrees.
var Root = math.Sqrt(3) / 2

// cosines gives the sums of e(n) cos(πkn/6), n from 0 to 6, for k from 0 to 6. Some of the
// last e may be missing.
func (f Fourier[V, P]) cosines(e [7]optional[V], out func(k int, r V)) {
	s0, d0 := f.add(e[0], e[6]), f.sub(e[0], e[6])
	s1, d1 := f.add(e[1], e[5]), f.sub(e[1], e[5])
	s2, d2 := f.add(e[2], e[4]), f.sub(e[2], e[4])
	s3 := e[3]
	out(3, f.Sub(d0.v, d2.v))
	half := f.Plus(f.Copy(d0.v), 0.5, d2.v)
	out(1, f.Plus(f.Copy(half), Root, d1.v))
	out(5, f.Minus(half, Root, d1.v))
	a, b := f.Add(s0.v, s2.v), f.Add(s1.v, s3.v)
	out(0, f.Add(a, b))
	out(6, f.Sub(a, b))
	a, b = f.Minus(f.Copy(s0.v), 0.5, s2.v), f.Minus(f.Copy(s3.v), 0.5, s1.v)
	out(2, f.Sub(a, b))
	out(4, f.Add(a, b))
}

// sines gives the sums of o(n) sin(πkn/6), n from 1 to 5, for k from 1 to 5. The last o may
// be missing.
func (f Fourier[V, P]) sines(o [6]optional[V], out func(k int, r V)) {
	s1, d1 := f.add(o[1], o[5]), f.sub(o[1], o[5])
	s2, d2 := f.add(o[2], o[4]), f.sub(o[2], o[4])
	out(3, f.Sub(s1.v, o[3].v))
	half := f.Plus(f.Copy(o[3].v), 0.5, s1.v)
	out(1, f.Plus(f.Copy(half), Root, s2.v))
	out(5, f.Minus(half, Root, s2.v))
	a, b := f.Times(Root, d1.v), f.Times(Root, d2.v)
	out(2, f.Add(a, b))
	out(4, f.Sub(a, b))
}

// sin is where s(k) is stored, behind c(0) to c(6).
func sin(k int) int { return 6 + k }

// analyze gives c and s of the first n of 12 elements, of which the others are 0.
func (f Fourier[V, P]) analyze(n int, in func(i int) V, out func(at int, r V)) {
	load := func(i int) optional[V] {
		if i >= n {
			return optional[V]{}
		}
		return optional[V]{in(i), true}
	}
	var e [7]optional[V]
	var o [6]optional[V]
	for i := 1; i < 6; i++ {
		x, y := load(i), load(FourierSize-i)
		e[i], o[i] = f.add(x, y), f.sub(x, y)
	}
	f.sines(o, func(k int, r V) { out(sin(k), r) })
	e[0], e[6] = load(0), load(6)
	f.cosines(e, func(k int, r V) { out(k, r) })
}

// synthesize is the transpose of analyze: it gives the first n of 12 elements.
func (f Fourier[V, P]) synthesize(n int, in func(at int) V, out func(i int, r V)) {
	var o [6]optional[V]
	for k := 1; k < 6; k++ {
		o[k] = optional[V]{in(sin(k)), true}
	}
	var odd [6]V
	f.sines(o, func(i int, r V) { odd[i] = r })
	var e [7]optional[V]
	for k := range e {
		e[k] = optional[V]{in(k), true}
	}
	f.cosines(e, func(i int, r V) {
		switch {
		case i == 0 || i == 6:
			if i < n {
				out(i, r)
			}
		default:
			if FourierSize-i < n {
				out(FourierSize-i, f.Sub(r, odd[i]))
			}
			if i < n {
				out(i, f.Add(r, odd[i]))
			}
		}
	})
}

// Spread writes the transform of n by n elements. It calls load for the elements of a column
// and then move, for each column, and store with the three factors of each frequency, which factors
// gives of its P and Q, and those of the real ones, scaled by alone.
func (f Fourier[V, P]) Spread(n int, move func(), load func(i int) V, store func(r V), alone func(r V) V, factors func(p, q V) [3]V) {
	const size = FourierSize
	p := f.Pointer(0)
	f.Loop(n, func() {
		f.analyze(n, load, func(i int, r V) { f.Put(p, i*size, r) })
		f.Move(p, 1)
		move()
	})
	p = f.Pointer(0)
	f.Loop(size, func() {
		f.analyze(n, func(j int) V { return f.Get(p, j) }, func(j int, r V) { f.Put(p, j, r) })
		f.Move(p, size)
	})
	three := func(p, q V) {
		for _, r := range factors(p, q) {
			store(r)
		}
	}
	p = f.Pointer(0)
	f.Loop(2, func() { // rows c(0) and c(6)
		store(alone(f.Get(p, 0)))
		store(alone(f.Get(p, 6)))
		for l := 1; l < 6; l++ {
			three(f.Get(p, l), f.Get(p, sin(l)))
		}
		f.Move(p, 6*size)
	})
	p = f.Pointer(size)
	q := f.Pointer(sin(1) * size)
	f.Loop(5, func() { // rows c(k) and s(k)
		three(f.Get(p, 0), f.Get(q, 0))
		three(f.Get(p, 6), f.Get(q, 6))
		for l := 1; l < 6; l++ {
			cc, ss := f.Get(p, l), f.Get(q, sin(l))
			p1, p2 := f.Sub(cc, ss), f.Add(cc, ss)
			cs, sc := f.Get(p, sin(l)), f.Get(q, l)
			q1, q2 := f.Add(cs, sc), f.Sub(sc, cs)
			three(p1, q1)
			three(p2, q2)
		}
		f.Move(p, size)
		f.Move(q, size)
	})
}

// Gather is the transpose of Spread. next loads the products one after the other, alone
// scales real ones, and whole gives P and Q of three. Gather calls store with the elements of
// a column, and then move, for each column.
func (f Fourier[V, P]) Gather(n int, next func() V, store func(i int, r V), move func(), alone func(r V) V, whole func(m [3]V) (p, q V)) {
	const size = FourierSize
	three := func() (p, q V) {
		var m [3]V
		for i := range m {
			m[i] = next()
		}
		return whole(m)
	}
	p := f.Pointer(0)
	f.Loop(2, func() {
		f.Put(p, 0, alone(next()))
		f.Put(p, 6, alone(next()))
		for l := 1; l < 6; l++ {
			x, y := three()
			f.Put(p, l, x)
			f.Put(p, sin(l), y)
		}
		f.Move(p, 6*size)
	})
	p = f.Pointer(size)
	q := f.Pointer(sin(1) * size)
	f.Loop(5, func() {
		for _, l := range []int{0, 6} {
			x, y := three()
			f.Put(p, l, x)
			f.Put(q, l, y)
		}
		for l := 1; l < 6; l++ {
			p1, q1 := three()
			p2, q2 := three()
			f.Put(p, l, f.Add(p1, p2))
			f.Put(q, sin(l), f.Sub(p2, p1))
			f.Put(q, l, f.Add(q1, q2))
			f.Put(p, sin(l), f.Sub(q1, q2))
		}
		f.Move(p, size)
		f.Move(q, size)
	})
	p = f.Pointer(0)
	f.Loop(size, func() {
		f.synthesize(n, func(j int) V { return f.Get(p, j) }, func(j int, r V) { f.Put(p, j, r) })
		f.Move(p, size)
	})
	p = f.Pointer(0)
	f.Loop(n, func() {
		f.synthesize(n, func(i int) V { return f.Get(p, i*size) }, store)
		f.Move(p, 1)
		move()
	})
}

// Scale is the factor of real products in the transform of the weights, and twice that of the
// others: it makes the rest of the transforms the inverse.
const Scale = 1. / (FourierSize * FourierSize)

// InputFactors and the others are the factors and products of Spread and Gather.
func InputFactors[V any](s Arithmetic[V]) (func(r V) V, func(p, q V) [3]V) {
	return same[V], func(p, q V) [3]V { return [3]V{s.Add(p, q), p, q} }
}

// GradFactors is for the gradient of the output.
func GradFactors[V any](s Arithmetic[V]) (func(r V) V, func(p, q V) [3]V) {
	return same[V], func(p, q V) [3]V { return [3]V{s.Add(p, q), q, p} }
}

// FilterFactors is for the weights.
func FilterFactors[V any](s Arithmetic[V]) (func(r V) V, func(p, q V) [3]V) {
	return scaled(s), func(p, q V) [3]V {
		return [3]V{s.Times(2*Scale, p), s.Times(-2*Scale, s.Add(p, q)), s.Times(2*Scale, s.Sub(q, p))}
	}
}

// OutputProducts is for the output.
func OutputProducts[V any](s Arithmetic[V]) (func(r V) V, func(m [3]V) (p, q V)) {
	return same[V], func(m [3]V) (p, q V) { return s.Add(m[0], m[2]), s.Add(m[0], m[1]) }
}

// FilterGradProducts is for the gradient of the weights.
func FilterGradProducts[V any](s Arithmetic[V]) (func(r V) V, func(m [3]V) (p, q V)) {
	return scaled(s), func(m [3]V) (p, q V) {
		return s.Times(2*Scale, s.Sub(m[0], s.Add(m[1], m[2]))), s.Times(2*Scale, s.Sub(m[2], m[1]))
	}
}

func same[V any](r V) V { return r }

func scaled[V any](s Arithmetic[V]) func(r V) V {
	return func(r V) V { return s.Times(Scale, r) }
}
