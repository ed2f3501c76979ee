package cuda

import (
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
)

// ErrNoLibrary is wrapped by the errors of BLAS and Convolution if cuBLAS or cuDNN is
// not installed or turned off.
var ErrNoLibrary = lib.ErrNotFound

// libraries holds cuBLAS, if there is one.
type libraries struct {
	blas      *lib.BLAS // nil: none
	err       error     // why
	workspace Ptr       // 0 until the first product
}

// workspaceBytes is the memory that cuBLAS may use besides its arguments, as NVIDIA
// recommends for its newer devices.
const workspaceBytes = 32 << 20

// open opens cuBLAS. If there is none, or one that does not work on this device, the
// kernels of gemm.cu take its place.
func (l *libraries) open(drv driver.Driver, s driver.Stream) {
	l.blas, l.err = lib.OpenBLAS(drv.Version(), s)
}

func (l *libraries) close() error {
	if l.blas == nil {
		return nil
	}
	return l.blas.Close()
}

// BLAS returns the file and the version of the cuBLAS that multiplies matrices. An
// error says why gocaffe's kernels do it instead.
func (d *Device) BLAS() (file, version string, err error) {
	if d.libraries.blas == nil {
		return "", "", d.libraries.err
	}
	return d.libraries.blas.File(), d.libraries.blas.Version(), nil
}

// gemmBLAS is Gemm with cuBLAS. It returns false if there is none.
func (d *Device) gemmBLAS(p Precision, transA, transB bool, m, n, k int, alpha float32, a Ptr, lda int, b Ptr, ldb int, beta float32, c Ptr, ldc int) bool {
	l := &d.libraries
	if l.blas == nil || l.workspace == 0 && !d.blasWorkspace() {
		return false
	}
	if !d.enter() {
		return true
	}
	defer d.leave()
	if err := l.blas.Gemm(lib.Math(p), m, n, k, alpha,
		lib.Matrix{Ptr: driver.Ptr(a), Stride: lda, Trans: transA},
		lib.Matrix{Ptr: driver.Ptr(b), Stride: ldb, Trans: transB},
		beta, lib.Matrix{Ptr: driver.Ptr(c), Stride: ldc}); err != nil {
		d.Fail(err)
	}
	return true
}

// blasWorkspace allocates the workspace of cuBLAS. If there is no memory for it, or
// cuBLAS refuses it, blasWorkspace closes cuBLAS and returns false.
func (d *Device) blasWorkspace() bool {
	l := &d.libraries
	p, err := d.alloc(workspaceBytes / 4)
	if !d.enter() {
		return true
	}
	defer d.leave()
	if err == nil {
		if err = l.blas.SetWorkspace(driver.Ptr(p), workspaceBytes); err == nil {
			l.workspace = p
			return true
		}
	}
	l.err = errors.Join(fmt.Errorf("cublas: no workspace: %w", err), l.blas.Close())
	l.blas = nil
	d.Free(p)
	return false
}
