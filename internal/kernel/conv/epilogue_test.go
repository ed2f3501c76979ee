package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestForwardThen compares each way to compute a convolution together with an epilogue
// with the convolution and then the epilogue of all of y, to the last bit and for every
// number of threads.
func TestForwardThen(t *testing.T) {
	threads := []Params{
		square(9, 3, 20, 1, 33, 3, 1, 1, 1), square(3, 40, 20, 2, 50, 1, 0, 1, 1), square(9, 8, 8, 8, 70, 3, 1, 2, 1),
		square(1, 150, 90, 1, 14, 3, 1, 1, 1), square(1, 140, 84, 2, 9, 3, 0, 1, 1), square(2, 70, 50, 1, 9, 5, 2, 1, 1),
		square(1, 520, 150, 1, 7, 1, 0, 1, 1), square(1, 100, 600, 2, 15, 1, 0, 1, 1), square(1, 96, 170, 1, 20, 1, 0, 2, 1),
		{2, 16, 18, 1, []int{9, 8}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, true}, // the bias is added at the end
		square(1, 96, 200, 1, 17, 1, 0, 1, 1), square(1, 600, 96, 1, 33, 1, 0, 1, 1), square(33, 40, 70, 2, 18, 3, 1, 1, 1),
	}
	for i, params := range some(slices.Concat(cases, threads, randomCases(40))) {
		t.Run(fmt.Sprintf("%+v", params), func(t *testing.T) {
			kerneltest.EachLevel(t, func(t *testing.T) {
				c, err := New(params)
				if err != nil {
					t.Fatal(err)
				}
				r := rand.New(rand.NewPCG(5, uint64(i)))
				x, y := kerneltest.Guarded(r, params.Batch*params.Channels*size(params.In)), kerneltest.Guarded(r, params.Batch*params.Outputs*size(c.out))
				weight, bias := kerneltest.Guarded(r, params.Outputs*params.Channels/params.Group*c.geometry.taps), kerneltest.Guarded(r, params.Outputs)
				channel := func() []float32 { return kerneltest.Guarded(r, params.Outputs) }
				slopes, ofGroups := make([]float32, params.Outputs), make([]float32, params.Outputs)
				kerneltest.Fill(slopes, 0.25)
				for o := range ofGroups {
					ofGroups[o] = 0.25 + float32(o/c.groupOutputs())
				}
				for name, e := range map[string]*norm.Epilogue{
					"one slope":          {Slope: slopes},
					"one slope a group":  {Slope: ofGroups},
					"affine, one slope":  {Mean: channel(), Scale: channel(), Shift: channel(), Slope: slopes},
					"rectifier":          {Slope: channel()},
					"affine":             {Mean: channel(), Scale: channel(), Shift: channel()},
					"factor, sum, slope": {Scale: channel(), Add: kerneltest.Guarded(r, len(y)), Slope: channel()},
				} {
					want := make([]float32, len(y))
					c.Forward(nil, x, weight, bias, want)
					raw := slices.Clone(want)
					e.Run(nil, params.Batch, params.Outputs, size(c.out), want)
					if len(want) > 20 && slices.Equal(raw, want) {
						t.Fatalf("%s: the epilogue changes nothing", name)
					}
					kerneltest.EachPool(func(threads string, p *parallel.Pool) {
						got := make([]float32, len(y))
						c.ForwardThen(p, x, weight, bias, got, e)
						kerneltest.SameBits(t, name+", threads "+threads, got, want)
					})
				}
			})
		})
	}
}

// TestForwardThenRounded is TestForwardThen with operands rounded to bfloat16.
func TestForwardThenRounded(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		params := square(2, 64, 64, 1, 14, 3, 1, 1, 1)
		c, err := NewRounded(params)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(9, 9))
		x, weight := kerneltest.Guarded(r, 2*64*14*14), kerneltest.Guarded(r, 64*64*9)
		want, got := make([]float32, 2*64*14*14), make([]float32, 2*64*14*14)
		e := &norm.Epilogue{Mean: kerneltest.Guarded(r, 64), Scale: kerneltest.Guarded(r, 64), Add: kerneltest.Guarded(r, len(want)), Slope: make([]float32, 64)}
		c.Forward(nil, x, weight, nil, want)
		e.Run(nil, 2, 64, 14*14, want)
		c.ForwardThen(nil, x, weight, nil, got, e)
		kerneltest.SameBits(t, "y", got, want)
	})
}
