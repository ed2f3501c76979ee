package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eps is float32's unit roundoff.
const eps = 0x1p-24

// vecLengths covers 0 to 3 times the longest unrolled loop (64 numbers), and
// more than that.
var vecLengths = func() (n []int) {
	for i := range 3*64 + 2 {
		n = append(n, i)
	}
	return append(n, 1000, 1023, 1031)
}()

// elementwise lists the functions from up to three slices to one. y is the
// destination and its old content.
var elementwise = []struct {
	name   string
	inputs int
	serial func(y, a, b, c []float32)
	pooled func(p *Pool, y, a, b, c []float32) // nil if there is none
	want   func(y, a, b, c float64) float64
}{
	{"Fill", 0,
		func(y, _, _, _ []float32) { Fill(y, 1.5) },
		func(p *Pool, y, _, _, _ []float32) { FillP(p, y, 1.5) },
		func(_, _, _, _ float64) float64 { return 1.5 }},
	{"Copy", 1,
		func(y, a, _, _ []float32) { copy(y, a) },
		func(p *Pool, y, a, _, _ []float32) { CopyP(p, y, a) },
		func(_, a, _, _ float64) float64 { return a }},
	{"Axpy", 1,
		func(y, a, _, _ []float32) { Axpy(0.75, a, y) },
		func(p *Pool, y, a, _, _ []float32) { AxpyP(p, 0.75, a, y) },
		func(y, a, _, _ float64) float64 { return y + 0.75*a }},
	{"Axpby", 1,
		func(y, a, _, _ []float32) { Axpby(0.75, a, -1.25, y) },
		func(p *Pool, y, a, _, _ []float32) { AxpbyP(p, 0.75, a, -1.25, y) },
		func(y, a, _, _ float64) float64 { return 0.75*a - 1.25*y }},
	{"AxpySign", 1,
		func(y, a, _, _ []float32) { axpySign(0.75, a, y) },
		nil,
		func(y, a, _, _ float64) float64 {
			switch {
			case a > 0:
				return y + 0.75
			case a < 0:
				return y - 0.75
			}
			return y
		}},
	{"Scale", 1,
		func(y, a, _, _ []float32) { Scale(0.75, a, y) },
		func(p *Pool, y, a, _, _ []float32) { ScaleP(p, 0.75, a, y) },
		func(_, a, _, _ float64) float64 { return 0.75 * a }},
	{"AddScalar", 1,
		func(y, a, _, _ []float32) { AddScalar(y, a, 0.75) }, nil,
		func(_, a, _, _ float64) float64 { return a + 0.75 }},
	{"ScaleShift", 1,
		func(y, a, _, _ []float32) { ScaleShift(y, a, 0.75, -2) },
		func(p *Pool, y, a, _, _ []float32) { ScaleShiftP(p, y, a, 0.75, -2) },
		func(_, a, _, _ float64) float64 { return a*0.75 - 2 }},
	{"normalize", 1,
		func(y, a, _, _ []float32) { vec().normalize(y, a, 0.5, 3) }, nil,
		func(_, a, _, _ float64) float64 { return (a - 0.5) * 3 }},
	{"ReLU", 1,
		func(y, a, _, _ []float32) { ReLU(y, a, 0) },
		func(p *Pool, y, a, _, _ []float32) { ReLUP(p, y, a, 0) },
		func(_, a, _, _ float64) float64 { return relu(a, 0) }},
	{"ReLU/slope", 1,
		func(y, a, _, _ []float32) { ReLU(y, a, 0.125) },
		func(p *Pool, y, a, _, _ []float32) { ReLUP(p, y, a, 0.125) },
		func(_, a, _, _ float64) float64 { return relu(a, 0.125) }},
	{"Add", 2,
		func(y, a, b, _ []float32) { Add(y, a, b) },
		func(p *Pool, y, a, b, _ []float32) { AddP(p, y, a, b) },
		func(_, a, b, _ float64) float64 { return a + b }},
	{"Sub", 2,
		func(y, a, b, _ []float32) { Sub(y, a, b) },
		func(p *Pool, y, a, b, _ []float32) { SubP(p, y, a, b) },
		func(_, a, b, _ float64) float64 { return a - b }},
	{"Mul", 2,
		func(y, a, b, _ []float32) { Mul(y, a, b) },
		func(p *Pool, y, a, b, _ []float32) { MulP(p, y, a, b) },
		func(_, a, b, _ float64) float64 { return a * b }},
	{"Div", 2,
		func(y, a, b, _ []float32) { Div(y, a, b) }, nil,
		func(_, a, b, _ float64) float64 { return a / b }},
	{"maximum", 2,
		func(y, a, b, _ []float32) { vec().maximum(y, a, b) }, nil,
		func(_, a, b, _ float64) float64 {
			if b > a {
				return b
			}
			return a
		}},
	{"ReLUGrad", 2,
		func(y, a, b, _ []float32) { ReLUGrad(y, a, b, 0) },
		func(p *Pool, y, a, b, _ []float32) { ReLUGradP(p, y, a, b, 0) },
		func(_, a, b, _ float64) float64 { return reluGrad(a, b, 0) }},
	{"ReLUGrad/slope", 2,
		func(y, a, b, _ []float32) { ReLUGrad(y, a, b, 0.125) },
		func(p *Pool, y, a, b, _ []float32) { ReLUGradP(p, y, a, b, 0.125) },
		func(_, a, b, _ float64) float64 { return reluGrad(a, b, 0.125) }},
	{"bnBackward", 2,
		func(y, a, b, _ []float32) { vec().bnBackward(y, a, b, 0.25, -0.5, 3) }, nil,
		func(_, a, b, _ float64) float64 { return (a - 0.25 + 0.5*b) * 3 }},
	{"mulAdd", 3,
		func(y, a, b, c []float32) { vec().mulAdd(y, a, b, c) }, nil,
		func(_, a, b, c float64) float64 { return a*b + c }},
	{"mulAxpy", 2,
		func(y, a, b, _ []float32) { vec().mulAxpy(0.75, a, b, y) }, nil,
		func(y, a, b, _ float64) float64 { return y + 0.75*a*b }},
}

func relu(x, slope float64) float64 { return math.Max(x, 0) + slope*math.Min(x, 0) }

func reluGrad(x, dy, slope float64) float64 {
	var f float64
	if x > 0 {
		f = 1
	}
	if x <= 0 {
		f = slope
	}
	return dy * f
}

func TestElementwise(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, test := range elementwise {
			r := rand.New(rand.NewPCG(2, 1))
			// alias is the input that the destination is, or 0.
			for alias := 0; alias <= test.inputs; alias++ {
				for _, n := range vecLengths {
					y := guarded(r, n)
					in := [3][]float32{guarded(r, n), guarded(r, n), guarded(r, n)}
					if alias > 0 {
						in[alias-1] = y
					}
					old := [4][]float32{slices.Clone(y), slices.Clone(in[0]), slices.Clone(in[1]), slices.Clone(in[2])}
					test.serial(y, in[0], in[1], in[2])
					checkGuards(t, test.name, y)
					for i := range y {
						a, b, c := float64(old[1][i]), float64(old[2][i]), float64(old[3][i])
						want := test.want(float64(old[0][i]), a, b, c)
						// Three roundings of numbers no larger than this.
						size := 3 * (math.Abs(want) + math.Abs(float64(old[0][i])) + math.Abs(a) + math.Abs(b) + math.Abs(c) + math.Abs(a*b) + a*a + 2)
						if !(math.Abs(float64(y[i])-want) <= 3*eps*size) {
							t.Fatalf("%s, n %d, alias %d: y[%d] = %g, want %g", test.name, n, alias, i, y[i], want)
						}
					}
					for k, s := range in {
						if alias-1 != k {
							sameBits(t, test.name+" input", s, old[k+1])
						}
					}
				}
			}
		}
	})
}

// specials are the numbers that vector instructions and Go may see differently.
// No product of two overflows, for a fused multiplication and addition does not
// see that.
var specials = []float32{
	float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, float32(math.Copysign(0, -1)),
	1, -1, 1e19, -1e19, math.SmallestNonzeroFloat32, 1e-40, -1e-40,
}

// alike tells whether two results of one function on special numbers agree:
// both NaN, or within a few roundings of each other.
func alike(a, b float32) bool {
	if a != a || b != b {
		return a != a && b != b
	}
	return a == b || math.Abs(float64(a)-float64(b)) <= 4*eps*math.Abs(float64(a))+2*math.SmallestNonzeroFloat32
}

func TestElementwiseSpecials(t *testing.T) {
	var in [3][]float32
	for _, a := range specials {
		for _, b := range specials {
			for _, c := range specials {
				in[0], in[1], in[2] = append(in[0], a), append(in[1], b), append(in[2], c)
			}
		}
	}
	eachLevel(t, func(t *testing.T) {
		for _, test := range elementwise {
			got, want := slices.Clone(in[2]), slices.Clone(in[2])
			test.serial(got, in[0], in[1], in[2])
			level := active
			active = levelGeneric
			test.serial(want, in[0], in[1], in[2])
			active = level
			for i := range got {
				if !alike(got[i], want[i]) {
					t.Errorf("%s of %g, %g, %g: %g, want %g", test.name, in[0][i], in[1][i], in[2][i], got[i], want[i])
				}
			}
		}
	})
	got := make([]float32, 1)
	ReLU(got, []float32{float32(math.NaN())}, 0)
	if got[0] == got[0] {
		t.Errorf("ReLU of NaN is %g", got[0])
	}
}

func TestElementwisePooled(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, n := range []int{0, 5, vecBlock, 3*vecBlock + 17} {
			old, in := guarded(r, n), [3][]float32{guarded(r, n), guarded(r, n), guarded(r, n)}
			y, want := guarded(r, n), make([]float32, n)
			for _, test := range elementwise {
				if test.pooled == nil {
					continue
				}
				copy(want, old)
				test.serial(want, in[0], in[1], in[2])
				eachPool(func(name string, p *Pool) {
					copy(y, old)
					test.pooled(p, y, in[0], in[1], in[2])
					sameBits(t, fmt.Sprintf("%sP, %d, threads %s", test.name, n, name), y, want)
					checkGuards(t, test.name+"P", y)
				})
			}
		}
	})
}

// transcendentals lists the functions that are computed by polynomials. from
// and to bound the arguments, at whose ends the result is 0, 1 or infinite.
var transcendentals = []struct {
	name     string
	serial   func(y, x []float32)
	pooled   func(p *Pool, y, x []float32)
	want     func(x float64) float64
	from, to float32
	ulps     float64 // of the result, or of 1 for sigmoid
	absolute bool
}{
	{"Exp", Exp, ExpP, math.Exp, -110, 95, 2, false},
	{"TanH", TanH, TanHP, math.Tanh, -12, 12, 2, false},
	{"Sigmoid", Sigmoid, SigmoidP, func(x float64) float64 { return 0.5*math.Tanh(0.5*x) + 0.5 }, -30, 30, 1, true},
}

func TestTranscendentals(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		for _, test := range transcendentals {
			const n = 200001
			x, y := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i] = test.from + (test.to-test.from)*float32(i)/(n-1)
			}
			for i := range 1000 { // and near zero
				x[i] = float32(math.Ldexp(float64(x[i]), -i/8))
			}
			test.serial(y, x)
			worst, at := 0.0, 0
			for i := range y {
				want := test.want(float64(x[i]))
				ulp := float64(math.SmallestNonzeroFloat32)
				if _, e := math.Frexp(want); e-24 > -149 && !math.IsInf(float64(float32(want)), 0) {
					ulp = math.Ldexp(1, e-24)
				}
				if test.absolute {
					ulp = 2 * eps
				}
				if math.IsInf(float64(float32(want)), 1) {
					if y[i] < math.MaxFloat32 {
						t.Fatalf("%s(%g) = %g, want +Inf", test.name, x[i], y[i])
					}
					continue
				}
				if e := math.Abs(float64(y[i])-want) / ulp; !(e <= worst) {
					worst, at = e, i
				}
			}
			t.Logf("%s: largest error %.2f ulp", test.name, worst)
			if !(worst <= test.ulps) {
				t.Errorf("%s(%g) = %g, want %g: error of %.2f ulp, at most %g", test.name, x[at], y[at], test.want(float64(x[at])), worst, test.ulps)
			}

			for _, v := range specials {
				in, out := []float32{v}, []float32{0}
				test.serial(out, in)
				if want := float32(test.want(float64(v))); !alike(out[0], want) {
					t.Errorf("%s(%g) = %g, want %g", test.name, v, out[0], want)
				}
			}

			// The rest of a slice, in place, and the pool give the same numbers.
			r := rand.New(rand.NewPCG(2, 3))
			for n := range 70 {
				s := guarded(r, n)
				copy(s, x[1000:])
				test.serial(s, s)
				checkGuards(t, test.name, s)
				sameBits(t, test.name, s, y[1000:])
			}
			z := make([]float32, n)
			eachPool(func(name string, p *Pool) {
				clear(z)
				test.pooled(p, z, x)
				sameBits(t, test.name+"P, threads "+name, z, y)
			})
		}
	})
}

// reductions lists the functions from one or two slices to a number.
var reductions = []struct {
	name   string
	serial func(a, b []float32) float64
	pooled func(p *Pool, a, b []float32) float64
	term   func(a, b float64) float64
}{
	{"Sum64", func(a, _ []float32) float64 { return Sum64(a) },
		func(p *Pool, a, _ []float32) float64 { return SumP(p, a) },
		func(a, _ float64) float64 { return a }},
	{"Asum", func(a, _ []float32) float64 { return Asum(a) },
		func(p *Pool, a, _ []float32) float64 { return AsumP(p, a) },
		func(a, _ float64) float64 { return math.Abs(a) }},
	{"SumSq", func(a, _ []float32) float64 { return SumSq(a) },
		func(p *Pool, a, _ []float32) float64 { return SumSqP(p, a) },
		func(a, _ float64) float64 { return a * a }},
	{"sumAndSq's sum", func(a, _ []float32) float64 { s, _ := vec().sumAndSq(a); return s }, nil,
		func(a, _ float64) float64 { return a }},
	{"sumAndSq's squares", func(a, _ []float32) float64 { _, q := vec().sumAndSq(a); return q }, nil,
		func(a, _ float64) float64 { return a * a }},
	{"Dot", Dot, DotP,
		func(a, b float64) float64 { return a * b }},
	{"sumDot's sum", func(a, b []float32) float64 { s, _ := vec().sumDot(a, b); return s }, nil,
		func(a, _ float64) float64 { return a }},
	{"sumDot's dot", func(a, b []float32) float64 { _, d := vec().sumDot(a, b); return d }, nil,
		func(a, b float64) float64 { return a * b }},
}

func TestReductions(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 4))
		for _, n := range append(vecLengths, 2*vecBlock+19) {
			a, b := guarded(r, n), guarded(r, n)
			for _, test := range reductions {
				var want, size float64
				for i := range a {
					term := test.term(float64(a[i]), float64(b[i]))
					want += term
					size += math.Abs(term)
				}
				tolerance := size * float64(n) * 0x1p-52
				if got := test.serial(a, b); !(math.Abs(got-want) <= tolerance) {
					t.Errorf("%s of %d: %g, want %g", test.name, n, got, want)
				}
				if test.pooled == nil || n < 1000 && n != 7 && n != 0 {
					continue
				}
				first := math.NaN()
				eachPool(func(name string, p *Pool) {
					got := test.pooled(p, a, b)
					if !(math.Abs(got-want) <= tolerance) {
						t.Errorf("%sP of %d, threads %s: %g, want %g", test.name, n, name, got, want)
					}
					if first != first {
						first = got
					}
					if got != first {
						t.Errorf("%sP of %d, threads %s: %g, others %g", test.name, n, name, got, first)
					}
				})
			}
			if got, want := Sum(a), float32(Sum64(a)); got != want {
				t.Errorf("Sum of %d: %g, want %g", n, got, want)
			}
		}
	})
}

func TestMax(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 5))
		for _, n := range vecLengths {
			x := guarded(r, n)
			AddScalar(x, x, -10) // all negative: a zero of padding would show
			want := -inf
			for _, v := range x {
				want = max(want, v)
			}
			if got := Max(x); got != want {
				t.Fatalf("Max of %d: %g, want %g", n, got, want)
			}
			for i := range x {
				v := x[i]
				x[i] = nan
				if got := Max(x); got != got || got > want {
					t.Fatalf("Max of %d with a NaN at %d: %g", n, i, got)
				}
				x[i] = inf
				if got := Max(x); got != inf {
					t.Fatalf("Max of %d with +Inf at %d: %g", n, i, got)
				}
				x[i] = v
			}
		}
	})
}

func TestAnyNonFinite(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 6))
		for _, n := range vecLengths {
			x := guarded(r, n)
			for i := range x {
				x[i] *= math.MaxFloat32 / 10 // sums of these overflow
			}
			if AnyNonFinite(x) {
				t.Fatalf("AnyNonFinite of %d finite numbers", n)
			}
			for i := range x {
				for _, bad := range specials[:3] {
					v := x[i]
					x[i] = bad
					if !AnyNonFinite(x) {
						t.Fatalf("AnyNonFinite of %d misses %g at %d", n, bad, i)
					}
					x[i] = v
				}
			}
		}
		x := make([]float32, 5*vecBlock+3)
		eachPool(func(name string, p *Pool) {
			if AnyNonFiniteP(p, x) {
				t.Errorf("AnyNonFiniteP of zeros, threads %s", name)
			}
			x[len(x)-1] = float32(math.Inf(-1))
			if !AnyNonFiniteP(p, x) {
				t.Errorf("AnyNonFiniteP misses the last number, threads %s", name)
			}
			x[len(x)-1] = 0
		})
	})
}

func TestShortSlicePanics(t *testing.T) {
	defer func() {
		if got, want := fmt.Sprint(recover()), "kernel: Axpy: slice of 2, want 3"; got != want {
			t.Errorf("panic %q, want %q", got, want)
		}
	}()
	Axpy(1, make([]float32, 2), make([]float32, 3))
}

func TestPeakBandwidth(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	if got := PeakBandwidth(p); !(got > 0.1 && got < 1e4) {
		t.Errorf("PeakBandwidth = %g GB/s", got)
	}
}
