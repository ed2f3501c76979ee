package cuda_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/kernel"
)

// random returns a blob of n numbers between -1 and 1.
func random(t testing.TB, seed uint64, n int) *blob.Blob {
	t.Helper()
	b, err := blob.New(n)
	if err != nil {
		t.Fatal(err)
	}
	kernel.PhiloxUniform(nil, seed, 0, 0, -1, 1, b.MutableData())
	return b
}

// near fails the test unless got is want, to tol times the largest magnitude.
func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	scale := 0.0
	for _, w := range want {
		scale = max(scale, math.Abs(float64(w)))
	}
	for i, w := range want {
		if !(math.Abs(float64(got[i]-w)) <= tol*scale) {
			t.Errorf("%s[%d] is %g, want %g", what, i, got[i], w)
			return
		}
	}
}

func check(t *testing.T, d *cuda.Device) {
	t.Helper()
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
}

// TestGemm compares all transposes, in sizes around those of the tiles and with
// sums in parts, with the host's product.
func TestGemm(t *testing.T) { testGemm(t, cudatest.Device(t)) }

// TestGemmBLAS is TestGemm with the fake's cuBLAS.
func TestGemmBLAS(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	fake.UseLibraries()
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	if file, version, err := d.BLAS(); file != fake.File || version != "12.4.5" || err != nil {
		t.Errorf("cuBLAS %q of %q, error %v", version, file, err)
	}
	testGemm(t, d)
	calls := fmt.Sprint(fake.Calls())
	if !strings.Contains(calls, "cublasGemmEx") || strings.Contains(calls, "cuLaunchKernel") {
		t.Error("the products are not cuBLAS's")
	}
	if strings.Count(calls, "cublasSetWorkspace_v2(33554432)") != 1 {
		t.Error("the workspace is not set once")
	}
}

func testGemm(t *testing.T, d *cuda.Device) {
	for _, s := range [][3]int{{1, 1, 1}, {3, 5, 7}, {65, 63, 9}, {64, 64, 16}, {130, 66, 17}, {5, 70, 1030}, {700, 1030, 3}} {
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
			for _, beta := range []float32{0, 0.5} {
				a, b, c := random(t, 1, lda*max(m, k)), random(t, 2, ldb*max(n, k)), random(t, 3, m*ldc)
				want := append([]float32(nil), c.Data()...)
				if beta == 0 { // C is not read
					for i := range m {
						for j := range n {
							c.MutableData()[i*ldc+j] = float32(math.NaN())
						}
					}
				}
				kernel.Gemm(nil, ta, tb, m, n, k, 2, a.Data(), lda, b.Data(), ldb, beta, want, ldc)
				d.Gemm(ta, tb, m, n, k, 2, a.DeviceData(d), lda, b.DeviceData(d), ldb, beta, c.MutableDeviceData(d), ldc)
				near(t, fmt.Sprint("C of ", s, ta, tb, beta), c.Data(), want, 1e-5)
				check(t, d)
			}
		}
	}
}

// TestChannels compares sums and products by channel with the host's.
func TestChannels(t *testing.T) {
	d := cudatest.Device(t)
	for _, s := range [][3]int{{1, 1, 1}, {5, 3, 1}, {70, 20, 1}, {300, 17, 2}, {3, 4, 5}, {7, 2, 1500}, {2, 40, 17}} {
		outer, channels, inner := s[0], s[1], s[2]
		n := outer * channels * inner
		a, b, y := random(t, 1, n), random(t, 2, n), random(t, 3, n)
		scale, shift, sum := random(t, 4, channels), random(t, 5, channels), random(t, 6, channels)
		want, wantSum := make([]float32, n), make([]float32, channels)

		kernel.ChannelScaleShift(nil, outer, channels, inner, a.Data(), scale.Data(), shift.Data(), want)
		d.ChannelScaleShift(outer, channels, inner, a.DeviceData(d), scale.DeviceData(d), shift.DeviceData(d), y.MutableDeviceData(d))
		near(t, fmt.Sprint("scale and shift of ", s), y.Data(), want, 1e-6)
		d.ChannelScaleShift(outer, channels, inner, a.DeviceData(d), 0, 0, y.MutableDeviceData(d))
		near(t, fmt.Sprint("neither of ", s), y.Data(), a.Data(), 0)

		kernel.ChannelSum(nil, outer, channels, inner, a.Data(), wantSum)
		d.ChannelSum(outer, channels, inner, a.DeviceData(d), 0, sum.MutableDeviceData(d))
		near(t, fmt.Sprint("sum of ", s), sum.Data(), wantSum, 1e-6)
		d.ChannelSum(outer, channels, inner, a.DeviceData(d), 1, sum.MutableDeviceData(d))
		for c := range wantSum {
			wantSum[c] *= 2
		}
		near(t, fmt.Sprint("sum added of ", s), sum.Data(), wantSum, 1e-6)
		kernel.ChannelDot(nil, outer, channels, inner, a.Data(), b.Data(), wantSum)
		d.ChannelDot(outer, channels, inner, a.DeviceData(d), b.DeviceData(d), 0, sum.MutableDeviceData(d))
		near(t, fmt.Sprint("dot of ", s), sum.Data(), wantSum, 1e-6)
		check(t, d)
	}
}

// TestNormalizeRows compares with the host, also a row of zeros.
func TestNormalizeRows(t *testing.T) {
	d := cudatest.Device(t)
	for _, s := range [][2]int{{1, 1}, {3, 17}, {20, 1000}} {
		x, y, want := random(t, 1, s[0]*s[1]), random(t, 2, s[0]*s[1]), make([]float32, s[0]*s[1])
		clear(x.MutableData()[:s[1]])
		for _, eps := range []float64{0, 1e-6, 2} {
			kernel.NormalizeRows(nil, s[0], s[1], eps, x.Data(), want)
			d.NormalizeRows(s[0], s[1], eps, x.DeviceData(d), y.MutableDeviceData(d))
			near(t, fmt.Sprint("rows ", s, eps), y.Data(), want, 1e-6)
		}
	}
	check(t, d)
}

// TestChannelNormalize compares the normalization of channels and its gradient with
// the host's.
func TestChannelNormalize(t *testing.T) {
	d := cudatest.Device(t)
	for _, s := range [][3]int{{5, 3, 1}, {300, 17, 2}, {3, 4, 5}, {7, 2, 1500}} {
		n, c, inner := s[0], s[1], s[2]
		count := n * c * inner
		x, dy, y, dx := random(t, 1, count), random(t, 2, count), random(t, 3, count), random(t, 4, count)
		factor, shift, mean, variance := random(t, 5, c), random(t, 6, c), random(t, 7, c), random(t, 8, c)
		for i := range x.MutableData() {
			x.MutableData()[i] += 3
		}
		wantMean, wantVariance, invstd, product := make([]float32, c), make([]float32, c), make([]float32, c), make([]float32, c)
		xnorm, want := make([]float32, count), make([]float32, count)

		kernel.ChannelStats(nil, n, c, inner, x.Data(), wantMean, wantVariance)
		d.ChannelStats(n, c, inner, x.DeviceData(d), mean.MutableDeviceData(d), variance.MutableDeviceData(d))
		near(t, fmt.Sprint("mean of ", s), mean.Data(), wantMean, 1e-6)
		near(t, fmt.Sprint("variance of ", s), variance.Data(), wantVariance, 1e-6)

		for i, v := range wantVariance {
			invstd[i] = float32(1 / math.Sqrt(float64(v)+1e-3))
		}
		inverse := blobOf(t, invstd)
		kernel.ChannelNormalize(nil, n, c, inner, x.Data(), wantMean, invstd, xnorm)
		normalize := func(factor, shift cuda.Ptr) {
			d.ChannelNormalize(n, c, inner, x.DeviceData(d), mean.DeviceData(d), inverse.DeviceData(d), factor, shift, y.MutableDeviceData(d))
		}
		normalize(0, 0)
		near(t, fmt.Sprint("normalized ", s), y.Data(), xnorm, 1e-6)
		kernel.ChannelScaleShift(nil, n, c, inner, xnorm, factor.Data(), shift.Data(), want)
		normalize(factor.DeviceData(d), shift.DeviceData(d))
		near(t, fmt.Sprint("normalized, scaled and shifted ", s), y.Data(), want, 1e-6)

		backward := func(factor, dx, dfactor, dshift cuda.Ptr) {
			d.ChannelNormalizeBackward(n, c, inner, x.DeviceData(d), mean.DeviceData(d), inverse.DeviceData(d), factor, dy.DeviceData(d), dx, dfactor, dshift)
		}
		kernel.ChannelNormalizeBackward(nil, n, c, inner, xnorm, invstd, dy.Data(), want)
		backward(0, dx.MutableDeviceDiff(d), 0, 0)
		near(t, fmt.Sprint("gradient of ", s), dx.Diff(), want, 1e-5)
		kernel.Mul(nil, invstd, factor.Data(), product)
		kernel.ChannelNormalizeBackward(nil, n, c, inner, xnorm, product, dy.Data(), want)
		backward(factor.DeviceData(d), dx.MutableDeviceDiff(d), factor.MutableDeviceDiff(d), shift.MutableDeviceDiff(d))
		near(t, fmt.Sprint("gradient with a factor of ", s), dx.Diff(), want, 1e-5)
		backward(0, 0, factor.MutableDeviceDiff(d), 0) // adds once more
		kernel.ChannelDot(nil, n, c, inner, dy.Data(), xnorm, product)
		kernel.Scale(nil, 2, product, product)
		near(t, fmt.Sprint("gradient of the factor ", s), factor.Diff(), product, 1e-5)
		kernel.ChannelSum(nil, n, c, inner, dy.Data(), product)
		near(t, fmt.Sprint("gradient of the shift ", s), shift.Diff(), product, 1e-5)
		check(t, d)
	}
}

// blobOf returns a blob of the given elements.
func blobOf(t *testing.T, x []float32) *blob.Blob {
	t.Helper()
	b, err := blob.New(len(x))
	if err != nil {
		t.Fatal(err)
	}
	copy(b.MutableData(), x)
	return b
}

// TestMath compares the functions of n numbers with their loops.
func TestMath(t *testing.T) {
	d := cudatest.Device(t)
	const n = 1000
	for _, tt := range []struct {
		name string
		run  func(a, b, y cuda.Ptr)
		want func(a, b, y float32) float32
	}{
		{"Fill", func(_, _, y cuda.Ptr) { d.Fill(n, 2.5, y) }, func(_, _, _ float32) float32 { return 2.5 }},
		{"Zero", func(_, _, y cuda.Ptr) { d.Zero(n, y) }, func(_, _, _ float32) float32 { return 0 }},
		{"Copy", func(a, _, y cuda.Ptr) { d.Copy(n, a, y) }, func(a, _, _ float32) float32 { return a }},
		{"Axpby", func(a, _, y cuda.Ptr) { d.Axpby(n, 2, a, 3, y) }, func(a, _, y float32) float32 { return 2*a + 3*y }},
		{"Axpy", func(a, _, y cuda.Ptr) { d.Axpy(n, 2, a, y) }, func(a, _, y float32) float32 { return 2*a + y }},
		{"Scale", func(a, _, y cuda.Ptr) { d.Scale(n, 2, a, y) }, func(a, _, _ float32) float32 { return 2 * a }},
		{"Add", func(a, b, y cuda.Ptr) { d.Add(n, a, b, y) }, func(a, b, _ float32) float32 { return a + b }},
		{"Mul", func(a, b, y cuda.Ptr) { d.Mul(n, a, b, y) }, func(a, b, _ float32) float32 { return a * b }},
	} {
		a, b, y := random(t, 1, n), random(t, 2, n), random(t, 3, n)
		want := make([]float32, n)
		for i := range want {
			want[i] = tt.want(a.Data()[i], b.Data()[i], y.Data()[i])
		}
		tt.run(a.DeviceData(d), b.DeviceData(d), y.MutableDeviceData(d))
		near(t, tt.name, y.Data(), want, 1e-6)
		check(t, d)
	}
	x, y := random(t, 1, 60), random(t, 2, 60)
	want := append([]float32(nil), y.Data()...)
	for r := range 5 {
		copy(want[r*11+2:][:7], x.Data()[r*9+1:][:7])
	}
	d.CopyRows(5, 7, x.DeviceData(d).At(1), 9, y.MutableDeviceData(d).At(2), 11)
	near(t, "CopyRows", y.Data(), want, 0)
	check(t, d)
}

// TestDropoutMask checks that masks are those of the host, for the same seed and
// pass.
func TestDropoutMask(t *testing.T) {
	d := cudatest.Device(t)
	const key, pass = 0x123456789abcdef0, 0x1234567890
	stream, mask := random(t, 1, 2), random(t, 2, 1003)
	want := make([]float32, 1003)
	kernel.DropoutMask(nil, key, pass, 0.3, 1.5, want)
	d.SetLong(pass, stream.MutableDeviceData(d))
	d.DropoutMask(1003, key, stream.DeviceData(d), 0.3, 1.5, mask.MutableDeviceData(d))
	near(t, "mask", mask.Data(), want, 0)
	check(t, d)
}

// TestDivisor divides by many numbers.
func TestDivisor(t *testing.T) {
	for _, div := range []int{1, 2, 3, 7, 10, 255, 256, 1 << 20, 1<<20 + 7, 1<<31 - 1} {
		mul, shift := cuda.Divisor(div)
		for _, n := range []int{0, 1, div - 1, div, 2*div - 1, 1<<31 - 1, 1<<31 - 2, 12345678, 1<<31/div*div - 1, 1 << 31 / div * div} {
			if n < 0 || n > 1<<31-1 {
				continue
			}
			if got := int(uint64(n) * uint64(mul) >> shift); got != n/div {
				t.Errorf("%d / %d is %d, want %d", n, div, got, n/div)
			}
		}
	}
}

// TestGatherRows compares with the host, to the bit: rows that are chosen several
// times, and not at all.
func TestGatherRows(t *testing.T) {
	d := cudatest.Device(t)
	const rows = 9
	for _, s := range [][2]int{{1, 1}, {7, 3}, {300, 70}} {
		n, width := s[0], s[1]
		index, place := make([]int32, n), random(t, 1, n)
		for i := range index {
			index[i] = int32(i * 7 % (rows - 2))
			if i%5 == 3 {
				index[i] = -1
			}
			cuda.Ints(place.MutableData())[i] = index[i]
		}
		x, y := random(t, 2, rows*width), random(t, 3, n*width)
		want := make([]float32, n*width)
		kernel.GatherRows(nil, n, width, x.Data(), index, want)
		d.GatherRows(n, width, x.DeviceData(d), place.DeviceData(d), y.MutableDeviceData(d))
		near(t, fmt.Sprint("GatherRows ", s), y.Data(), want, 0)

		sum := append([]float32(nil), x.Data()...)
		kernel.ScatterAddRows(nil, n, width, want, index, sum)
		d.ScatterAddRows(n, width, y.DeviceData(d), place.DeviceData(d), x.MutableDeviceData(d))
		near(t, fmt.Sprint("ScatterAddRows ", s), x.Data(), sum, 0)
		check(t, d)
	}
}
