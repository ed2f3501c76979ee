package norm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

func TestSoftmax(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, shape := range [][3]int{{1, 1, 1}, {5, 10, 1}, {300, 100, 1}, {2, 4, 3}, {3, 5, 2*softmaxChunk + 3}, {1, 300, 3*softmaxLeast + 5}, {0, 2, 3}} {
			outer, channels, inner := shape[0], shape[1], shape[2]
			r := rand.New(rand.NewPCG(3, 2))
			n := outer * channels * inner
			x, dy := kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
			for i := range x {
				x[i] = 30*x[i] + 1000 // overflows unless the maximum is subtracted
			}
			y, dx := make([]float64, n), make([]float64, n)
			for o := range outer {
				for k := range inner {
					at := func(ch int) int { return (o*channels+ch)*inner + k }
					var sum, dot float64
					for ch := range channels {
						y[at(ch)] = math.Exp(float64(x[at(ch)]) - 1000)
						sum += y[at(ch)]
					}
					for ch := range channels {
						y[at(ch)] /= sum
						dot += y[at(ch)] * float64(dy[at(ch)])
					}
					for ch := range channels {
						dx[at(ch)] = (float64(dy[at(ch)]) - dot) * y[at(ch)]
					}
				}
			}
			var first, firstDx []float32
			kerneltest.EachPool(func(threads string, p *parallel.Pool) {
				gotY, gotDx := kerneltest.Guarded(r, n), kerneltest.Guarded(r, n)
				Softmax(p, outer, channels, inner, x, gotY)
				kerneltest.Near(t, "y", gotY, y, 8*kerneltest.Eps)
				kerneltest.CheckGuards(t, "y", gotY)
				SoftmaxBackward(p, outer, channels, inner, gotY, dy, gotDx)
				kerneltest.Near(t, "dx", gotDx, dx, 64*kerneltest.Eps)
				kerneltest.CheckGuards(t, "dx", gotDx)
				if first == nil {
					first, firstDx = gotY, gotDx
				}
				kerneltest.SameBits(t, "y, threads "+threads, gotY, first)
				kerneltest.SameBits(t, "dx, threads "+threads, gotDx, firstDx)

				copy(gotDx, x)
				Softmax(p, outer, channels, inner, gotDx, gotDx)
				kerneltest.SameBits(t, "in place", gotDx, first)
				copy(gotDx, dy)
				SoftmaxBackward(p, outer, channels, inner, first, gotDx, gotDx)
				kerneltest.SameBits(t, "backward in place", gotDx, firstDx)
			})
		}
	})
}
