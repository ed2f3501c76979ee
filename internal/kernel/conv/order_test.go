package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// fewBits returns n numbers of 11 bits and different sizes: the products of two are exact
// in float32, so that only the order of a sum decides how it is rounded.
func fewBits(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Ldexp(float64(r.IntN(4095)-2047), r.IntN(12)-16))
	}
	return x
}

// TestDirectOrder compares direct convolution with sums in the order of its definition, to
// the last bit: over channels, rows and columns, and then the bias.
func TestDirectOrder(t *testing.T) {
	for _, params := range some(slices.Concat(cases, randomCases(40))) {
		if len(params.In) == 0 {
			continue
		}
		params.Direct = true
		t.Run(fmt.Sprintf("%+v", params), func(t *testing.T) {
			c, err := New(params)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(7, 7))
			x := fewBits(r, params.Batch*params.Channels*size(params.In))
			weight := fewBits(r, params.Outputs*params.Channels/params.Group*size(params.Kernel))
			bias := fewBits(r, params.Outputs)
			want := make([]float32, params.Batch*params.Outputs*size(c.OutShape()))
			ref := &convReference{params, c.OutShape()}
			ref.each(func(xi, wi, yi int) { want[yi] += x[xi] * weight[wi] })
			for i := range want {
				want[i] += bias[i/size(c.OutShape())%params.Outputs]
			}
			kerneltest.EachLevel(t, func(t *testing.T) {
				p := parallel.NewPool(2)
				defer p.Close()
				got := make([]float32, len(want))
				c.Forward(p, x, weight, bias, got)
				kerneltest.SameBits(t, "y", got, want)
			})
		})
	}
}
