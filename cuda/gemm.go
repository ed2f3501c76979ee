package cuda

import _ "embed"

//go:embed kernel/gemm.ptx.gz
var gemmPTX string

//go:embed kernel/gemm_sm80.ptx.gz
var gemmSM80PTX string

var (
	gemmModule     = NewModule(gemmPTX)
	gemmSM80Module = NewModule(gemmSM80PTX)
	gemmTotal      = gemmModule.Kernel("gemm_total")

	// gemm128 and gemm64 are the kernels for tiles of these sizes, by precision.
	gemm128 = gemmKernels("gemm_128_")
	gemm64  = gemmKernels("gemm_64_")
)

// gemmKernel holds the kernels of a product, by whether A and B are transposed.
type gemmKernel [2][2]*Kernel

func gemmKernels(prefix string) (k [3]gemmKernel) {
	for a, ta := range []string{"n", "t"} {
		for b, tb := range []string{"n", "t"} {
			name := prefix + ta + tb
			k[FP32][a][b] = gemmModule.Kernel(name)
			k[TF32][a][b] = gemmSM80Module.Kernel(name + "_tf32")
			k[BF16][a][b] = gemmSM80Module.Kernel(name + "_bf16")
		}
	}
	return k
}

// Gemm computes C = alpha·op(A)·op(B) + beta·C, where op(A) is (m,k), op(B) is
// (k,n) and C is (m,n). Matrices are row-major; lda, ldb and ldc are the
// distances between rows as they are stored. If transA, A is stored as (k,m), and
// op is the transpose; the same for B. If beta is 0, C is written but not read. It
// uses cuBLAS if there is one, and otherwise a kernel, which may use Scratch. The
// factors are rounded to the device's Precision.
func (d *Device) Gemm(transA, transB bool, m, n, k int, alpha float32, a Ptr, lda int, b Ptr, ldb int, beta float32, c Ptr, ldc int) {
	d.gemm(d.precision, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// GemmFP32 is Gemm in FP32, whatever the device's Precision, for products that are
// summed to a loss.
func (d *Device) GemmFP32(transA, transB bool, m, n, k int, alpha float32, a Ptr, lda int, b Ptr, ldb int, beta float32, c Ptr, ldc int) {
	d.gemm(FP32, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func (d *Device) gemm(p Precision, transA, transB bool, m, n, k int, alpha float32, a Ptr, lda int, b Ptr, ldb int, beta float32, c Ptr, ldc int) {
	if m == 0 || n == 0 || d.gemmBLAS(p, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) {
		return
	}
	tile, kernels := 128, &gemm128[p]
	if m <= 64 || n <= 64 || (m+127)/128*((n+127)/128) < 32 {
		tile, kernels = 64, &gemm64[p]
	}
	kernel := kernels[index(transA)][index(transB)]
	x, y := (n+tile-1)/tile, (m+tile-1)/tile
	parts, per := gemmParts(x*y, k)
	if parts == 1 {
		d.Launch(kernel, Blocks(x, y, 1), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, per)
		return
	}
	sums := d.Scratch(parts * m * n)
	d.Launch(kernel, Blocks(x, y, parts), m, n, k, float32(1), a, lda, b, ldb, float32(0), sums, n, per)
	mul, shift := Divisor(n)
	d.Launch(gemmTotal, Each(m*n), sums, parts, alpha, beta, c, ldc, n, m*n, mul, shift)
}

// SumParts sets y, of shape (n), to beta y plus the sum of parts, of shape
// (count,n), over count, in this order. If beta is 0, y is written but not read.
func (d *Device) SumParts(count, n int, parts Ptr, beta float32, y Ptr) {
	mul, shift := Divisor(max(1, n))
	d.Launch(gemmTotal, Each(n), parts, count, float32(1), beta, y, n, n, n, mul, shift)
}

// gemmParts splits the sum over k into parts if there are few tiles and many terms.
// It depends on the sizes alone, so that results do not depend on the device. per is
// the number of terms in a part, a multiple of 8.
func gemmParts(tiles, k int) (parts, per int) {
	const enough, least = 128, 256 // blocks that keep a device busy; terms from which on a part pays off
	parts = max(1, min(enough/tiles, k/least))
	per = (k + parts - 1) / parts
	per = max(8, (per+7)/8*8)
	return max(1, (k+per-1)/per), per
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}
