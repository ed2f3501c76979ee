package conv

import (
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// TestStreams checks that results do not change when they are written past the caches.
func TestStreams(t *testing.T) {
	defer func(n int) { streamSize = n }(streamSize)
	params := square(6, 32, 48, 1, 16, 3, 1, 1, 1)
	c, err := New(params)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	x, weight := make([]float32, 6*32*256), make([]float32, 48*32*9)
	kerneltest.FillNormal(r, x)
	kerneltest.FillNormal(r, weight)
	kerneltest.EachLevel(t, func(t *testing.T) {
		if gemm.Active().Stream == nil {
			return
		}
		var want []float32
		for _, streamSize = range []int{1 << 30, 0} {
			got := make([]float32, 6*48*256) // allocations of at least 32 KB start at a line
			if streamSize == 0 && !streams(got, 256) {
				t.Fatal("does not stream")
			}
			c.Forward(nil, x, weight, nil, got)
			if want == nil {
				want = got
			}
			kerneltest.SameBits(t, "result", got, want)
		}
	})
}
