package cuda

import (
	"errors"

	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
)

// libraries are NVIDIA's, where they are on the machine.
type libraries struct {
	blas      *lib.BLAS // nil: none
	err       error     // why
	workspace Ptr
}

// workspaceBytes is the memory that cuBLAS may use besides its arguments: what
// NVIDIA recommends for its newer devices.
const workspaceBytes = 32 << 20

// open looks for cuBLAS. That there is none, or one that does not work on this
// device, is no error: the kernels of gemm.cu do its work.
func (l *libraries) open(drv driver.Driver, s driver.Stream) {
	l.blas, l.err = lib.OpenBLAS(drv.Version(), s)
}

func (l *libraries) close() error {
	if l.blas == nil {
		return nil
	}
	return l.blas.Close()
}

// BLAS says who multiplies matrices: the file of cuBLAS, and its version. The
// error says why it is not cuBLAS.
func (d *Device) BLAS() (file, version string, err error) {
	if d.libraries.blas == nil {
		return "", "", d.libraries.err
	}
	return d.libraries.blas.File(), d.libraries.blas.Version(), nil
}

// gemmBLAS is Gemm by cuBLAS. It returns false if there is none.
func (d *Device) gemmBLAS(p Precision, transA, transB bool, m, n, k int, alpha float32, a Ptr, lda int, b Ptr, ldb int, beta float32, c Ptr, ldc int) bool {
	l := &d.libraries
	if l.blas == nil {
		return false
	}
	first := l.workspace == 0
	if first {
		l.workspace = d.Alloc(workspaceBytes / 4)
	}
	if !d.enter() {
		return true
	}
	defer d.leave()
	var err error
	if first {
		err = l.blas.SetWorkspace(driver.Ptr(l.workspace), workspaceBytes)
	}
	d.Fail(errors.Join(err, l.blas.Gemm(lib.Math(p), m, n, k, alpha,
		lib.Matrix{Ptr: driver.Ptr(a), Stride: lda, Trans: transA},
		lib.Matrix{Ptr: driver.Ptr(b), Stride: ldb, Trans: transB},
		beta, lib.Matrix{Ptr: driver.Ptr(c), Stride: ldc})))
	return true
}
