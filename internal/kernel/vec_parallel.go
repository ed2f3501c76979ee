package kernel

import "github.com/gocaffe/gocaffe/parallel"

// The functions of this file are those of vec.go, cut into blocks of vecBlock elements for a Pool. They are worth their price from
// about two blocks on.

type vecArgs struct {
	dst, a, b   []float32
	alpha, beta float32
	sums        []float64 // one of each block
}

var (
	fillJob     = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().fill(v.dst[lo:hi], v.alpha) }}
	copyJob     = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { copy(v.dst[lo:hi], v.a[lo:hi]) }}
	axpyJob     = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().axpy(v.alpha, v.a[lo:hi], v.dst[lo:hi]) }}
	axpbyJob    = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().axpby(v.alpha, v.a[lo:hi], v.beta, v.dst[lo:hi]) }}
	scaleJob    = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().scale(v.alpha, v.a[lo:hi], v.dst[lo:hi]) }}
	shiftJob    = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().scaleShift(v.dst[lo:hi], v.a[lo:hi], v.alpha, v.beta) }}
	addJob      = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().add(v.dst[lo:hi], v.a[lo:hi], v.b[lo:hi]) }}
	subJob      = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().sub(v.dst[lo:hi], v.a[lo:hi], v.b[lo:hi]) }}
	mulJob      = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().mul(v.dst[lo:hi], v.a[lo:hi], v.b[lo:hi]) }}
	reluJob     = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().relu(v.dst[lo:hi], v.a[lo:hi], v.alpha) }}
	reluGradJob = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) {
		vec().reluGrad(v.dst[lo:hi], v.a[lo:hi], v.b[lo:hi], v.alpha)
	}}
	expJob     = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().exp(v.dst[lo:hi], v.a[lo:hi]) }}
	sigmoidJob = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().sigmoid(v.dst[lo:hi], v.a[lo:hi]) }}
	tanhJob    = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { vec().tanh(v.dst[lo:hi], v.a[lo:hi]) }}

	sumJob   = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { v.sums[lo/vecBlock] = vec().sum(v.a[lo:hi]) }}
	asumJob  = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { v.sums[lo/vecBlock] = vec().asum(v.a[lo:hi]) }}
	sumSqJob = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { v.sums[lo/vecBlock] = vec().sumSq(v.a[lo:hi]) }}
	dotJob   = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) { v.sums[lo/vecBlock] = vec().dot(v.a[lo:hi], v.b[lo:hi]) }}
	finJob   = parallel.Loop[vecArgs]{Body: func(v *vecArgs, _, lo, hi int) {
		v.sums[lo/vecBlock] = 0
		if vec().anyNonFinite(v.a[lo:hi]) {
			v.sums[lo/vecBlock] = 1
		}
	}}
)

// FillP is Fill on the threads of p.
func FillP(p *Pool, dst []float32, v float32) {
	fillJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, alpha: v})
}

// CopyP copies the first len(dst) numbers of x to dst on the threads of p.
func CopyP(p *Pool, dst, x []float32) {
	vecCheck("CopyP", len(x), len(dst))
	copyJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: x})
}

// AxpyP is Axpy on the threads of p.
func AxpyP(p *Pool, alpha float32, x, y []float32) {
	vecCheck("AxpyP", len(x), len(y))
	axpyJob.Run(p, len(y), vecBlock, vecArgs{dst: y, a: x, alpha: alpha})
}

// AxpbyP is Axpby on the threads of p.
func AxpbyP(p *Pool, alpha float32, x []float32, beta float32, y []float32) {
	vecCheck("AxpbyP", len(x), len(y))
	axpbyJob.Run(p, len(y), vecBlock, vecArgs{dst: y, a: x, alpha: alpha, beta: beta})
}

// ScaleP is Scale on the threads of p.
func ScaleP(p *Pool, alpha float32, x, dst []float32) {
	vecCheck("ScaleP", len(x), len(dst))
	scaleJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: x, alpha: alpha})
}

// ScaleShiftP is ScaleShift on the threads of p.
func ScaleShiftP(p *Pool, dst, x []float32, scale, shift float32) {
	vecCheck("ScaleShiftP", len(x), len(dst))
	shiftJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: x, alpha: scale, beta: shift})
}

// AddP is Add on the threads of p.
func AddP(p *Pool, dst, a, b []float32) {
	vecCheck("AddP", min(len(a), len(b)), len(dst))
	addJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: a, b: b})
}

// SubP is Sub on the threads of p.
func SubP(p *Pool, dst, a, b []float32) {
	vecCheck("SubP", min(len(a), len(b)), len(dst))
	subJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: a, b: b})
}

// MulP is Mul on the threads of p.
func MulP(p *Pool, dst, a, b []float32) {
	vecCheck("MulP", min(len(a), len(b)), len(dst))
	mulJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: a, b: b})
}

// ReLUP is ReLU on the threads of p.
func ReLUP(p *Pool, dst, x []float32, slope float32) {
	vecCheck("ReLUP", len(x), len(dst))
	reluJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: x, alpha: slope})
}

// ReLUGradP is ReLUGrad on the threads of p.
func ReLUGradP(p *Pool, dx, x, dy []float32, slope float32) {
	vecCheck("ReLUGradP", min(len(x), len(dy)), len(dx))
	reluGradJob.Run(p, len(dx), vecBlock, vecArgs{dst: dx, a: x, b: dy, alpha: slope})
}

// ExpP is Exp on the threads of p.
func ExpP(p *Pool, dst, x []float32) {
	vecCheck("ExpP", len(x), len(dst))
	expJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: x})
}

// SigmoidP is Sigmoid on the threads of p.
func SigmoidP(p *Pool, dst, x []float32) {
	vecCheck("SigmoidP", len(x), len(dst))
	sigmoidJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: x})
}

// TanHP is TanH on the threads of p.
func TanHP(p *Pool, dst, x []float32) {
	vecCheck("TanHP", len(x), len(dst))
	tanhJob.Run(p, len(dst), vecBlock, vecArgs{dst: dst, a: x})
}

// SumP is Sum64 on the threads of p, the blocks' sums added in their order.
func SumP(p *Pool, x []float32) float64 { return reduceP(p, &sumJob, x, nil) }

// AsumP is Asum on the threads of p, the blocks' sums added in their order.
func AsumP(p *Pool, x []float32) float64 { return reduceP(p, &asumJob, x, nil) }

// SumSqP is SumSq on the threads of p, the blocks' sums added in their order.
func SumSqP(p *Pool, x []float32) float64 { return reduceP(p, &sumSqJob, x, nil) }

// DotP is Dot on the threads of p, the blocks' sums added in their order.
func DotP(p *Pool, a, b []float32) float64 {
	vecCheck("DotP", len(b), len(a))
	return reduceP(p, &dotJob, a, b)
}

// AnyNonFiniteP is AnyNonFinite on the threads of p.
func AnyNonFiniteP(p *Pool, x []float32) bool { return reduceP(p, &finJob, x, nil) != 0 }

func reduceP(p *Pool, j *parallel.Loop[vecArgs], a, b []float32) float64 {
	sums := newPartials((len(a) + vecBlock - 1) / vecBlock)
	j.Run(p, len(a), vecBlock, vecArgs{a: a, b: b, sums: *sums})
	var total float64
	for _, s := range *sums {
		total += s
	}
	freePartials(sums)
	return total
}
