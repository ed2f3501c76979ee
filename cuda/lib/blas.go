package lib

import (
	"fmt"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// BLAS is cuBLAS with a handle, which belongs to one context and one stream. Only one
// goroutine at a time may use it.
type BLAS struct {
	*native
	handle  uintptr
	version int
	// Arguments of a product, here on the heap to avoid an allocation.
	args        [23]uintptr
	alpha, beta float32
}

var blasFunctions = []string{
	"cublasCreate_v2", "cublasDestroy_v2", "cublasGetVersion_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2",
	"cublasGemmEx", "cublasGemmStridedBatchedEx",
}

var blasTexts = map[int]string{
	1:  "CUBLAS_STATUS_NOT_INITIALIZED: is the NVIDIA driver older than this cuBLAS?",
	3:  "CUBLAS_STATUS_ALLOC_FAILED: out of memory",
	7:  "CUBLAS_STATUS_INVALID_VALUE",
	8:  "CUBLAS_STATUS_ARCH_MISMATCH: the device cannot do this",
	11: "CUBLAS_STATUS_MAPPING_ERROR",
	13: "CUBLAS_STATUS_EXECUTION_FAILED",
	14: "CUBLAS_STATUS_INTERNAL_ERROR",
	15: "CUBLAS_STATUS_NOT_SUPPORTED",
}

func blasText(code int) string {
	if text, ok := blasTexts[code]; ok {
		return text
	}
	return "unknown status"
}

// OpenBLAS opens cuBLAS for the current context with a handle for stream s.
// driverVersion is Driver.Version: libraries of a newer major version of CUDA are not
// tried. The error is ErrNotFound if there is no cuBLAS.
func OpenBLAS(driverVersion int, s driver.Stream) (*BLAS, error) {
	var versions []int
	for v := 13; v >= 11; v-- {
		if v <= driverVersion/1000 {
			versions = append(versions, v)
		}
	}
	lib, err := (&wanted{env: EnvBLAS, stem: "cublas", versions: versions, before: []string{"cublasLt"}}).find()
	if err != nil {
		return nil, err
	}
	n, err := bind(lib, "cuBLAS", blasFunctions)
	if err != nil {
		return nil, err
	}
	n.text = blasText
	b := &BLAS{native: n}
	if err := n.call("cublasCreate_v2", uintptr(unsafe.Pointer(&b.handle))); err != nil {
		return nil, err
	}
	var version int32
	err = n.call("cublasGetVersion_v2", b.handle, uintptr(unsafe.Pointer(&version)))
	if err == nil {
		err = n.call("cublasSetStream_v2", b.handle, uintptr(s))
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	b.version = int(version)
	return b, nil
}

// Close destroys the handle.
func (b *BLAS) Close() error { return b.call("cublasDestroy_v2", b.handle) }

// Version returns the version of cuBLAS, such as "12.4.5".
func (b *BLAS) Version() string {
	if b.version >= 100000 {
		return fmt.Sprintf("%d.%d.%d", b.version/10000, b.version/100%100, b.version%100)
	}
	return fmt.Sprintf("%d.%d.%d", b.version/1000, b.version/100%10, b.version%100)
}

// SetWorkspace gives cuBLAS memory to use, so that it allocates none itself. Then its
// calls can be captured, and their results are the same in each run.
func (b *BLAS) SetWorkspace(p driver.Ptr, bytes uint64) error {
	return b.call("cublasSetWorkspace_v2", b.handle, uintptr(p), uintptr(bytes))
}

// A Matrix is a matrix in row-major order, or its transpose if Trans is set. Stride is
// the distance between rows and Next that to the next matrix of a batch, both in
// elements.
type Matrix struct {
	Ptr    driver.Ptr
	Stride int
	Trans  bool
	Next   int
}

// Gemm computes c = alpha x·y + beta c, where x is (m,k), y is (k,n) and c is (m,n).
func (b *BLAS) Gemm(math Math, m, n, k int, alpha float32, x, y Matrix, beta float32, c Matrix) error {
	return b.GemmBatch(math, 1, m, n, k, alpha, x, y, beta, c)
}

// GemmBatch is Gemm for each matrix of a batch.
//
// cuBLAS uses column-major order, in which a row-major matrix is its transpose. So it
// computes cᵀ = yᵀxᵀ.
func (b *BLAS) GemmBatch(math Math, batch, m, n, k int, alpha float32, x, y Matrix, beta float32, c Matrix) error {
	b.alpha, b.beta = alpha, beta
	const float, byHeuristic = 0, ^uintptr(0) // CUDA_R_32F, CUBLAS_GEMM_DEFAULT
	handle, pa, pb := b.handle, uintptr(unsafe.Pointer(&b.alpha)), uintptr(unsafe.Pointer(&b.beta))
	compute := uintptr([...]int{FP32: 68, TF32: 77, BF16: 75}[math]) // CUBLAS_COMPUTE_32F, _FAST_TF32, _FAST_16BF
	opX, opY := op(x.Trans), op(y.Trans)
	if batch == 1 {
		args := b.args[:19]
		copy(args, []uintptr{handle, opY, opX, uintptr(n), uintptr(m), uintptr(k), pa,
			uintptr(y.Ptr), float, uintptr(y.Stride), uintptr(x.Ptr), float, uintptr(x.Stride), pb,
			uintptr(c.Ptr), float, uintptr(c.Stride), compute, byHeuristic})
		return b.callKept("cublasGemmEx", args)
	}
	args := b.args[:23]
	copy(args, []uintptr{handle, opY, opX, uintptr(n), uintptr(m), uintptr(k), pa,
		uintptr(y.Ptr), float, uintptr(y.Stride), uintptr(y.Next), uintptr(x.Ptr), float, uintptr(x.Stride), uintptr(x.Next), pb,
		uintptr(c.Ptr), float, uintptr(c.Stride), uintptr(c.Next), uintptr(batch), compute, byHeuristic})
	return b.callKept("cublasGemmStridedBatchedEx", args)
}

func op(trans bool) uintptr {
	if trans {
		return 1 // CUBLAS_OP_T
	}
	return 0 // CUBLAS_OP_N
}
