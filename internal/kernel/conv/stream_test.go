package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// TestStreams checks that results do not change when they are written past the caches.
func TestStreams(t *testing.T) {
	defer func(n int) { streamSize = n }(streamSize)
	for _, params := range []Params{
		square(6, 32, 48, 1, 16, 3, 1, 1, 1),  // by Winograd's algorithm
		square(17, 16, 16, 1, 16, 5, 2, 1, 1), // by Fourier transforms
		square(4, 40, 40, 40, 16, 3, 1, 1, 1), // depthwise
		square(4, 40, 40, 40, 32, 3, 1, 1, 1), // the same by vectors of pixels
		square(3, 40, 40, 40, 64, 3, 1, 2, 1), // with phases
		square(3, 48, 48, 48, 48, 7, 3, 2, 1), // several bands
	} {
		t.Run(fmt.Sprint(params), func(t *testing.T) {
			c, err := New(params)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(7, 7))
			x, dy := make([]float32, params.Batch*params.Channels*c.inSize), make([]float32, params.Batch*params.Outputs*c.outSize)
			weight := make([]float32, params.Outputs*params.Channels/params.Group*size(params.Kernel))
			for _, s := range [][]float32{x, dy, weight} {
				kerneltest.FillNormal(r, s)
			}
			kerneltest.EachLevel(t, func(t *testing.T) {
				if gemm.Active().Stream == nil {
					return
				}
				var wantY, wantX []float32
				for _, streamSize = range []int{1 << 30, 0} {
					y, dx := make([]float32, len(dy)), make([]float32, len(x)) // allocations of at least 32 KB start at a line
					if streamSize == 0 && (!streams(y, c.outSize) || !streams(dx, c.inSize)) {
						t.Fatal("does not stream")
					}
					c.Forward(nil, x, weight, nil, y)
					c.BackwardData(nil, weight, dy, dx)
					if p := c.direct; depthwise(c.geometry) && (p.forward.byRows() && p.forward.rows.stream || p.forward.bySingles() && p.forward.singles.stream) != (streamSize == 0) {
						t.Error("y is not written past the caches, or is always")
					}
					if p := c.direct; p != nil && p.phases != nil && (p.phases.rows.stream || p.phases.singles.stream) != (streamSize == 0) {
						t.Error("dx is not written past the caches, or is always")
					}
					if wantY == nil {
						wantY, wantX = y, dx
					}
					kerneltest.SameBits(t, "y", y, wantY)
					kerneltest.SameBits(t, "dx", dx, wantX)
				}
			})
		})
	}
}
