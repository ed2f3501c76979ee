package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

var maps = []kerneltest.Map{
	{Name: "Fill", Inputs: 0,
		Run:  func(y, _, _, _ []float32) { Fill(1.5, y) },
		Want: func(_, _, _, _ float64) float64 { return 1.5 }},
	{Name: "Axpy", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { Axpy(0.75, a, y) },
		Want: func(y, a, _, _ float64) float64 { return y + 0.75*a }},
	{Name: "Axpby", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { Axpby(0.75, a, -1.25, y) },
		Want: func(y, a, _, _ float64) float64 { return 0.75*a - 1.25*y }},
	{Name: "Scale", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { Scale(0.75, a, y) },
		Want: func(_, a, _, _ float64) float64 { return 0.75 * a }},
	{Name: "AddScalar", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { AddScalar(0.75, a, y) },
		Want: func(_, a, _, _ float64) float64 { return a + 0.75 }},
	{Name: "ScaleShift", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { ScaleShift(0.75, -2, a, y) },
		Want: func(_, a, _, _ float64) float64 { return a*0.75 - 2 }},
	{Name: "ReLU", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { ReLU(0, a, y) },
		Want: func(_, a, _, _ float64) float64 { return relu(a, 0) }},
	{Name: "ReLU/slope", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { ReLU(0.125, a, y) },
		Want: func(_, a, _, _ float64) float64 { return relu(a, 0.125) }},
	{Name: "Add", Inputs: 2,
		Run:  func(y, a, b, _ []float32) { Add(a, b, y) },
		Want: func(_, a, b, _ float64) float64 { return a + b }},
	{Name: "Sub", Inputs: 2,
		Run:  func(y, a, b, _ []float32) { Sub(a, b, y) },
		Want: func(_, a, b, _ float64) float64 { return a - b }},
	{Name: "Mul", Inputs: 2,
		Run:  func(y, a, b, _ []float32) { Mul(a, b, y) },
		Want: func(_, a, b, _ float64) float64 { return a * b }},
	{Name: "Div", Inputs: 2,
		Run:  func(y, a, b, _ []float32) { Div(a, b, y) },
		Want: func(_, a, b, _ float64) float64 { return a / b }},
	{Name: "Maximum", Inputs: 2,
		Run: func(y, a, b, _ []float32) { Maximum(a, b, y) },
		Want: func(_, a, b, _ float64) float64 {
			if b > a {
				return b
			}
			return a
		}},
	{Name: "ReLUBackward", Inputs: 2,
		Run:  func(y, a, b, _ []float32) { ReLUBackward(0, a, b, y) },
		Want: func(_, a, b, _ float64) float64 { return reluGrad(a, b, 0) }},
	{Name: "ReLUBackward/slope", Inputs: 2,
		Run:  func(y, a, b, _ []float32) { ReLUBackward(0.125, a, b, y) },
		Want: func(_, a, b, _ float64) float64 { return reluGrad(a, b, 0.125) }},
	{Name: "Abs", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { Abs(a, y) },
		Want: func(_, a, _, _ float64) float64 { return math.Abs(a) }},
	{Name: "BNLLBackward", Inputs: 2,
		Run:  func(y, a, b, _ []float32) { BNLLBackward(a, b, y) },
		Want: func(_, a, b, _ float64) float64 { return b / (1 + math.Exp(-a)) }},
	{Name: "ELU", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { ELU(0.75, a, y) },
		Want: func(_, a, _, _ float64) float64 { return math.Max(a, 0) + 0.75*(math.Exp(math.Min(a, 0))-1) }},
	{Name: "ELUBackward", Inputs: 2,
		Run: func(y, a, b, _ []float32) { ELUBackward(0.75, a, b, y) },
		Want: func(_, a, b, _ float64) float64 {
			if a > 0 {
				return b
			}
			return b * (a + 0.75)
		}},
	{Name: "Swish", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { Swish(0.75, a, y) },
		Want: func(_, a, _, _ float64) float64 { return a / (1 + math.Exp(-0.75*a)) }},
	{Name: "SwishBackward", Inputs: 2,
		Run: func(y, a, b, _ []float32) { SwishBackward(0.75, a, b, y) },
		Want: func(_, a, b, _ float64) float64 {
			s := 1 / (1 + math.Exp(-0.75*a))
			return b * (s + 0.75*a*s*(1-s))
		}},
	{Name: "Clip", Inputs: 1,
		Run:  func(y, a, _, _ []float32) { Clip(-0.5, 1, a, y) },
		Want: func(_, a, _, _ float64) float64 { return math.Max(-0.5, math.Min(a, 1)) }},
	{Name: "ClipBackward", Inputs: 2,
		Run: func(y, a, b, _ []float32) { ClipBackward(-0.5, 1, a, b, y) },
		Want: func(_, a, b, _ float64) float64 {
			if a < -0.5 || a > 1 {
				return 0
			}
			return b
		}},
	{Name: "MulAdd", Inputs: 3,
		Run:  func(y, a, b, c []float32) { MulAdd(a, b, c, y) },
		Want: func(_, a, b, c float64) float64 { return a*b + c }},
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

func TestMaps(t *testing.T) {
	kerneltest.CheckMaps(t, maps)
	got := make([]float32, 1)
	ReLU(0, []float32{float32(math.NaN())}, got)
	if got[0] == got[0] {
		t.Errorf("ReLU of NaN is %g", got[0])
	}
}

// TestClipBounds checks the bounds themselves, where the gradient is not 0, and NaN.
func TestClipBounds(t *testing.T) {
	x := []float32{0, 6, -0x1p-149, math.Nextafter32(6, 7), float32(math.NaN())}
	y, dx := make([]float32, len(x)), make([]float32, len(x))
	kerneltest.EachLevel(t, func(t *testing.T) {
		Clip(0, 6, x, y)
		ClipBackward(0, 6, x, []float32{1, 1, 1, 1, 1}, dx)
		if want := []float32{0, 6, 0, 6, 0}; !slices.Equal(y, want) {
			t.Errorf("Clip of %v is %v, want %v", x, y, want)
		}
		if want := []float32{1, 1, 0, 0, 0}; !slices.Equal(dx, want) {
			t.Errorf("ClipBackward of %v is %v, want %v", x, dx, want)
		}
	})
}

// transcendentals lists the functions computed by polynomials. from and to bound the
// arguments; at the ends the result is 0, 1 or infinite.
var transcendentals = []struct {
	name     string
	run      func(x, y []float32)
	want     func(x float64) float64
	from, to float32
	ulps     float64 // of the result, or of 1 if absolute is set
	absolute bool
}{
	{"Exp", Exp, math.Exp, -110, 95, 2, false},
	{"Log", Log, math.Log, 1e-38, 20, 2, false},
	{"Log of large numbers", Log, math.Log, 20, 3e38, 2, false},
	{"BNLL", BNLL, func(x float64) float64 { return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, -90, 90, 3, false},
	{"TanH", TanH, math.Tanh, -12, 12, 2, false},
	{"Sigmoid", Sigmoid, func(x float64) float64 { return 0.5*math.Tanh(0.5*x) + 0.5 }, -30, 30, 1, true},
}

func TestTranscendentals(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, test := range transcendentals {
			const n = 200001
			x, y := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i] = test.from + (test.to-test.from)*float32(i)/(n-1)
			}
			for i := range 1000 { // and near zero
				x[i] = float32(math.Ldexp(float64(x[i]), -i/8))
			}
			test.run(x, y)
			worst, at := 0.0, 0
			for i := range y {
				want := test.want(float64(x[i]))
				ulp := float64(math.SmallestNonzeroFloat32)
				if _, e := math.Frexp(want); e-24 > -149 && !math.IsInf(float64(float32(want)), 0) {
					ulp = math.Ldexp(1, e-24)
				}
				if test.absolute {
					ulp = 2 * kerneltest.Eps
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

			for _, v := range kerneltest.Specials {
				in, out := []float32{v}, []float32{0}
				test.run(in, out)
				if want := float32(test.want(float64(v))); !kerneltest.Alike(out[0], want) {
					t.Errorf("%s(%g) = %g, want %g", test.name, v, out[0], want)
				}
			}

			// Short slices, in place, give the same elements.
			r := rand.New(rand.NewPCG(2, 3))
			for n := range 70 {
				s := kerneltest.Guarded(r, n)
				copy(s, x[1000:])
				test.run(s, s)
				kerneltest.CheckGuards(t, test.name, s)
				kerneltest.SameBits(t, test.name, s, y[1000:])
			}
		}
	})
}

func TestSums(t *testing.T) {
	kerneltest.CheckSums(t, []kerneltest.Sum{
		{Name: "Sum", Run: func(a, _ []float32) float64 { return Sum(a) }, Term: func(a, _ float64) float64 { return a }},
		{Name: "Asum", Run: func(a, _ []float32) float64 { return Asum(a) }, Term: func(a, _ float64) float64 { return math.Abs(a) }},
		{Name: "SumSq", Run: func(a, _ []float32) float64 { return SumSq(a) }, Term: func(a, _ float64) float64 { return a * a }},
		{Name: "Dot", Run: Dot, Term: func(a, b float64) float64 { return a * b }},
	})
}

func TestMax(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 5))
		for _, n := range kerneltest.Lengths {
			x := kerneltest.Guarded(r, n)
			AddScalar(-10, x, x) // all negative: a zero beyond the end would show
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
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 6))
		for _, n := range kerneltest.Lengths {
			x := kerneltest.Guarded(r, n)
			for i := range x {
				x[i] *= math.MaxFloat32 / 10 // sums of these overflow
			}
			if AnyNonFinite(x) {
				t.Fatalf("AnyNonFinite of %d finite elements", n)
			}
			for i := range x {
				for _, bad := range kerneltest.Specials[:3] {
					v := x[i]
					x[i] = bad
					if !AnyNonFinite(x) {
						t.Fatalf("AnyNonFinite of %d misses %g at %d", n, bad, i)
					}
					x[i] = v
				}
			}
		}
	})
}

func TestNewSums(t *testing.T) {
	a, b := NewSums(3), NewSums(3)
	if len(*a) != 3 || &(*a)[0] == &(*b)[0] {
		t.Error("two users share sums")
	}
	FreeSums(a)
	if c := NewSums(2); len(*c) != 2 || &(*c)[0] != &(*a)[0] {
		t.Error("freed sums are not used again")
	}
}

func TestShortSlicePanics(t *testing.T) {
	x, long := make([]float32, 2), make([]float32, 3)
	for want, f := range map[string]func(){
		"Axpy":          func() { Axpy(1, x, long) },
		"Axpby":         func() { Axpby(1, x, 1, long) },
		"Scale":         func() { Scale(1, x, long) },
		"AddScalar":     func() { AddScalar(1, x, long) },
		"ScaleShift":    func() { ScaleShift(1, 1, x, long) },
		"Add":           func() { Add(long, x, long) },
		"Sub":           func() { Sub(x, long, long) },
		"Mul":           func() { Mul(long, x, long) },
		"Div":           func() { Div(x, long, long) },
		"Maximum":       func() { Maximum(long, x, long) },
		"MulAdd":        func() { MulAdd(long, long, x, long) },
		"ReLU":          func() { ReLU(0, x, long) },
		"ReLUBackward":  func() { ReLUBackward(0, long, x, long) },
		"Exp":           func() { Exp(x, long) },
		"Sigmoid":       func() { Sigmoid(x, long) },
		"TanH":          func() { TanH(x, long) },
		"Log":           func() { Log(x, long) },
		"Abs":           func() { Abs(x, long) },
		"BNLL":          func() { BNLL(x, long) },
		"BNLLBackward":  func() { BNLLBackward(long, x, long) },
		"ELU":           func() { ELU(1, x, long) },
		"ELUBackward":   func() { ELUBackward(1, x, long, long) },
		"Swish":         func() { Swish(1, x, long) },
		"SwishBackward": func() { SwishBackward(1, x, long, long) },
		"Clip":          func() { Clip(0, 1, x, long) },
		"ClipBackward":  func() { ClipBackward(0, 1, long, x, long) },
		"Dot":           func() { Dot(long, x) },
	} {
		func() {
			defer func() {
				if got, want := fmt.Sprint(recover()), "kernel: "+want+": slice of 2, want 3"; got != want {
					t.Errorf("panic %q, want %q", got, want)
				}
			}()
			f()
		}()
	}
	if !slices.Equal(long, make([]float32, 3)) {
		t.Error("something was written before the panic")
	}
}
