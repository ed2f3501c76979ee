package cuda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
)

// shape1x1 is a convolution of 2 channels with kernels of 1 x 1.
var shape1x1 = cuda.ConvolutionShape{N: 1, C: 2, H: 3, W: 3, M: 2, OutH: 3, OutW: 3, KernelH: 1, KernelW: 1,
	StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Group: 1}

// TestConvolutionAllocations runs the passes of cuDNN, the fake's, without garbage;
// and checks that without cuDNN there are none.
func TestConvolutionAllocations(t *testing.T) {
	fake := cudatest.Fake(t)
	for _, libraries := range []bool{false, true} {
		if libraries {
			fake.UseLibraries()
		}
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		c, err := d.Convolution(shape1x1)
		if (c != nil) != libraries || (err == nil) != libraries {
			t.Errorf("cuDNN is there: %v; a convolution: %v, error %v", libraries, c != nil, err)
		}
		if !libraries {
			if allocs := testing.AllocsPerRun(10, func() { d.Convolution(shape1x1) }); allocs != 0 || !errors.Is(err, cuda.ErrNoLibrary) {
				t.Errorf("%g allocations, error %v", allocs, err)
			}
			continue
		}
		x, w, y := random(t, 1, 18).MutableDeviceData(d), random(t, 2, 4).MutableDeviceData(d), random(t, 3, 18).MutableDeviceData(d)
		allocs := testing.AllocsPerRun(10, func() {
			c, _ := d.Convolution(shape1x1)
			c.Forward(x, w, y)
			c.BackwardData(w, y, x)
			c.BackwardWeights(x, y, w)
		})
		if allocs != 0 {
			t.Errorf("%g allocations", allocs)
		}
		check(t, d)
	}
}

// TestConvolutionWorkspace checks that the workspace of cuDNN's algorithms depends
// on the memory of the device, and what is chosen and said if there is none for the
// faster one.
func TestConvolutionWorkspace(t *testing.T) {
	const (
		fast = "cuDNN 9.1.0: forward GEMM, data FFT, weights FFT"
		slow = "cuDNN 9.1.0: forward IMPLICIT_PRECOMP_GEMM, data ALGO_1, weights ALGO_1"
	)
	for _, tt := range []struct {
		settings string
		taken    int // elements allocated before
		want     string
	}{
		{"memory=64000000 workspace=7900000", 0, fast}, // an eighth
		{"memory=64000000 workspace=8100000", 0, slow},
		{"memory=64000000 workspace=7900000", 7_000_000, fast},
		{"memory=64000000 workspace=7900000", 9_000_000, slow}, // a quarter of 28 MB
		{"memory=8000000000 workspace=700000000", 0, fast},
		{"memory=64000000 workspace=7000000 fail=cuMemAlloc_v2:4:2", 0, slow}, // in pieces
	} {
		fake := cudatest.Fake(t, tt.settings)
		fake.UseLibraries()
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		x, w, y := random(t, 1, 18), random(t, 2, 4), random(t, 3, 18)
		px, pw, py := x.DeviceData(d), w.DeviceData(d), y.MutableDeviceData(d)
		p := d.Alloc(tt.taken)
		c, err := d.Convolution(shape1x1)
		if err != nil {
			t.Fatalf("%s: %v", tt.settings, err)
		}
		if c.String() != tt.want {
			t.Errorf("%s, %d elements taken: %v, want %s", tt.settings, tt.taken, c, tt.want)
		}
		want := slices.Clone(y.Data())
		for i := range want {
			want[i] = x.Data()[i%9]*w.Data()[i/9*2] + x.Data()[i%9+9]*w.Data()[i/9*2+1]
		}
		c.Forward(px, pw, py)
		y.MutableDeviceData(d)
		near(t, tt.settings+": y", y.Data(), want, 1e-6)
		d.Free(p)
		if err := errors.Join(d.Check(), d.Close()); err != nil {
			t.Errorf("%s: %v", tt.settings, err)
		}
	}
}

// TestConvolutionErrors checks what is said if cuDNN has no algorithm for a shape,
// or no memory, and that each failing call gives back what was taken.
func TestConvolutionErrors(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	fake.UseLibraries()
	everyCall(t, fake, func() error {
		d, err := cuda.Open(0)
		if err != nil {
			return err
		}
		_, err = d.Convolution(shape1x1)
		return errors.Join(err, d.Close())
	})
	for _, tt := range []struct{ settings, want string }{
		{"memory=3000000000 fail=cudnnGetConvolutionForwardWorkspaceSize:2:3",
			"cuDNN 9.1.0: cudnnGetConvolutionForwardAlgorithm_v7: none of 3 algorithms is deterministic with a workspace of at most" +
				" 375000000 bytes; GEMM needs 1099511627776 (9)"},
		{"fail=cuMemGetInfo_v2:1:999", "cuDNN 9.1.0: cuMemGetInfo_v2: unknown error (CUDA_ERROR_UNKNOWN, 999)"},
		{"fail=cudnnCreate:1:1", "cudnnCreate: CUDNN_STATUS_NOT_INITIALIZED (1)"},
	} {
		fake := cudatest.Fake(t, tt.settings)
		fake.UseLibraries()
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time from memory
			if c, err := d.Convolution(shape1x1); c != nil || err == nil || !strings.HasPrefix(plainNames(err), plainNames(errors.New(tt.want))) {
				t.Errorf("%s: error %v, want %s", tt.settings, err, tt.want)
			}
		}
		if err := errors.Join(d.Check(), d.Close()); err != nil {
			t.Errorf("%s: %v", tt.settings, err)
		}
	}
}

// plainNames returns an error's text without the versions of the driver's
// functions, which gorgonia.org/cu leaves out.
func plainNames(err error) string { return strings.ReplaceAll(err.Error(), "_v2:", ":") }

// TestBLASWorkspace multiplies with gocaffe's kernels where there is no memory for
// cuBLAS's workspace, or cuBLAS refuses it.
func TestBLASWorkspace(t *testing.T) {
	for settings, want := range map[string]string{
		"fail=cuMemAlloc_v2:1:2":         "cublas: no workspace: cuMemAlloc_v2: out of memory",
		"fail=cublasSetWorkspace_v2:1:7": "cublas: no workspace: cublasSetWorkspace_v2: CUBLAS_STATUS_INVALID_VALUE (7)",
	} {
		fake := cudatest.Fake(t)
		fake.UseLibraries()
		d, err := cuda.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		a, b, c := random(t, 1, 1), random(t, 2, 1), random(t, 3, 1)
		pa, pb, pc := a.DeviceData(d), b.DeviceData(d), c.MutableDeviceData(d)
		fake.Set(settings)
		d.Gemm(false, false, 1, 1, 1, 1, pa, 1, pb, 1, 0, pc, 1)
		near(t, settings+": c", c.Data(), []float32{a.Data()[0] * b.Data()[0]}, 1e-6)
		if _, _, err := d.BLAS(); err == nil || !strings.HasPrefix(plainNames(err), plainNames(errors.New(want))) {
			t.Errorf("%s: error %v, want %s", settings, err, want)
		}
		testGemm(t, d)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
