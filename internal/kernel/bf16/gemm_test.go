package bf16

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// rounded returns the elements of x rounded to bfloat16.
func rounded(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(ToFloat32(FromFloat32(v)))
	}
	return y
}

// The product is that of the rounded elements, up to the rounding of sums.
func TestGemm(t *testing.T) {
	eachVariant(t, func(t *testing.T, u *Micro) {
		r := rand.New(rand.NewPCG(2, 1))
		sizes := [][3]int{{2, 2, 1}, {3, 5, 7}, {16, 16, 32}, {17, 33, 65}, {32, 48, 64}, {64, 10, 500}, {40, 70, packedDepth + 33}, {blockRows + 5, blockCols + 9, 40}}
		for _, s := range sizes {
			m, n, k := s[0], s[1], s[2]
			if u == &generic && m*n*k > 1<<14 {
				continue
			}
			for _, trans := range [][2]bool{{false, false}, {false, true}, {true, false}, {true, true}} {
				for _, scale := range [][2]float32{{1, 0}, {1, 1}, {2, 0.5}} {
					checkGemm(t, r, trans[0], trans[1], m, n, k, scale[0], scale[1])
				}
			}
		}
	})
}

func checkGemm(t *testing.T, r *rand.Rand, transA, transB bool, m, n, k int, alpha, beta float32) {
	t.Helper()
	shape := func(trans bool, rows, cols int) (x []float32, ld int) {
		if trans {
			rows, cols = cols, rows
		}
		return kerneltest.Matrix(r, rows, cols, 3)
	}
	a, lda := shape(transA, m, k)
	b, ldb := shape(transB, k, n)
	c, ldc := kerneltest.Matrix(r, m, n, 2)
	if beta == 0 {
		kerneltest.Fill(c, kerneltest.Guard)
	}
	at := func(x []float64, trans bool, ld, i, j int) float64 {
		if trans {
			i, j = j, i
		}
		return x[i*ld+j]
	}
	ra, rb := rounded(a), rounded(b)
	got := slices.Clone(c)
	multiply(nil, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, got, ldc)
	name := fmt.Sprintf("%v %v %dx%dx%d, alpha %g, beta %g: C", transA, transB, m, n, k, alpha, beta)
	for i := range m {
		want := make([]float64, n)
		for j := range want {
			for p := range k {
				want[j] += at(ra, transA, lda, i, p) * at(rb, transB, ldb, p, j)
			}
			want[j] *= float64(alpha)
			if beta != 0 {
				want[j] += float64(beta) * float64(c[i*ldc+j])
			}
		}
		kerneltest.Near(t, fmt.Sprint(name, " row ", i), got[i*ldc:][:n], want, kerneltest.Tolerance(k))
		if end := i*ldc + n; end < len(c) {
			kerneltest.SameBits(t, name+" between its rows", got[end:][:ldc-n], c[end:][:ldc-n])
		}
	}
}

// Products with few rows, columns or terms stay float32.
func TestGemmChoice(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	for _, s := range [][3]int{{leastSide, leastSide, leastSide}, {leastSide - 1, 80, 90}, {80, leastSide - 1, 90}, {80, 90, leastSide - 1}} {
		m, n, k := s[0], s[1], s[2]
		a, b := kerneltest.Guarded(r, m*k), kerneltest.Guarded(r, k*n)
		exact, got := make([]float32, m*n), make([]float32, m*n)
		gemm.Gemm(nil, false, false, m, n, k, 1, a, k, b, n, 0, exact, n)
		Gemm(nil, false, false, m, n, k, 1, a, k, b, n, 0, got, n)
		if float32s := slices.Equal(got, exact); float32s != (min(m, n, k) < leastSide) {
			t.Errorf("%dx%dx%d: equal to the product of float32: %v", m, n, k, float32s)
		}
	}
}

// Every number of threads gives the same bits, memory that was used before does no harm,
// and nothing is allocated.
func TestGemmThreads(t *testing.T) {
	const m, n, k = 150, 300, 90
	r := rand.New(rand.NewPCG(2, 2))
	a, b := kerneltest.Guarded(r, m*k), kerneltest.Guarded(r, k*n)
	eachVariant(t, func(t *testing.T, u *Micro) {
		if u == &generic {
			return // slow, and the parts are those of every variant
		}
		want := make([]float32, m*n)
		Gemm(nil, false, true, m, n, k, 1, a, k, b, k, 0, want, n)
		kerneltest.EachPool(func(threads string, p *parallel.Pool) {
			got := make([]float32, m*n)
			run := func() { Gemm(p, false, true, m, n, k, 1, a, k, b, k, 0, got, n) }
			run()
			if p != nil {
				kerneltest.Dirty(p)
				run()
				kerneltest.AllocatesNothing(t, map[string]func(){threads + " threads": run})
			}
			kerneltest.SameBits(t, threads+" threads", got, want)
		})
	})
}
