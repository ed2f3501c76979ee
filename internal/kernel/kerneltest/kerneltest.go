// Package kerneltest helps to test kernel packages: it runs a test with every level of
// instructions and number of threads, provides slices that reveal reads and writes
// outside of them, and compares results.
package kerneltest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/parallel"
)

// Eps is float32's unit roundoff.
const Eps = 0x1p-24

// Lengths are slice lengths from 0 to 3 times the longest unrolled loop of any
// level, which is 64 elements, and some beyond.
var Lengths = func() (n []int) {
	for i := range 3*64 + 2 {
		n = append(n, i)
	}
	return append(n, 1000, 1023, 1031)
}()

// EachLevel runs a test with every level that this machine supports, or with the one that
// the environment variable GOCAFFE_LEVEL names.
func EachLevel(t *testing.T, f func(t *testing.T)) {
	for _, l := range cpu.Levels() {
		t.Run(l.String(), func(t *testing.T) {
			if !cpu.Has(l) {
				t.Skipf("SKIPPED: this processor or build does not have %v", l)
			}
			if only := os.Getenv("GOCAFFE_LEVEL"); only != "" && only != l.String() {
				t.Skipf("SKIPPED: GOCAFFE_LEVEL is %s", only)
			}
			cpu.Use(l)
			defer cpu.Use(cpu.Best())
			f(t)
		})
	}
}

// EachPool calls f with no pool and with pools of 1 to 4 threads.
func EachPool(f func(threads string, p *parallel.Pool)) {
	f("nil", nil)
	for n := 1; n <= 4; n++ {
		p := parallel.NewPool(n)
		f(fmt.Sprint(n), p)
		p.Close()
	}
}

// Guard is the element that surrounds the slices of a test. It is a NaN, which reveals
// reads in results, with a payload that reveals writes.
var Guard = math.Float32frombits(0x7fc12345)

// guards is the number of them on each side.
const guards = 40

// Guarded returns a slice of n normally distributed elements between guards.
func Guarded(r *rand.Rand, n int) []float32 {
	s := make([]float32, n+2*guards)
	for i := range s {
		s[i] = Guard
	}
	for i := range n {
		s[guards+i] = float32(r.NormFloat64())
	}
	return s[guards : guards+n : guards+max(n, 1)] // with capacity 0 its address would be lost
}

// CheckGuards fails if an element next to a slice returned by Guarded was overwritten.
func CheckGuards(t *testing.T, name string, s []float32) {
	t.Helper()
	first := unsafe.Add(unsafe.Pointer(unsafe.SliceData(s)), -4*guards)
	for i, v := range unsafe.Slice((*float32)(first), len(s)+2*guards) {
		if (i < guards || i >= guards+len(s)) && math.Float32bits(v) != math.Float32bits(Guard) {
			t.Errorf("%s: wrote %g at %d, outside of its %d elements", name, v, i-guards, len(s))
		}
	}
}

// Matrix returns a guarded (rows,cols) matrix with rows ld apart and guards between
// them.
func Matrix(r *rand.Rand, rows, cols, extra int) (x []float32, ld int) {
	ld = cols + extra
	x = Guarded(r, max(0, (rows-1)*ld+cols))
	for i := range x {
		if i%ld >= cols {
			x[i] = Guard
		}
	}
	return x, ld
}

// Fill sets every element of s to v.
func Fill(s []float32, v float32) {
	for i := range s {
		s[i] = v
	}
}

// FillNormal fills s with normally distributed elements.
func FillNormal(r *rand.Rand, s []float32) {
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
}

// Dirty fills the memory of a pool with guards: a kernel that relies on the contents of
// its workspace then fails.
func Dirty(p *parallel.Pool) {
	op := p.Begin()
	shared := op.Workspace(0)
	Fill(shared[:cap(shared)], Guard)
	op.End()
	for worker := range p.Threads() {
		s := p.Scratch(worker, 0)
		Fill(s[:cap(s)], Guard)
	}
}

// SameBits fails unless got and want are bit-identical.
func SameBits(t *testing.T, name string, got, want []float32) {
	t.Helper()
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s: element %d is %g, want %g to the bit", name, i, got[i], want[i])
			return
		}
	}
}

// Near fails unless every element of got is within tolerance of want's.
func Near(t *testing.T, name string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	for i := range got {
		if !(math.Abs(float64(got[i])-want[i]) <= tolerance) {
			t.Fatalf("%s[%d] = %g, want %g within %g", name, i, got[i], want[i], tolerance)
		}
	}
}

// Tolerance bounds the error of a sum of n products of normally distributed
// elements: the sum is about √n large, and each of the n additions rounds it.
func Tolerance(n int) float64 { return 1e-6 * (10 + float64(n)) }

// AllocatesNothing fails if a function allocates memory in the steady state.
func AllocatesNothing(t *testing.T, functions map[string]func()) {
	t.Helper()
	for name, f := range functions {
		if n := testing.AllocsPerRun(20, f); n != 0 {
			t.Errorf("%s allocates %g times", name, n)
		}
	}
}
