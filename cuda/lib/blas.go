package lib

import (
	"fmt"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// BLAS is cuBLAS with a handle, which belongs to one context and one stream. It is
// for one goroutine at a time.
type BLAS struct {
	*native
	handle  uintptr
	version int
	// What a product is called with: on the heap, so that nothing is allocated.
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

// OpenBLAS opens cuBLAS for the current context and makes a handle for stream s.
// driverVersion is Driver.Version: a library of a newer CUDA generation than the
// driver's is not tried. An error that is ErrNotFound says that there is none.
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

// Close gives the handle back.
func (b *BLAS) Close() error { return b.call("cublasDestroy_v2", b.handle) }

// Version is cuBLAS's version: "12.4.5".
func (b *BLAS) Version() string {
	if b.version >= 100000 {
		return fmt.Sprintf("%d.%d.%d", b.version/10000, b.version/100%100, b.version%100)
	}
	return fmt.Sprintf("%d.%d.%d", b.version/1000, b.version/100%10, b.version%100)
}

// SetWorkspace lets cuBLAS use memory of the caller's instead of taking some at
// its first call; then its calls can be captured, and their results do not change
// from run to run.
func (b *BLAS) SetWorkspace(p driver.Ptr, bytes uint64) error {
	return b.call("cublasSetWorkspace_v2", b.handle, uintptr(p), uintptr(bytes))
}

// A Matrix is in row-major order; Stride is the distance of rows. Trans says that
// the transpose is meant. Next is the distance to the next matrix of a batch.
// Distances are in numbers.
type Matrix struct {
	Ptr    driver.Ptr
	Stride int
	Trans  bool
	Next   int
}

// Gemm is c = alpha a·b + beta c, where c is (m,n), a or its transpose (m,k) and b or
// its transpose (k,n).
func (b *BLAS) Gemm(math Math, m, n, k int, alpha float32, x, y Matrix, beta float32, c Matrix) error {
	return b.GemmBatch(math, 1, m, n, k, alpha, x, y, beta, c)
}

// GemmBatch is Gemm for each matrix of a batch.
//
// cuBLAS has column-major order, in which a row-major matrix is its transpose:
// cᵀ = yᵀxᵀ.
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
