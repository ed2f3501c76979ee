package cuda_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/lib"
	"github.com/gocaffe/gocaffe/kernel"
)

// rounded returns what tensor cores see of x: the bits of a float32 down to the given
// one, the nearest, which in BF16 is the even one of two.
func rounded(p cuda.Precision, x []float32) []float32 {
	y := slices.Clone(x)
	for i, v := range x {
		switch b := math.Float32bits(v); p {
		case cuda.TF32:
			y[i] = math.Float32frombits((b + 1<<12) &^ (1<<13 - 1))
		case cuda.BF16:
			y[i] = math.Float32frombits((b + 1<<15 - 1 + b>>16&1) &^ (1<<16 - 1))
		}
	}
	return y
}

// TestPrecision compares the products of gocaffe's kernels in TF32 and BF16, of all
// transposes, with the host's products of the rounded factors; and GemmFP32 with
// that of the factors as they are. cuBLAS does not promise how it rounds.
func TestPrecision(t *testing.T) {
	t.Setenv(lib.EnvBLAS, "none")
	d := cudatest.Device(t)
	if major, _ := d.Capability(); major < 8 {
		t.Skip("SKIPPED: the GPU has no tensor cores for TF32")
	}
	if err := d.SetPrecision(17); err == nil || d.Precision() != cuda.FP32 {
		t.Errorf("precision 17: error %v, and the precision is %v", err, d.Precision())
	}
	for _, p := range []cuda.Precision{cuda.TF32, cuda.BF16, cuda.FP32} {
		if err := d.SetPrecision(p); err != nil || d.Precision() != p {
			t.Fatalf("precision %v, error %v; want %v", d.Precision(), err, p)
		}
		for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {65, 63, 41}, {5, 70, 1030}, {700, 1030, 3}} {
			m, n, k := s[0], s[1], s[2]
			for i := range 4 {
				ta, tb := i&1 != 0, i&2 != 0
				lda, ldb, ldc := k+2, n+1, n+3
				if ta {
					lda = m + 2
				}
				if tb {
					ldb = k + 1
				}
				a, b, c := random(t, 1, lda*max(m, k)), random(t, 2, ldb*max(n, k)), random(t, 3, m*ldc)
				want, exact := slices.Clone(c.Data()), slices.Clone(c.Data())
				kernel.Gemm(nil, ta, tb, m, n, k, 2, rounded(p, a.Data()), lda, rounded(p, b.Data()), ldb, 0.5, want, ldc)
				kernel.Gemm(nil, ta, tb, m, n, k, 2, a.Data(), lda, b.Data(), ldb, 0, exact, ldc)
				d.Gemm(ta, tb, m, n, k, 2, a.DeviceData(d), lda, b.DeviceData(d), ldb, 0.5, c.MutableDeviceData(d), ldc)
				near(t, fmt.Sprint(p, " C of ", s, ta, tb), c.Data(), want, 1e-5)
				if m < 100 {
					d.GemmFP32(ta, tb, m, n, k, 2, a.DeviceData(d), lda, b.DeviceData(d), ldb, 0, c.MutableDeviceData(d), ldc)
					near(t, fmt.Sprint(p, " FP32 C of ", s, ta, tb), c.Data(), exact, 1e-5)
				}
				check(t, d)
			}
		}
	}
}

// TestPrecisionBLAS multiplies in TF32 and BF16 with cuBLAS, and checks that the
// results are no further from those of float32 than the rounding of factors
// explains: TF32 and BF16 allow cuBLAS to round, and do not demand it. The fake's
// does round, which shows that it was asked to.
func TestPrecisionBLAS(t *testing.T) {
	number, real := cudatest.Number(t)
	if !real {
		cudatest.Fake(t).UseLibraries()
	}
	d, err := cuda.Open(number)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, _, err := d.BLAS(); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	if major, _ := d.Capability(); major < 8 {
		t.Skip("SKIPPED: the GPU has no tensor cores for TF32")
	}
	const m, n, k = 20, 30, 40
	a, b, c := random(t, 1, m*k), random(t, 2, k*n), random(t, 3, m*n)
	want := make([]float32, m*n)
	kernel.Gemm(nil, false, false, m, n, k, 1, a.Data(), k, b.Data(), n, 0, want, n)
	for _, p := range []cuda.Precision{cuda.TF32, cuda.BF16} {
		if err := d.SetPrecision(p); err != nil {
			t.Fatal(err)
		}
		d.Gemm(false, false, m, n, k, 1, a.DeviceData(d), k, b.DeviceData(d), n, 0, c.MutableDeviceData(d), n)
		far, scale := 0.0, 0.0
		for i, w := range want {
			far, scale = max(far, math.Abs(float64(c.Data()[i]-w))), max(scale, math.Abs(float64(w)))
		}
		unit := map[cuda.Precision]float64{cuda.TF32: 1. / 1024, cuda.BF16: 1. / 128}[p]
		if far > unit*scale || !real && far < unit*scale/100 {
			t.Errorf("%v: the products are %g of the largest from those of float32, want about %g", p, far/scale, unit/4)
		}
		d.GemmFP32(false, false, m, n, k, 1, a.DeviceData(d), k, b.DeviceData(d), n, 0, c.MutableDeviceData(d), n)
		near(t, fmt.Sprint(p, " FP32"), c.Data(), want, 1e-5)
		check(t, d)
	}
}

// TestPrecisionErrors checks what is said of unknown names and old devices.
func TestPrecisionErrors(t *testing.T) {
	for _, p := range []cuda.Precision{cuda.FP32, cuda.TF32, cuda.BF16} {
		if got, err := cuda.ParsePrecision(p.String()); got != p || err != nil {
			t.Errorf("%v is parsed as %v, error %v", p, got, err)
		}
	}
	if _, err := cuda.ParsePrecision("fp8"); err == nil || err.Error() != `unknown precision "fp8", want fp32, tf32 or bf16` {
		t.Errorf("fp8: error %v", err)
	}
	cudatest.Fake(t, "capability=75")
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.SetPrecision(cuda.FP32); err != nil {
		t.Error(err)
	}
	if err := d.SetPrecision(cuda.BF16); err == nil || !strings.Contains(err.Error(), "compute capability 7.5, tensor cores support bf16 from 8.0") || d.Precision() != cuda.FP32 {
		t.Errorf("precision %v, error %v", d.Precision(), err)
	}
}
