package lib_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
)

// A bench is a device with a stream for the libraries.
type bench struct {
	testing.TB
	driver.Driver
	fake   *cudatest.Control
	stream driver.Stream
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{TB: t, fake: cudatest.Fake(t, "log=1")}
	b.fake.UseLibraries()
	var err error
	b.Driver, err = driver.Open()
	b.ok(err)
	runtime.LockOSThread()
	c, err := b.PrimaryRetain(0)
	b.ok(err)
	b.ok(b.SetCurrent(c))
	b.stream, err = b.StreamCreate()
	b.ok(err)
	t.Cleanup(func() {
		b.ok(b.StreamDestroy(b.stream))
		b.ok(b.PrimaryRelease(0))
		runtime.UnlockOSThread()
	})
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) upload(x []float32) driver.Ptr {
	b.Helper()
	p, err := b.MemAlloc(uint64(4 * len(x)))
	b.ok(err)
	b.Cleanup(func() { b.ok(b.MemFree(p)) })
	b.ok(b.CopyToDevice(p, unsafe.Pointer(&x[0]), uint64(4*len(x))))
	return p
}

func (b *bench) download(p driver.Ptr, n int) []float32 {
	b.Helper()
	x := make([]float32, n)
	b.ok(b.StreamSynchronize(b.stream))
	b.ok(b.CopyToHost(unsafe.Pointer(&x[0]), p, uint64(4*n)))
	return x
}

func (b *bench) compare(what string, got []float32, want []float64) {
	b.Helper()
	for i := range want {
		if !(max(float64(got[i])-want[i], want[i]-float64(got[i])) <= 1e-4) { // sums of at most 100 products of size 1
			b.Fatalf("%s: number %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32()*2 - 1
	}
	return x
}

func TestGemm(t *testing.T) {
	b := newBench(t)
	blas, err := lib.OpenBLAS(b.Version(), b.stream)
	b.ok(err)
	if blas.Version() != "12.4.5" || blas.File() != b.fake.File {
		t.Errorf("version %s of %s", blas.Version(), blas.File())
	}
	const batch, m, n, k = 3, 5, 4, 7
	work := b.upload(make([]float32, 100))
	b.ok(blas.SetWorkspace(work, 400))
	x, y, c := random(1, batch*m*k), random(2, batch*k*n), random(3, batch*m*n)
	for _, transX := range []bool{false, true} {
		for _, transY := range []bool{false, true} {
			at := func(v []float32, z, rows, columns, i, j int, trans bool) float64 {
				if trans {
					return float64(v[z*rows*columns+j*rows+i])
				}
				return float64(v[z*rows*columns+i*columns+j])
			}
			var want []float64
			for z := range batch {
				for i := range m {
					for j := range n {
						sum := 0.5 * float64(c[z*m*n+i*n+j])
						for l := range k {
							sum += 2 * at(x, z, m, k, i, l, transX) * at(y, z, k, n, l, j, transY)
						}
						want = append(want, sum)
					}
				}
			}
			stride := func(columns, rows int, trans bool) int {
				if trans {
					return rows
				}
				return columns
			}
			p := b.upload(c)
			mx := lib.Matrix{Ptr: b.upload(x), Stride: stride(k, m, transX), Trans: transX, Next: m * k}
			my := lib.Matrix{Ptr: b.upload(y), Stride: stride(n, k, transY), Trans: transY, Next: k * n}
			mc := lib.Matrix{Ptr: p, Stride: n, Next: m * n}
			what := fmt.Sprint("transposes ", transX, transY)
			b.ok(blas.Gemm(lib.FP32, m, n, k, 2, mx, my, 0.5, mc))
			b.compare(what, b.download(p, m*n), want[:m*n])
			p = b.upload(c)
			mc.Ptr = p
			b.ok(blas.GemmBatch(lib.FP32, batch, m, n, k, 2, mx, my, 0.5, mc))
			b.compare(what+" batch", b.download(p, batch*m*n), want)
			allocs := testing.AllocsPerRun(10, func() { err = blas.Gemm(lib.TF32, m, n, k, 2, mx, my, 0, mc) })
			if allocs != 0 || err != nil {
				t.Errorf("%g allocations, error %v", allocs, err)
			}
		}
	}
	err = blas.Gemm(lib.FP32, m, n, k, 1, lib.Matrix{Stride: 1}, lib.Matrix{Stride: n}, 0, lib.Matrix{Stride: n})
	if err == nil || err.Error() != "cublasGemmEx: CUBLAS_STATUS_INVALID_VALUE (7)" {
		t.Errorf("error %v", err)
	}
	b.fake.Problems()
	b.ok(blas.Close())
}

// TestGemmMath checks that each precision is requested: the fake rounds the factors
// as a device does.
func TestGemmMath(t *testing.T) {
	b := newBench(t)
	blas, err := lib.OpenBLAS(b.Version(), b.stream)
	b.ok(err)
	x := b.upload([]float32{1 + 1.0/4096})
	one := b.upload([]float32{1})
	y := b.upload([]float32{1 + 1.0/512})
	c := b.upload([]float32{0})
	multiply := func(math lib.Math, x driver.Ptr) float32 {
		m := func(p driver.Ptr) lib.Matrix { return lib.Matrix{Ptr: p, Stride: 1} }
		b.ok(blas.Gemm(math, 1, 1, 1, 1, m(x), m(one), 0, m(c)))
		return b.download(c, 1)[0]
	}
	got := fmt.Sprint(multiply(lib.FP32, x) == 1, multiply(lib.TF32, x) == 1, multiply(lib.TF32, y) == 1, multiply(lib.BF16, y) == 1)
	if got != "false true false true" {
		t.Errorf("rounded: %s", got)
	}
	b.ok(blas.Close())
}

// TestOrder checks that the work of a library waits for the work queued before it.
func TestOrder(t *testing.T) {
	b := newBench(t)
	b.fake.Set("async=late")
	blas, err := lib.OpenBLAS(b.Version(), b.stream)
	b.ok(err)
	dnn, err := lib.OpenDNN(b.stream)
	b.ok(err)
	s := lib.ConvolutionShape{N: 1, C: 1, H: 1, W: 1, M: 1, OutH: 1, OutW: 1, KernelH: 1, KernelW: 1, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Group: 1}
	c, err := dnn.NewConvolution(s, lib.FP32, 1<<20)
	b.ok(err)
	x, y, z := b.upload([]float32{7}), b.upload([]float32{7}), b.upload([]float32{7})
	work := b.upload(make([]float32, c.Workspace()/4))
	b.ok(b.Memset32Async(x, 0x40000000, 1, b.stream)) // 2
	m := func(p driver.Ptr) lib.Matrix { return lib.Matrix{Ptr: p, Stride: 1} }
	b.ok(blas.Gemm(lib.FP32, 1, 1, 1, 1, m(x), m(x), 0, m(y))) // 4
	b.ok(c.Forward(x, y, z, work))
	if got := b.download(z, 1)[0]; got != 8 {
		t.Errorf("2 (2 2) is %g", got)
	}
	b.ok(c.Close())
	b.ok(dnn.Close())
	b.ok(blas.Close())
}

// TestConvolution compares the three passes with sums over all products.
func TestConvolution(t *testing.T) {
	b := newBench(t)
	dnn, err := lib.OpenDNN(b.stream)
	b.ok(err)
	if dnn.Version() != "9.1.0" || dnn.File() != b.fake.File {
		t.Errorf("version %s of %s", dnn.Version(), dnn.File())
	}
	for _, s := range []lib.ConvolutionShape{
		{N: 2, C: 4, H: 6, W: 5, M: 6, OutH: 6, OutW: 5, KernelH: 3, KernelW: 3, PadH: 1, PadW: 1, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Group: 1},
		{N: 1, C: 4, H: 9, W: 8, M: 2, OutH: 3, OutW: 7, KernelH: 3, KernelW: 2, PadH: 0, PadW: 1, StrideH: 2, StrideW: 1, DilationH: 2, DilationW: 3, Group: 2},
	} {
		x, w, y := random(1, s.N*s.C*s.H*s.W), random(2, s.M*s.C/s.Group*s.KernelH*s.KernelW), random(3, s.N*s.M*s.OutH*s.OutW)
		wantY, wantX, wantW := make([]float64, len(y)), make([]float64, len(x)), make([]float64, len(w))
		old := random(4, len(w))
		for i, v := range old {
			wantW[i] = float64(v) // the gradient of weights is added
		}
		products(s, func(i, j, l int) {
			wantY[l] += float64(x[i]) * float64(w[j])
			wantX[i] += float64(w[j]) * float64(y[l])
			wantW[j] += float64(x[i]) * float64(y[l])
		})
		c, err := dnn.NewConvolution(s, lib.FP32, 1<<20)
		b.ok(err)
		work := b.upload(make([]float32, c.Workspace()/4))
		px, pw, py := b.upload(x), b.upload(w), b.upload(y)
		ry, rx, rw := b.upload(make([]float32, len(y))), b.upload(make([]float32, len(x))), b.upload(old)
		b.ok(c.Forward(px, pw, ry, work))
		b.ok(c.BackwardData(pw, py, rx, work))
		b.ok(c.BackwardFilter(px, py, rw, work))
		b.compare("y", b.download(ry, len(y)), wantY)
		b.compare("dx", b.download(rx, len(x)), wantX)
		b.compare("dw", b.download(rw, len(w)), wantW)
		allocs := testing.AllocsPerRun(10, func() { err = c.Forward(px, pw, ry, work) })
		if allocs != 0 || err != nil {
			t.Errorf("%g allocations, error %v", allocs, err)
		}
		b.ok(c.Close())
	}
	calls := strings.Join(b.fake.Calls(), "\n")
	if !strings.Contains(calls, "cudnnSetConvolutionMathType(3)") {
		t.Error("FP32 was not requested")
	}
	bad := lib.ConvolutionShape{N: 1, C: 1, H: 0, W: 1, M: 1, OutH: 1, OutW: 1, KernelH: 1, KernelW: 1, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Group: 1}
	_, err = dnn.NewConvolution(bad, lib.FP32, 0)
	if err == nil || err.Error() != "cudnnSetTensor4dDescriptor: CUDNN_STATUS_BAD_PARAM (3)" {
		t.Errorf("error %v", err)
	}
	bad.H = 1
	_, err = dnn.NewConvolution(bad, lib.FP32, 10)
	if err == nil || !strings.Contains(err.Error(), "deterministic with a workspace of at most 10 bytes") {
		t.Errorf("error %v", err)
	}
	b.ok(dnn.Close())
}

// products calls f for each product of a convolution with the indices into x, w
// and y.
func products(s lib.ConvolutionShape, f func(i, j, l int)) {
	perC, perM := s.C/s.Group, s.M/s.Group
	for l := range s.N * s.M * s.OutH * s.OutW {
		ow, oh, m, n := l%s.OutW, l/s.OutW%s.OutH, l/s.OutW/s.OutH%s.M, l/s.OutW/s.OutH/s.M
		for k := range perC * s.KernelH * s.KernelW {
			kw, kh, c := k%s.KernelW, k/s.KernelW%s.KernelH, k/s.KernelW/s.KernelH
			h, w := oh*s.StrideH-s.PadH+kh*s.DilationH, ow*s.StrideW-s.PadW+kw*s.DilationW
			if h < 0 || w < 0 || h >= s.H || w >= s.W {
				continue
			}
			f(((n*s.C+m/perM*perC+c)*s.H+h)*s.W+w, m*perC*s.KernelH*s.KernelW+k, l)
		}
	}
}

func TestNotFound(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"none", "cublas: not found: GOCAFFE_LIBCUBLAS is none"},
		{"/nowhere/libcublas.so", "GOCAFFE_LIBCUBLAS names a file that cannot be loaded"},
	} {
		t.Setenv(lib.EnvBLAS, c.value)
		_, err := lib.OpenBLAS(12000, 0)
		if !errors.Is(err, lib.ErrNotFound) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}
