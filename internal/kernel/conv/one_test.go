package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestOneImage checks that an image alone, whose work is cut across the outputs,
// or by strips of them, has the same results as the same image among many, to the last bit,
// if the algorithm is the same.
func TestOneImage(t *testing.T) {
	for _, one := range some([]Params{
		square(1, 150, 90, 1, 14, 3, 1, 1, 1),
		square(1, 16, 16, 1, 7, 3, 1, 1, 1),
		square(1, 140, 84, 2, 9, 3, 0, 1, 1),
		{1, 65, 33, 1, []int{1, 40}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false}, // F(2x2,3x3)
		square(2, 70, 50, 1, 9, 5, 2, 1, 1),
		square(9, 182, 162, 1, 10, 3, 1, 1, 1), // two shares of the tiles, of 5 and 4 images
		square(1, 520, 150, 1, 7, 1, 0, 1, 1),
		square(1, 100, 600, 2, 15, 1, 0, 1, 1),
		square(3, 60, 900, 1, 13, 1, 0, 1, 1),
		square(1, 96, 170, 1, 20, 1, 0, 2, 1),
		square(1, 80, 112, 1, 14, 1, 0, 1, 1), // more pixels than outputs
		square(1, 50, 70, 1, 15, 1, 0, 3, 1),
		square(1, 550, 64, 1, 1, 1, 0, 1, 1),
		{1, 70, 400, 1, []int{5, 9, 7}, []int{1, 1, 1}, []int{0, 0, 0}, []int{1, 2, 2}, []int{1, 1, 1}, false},
		{1, 20, 40, 1, []int{30, 5}, []int{3, 3}, []int{1, 2}, []int{1, 1}, []int{1, 1}, false},
	}) {
		many := one
		many.Batch = 20
		t.Run(fmt.Sprint(one.Channels, one.Outputs, one.In, one.Stride), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				a, err := New(one)
				if err != nil {
					t.Fatal(err)
				}
				b, err := New(many)
				if err != nil {
					t.Fatal(err)
				}
				if fewOf(a) == fewOf(b) {
					t.Fatal("one image and many are computed alike")
				}
				r := rand.New(rand.NewPCG(7, 7))
				weight, bias := make([]float32, one.Outputs*one.Channels/one.Group*size(one.Kernel)), make([]float32, one.Outputs)
				x, dy := make([]float32, many.Batch*many.Channels*size(many.In)), make([]float32, many.Batch*many.Outputs*size(a.out))
				for _, s := range [][]float32{weight, bias, x, dy} {
					kerneltest.FillNormal(r, s)
				}
				y, dx := make([]float32, len(dy)), make([]float32, len(x))
				b.Forward(nil, x, weight, bias, y)
				b.BackwardData(nil, weight, dy, dx)
				kerneltest.EachPool(func(name string, p *parallel.Pool) {
					gotY, gotX := make([]float32, one.Batch*one.Outputs*size(a.out)), make([]float32, one.Batch*one.Channels*size(one.In))
					kerneltest.Dirty(p)
					a.Forward(p, x, weight, bias, gotY)
					kerneltest.SameBits(t, "y, threads "+name, gotY, y[:len(gotY)])
					kerneltest.Dirty(p)
					a.BackwardData(p, weight, dy, gotX)
					kerneltest.SameBits(t, "dx, threads "+name, gotX, dx[:len(gotX)])
				})
			})
		})
	}
}

// TestOneImageShares checks that threads have the same number of parts of a product that is cut
// across the outputs, or by strips of pixels.
func TestOneImageShares(t *testing.T) {
	for _, params := range []Params{
		square(1, 40, 384, 1, 7, 1, 0, 1, 1), square(1, 40, 700, 1, 7, 1, 0, 1, 1), square(1, 40, 2048, 1, 7, 1, 0, 1, 1), square(1, 40, 160, 1, 16, 1, 0, 1, 1),
	} {
		c, err := New(params)
		if err != nil {
			t.Fatal(err)
		}
		x, y := make([]float32, params.Channels*size(params.In)), make([]float32, params.Outputs*size(params.In))
		for threads := 1; threads <= 4; threads++ {
			p := parallel.NewPool(threads)
			c.Forward(p, x, make([]float32, params.Outputs*params.Channels), nil, y)
			p.Close()
			if c.direct.forward.few.beatsDense() {
				t.Fatal("another method computes the product")
			}
			if f := &c.direct.forward.dense.fewPixels; f.cuts*f.runs%threads != 0 {
				t.Errorf("%d outputs: %d threads have %d parts", params.Outputs, threads, f.cuts*f.runs)
			}
		}
	}
}

// fewOf reports whether a convolution is cut across its outputs.
func fewOf(c *Conv) bool {
	if c.winograd != nil {
		return c.winograd.forward.few() && c.winograd.data.few()
	}
	d := &c.direct.forward.dense
	c.direct.forward.prepare()
	d.micro = gemm.Active()
	return d.fits() && d.few()
}
