package rand

import (
	"math"
	mrand "math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestKnownAnswers uses the philox4x32 10 lines of kat_vectors in the authors'
// Random123 library. The third's counter and key are digits of π.
func TestKnownAnswers(t *testing.T) {
	for _, test := range []struct{ counter, key, want []uint32 }{
		{[]uint32{0, 0, 0, 0}, []uint32{0, 0},
			[]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, []uint32{0xffffffff, 0xffffffff},
			[]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, []uint32{0xa4093822, 0x299f31d0},
			[]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		join := func(w []uint32) uint64 { return uint64(w[1])<<32 | uint64(w[0]) }
		a, b, c, d := philox(join(test.key), join(test.counter[2:]), join(test.counter))
		if got := []uint32{a, b, c, d}; !slices.Equal(got, test.want) {
			t.Errorf("philox(%x, %x) = %x, want %x", test.counter, test.key, got, test.want)
		}
	}
}

// TestAddressing checks that element i of a stream does not depend on the bounds of the
// slice that contains it.
func TestAddressing(t *testing.T) {
	const n, key, stream = 203, 42, 1 << 40
	words, uniform, gaussian := make([]uint32, n), make([]float32, n), make([]float32, n)
	Words(key, stream, 0, words)
	Uniform(key, stream, 0, -1, 3, uniform)
	Gaussian(key, stream, 0, 0.5, 2, gaussian)
	for i, w := range words {
		if want := -1 + 4*Float32(w); uniform[i] != want {
			t.Fatalf("uniform %d is %g, want %g", i, uniform[i], want)
		}
	}
	for lo := range 20 {
		for _, hi := range []int{lo, lo + 1, lo + 2, lo + 3, lo + 7, n} {
			w, u, g := make([]uint32, hi-lo), make([]float32, hi-lo), make([]float32, hi-lo)
			Words(key, stream, uint64(lo), w)
			Uniform(key, stream, uint64(lo), -1, 3, u)
			Gaussian(key, stream, uint64(lo), 0.5, 2, g)
			if !slices.Equal(w, words[lo:hi]) {
				t.Errorf("words %d to %d differ", lo, hi)
			}
			kerneltest.SameBits(t, "uniform", u, uniform[lo:hi])
			kerneltest.SameBits(t, "gaussian", g, gaussian[lo:hi])
		}
	}
}

// TestMoments checks mean, deviation, tails and the lag-one correlation
// of a million numbers, within five of the statistic's own standard deviations.
func TestMoments(t *testing.T) {
	const n = 1 << 20
	x := make([]float32, n)
	check := func(name string, got, want, std float64) {
		if !(math.Abs(got-want) <= 5*std/math.Sqrt(n)) {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	moments := func() (mean, variance, lag float64) {
		mean = vec.Sum(x) / n
		for i, v := range x {
			d := float64(v) - mean
			variance += d * d / n
			lag += d * (float64(x[(i+1)%n]) - mean) / n
		}
		return mean, variance, lag
	}
	Uniform(7, 0, 0, 0, 1, x)
	mean, variance, lag := moments()
	check("mean of uniform", mean, 0.5, math.Sqrt(1./12))
	check("variance of uniform", variance, 1./12, math.Sqrt(1./180))
	check("correlation of uniform", lag, 0, 1./12)
	if lo, hi := slices.Min(x), slices.Max(x); lo < 0 || lo > 1e-4 || hi >= 1 || hi < 1-1e-4 {
		t.Errorf("uniform numbers from %g to %g", lo, hi)
	}
	Gaussian(7, 0, 0, 0, 1, x)
	mean, variance, lag = moments()
	check("mean of gaussian", mean, 0, 1)
	check("variance of gaussian", variance, 1, math.Sqrt2)
	check("correlation of gaussian", lag, 0, 1)
	far := 0.0
	for _, v := range x {
		if math.Abs(float64(v)) > 2 {
			far++
		}
	}
	check("share beyond two deviations", far/n, 0.0455, math.Sqrt(0.0455))
}

func TestDropoutMask(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		r := mrand.New(mrand.NewPCG(5, 1))
		for _, n := range []int{0, 1, 3, 4, 5, 15, 16, 31, 32, 33, 100, 3*vec.Block + 9} {
			words := make([]uint32, n)
			Words(1<<50+9, 1<<33+1, 0, words)
			want := make([]float32, n)
			kept := 0
			for i, w := range words {
				if float64(w) >= float64(float32(0.3))*0x1p32 {
					want[i] = 1.5
					kept++
				}
			}
			if n > 10000 && math.Abs(float64(kept)/float64(n)-0.7) > 0.01 {
				t.Errorf("%d of %d kept, want 70 %%", kept, n)
			}
			kerneltest.EachPool(func(threads string, p *parallel.Pool) {
				mask := kerneltest.Guarded(r, n)
				DropoutMask(p, 1<<50+9, 1<<33+1, 0.3, 1.5, mask)
				kerneltest.CheckGuards(t, "mask", mask)
				kerneltest.SameBits(t, "mask, threads "+threads, mask, want)
			})
		}
		// A block number whose lower half overflows.
		got, want := make([]float32, 128), make([]float32, 128)
		dropoutBlocks[cpu.Active()](got, 3, 4, math.MaxUint32-10, 1<<31, 1)
		dropoutBlocksGeneric(want, 3, 4, math.MaxUint32-10, 1<<31, 1)
		kerneltest.SameBits(t, "mask over a carry", got, want)

		mask := make([]float32, 1000)
		DropoutMask(nil, 1, 1, 0, 2, mask)
		if vec.Sum(mask) != 2000 {
			t.Errorf("ratio 0 drops elements: sum %g of 2000", vec.Sum(mask))
		}
	})
}
