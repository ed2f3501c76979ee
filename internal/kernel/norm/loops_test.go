package norm

import (
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

func TestLoops(t *testing.T) {
	kerneltest.CheckMaps(t, []kerneltest.Map{
		{Name: "normalize", Inputs: 1,
			Run:  func(y, a, _, _ []float32) { active().normalize(y, a, 0.5, 3) },
			Want: func(_, a, _, _ float64) float64 { return (a - 0.5) * 3 }},
		{Name: "normalizeGrad", Inputs: 2,
			Run:  func(y, a, b, _ []float32) { active().normalizeGrad(y, a, b, 0.25, -0.5, 3) },
			Want: func(_, a, b, _ float64) float64 { return (a - 0.25 + 0.5*b) * 3 }},
		{Name: "mulAxpy", Inputs: 2,
			Run:  func(y, a, b, _ []float32) { active().mulAxpy(0.75, a, b, y) },
			Want: func(y, a, b, _ float64) float64 { return y + 0.75*a*b }},
	})
	kerneltest.CheckSums(t, []kerneltest.Sum{
		{Name: "sumAndSquares' sum",
			Run:  func(a, _ []float32) float64 { s, _ := active().sumAndSquares(a); return s },
			Term: func(a, _ float64) float64 { return a }},
		{Name: "sumAndSquares' squares",
			Run:  func(a, _ []float32) float64 { _, q := active().sumAndSquares(a); return q },
			Term: func(a, _ float64) float64 { return a * a }},
		{Name: "sumAndDot's sum",
			Run:  func(a, b []float32) float64 { s, _ := active().sumAndDot(a, b); return s },
			Term: func(a, _ float64) float64 { return a }},
		{Name: "sumAndDot's dot",
			Run:  func(a, b []float32) float64 { _, d := active().sumAndDot(a, b); return d },
			Term: func(a, b float64) float64 { return a * b }},
	})
}

func TestAllocations(t *testing.T) {
	p := parallel.NewPool(2)
	defer p.Close()
	const n, c, h, w = 2, 9, 300, 20
	const s = h * w
	x, y, z := make([]float32, n*c*s), make([]float32, n*c*s), make([]float32, n*c*s)
	vec.Fill(1, x)
	a, b := make([]float32, c), make([]float32, c)
	sum, dot := make([]float64, c), make([]float64, c)
	norm := Norm{Eps: 1e-5, Factor: a, Shift: b}
	norm.Resize(n, c, s)
	residual := Norm{Eps: 1e-5, Add: y, Slope: 0.5}
	residual.Resize(n, c, s)
	dys := [][]float32{y, y}
	small := Norm{Eps: 1e-5, Factor: a, Shift: b}
	small.Resize(rowItems, c, smallPlane)
	var left ItemGrad
	kerneltest.AllocatesNothing(t, map[string]func(){
		"ChannelScaleShift":        func() { ChannelScaleShift(p, n, c, s, x, a, b, z) },
		"ChannelSum":               func() { ChannelSum(p, n, c, s, x, a) },
		"ChannelDot":               func() { ChannelDot(p, n, c, s, x, y, a) },
		"ChannelStats":             func() { ChannelStats(p, n, c, s, x, a, b) },
		"ChannelNormalize":         func() { ChannelNormalize(p, n, c, s, x, a, b, z) },
		"ChannelNormalizeBackward": func() { ChannelNormalizeBackward(p, n, c, s, y, b, x, z) },
		"Norm.Forward":             func() { norm.Forward(p, x, z) },
		"Norm.ForwardBatch":        func() { norm.ForwardBatch(p, x, z) },
		"Norm.Backward":            func() { norm.Backward(p, true, x, y, y, sum, dot) },
		"Norm.ForwardBatch, Add":   func() { residual.ForwardBatch(p, x, z) },
		"Norm.BackwardAdd":         func() { residual.BackwardAdd(p, true, x, y, dys, y, z, sum, dot) },
		"small planes":             func() { small.ForwardBatch(p, x, z); small.Backward(p, true, x, y, y, sum, dot) },
		"small planes, later":      func() { small.BackwardLater(p, true, x, y, z, sum, dot, &left); left.Finish(p) },
		"LRNForward":               func() { LRNForward(p, n, c, s, 5, 1e-4, 0.75, 1, x, z) },
		"LRNBackward":              func() { LRNBackward(p, n, c, s, 5, 1e-4, 0.75, 1, x, y, z) },
		"LRNWithinForward":         func() { LRNWithinForward(p, n*c, h, w, 3, 1e-4, 0.75, x, z) },
		"LRNWithinBackward":        func() { LRNWithinBackward(p, n*c, h, w, 3, 1e-4, 0.75, x, y, z) },
		"LRNWithin, other windows": func() { LRNWithinForward(p, n*c, h, w, 5, 1e-4, 0.75, x, z) },
		"Softmax, rows":            func() { Softmax(p, n*s, c, 1, x, z) },
		"Softmax, columns":         func() { Softmax(p, n, c, s, x, z) },
		"SoftmaxBackward":          func() { SoftmaxBackward(p, n, c, s, y, x, z) },
	})
}

// TestColumnSums compares the sums of columns with those of one column after the other.
func TestColumnSums(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		kerneltest.EachFence(t, "sums of columns", func(slice func(r *rand.Rand, n int) []float32) {
			r := rand.New(rand.NewPCG(4, 9))
			for columns := 1; columns <= 70; columns++ {
				for _, size := range [][2]int{{1, columns}, {2, columns}, {5, columns + 3}} {
					rows, stride := size[0], size[1]
					n := (rows-1)*stride + columns
					a, b := slice(r, n), slice(r, n)
					sum, dot := make([]float64, columns+1), make([]float64, columns+1)
					sum[columns], dot[columns] = 7, 7
					active().columnSums(a, b, stride, rows, sum[:columns], dot[:columns])
					for j := range columns {
						var s, d float64
						for i := j; i < n; i += stride {
							s += float64(a[i])
							d += float64(a[i]) * float64(b[i])
						}
						if sum[j] != s || dot[j] != d {
							t.Fatalf("%d rows of %d columns: sums %d are %g and %g, want %g and %g", rows, columns, j, sum[j], dot[j], s, d)
						}
					}
					if sum[columns] != 7 || dot[columns] != 7 {
						t.Fatalf("%d columns: wrote behind the sums", columns)
					}
				}
			}
		})
	})
}

// TestInvStd checks that all levels round like Go's loop.
func TestInvStd(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		kerneltest.EachFence(t, "1/√(variance + eps)", func(slice func(r *rand.Rand, n int) []float32) {
			r := rand.New(rand.NewPCG(4, 10))
			for n := range 70 {
				variance, got, want := slice(r, n), slice(r, n), make([]float32, n)
				for i, v := range variance {
					variance[i] = v * v
				}
				InvStd(1e-5, variance, got)
				invStdGeneric(want, variance, 1e-5)
				kerneltest.SameBits(t, "1/√(variance + eps)", got, want)
			}
		})
	})
}
