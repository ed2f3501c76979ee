package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// eachLevel runs a test with every level that this machine has.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	for l := levelGeneric; l <= levelAVX512; l++ {
		t.Run(l.String(), func(t *testing.T) {
			if l > best {
				t.Skipf("SKIPPED: this processor or build does not have %v", l)
			}
			active = l
			defer func() { active = best }()
			f(t)
		})
	}
}

// eachPool calls f with no pool and with pools of 1 to 4 threads.
func eachPool(f func(name string, p *Pool)) {
	f("nil", nil)
	for n := 1; n <= 4; n++ {
		p := NewPool(n)
		f(fmt.Sprint(n), p)
		p.Close()
	}
}

// guard is what lies around the slices of a test. It is not a number, so that
// reading it shows, and has a payload, so that writing shows.
var guard = math.Float32frombits(0x7fc12345)

const guards = 40

// guarded returns a slice of n random numbers in the midst of guards.
func guarded(r *rand.Rand, n int) []float32 {
	s := make([]float32, n+2*guards)
	for i := range s {
		s[i] = guard
	}
	for i := range n {
		s[guards+i] = float32(r.NormFloat64())
	}
	return s[guards : guards+n : guards+max(n, 1)] // a slice of capacity 0 would lose its place
}

// checkGuards fails if something was written around a slice of guarded.
func checkGuards(t *testing.T, name string, s []float32) {
	t.Helper()
	whole := unguarded(s)
	for i, v := range whole {
		if (i < guards || i >= guards+len(s)) && math.Float32bits(v) != math.Float32bits(guard) {
			t.Errorf("%s: wrote %g at %d, outside of its %d elements", name, v, i-guards, len(s))
		}
	}
}

// dirty fills the workspaces of a pool with what must not be used.
func dirty(p *Pool) {
	op := p.Begin()
	common := op.Workspace(0)
	fillWith(common[:cap(common)], guard)
	op.End()
	for worker := range p.Threads() {
		s := p.Scratch(worker, 0)
		fillWith(s[:cap(s)], guard)
	}
}

// gemmTolerance bounds the error of a sum of k products of normal numbers: the
// sum is about √k large and every one of k additions rounds it.
func gemmTolerance(k int) float64 { return 1e-6 * (10 + float64(k)) }

type gemmCase struct {
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	extra          int // elements between the rows
}

func (g gemmCase) String() string {
	return fmt.Sprintf("m=%d n=%d k=%d transA=%v transB=%v alpha=%g beta=%g extra=%d", g.m, g.n, g.k, g.transA, g.transB, g.alpha, g.beta, g.extra)
}

// matrix returns a guarded (rows,cols) matrix of row distance ld.
func matrix(r *rand.Rand, rows, cols, extra int) (x []float32, ld int) {
	ld = cols + extra
	x = guarded(r, max(0, (rows-1)*ld+cols))
	for i := range x {
		if i%ld >= cols {
			x[i] = guard
		}
	}
	return x, ld
}

func (g gemmCase) check(t *testing.T, p *Pool) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(g.m*1000003+g.n*1009+g.k)))
	ar, ac, br, bc := g.m, g.k, g.k, g.n
	if g.transA {
		ar, ac = ac, ar
	}
	if g.transB {
		br, bc = bc, br
	}
	a, lda := matrix(r, ar, ac, g.extra)
	b, ldb := matrix(r, br, bc, g.extra)
	c, ldc := matrix(r, g.m, g.n, g.extra)
	if g.beta == 0 {
		for i := range c {
			c[i] = guard // must not be read
		}
	}
	old := append([]float32(nil), c...)
	dirty(p)
	Gemm(p, g.transA, g.transB, g.m, g.n, g.k, g.alpha, a, lda, b, ldb, g.beta, c, ldc)
	checkGuards(t, "C", c)
	for i := range g.m {
		for j := range g.n {
			var sum float64
			for q := range g.k {
				x, y := i*lda+q, q*ldb+j
				if g.transA {
					x = q*lda + i
				}
				if g.transB {
					y = j*ldb + q
				}
				sum += float64(a[x]) * float64(b[y])
			}
			want := float64(g.alpha) * sum
			if g.beta != 0 {
				want += float64(g.beta) * float64(old[i*ldc+j])
			}
			if got := float64(c[i*ldc+j]); !(math.Abs(got-want) <= gemmTolerance(g.k)) {
				t.Fatalf("%v: C[%d,%d] = %g, want %g", g, i, j, got, want)
			}
		}
	}
	for i := range c {
		if i%ldc >= g.n && math.Float32bits(c[i]) != math.Float32bits(guard) {
			t.Fatalf("%v: wrote between the rows, at %d", g, i)
		}
	}
}

func TestGemm(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		p := NewPool(2)
		defer p.Close()
		for _, trans := range []int{0, 1, 2, 3} {
			for _, m := range []int{1, 2, 5, 6, 7, 49, 100} {
				for _, n := range []int{1, 3, 8, 15, 16, 17, 33, 48, 64, 65, 191} {
					for _, k := range []int{0, 1, 2, 7} {
						gemmCase{trans&1 != 0, trans&2 != 0, m, n, k, 1, 0, 0}.check(t, p)
					}
				}
			}
			for _, f := range [][2]float32{{1, 1}, {-0.5, 0}, {2, 1}, {1, -1.5}, {0, 0}, {0, 0.5}} {
				for _, size := range [][3]int{{1, 70, 9}, {9, 1, 70}, {6, 64, 5}, {20, 33, 17}, {50, 70, 600}, {1, 1, 1}} {
					gemmCase{trans&1 != 0, trans&2 != 0, size[0], size[1], size[2], f[0], f[1], 3}.check(t, p)
					gemmCase{trans&1 != 0, trans&2 != 0, size[0], size[1], size[2], f[0], f[1], 0}.check(t, p)
				}
			}
			gemmCase{trans&1 != 0, trans&2 != 0, 64, 64, 3*gemmDepth - 1, 1, 0, 0}.check(t, p)
			gemmCase{trans&1 != 0, trans&2 != 0, 3, 5, gemmPackedDepth + 9, 1, 0, 0}.check(t, p)
		}
		// Few rows, whose products read B where it lies.
		for _, m := range []int{2, 3, 16, lineMaxRows} {
			for _, size := range [][2]int{{300, dotMinDepth}, {dotPiece + 5, dotDepth + 21}, {lineStrip + 37, lineDepth + 3}, {2 * lineStrip, 2*dotDepth + 1}} {
				gemmCase{false, false, m, size[0], size[1], 1, 0, 0}.check(t, p)
				gemmCase{false, true, m, size[0], size[1], 1, 0, 0}.check(t, p)
				gemmCase{false, false, m, size[0], size[1], -0.5, 1, 3}.check(t, p)
				gemmCase{false, true, m, size[0], size[1], 1.5, -2, 3}.check(t, p)
			}
		}
		const many = gemmPacked/gemmPackedDepth + 70
		gemmCase{true, true, 2, many, gemmPackedDepth + 9, 1, 2, 0}.check(t, p)
		gemmCase{true, true, many, 2, gemmPackedDepth + 9, 1, 2, 0}.check(t, p)
	})
}

func TestGemmThreads(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		const m, n, k = 150, 201, 700
		r := rand.New(rand.NewPCG(1, 2))
		a, b := guarded(r, m*k), guarded(r, k*n)
		var want []float32
		eachPool(func(name string, p *Pool) {
			got := make([]float32, m*n)
			Gemm(p, true, true, m, n, k, 1.5, a, m, b, k, 0, got, n)
			if want == nil {
				want = got
			}
			sameBits(t, "threads "+name, got, want)
		})
		for _, trans := range []bool{false, true} {
			ldb := 1300
			if trans {
				ldb = k
			}
			b, want := guarded(r, k*1300), []float32(nil)
			eachPool(func(name string, p *Pool) {
				got := make([]float32, 16*1300)
				Gemm(p, false, trans, 16, 1300, k, 1.5, a, k, b, ldb, 0, got, 1300)
				if want == nil {
					want = got
				}
				sameBits(t, "few rows, threads "+name, got, want)
			})
		}
	})
}

func sameBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s: element %d is %g, want %g to the bit", name, i, got[i], want[i])
			return
		}
	}
}

func TestGemv(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 3))
		eachPool(func(name string, p *Pool) {
			for _, size := range [][2]int{{1, 1}, {1, 90}, {90, 1}, {17, 33}, {300, 700}} {
				m, n := size[0], size[1]
				for _, trans := range []bool{false, true} {
					for _, beta := range []float32{0, 1, -2} {
						xs, ys := n, m
						if trans {
							xs, ys = m, n
						}
						a, lda := matrix(r, m, n, 2)
						x, y := guarded(r, xs), guarded(r, ys)
						if beta == 0 {
							y[0] = guard
						}
						old := append([]float32(nil), y...)
						Gemv(p, trans, m, n, 0.5, a, lda, x, beta, y)
						checkGuards(t, "y", y)
						for i := range ys {
							var want float64
							for j := range xs {
								at := i*lda + j
								if trans {
									at = j*lda + i
								}
								want += 0.5 * float64(a[at]) * float64(x[j])
							}
							if beta != 0 {
								want += float64(beta) * float64(old[i])
							}
							if !(math.Abs(float64(y[i])-want) <= gemmTolerance(xs)) {
								t.Fatalf("threads %s, (%d,%d), trans %v, beta %g: y[%d] = %g, want %g", name, m, n, trans, beta, i, y[i], want)
							}
						}
					}
				}
			}
		})
	})
}

// unguarded returns a slice of guarded with the guards around it.
func unguarded(s []float32) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), -4*guards)), len(s)+2*guards)
}
