// Package winograd has the steps of the transforms of Winograd's convolution F(2x2,3x3),
// F(4x4,3x3) and F(2x2,5x5), for every processor. The types of the functions, in
// transform.go of package conv, say what they compute.
package winograd

import "math"

// An Arithmetic writes the operations of steps on registers of type V.
type Arithmetic[V any] interface {
	Copy(x V) V
	Add(x, y V) V
	Sub(x, y V) V                // x-y
	Times(v float64, x V) V      // v*x
	Plus(y V, v float64, x V) V  // y+v*x, in the register of y
	Minus(y V, v float64, x V) V // y-v*x, in the register of y
}

// A Step is a linear map of the elements along one axis. in returns element i of its
// argument, which must not be changed; out takes element i of the result, in rising
// order.
type Step[V any] func(s Arithmetic[V], in func(i int) V, out func(i int, r V))

// The points at which F(4,3) evaluates its polynomials are 0, a, -a, b, -b and
// infinity.
var (
	a = math.Sqrt(0.5)
	b = math.Sqrt2
)

// Constants are the factors of the steps.
var Constants = []float64{0.5, 2, 2.5, a, b, a * a * a, b * b * b, -2. / 3, 1. / 6, -2. / 3 * a, b / 6, -1. / 3, 1. / 3, 0.25, 4, -1. / 3 * a, b / 3, -1. / 6, 2. / 3, Root, Scale, 2 * Scale, -2 * Scale}

// input4 is the transposed B of F(2,3).
func input4[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, s.Sub(in(0), in(2)))
	out(1, s.Add(in(1), in(2)))
	out(2, s.Sub(in(2), in(1)))
	out(3, s.Sub(in(3), in(1)))
}

// grad4 is the A of F(2,3).
func grad4[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, in(0))
	out(1, s.Add(in(0), in(1)))
	out(2, s.Sub(in(0), in(1)))
	out(3, in(1))
}

// output4 is the transposed A of F(2,3).
func output4[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, s.Add(in(0), s.Add(in(1), in(2))))
	out(1, s.Add(in(3), s.Sub(in(1), in(2))))
}

// filter4 is the G of F(2,3).
func filter4[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, in(0))
	even, odd := s.Times(0.5, s.Add(in(0), in(2))), in(1)
	out(1, s.Plus(s.Copy(even), 0.5, odd))
	out(2, s.Minus(even, 0.5, odd))
	out(3, in(2))
}

// filterGrad4 is the transposed G of F(2,3).
func filterGrad4[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	sum := s.Add(in(1), in(2))
	out(0, s.Plus(s.Copy(in(0)), 0.5, sum))
	out(1, s.Times(0.5, s.Sub(in(1), in(2))))
	out(2, s.Plus(s.Copy(in(3)), 0.5, sum))
}

// input6 is the transposed B of F(4,3).
func input6[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, input6First(s, in))
	input6Middle(s, in, out)
	out(5, input6Last(s, in))
}

func input6First[V any](s Arithmetic[V], in func(int) V) V {
	return s.Minus(s.Add(in(0), in(4)), 2.5, in(2))
}

func input6Last[V any](s Arithmetic[V], in func(int) V) V {
	return s.Minus(s.Add(in(1), in(5)), 2.5, in(3))
}

func input6Ends[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, input6First(s, in))
	out(5, input6Last(s, in))
}

func input6Middle[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	even, odd := s.Minus(s.Copy(in(4)), 2, in(2)), s.Minus(s.Copy(in(3)), 2, in(1))
	out(1, s.Plus(s.Copy(even), a, odd))
	out(2, s.Minus(even, a, odd))
	even, odd = s.Minus(s.Copy(in(4)), 0.5, in(2)), s.Minus(s.Copy(in(3)), 0.5, in(1))
	out(3, s.Plus(s.Copy(even), b, odd))
	out(4, s.Minus(even, b, odd))
}

// grad6 is the A of F(4,3).
func grad6[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, in(0))
	even, odd := s.Plus(s.Copy(in(0)), 0.5, in(2)), s.Plus(s.Copy(in(1)), 0.5, in(3))
	out(1, s.Plus(s.Copy(even), a, odd))
	out(2, s.Minus(even, a, odd))
	even, odd = s.Plus(s.Copy(in(0)), 2, in(2)), s.Plus(s.Copy(in(1)), 2, in(3))
	out(3, s.Plus(s.Copy(even), b, odd))
	out(4, s.Minus(even, b, odd))
	out(5, in(3))
}

// output6 is the transposed A of F(4,3).
func output6[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	sumA, difA := s.Add(in(1), in(2)), s.Sub(in(1), in(2))
	sumB, difB := s.Add(in(3), in(4)), s.Sub(in(3), in(4))
	out(0, s.Add(in(0), s.Add(sumA, sumB)))
	out(1, s.Plus(s.Times(a, difA), b, difB))
	out(2, s.Plus(s.Times(0.5, sumA), 2, sumB))
	out(3, s.Plus(s.Plus(s.Copy(in(5)), a*a*a, difA), b*b*b, difB))
}

// filter6 is the G of F(4,3).
func filter6[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, in(0))
	even := s.Times(-2./3, s.Plus(s.Copy(in(0)), 0.5, in(2)))
	out(1, s.Plus(s.Copy(even), -2./3*a, in(1)))
	out(2, s.Minus(even, -2./3*a, in(1)))
	even = s.Times(1./6, s.Plus(s.Copy(in(0)), 2, in(2)))
	out(3, s.Plus(s.Copy(even), b/6, in(1)))
	out(4, s.Minus(even, b/6, in(1)))
	out(5, in(2))
}

// filterGrad6 is the transposed G of F(4,3).
func filterGrad6[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	sumA, difA := s.Add(in(1), in(2)), s.Sub(in(1), in(2))
	sumB, difB := s.Add(in(3), in(4)), s.Sub(in(3), in(4))
	out(0, s.Plus(s.Plus(s.Copy(in(0)), -2./3, sumA), 1./6, sumB))
	out(1, s.Plus(s.Times(-2./3*a, difA), b/6, difB))
	out(2, s.Plus(s.Plus(s.Copy(in(5)), -1./3, sumA), 1./3, sumB))
}

// The transforms of F(2x2,5x5) have the points of F(4,3).

func grad5x5[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, in(0))
	out(1, s.Plus(s.Copy(in(0)), a, in(1)))
	out(2, s.Minus(s.Copy(in(0)), a, in(1)))
	out(3, s.Plus(s.Copy(in(0)), b, in(1)))
	out(4, s.Minus(s.Copy(in(0)), b, in(1)))
	out(5, in(1))
}

func output5x5[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	sumA, difA := s.Add(in(1), in(2)), s.Sub(in(1), in(2))
	sumB, difB := s.Add(in(3), in(4)), s.Sub(in(3), in(4))
	out(0, s.Add(in(0), s.Add(sumA, sumB)))
	out(1, s.Plus(s.Plus(s.Copy(in(5)), a, difA), b, difB))
}

func filter5x5[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, in(0))
	filter5x5Middle(s, in, out)
	out(5, in(4))
}

func filter5x5Ends[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	out(0, in(0))
	out(5, in(4))
}

func filter5x5Middle[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	even := s.Times(-2./3, s.Plus(s.Plus(s.Copy(in(0)), 0.5, in(2)), 0.25, in(4)))
	odd := s.Plus(s.Copy(in(1)), 0.5, in(3))
	out(1, s.Plus(s.Copy(even), -2./3*a, odd))
	out(2, s.Minus(even, -2./3*a, odd))
	even = s.Times(1./6, s.Plus(s.Plus(s.Copy(in(0)), 2, in(2)), 4, in(4)))
	odd = s.Plus(s.Copy(in(1)), 2, in(3))
	out(3, s.Plus(s.Copy(even), b/6, odd))
	out(4, s.Minus(even, b/6, odd))
}

func filterGrad5x5[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	var odd [4]V
	filterGrad5x5Odd(s, in, func(i int, r V) { odd[i] = r })
	filterGrad5x5Even(s, in, func(i int, r V) {
		out(i, r)
		if i < 4 {
			out(i+1, odd[i+1])
		}
	})
}

func filterGrad5x5Even[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	sumA, sumB := s.Add(in(1), in(2)), s.Add(in(3), in(4))
	out(0, s.Plus(s.Plus(s.Copy(in(0)), -2./3, sumA), 1./6, sumB))
	out(2, s.Plus(s.Times(-1./3, sumA), 1./3, sumB))
	out(4, s.Plus(s.Plus(s.Copy(in(5)), -1./6, sumA), 2./3, sumB))
}

func filterGrad5x5Odd[V any](s Arithmetic[V], in func(int) V, out func(int, V)) {
	difA, difB := s.Sub(in(1), in(2)), s.Sub(in(3), in(4))
	out(1, s.Plus(s.Times(-2./3*a, difA), b/6, difB))
	out(3, s.Plus(s.Times(-1./3*a, difA), b/3, difB))
}
