package kernel

import (
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

var (
	sumLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/block] = kernel.Sum64(v.a[i:j]) }}
	asumLoop  = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/block] = kernel.Asum(v.a[i:j]) }}
	sumSqLoop = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/block] = kernel.SumSq(v.a[i:j]) }}
	dotLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/block] = kernel.Dot(v.a[i:j], v.b[i:j]) }}
	maxLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/block] = float64(kernel.Max(v.a[i:j])) }}
	badLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) {
		v.sums[i/block] = 0
		if kernel.AnyNonFinite(v.a[i:j]) {
			v.sums[i/block] = 1
		}
	}}
)

// blockSums keeps the slices in which loops leave the results of their blocks.
var blockSums parallel.FreeList[[]float64]

// reduce runs a loop over blocks of a and b, and combines the blocks' results in
// their order.
func reduce(p *parallel.Pool, loop *vectorLoop, a, b []float32, combine func(x, y float64) float64) float64 {
	sums := blockSums.Get()
	if n := (len(a) + block - 1) / block; cap(*sums) < n {
		*sums = make([]float64, n)
	} else {
		*sums = (*sums)[:n]
	}
	loop.Run(p, len(a), block, vectors{a: a, b: b, sums: *sums})
	result := (*sums)[0]
	for _, s := range (*sums)[1:] {
		result = combine(result, s)
	}
	blockSums.Put(sums)
	return result
}

func plus(x, y float64) float64 { return x + y }

// Sum returns the sum of x, added in float64.
func Sum(p *parallel.Pool, x []float32) float64 {
	if len(x) <= block {
		return kernel.Sum64(x)
	}
	return reduce(p, &sumLoop, x, nil, plus)
}

// Asum returns the sum of the absolute values of x, added in float64.
func Asum(p *parallel.Pool, x []float32) float64 {
	if len(x) <= block {
		return kernel.Asum(x)
	}
	return reduce(p, &asumLoop, x, nil, plus)
}

// SumSq returns the sum of the squares of x, added in float64.
func SumSq(p *parallel.Pool, x []float32) float64 {
	if len(x) <= block {
		return kernel.SumSq(x)
	}
	return reduce(p, &sumSqLoop, x, nil, plus)
}

// Dot returns the inner product of a and the first len(a) elements of b, added
// in float64.
func Dot(p *parallel.Pool, a, b []float32) float64 {
	if len(a) <= block {
		return kernel.Dot(a, b)
	}
	check("Dot", len(b), len(a))
	return reduce(p, &dotLoop, a, b, plus)
}

// Max returns the largest element of x, ignoring NaN, or -Inf if there is none.
func Max(p *parallel.Pool, x []float32) float32 {
	if len(x) <= block {
		return kernel.Max(x)
	}
	return float32(reduce(p, &maxLoop, x, nil, math.Max))
}

// AnyNonFinite reports whether x contains a NaN or an infinity.
func AnyNonFinite(p *parallel.Pool, x []float32) bool {
	if len(x) <= block {
		return kernel.AnyNonFinite(x)
	}
	return reduce(p, &badLoop, x, nil, plus) != 0
}
