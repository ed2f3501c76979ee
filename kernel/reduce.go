package kernel

import (
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

var (
	sumLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/vec.Block] = vec.Sum(v.a[i:j]) }}
	asumLoop  = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/vec.Block] = vec.Asum(v.a[i:j]) }}
	sumSqLoop = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/vec.Block] = vec.SumSq(v.a[i:j]) }}
	dotLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/vec.Block] = vec.Dot(v.a[i:j], v.b[i:j]) }}
	maxLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) { v.sums[i/vec.Block] = float64(vec.Max(v.a[i:j])) }}
	badLoop   = vectorLoop{Body: func(v *vectors, _, i, j int) {
		v.sums[i/vec.Block] = 0
		if vec.AnyNonFinite(v.a[i:j]) {
			v.sums[i/vec.Block] = 1
		}
	}}
)

// reduce runs a loop over blocks of a and b, and combines the blocks' results in
// their order.
func reduce(p *parallel.Pool, loop *vectorLoop, a, b []float32, combine func(x, y float64) float64) float64 {
	sums := vec.NewSums((len(a) + vec.Block - 1) / vec.Block)
	loop.Run(p, len(a), vec.Block, vectors{a: a, b: b, sums: *sums})
	result := (*sums)[0]
	for _, s := range (*sums)[1:] {
		result = combine(result, s)
	}
	vec.FreeSums(sums)
	return result
}

func plus(x, y float64) float64 { return x + y }

// Sum returns the sum of x, added in float64.
func Sum(p *parallel.Pool, x []float32) float64 {
	if len(x) <= vec.Block {
		return vec.Sum(x)
	}
	return reduce(p, &sumLoop, x, nil, plus)
}

// Asum returns the sum of the absolute values of x, added in float64.
func Asum(p *parallel.Pool, x []float32) float64 {
	if len(x) <= vec.Block {
		return vec.Asum(x)
	}
	return reduce(p, &asumLoop, x, nil, plus)
}

// SumSq returns the sum of the squares of x, added in float64.
func SumSq(p *parallel.Pool, x []float32) float64 {
	if len(x) <= vec.Block {
		return vec.SumSq(x)
	}
	return reduce(p, &sumSqLoop, x, nil, plus)
}

// Dot returns the inner product of a and the first len(a) elements of b, added
// in float64.
func Dot(p *parallel.Pool, a, b []float32) float64 {
	if len(a) <= vec.Block {
		return vec.Dot(a, b)
	}
	vec.Check("Dot", len(b), len(a))
	return reduce(p, &dotLoop, a, b, plus)
}

// Max returns the largest element of x, ignoring NaN, or -Inf if there is none.
func Max(p *parallel.Pool, x []float32) float32 {
	if len(x) <= vec.Block {
		return vec.Max(x)
	}
	return float32(reduce(p, &maxLoop, x, nil, math.Max))
}

// AnyNonFinite reports whether x contains a NaN or an infinity.
func AnyNonFinite(p *parallel.Pool, x []float32) bool {
	if len(x) <= vec.Block {
		return vec.AnyNonFinite(x)
	}
	return reduce(p, &badLoop, x, nil, plus) != 0
}
