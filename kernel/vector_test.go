package kernel_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// block is the number of elements in one part of a function on vectors.
const block = 16 << 10

// elementwise lists the functions that compute y, element by element, from a, b
// and perhaps what y held. want is their definition.
var elementwise = []struct {
	name string
	run  func(p *parallel.Pool, a, b, y []float32)
	want func(a, b, y float64) float64
}{
	{"Fill", func(p *parallel.Pool, _, _, y []float32) { kernel.Fill(p, 7, y) },
		func(_, _, _ float64) float64 { return 7 }},
	{"Copy", func(p *parallel.Pool, a, _, y []float32) { kernel.Copy(p, a, y) },
		func(a, _, _ float64) float64 { return a }},
	{"Axpy", func(p *parallel.Pool, a, _, y []float32) { kernel.Axpy(p, 2, a, y) },
		func(a, _, y float64) float64 { return 2*a + y }},
	{"Axpby", func(p *parallel.Pool, a, _, y []float32) { kernel.Axpby(p, 2, a, 3, y) },
		func(a, _, y float64) float64 { return 2*a + 3*y }},
	{"Scale", func(p *parallel.Pool, a, _, y []float32) { kernel.Scale(p, 2, a, y) },
		func(a, _, _ float64) float64 { return 2 * a }},
	{"AddScalar", func(p *parallel.Pool, a, _, y []float32) { kernel.AddScalar(p, 2, a, y) },
		func(a, _, _ float64) float64 { return a + 2 }},
	{"ScaleShift", func(p *parallel.Pool, a, _, y []float32) { kernel.ScaleShift(p, 2, 3, a, y) },
		func(a, _, _ float64) float64 { return 2*a + 3 }},
	{"Add", func(p *parallel.Pool, a, b, y []float32) { kernel.Add(p, a, b, y) },
		func(a, b, _ float64) float64 { return a + b }},
	{"Sub", func(p *parallel.Pool, a, b, y []float32) { kernel.Sub(p, a, b, y) },
		func(a, b, _ float64) float64 { return a - b }},
	{"Mul", func(p *parallel.Pool, a, b, y []float32) { kernel.Mul(p, a, b, y) },
		func(a, b, _ float64) float64 { return a * b }},
	{"Div", func(p *parallel.Pool, a, b, y []float32) { kernel.Div(p, a, b, y) },
		func(a, b, _ float64) float64 { return a / b }},
	{"Exp", func(p *parallel.Pool, a, _, y []float32) { kernel.Exp(p, a, y) },
		func(a, _, _ float64) float64 { return math.Exp(a) }},
	{"Log", func(p *parallel.Pool, a, _, y []float32) { kernel.AddScalar(p, 2.5, a, y); kernel.Log(p, y, y) },
		func(a, _, _ float64) float64 { return math.Log(float64(float32(a) + 2.5)) }},
	{"Abs", func(p *parallel.Pool, a, _, y []float32) { kernel.Abs(p, a, y) },
		func(a, _, _ float64) float64 { return math.Abs(a) }},
	{"BNLL", func(p *parallel.Pool, a, _, y []float32) { kernel.BNLL(p, a, y) },
		func(a, _, _ float64) float64 { return math.Log1p(math.Exp(a)) }},
	{"BNLLBackward", func(p *parallel.Pool, a, b, y []float32) { kernel.BNLLBackward(p, a, b, y) },
		func(a, b, _ float64) float64 { return b / (1 + math.Exp(-a)) }},
	{"ELU", func(p *parallel.Pool, a, _, y []float32) { kernel.ELU(p, 0.5, a, y) },
		func(a, _, _ float64) float64 { return max(a, 0) + 0.5*math.Expm1(min(a, 0)) }},
	{"ELUBackward", func(p *parallel.Pool, a, b, y []float32) { kernel.ELUBackward(p, 0.5, a, b, y) },
		func(a, b, _ float64) float64 {
			if a > 0 {
				return b
			}
			return b * (a + 0.5)
		}},
	{"Swish", func(p *parallel.Pool, a, _, y []float32) { kernel.Swish(p, 2, a, y) },
		func(a, _, _ float64) float64 { return a / (1 + math.Exp(-2*a)) }},
	{"SwishBackward", func(p *parallel.Pool, a, b, y []float32) { kernel.SwishBackward(p, 2, a, b, y) },
		func(a, b, _ float64) float64 {
			s := 1 / (1 + math.Exp(-2*a))
			return b * (s + 2*a*s*(1-s))
		}},
	{"Clip", func(p *parallel.Pool, a, _, y []float32) { kernel.Clip(p, -1, 0.5, a, y) },
		func(a, _, _ float64) float64 { return max(-1, min(a, 0.5)) }},
	{"ClipBackward", func(p *parallel.Pool, a, b, y []float32) { kernel.ClipBackward(p, -1, 0.5, a, b, y) },
		func(a, b, _ float64) float64 {
			if a < -1 || a > 0.5 {
				return 0
			}
			return b
		}},
	{"Sigmoid", func(p *parallel.Pool, a, _, y []float32) { kernel.Sigmoid(p, a, y) },
		func(a, _, _ float64) float64 { return 1 / (1 + math.Exp(-a)) }},
	{"TanH", func(p *parallel.Pool, a, _, y []float32) { kernel.TanH(p, a, y) },
		func(a, _, _ float64) float64 { return math.Tanh(a) }},
	{"ReLU", func(p *parallel.Pool, a, _, y []float32) { kernel.ReLU(p, 0.25, a, y) },
		func(a, _, _ float64) float64 { return max(a, 0) + 0.25*min(a, 0) }},
	{"ReLUBackward", func(p *parallel.Pool, a, b, y []float32) { kernel.ReLUBackward(p, 0.25, a, b, y) },
		func(a, b, _ float64) float64 {
			if a > 0 {
				return b
			}
			return 0.25 * b
		}},
}

// reductions lists the functions that compute a number from a and b. term and
// combine are their definition.
var reductions = []struct {
	name    string
	run     func(p *parallel.Pool, a, b []float32) float64
	term    func(a, b float64) float64
	combine func(x, y float64) float64
}{
	{"Sum", func(p *parallel.Pool, a, _ []float32) float64 { return kernel.Sum(p, a) },
		func(a, _ float64) float64 { return a }, plus},
	{"Asum", func(p *parallel.Pool, a, _ []float32) float64 { return kernel.Asum(p, a) },
		func(a, _ float64) float64 { return math.Abs(a) }, plus},
	{"SumSq", func(p *parallel.Pool, a, _ []float32) float64 { return kernel.SumSq(p, a) },
		func(a, _ float64) float64 { return a * a }, plus},
	{"Dot", kernel.Dot, func(a, b float64) float64 { return a * b }, plus},
	{"Max", func(p *parallel.Pool, a, _ []float32) float64 { return float64(kernel.Max(p, a)) },
		func(a, _ float64) float64 { return a }, math.Max},
}

func plus(x, y float64) float64 { return x + y }

// lengths has short slices, whole blocks, and blocks with a rest.
var lengths = []int{0, 1, 5, 100, block, block + 1, 3*block + 17}

// pools runs f with no pool and with pools of one to four threads.
func pools(t *testing.T, f func(name string, p *parallel.Pool)) {
	f("nil", nil)
	for threads := 1; threads <= 4; threads++ {
		p := parallel.NewPool(threads)
		f(fmt.Sprint(threads), p)
		p.Close()
	}
}

// uniform returns n random numbers between -2 and 2.
func uniform(seed uint64, n int) []float32 {
	x := make([]float32, n)
	kernel.PhiloxUniform(nil, seed, 0, 0, -2, 2, x)
	return x
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// Every function matches its definition and gives the same bits on every pool.
func TestElementwise(t *testing.T) {
	for _, n := range lengths {
		a, b, old := uniform(1, n), uniform(2, n), uniform(3, n)
		for _, test := range elementwise {
			var first []float32
			pools(t, func(pool string, p *parallel.Pool) {
				y := slices.Clone(old)
				test.run(p, a, b, y)
				if first == nil {
					first = y
					for i := range y {
						want := test.want(float64(a[i]), float64(b[i]), float64(old[i]))
						if !(math.Abs(float64(y[i])-want) <= 4e-7*max(1, math.Abs(want))) {
							t.Fatalf("%s of %d: y[%d] = %g, want %g", test.name, n, i, y[i], want)
						}
					}
				}
				if !slices.EqualFunc(y, first, sameBits) {
					t.Errorf("%s of %d on %s threads differs from nil", test.name, n, pool)
				}
			})
		}
	}
}

func TestReductions(t *testing.T) {
	for _, n := range lengths {
		a, b := uniform(1, n), uniform(2, n)
		for _, test := range reductions {
			want := 0.0
			for i := range a {
				term := test.term(float64(a[i]), float64(b[i]))
				if i == 0 {
					want = term
				} else {
					want = test.combine(want, term)
				}
			}
			if n == 0 && test.name == "Max" {
				want = math.Inf(-1)
			}
			first := math.NaN()
			pools(t, func(pool string, p *parallel.Pool) {
				got := test.run(p, a, b)
				if first != first {
					first = got
				}
				if got != first || !(math.Abs(got-want) <= 1e-12*float64(n) || got == want) {
					t.Errorf("%s of %d on %s threads: %g, want %g, nil has %g", test.name, n, pool, got, want, first)
				}
			})
		}
	}
}

// NaN and infinities are found in the last block too, and Max ignores NaN.
func TestNonFinite(t *testing.T) {
	for _, n := range []int{1, 100, 3*block + 17} {
		pools(t, func(pool string, p *parallel.Pool) {
			x := make([]float32, n)
			if kernel.AnyNonFinite(p, x) {
				t.Errorf("AnyNonFinite of %d zeros on %s threads", n, pool)
			}
			for _, at := range []int{0, n - 1} {
				x[at] = float32(math.NaN())
				if !kernel.AnyNonFinite(p, x) {
					t.Errorf("AnyNonFinite of %d on %s threads misses element %d", n, pool, at)
				}
				if got := kernel.Max(p, x); n > 1 && got != 0 {
					t.Errorf("Max of %d on %s threads: %g, want 0", n, pool, got)
				}
				x[at] = 0
			}
		})
	}
}

// A part of a longer slice is checked against its length, not its capacity.
func TestShortSlicePanics(t *testing.T) {
	p := parallel.NewPool(2)
	defer p.Close()
	for _, n := range []int{3, 2*block + 1} {
		long := make([]float32, n)
		for _, test := range elementwise {
			if test.name == "Fill" {
				continue
			}
			for _, pool := range []*parallel.Pool{nil, p} {
				func() {
					defer func() {
						want := fmt.Sprintf("slice of %d, want %d", n-1, n)
						if got := fmt.Sprint(recover()); len(got) < len(want) || got[len(got)-len(want):] != want {
							t.Errorf("%s of %d: panic %q, want one that ends in %q", test.name, n, got, want)
						}
					}()
					test.run(pool, long[:n-1], long[:n-1], make([]float32, n))
				}()
			}
		}
	}
}

func TestAllocations(t *testing.T) {
	p := parallel.NewPool(2)
	defer p.Close()
	for _, n := range []int{100, 3 * block} {
		a, b, y := uniform(1, n), uniform(2, n), uniform(3, n)
		for _, pool := range []*parallel.Pool{nil, p} {
			for _, test := range elementwise {
				if got := testing.AllocsPerRun(10, func() { test.run(pool, a, b, y) }); got != 0 {
					t.Errorf("%s of %d allocates %g times", test.name, n, got)
				}
			}
			for _, test := range reductions {
				if got := testing.AllocsPerRun(10, func() { test.run(pool, a, b) }); got != 0 {
					t.Errorf("%s of %d allocates %g times", test.name, n, got)
				}
			}
		}
	}
}

// BenchmarkShort shows what the calling of a function costs: there is next to no
// arithmetic, and no difference should be seen between nil and a pool.
func BenchmarkShort(b *testing.B) {
	p := parallel.NewPool(2)
	defer p.Close()
	x, y := make([]float32, 16), make([]float32, 16)
	for _, pool := range []*parallel.Pool{nil, p} {
		b.Run(fmt.Sprintf("Axpy/%d", pool.Threads()), func(b *testing.B) {
			for b.Loop() {
				kernel.Axpy(pool, 1, x, y)
			}
		})
		b.Run(fmt.Sprintf("Dot/%d", pool.Threads()), func(b *testing.B) {
			for b.Loop() {
				kernel.Dot(pool, x, y)
			}
		})
	}
}

// TestGatherRows checks the two functions against plain loops, on every pool.
func TestGatherRows(t *testing.T) {
	const rows = 50
	for _, shape := range [][2]int{{0, 3}, {1, 1}, {2000, 37}, {70, 2 * block}} {
		n, width := shape[0], shape[1]
		index := make([]int32, n)
		for i := range index {
			index[i] = int32(i*i%(rows+1)) - 1
		}
		x := uniform(1, rows*width)
		gathered, added := make([]float32, n*width), slices.Clone(x)
		for i, r := range index {
			for c := range width {
				if r >= 0 {
					gathered[i*width+c] = x[int(r)*width+c]
					added[int(r)*width+c] += x[int(r)*width+c]
				}
			}
		}
		pools(t, func(pool string, p *parallel.Pool) {
			y := make([]float32, n*width)
			kernel.GatherRows(p, n, width, x, index, y)
			if !slices.Equal(y, gathered) {
				t.Errorf("GatherRows of %v on %s threads is wrong", shape, pool)
			}
			sum := slices.Clone(x)
			kernel.ScatterAddRows(p, n, width, y, index, sum)
			if !slices.Equal(sum, added) {
				t.Errorf("ScatterAddRows of %v on %s threads is wrong", shape, pool)
			}
		})
	}
}
