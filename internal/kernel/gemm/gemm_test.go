package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

type gemmCase struct {
	transA, transB bool
	m, n, k        int
	alpha, beta    float32
	extra          int // elements between the rows
}

// multiply calls Gemm.
func multiply(p *parallel.Pool, g gemmCase, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	Gemm(p, g.transA, g.transB, g.m, g.n, g.k, g.alpha, a, lda, b, ldb, g.beta, c, ldc)
}

func (g gemmCase) String() string {
	return fmt.Sprintf("m=%d n=%d k=%d transA=%v transB=%v alpha=%g beta=%g extra=%d", g.m, g.n, g.k, g.transA, g.transB, g.alpha, g.beta, g.extra)
}

// check compares Gemm with the definition.
func (g gemmCase) check(t *testing.T, p *parallel.Pool) {
	t.Helper()
	g.checkBy(t, p, multiply)
}

func (g gemmCase) checkBy(t *testing.T, p *parallel.Pool, multiply func(p *parallel.Pool, g gemmCase, a []float32, lda int, b []float32, ldb int, c []float32, ldc int)) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(g.m*1000003+g.n*1009+g.k)))
	ar, ac, br, bc := g.m, g.k, g.k, g.n
	if g.transA {
		ar, ac = ac, ar
	}
	if g.transB {
		br, bc = bc, br
	}
	a, lda := kerneltest.Matrix(r, ar, ac, g.extra)
	b, ldb := kerneltest.Matrix(r, br, bc, g.extra)
	c, ldc := kerneltest.Matrix(r, g.m, g.n, g.extra)
	if g.beta == 0 {
		for i := range c {
			c[i] = kerneltest.Guard // must not be read
		}
	}
	old := append([]float32(nil), c...)
	kerneltest.Dirty(p)
	multiply(p, g, a, lda, b, ldb, c, ldc)
	kerneltest.CheckGuards(t, "C", c)
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
			if got := float64(c[i*ldc+j]); !(math.Abs(got-want) <= kerneltest.Tolerance(g.k)) {
				t.Fatalf("%v: C[%d,%d] = %g, want %g", g, i, j, got, want)
			}
		}
	}
	for i := range c {
		if i%ldc >= g.n && math.Float32bits(c[i]) != math.Float32bits(kerneltest.Guard) {
			t.Fatalf("%v: wrote between the rows, at %d", g, i)
		}
	}
}

// TestFences checks that no product touches memory next to its matrices.
func TestFences(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	kerneltest.EachLevel(t, func(t *testing.T) {
		for trans := range 4 {
			for _, m := range []int{1, 2, 5, 7, 33} {
				for _, n := range []int{1, 3, 15, 17, 65} {
					for _, k := range []int{1, 7, dotMinDepth + 3} {
						g := gemmCase{trans&1 != 0, trans&2 != 0, m, n, k, 1, 1, 0}
						kerneltest.EachFence(t, g.String(), func(slice func(r *rand.Rand, n int) []float32) {
							lda, ldb := k, n
							if g.transA {
								lda = m
							}
							if g.transB {
								ldb = k
							}
							multiply(nil, g, slice(r, m*k), lda, slice(r, k*n), ldb, slice(r, m*n), n)
						})
					}
				}
			}
		}
	})
}

func TestGemm(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		p := parallel.NewPool(2)
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
			gemmCase{trans&1 != 0, trans&2 != 0, 64, 64, 3*panelDepth - 1, 1, 0, 0}.check(t, p)
			gemmCase{trans&1 != 0, trans&2 != 0, 3, 5, packedDepth + 9, 1, 0, 0}.check(t, p)
			gemmCase{trans&1 != 0, trans&2 != 0, thinMaxRows + 1, orderPanels*Active().BlockPanel() + 21, packRows + 5, -0.5, 1, 3}.check(t, p)
		}
		// Few rows: these products read B in place.
		for _, m := range []int{1, lineMaxRows, lineMaxRows + 1, 13, 29} {
			for _, size := range [][2]int{{300, dotMinDepth}, {fewPiece + 5, dotDepth + 21}, {2*thinMinCols + 37, thinDepth + 3}, {4 * thinMinCols, 2*dotDepth + 1}, {lineStrip + 3, 4*lineDepth + 5}} {
				gemmCase{false, false, m, size[0], size[1], 1, 0, 0}.check(t, p)
				gemmCase{false, true, m, size[0], size[1], 1, 0, 0}.check(t, p)
				gemmCase{false, false, m, size[0], size[1], -0.5, 1, 3}.check(t, p)
				gemmCase{false, true, m, size[0], size[1], 1.5, -2, 3}.check(t, p)
			}
		}
		gemmCase{true, false, 50, shallowStrip/4 + 37, 9, 1, 1, 3}.check(t, p) // a strip of C is larger than shallowStrip
		gemmCase{false, false, thinMaxRows, thinMinCols + 5, thinMinDepth, 1, 0, 0}.check(t, p)
		const many = packedSize/packedDepth + 70
		gemmCase{true, true, 2, many, packedDepth + 9, 1, 2, 0}.check(t, p)
		gemmCase{true, true, many, 2, packedDepth + 9, 1, 2, 0}.check(t, p)
	})
}

// TestPacked multiplies by a matrix that stays packed for several products.
func TestPacked(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		p := parallel.NewPool(2)
		defer p.Close()
		var packed Packed // one, which keeps its storage
		for _, size := range [][2]int{{1, 1}, {64, 5}, {130, 2*panelDepth + 7}, {16, panelDepth}, {191, panelDepth}, {0, 3}, {40, 0}} {
			for _, m := range []int{1, 5, 6, 20, lineMaxRows, lineMaxRows + 1, 200} {
				for _, trans := range []bool{false, true} {
					g := gemmCase{false, trans, m, size[0], size[1], 1, 0, m % 2}
					for _, beta := range []float32{0, 1, -0.5} {
						g.beta = beta
						g.checkBy(t, p, func(p *parallel.Pool, g gemmCase, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
							packed.Pack(p, g.transB, g.k, g.n, b, ldb)
							stored := slices.Clone(b)
							kerneltest.Fill(b, kerneltest.Guard) // must not be read any more
							before := slices.Clone(c)
							packed.Gemm(p, g.m, a, lda, g.beta, c, ldc)
							first := slices.Clone(c)
							copy(c, before)
							packed.Gemm(p, g.m, a, lda, g.beta, c, ldc)
							kerneltest.SameBits(t, "second product", c, first)
							copy(b, stored)
						})
					}
				}
			}
		}
	})
}

func TestGemmThreads(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		const m, n, k = 150, 201, 700
		r := rand.New(rand.NewPCG(1, 2))
		a, b := kerneltest.Guarded(r, m*k), kerneltest.Guarded(r, k*n)
		var want []float32
		kerneltest.EachPool(func(name string, p *parallel.Pool) {
			got := make([]float32, m*n)
			Gemm(p, true, true, m, n, k, 1.5, a, m, b, k, 0, got, n)
			if want == nil {
				want = got
			}
			kerneltest.SameBits(t, "threads "+name, got, want)
		})
	})
}

// TestFewRows checks that a row of the product of a few is the same with any number of
// others and of threads.
func TestFewRows(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		const most, n, k = 30, 1301, 700
		r := rand.New(rand.NewPCG(1, 4))
		a, b := kerneltest.Guarded(r, most*k), kerneltest.Guarded(r, k*n)
		for _, trans := range []bool{false, true} {
			ldb := n
			if trans {
				ldb = k
			}
			want := make([]float32, most*n)
			Gemm(nil, false, trans, most, n, k, 1.5, a, k, b, ldb, 0, want, n)
			for _, threads := range []int{1, 2, 3, 7} {
				p := parallel.NewPool(threads)
				for _, m := range []int{1, 2, 3, 4, 5, 8, most} {
					got := make([]float32, m*n)
					Gemm(p, false, trans, m, n, k, 1.5, a, k, b, ldb, 0, got, n)
					kerneltest.SameBits(t, fmt.Sprintf("trans %v, %d rows, %d threads", trans, m, threads), got, want[:m*n])
				}
				p.Close()
			}
		}
	})
}

// TestColumnAsRow multiplies a row that is stored as a column, with a distance of 1.
func TestColumnAsRow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for _, n := range []int{5, 400} {
		for _, trans := range []bool{false, true} {
			const k = 300
			a, b := kerneltest.Guarded(r, k), kerneltest.Guarded(r, k*n)
			ldb := n
			if trans {
				ldb = k
			}
			got, want := make([]float32, n), make([]float32, n)
			Gemm(nil, true, trans, 1, n, k, 1, a, 1, b, ldb, 0, got, n)
			Gemm(nil, false, trans, 1, n, k, 1, a, k, b, ldb, 0, want, n)
			kerneltest.SameBits(t, fmt.Sprintf("%d columns, trans %v", n, trans), got, want)
		}
	}
}

func TestGemv(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 3))
		kerneltest.EachPool(func(name string, p *parallel.Pool) {
			for _, size := range [][2]int{{1, 1}, {1, 90}, {90, 1}, {17, 33}, {300, 700}} {
				m, n := size[0], size[1]
				for _, trans := range []bool{false, true} {
					for _, beta := range []float32{0, 1, -2} {
						xs, ys := n, m
						if trans {
							xs, ys = m, n
						}
						a, lda := kerneltest.Matrix(r, m, n, 2)
						x, y := kerneltest.Guarded(r, xs), kerneltest.Guarded(r, ys)
						if beta == 0 {
							y[0] = kerneltest.Guard
						}
						old := append([]float32(nil), y...)
						Gemv(p, trans, m, n, 0.5, a, lda, x, beta, y)
						kerneltest.CheckGuards(t, "y", y)
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
							if !(math.Abs(float64(y[i])-want) <= kerneltest.Tolerance(xs)) {
								t.Fatalf("threads %s, (%d,%d), trans %v, beta %g: y[%d] = %g, want %g", name, m, n, trans, beta, i, y[i], want)
							}
						}
					}
				}
			}
		})
	})
}

// Two goroutines may use one pool; one operation waits for the other.
func TestPoolShared(t *testing.T) {
	p := parallel.NewPool(2)
	defer p.Close()
	const n = 90
	r := rand.New(rand.NewPCG(5, 5))
	a, b := kerneltest.Guarded(r, n*n), kerneltest.Guarded(r, n*n)
	want := make([]float32, n*n)
	Gemm(nil, true, true, n, n, n, 1, a, n, b, n, 0, want, n)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				got := make([]float32, n*n)
				Gemm(p, true, true, n, n, n, 1, a, n, b, n, 0, got, n)
				if !slices.Equal(got, want) {
					t.Error("a product is wrong")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestAllocations(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		p := parallel.NewPool(2)
		defer p.Close()
		a, w, x, y := make([]float32, 64*300), make([]float32, 64*300), make([]float32, 4*16*81), make([]float32, 4*16*81)
		kerneltest.AllocatesNothing(t, map[string]func(){
			"Gemm":       func() { Gemm(p, true, true, 90, 80, 70, 1, a, 100, a, 100, 1, a, 100) },
			"Gemm, dot":  func() { Gemm(p, false, true, 10, 20, dotMinDepth+1, 1, a, 200, a, 200, 1, y, 20) },
			"Gemm, one":  func() { Gemm(p, false, true, 1, 20, dotMinDepth+1, 1, a, 200, a, 200, 1, y, 20) },
			"Gemm, line": func() { Gemm(p, false, false, 2, 299, 64, 1, a, 200, a, 300, 0, x, 300) },
			"Gemm, thin": func() { Gemm(p, false, false, 13, 299, 64, 1, a, 64, w, 300, 0, w, 300) },
			"Gemv":       func() { Gemv(p, true, 100, 100, 1, a, 100, x, 0, y) },
		})
	})
}
