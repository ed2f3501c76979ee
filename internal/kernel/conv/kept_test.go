package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// keptCases are convolutions that keep their weights, by each of the methods that can.
var keptCases = []Params{
	square(1, 20, 40, 1, 14, 3, 1, 1, 1), // fewTiles
	square(1, 140, 84, 2, 11, 3, 0, 1, 1),
	{1, 65, 33, 1, []int{1, 40}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false}, // F(2x2,3x3)
	square(1, 32, 64, 4, 9, 3, 1, 1, 1),                                                     // joined groups
	square(9, 182, 162, 1, 10, 3, 1, 1, 1),                                                  // two shares of the tiles
	square(2, 17, 20, 1, 9, 5, 2, 1, 1),
	square(1, 30, 100, 1, 7, 1, 0, 1, 1), // denseFew
	square(1, 520, 150, 1, 7, 1, 0, 1, 1),
	square(1, 60, 200, 2, 8, 1, 0, 1, 1),
	square(3, 20, 130, 1, 6, 1, 0, 1, 1),
	square(1, 50, 170, 1, 20, 1, 0, 2, 1),
	square(1, 100, 48, 1, 14, 1, 0, 1, 1), // tilesFew
	square(1, 200, 130, 1, 13, 1, 0, 1, 1),
	square(2, 30, 70, 1, 11, 3, 1, 2, 1),
	square(1, 40, 60, 2, 11, 3, 1, 2, 1),
	{1, 70, 50, 1, []int{9, 9}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, true},
}

// eachKept runs a test for each of them. With -short those that take Go's loops long are left out.
func eachKept(t *testing.T, test func(t *testing.T, params Params)) {
	for _, params := range keptCases {
		t.Run(fmt.Sprintf("%+v", params), func(t *testing.T) {
			c, err := New(params)
			if err != nil {
				t.Fatal(err)
			}
			if !testing.Short() || c.MACs() < 4<<20 {
				test(t, params)
			}
		})
	}
}

// TestKeepPacked checks that kept weights give the same bits as those packed anew, for any number
// of threads, and that they are packed again when their version changes, and only then.
func TestKeepPacked(t *testing.T) {
	eachKept(t, func(t *testing.T, params Params) {
		kerneltest.EachLevel(t, func(t *testing.T) {
			fresh, _ := New(params)
			c, _ := New(params)
			r := rand.New(rand.NewPCG(5, 6))
			weight, bias := make([]float32, params.Outputs*params.Channels/params.Group*size(params.Kernel)), make([]float32, params.Outputs)
			x := make([]float32, params.Batch*params.Channels*size(params.In))
			want, got := make([]float32, params.Batch*params.Outputs*size(fresh.out)), make([]float32, params.Batch*params.Outputs*size(fresh.out))
			version := uint64(0)
			kerneltest.EachPool(func(name string, p *parallel.Pool) {
				for range 2 {
					for _, s := range [][]float32{weight, bias, x} {
						kerneltest.FillNormal(r, s)
					}
					version++
					for pass := range 2 {
						kerneltest.Dirty(p)
						c.KeepPacked(version)
						c.Forward(p, x, weight, bias, got)
						fresh.Forward(p, x, weight, bias, want)
						kerneltest.SameBits(t, fmt.Sprintf("y, threads %s, pass %d", name, pass), got, want)
						kerneltest.FillNormal(r, x)
						if pass == 0 && c.kept.held == version {
							t.Error("the first run packs the weights to keep them")
						}
					}
					// The old weights are still in use while the version is the same.
					stale := append([]float32(nil), weight...)
					clear(weight)
					c.Forward(p, x, weight, bias, got)
					fresh.Forward(p, x, stale, bias, want)
					kerneltest.SameBits(t, "y of kept weights, threads "+name, got, want)
				}
			})
			if n := c.PackedSize(); n != len(c.kept.packed) || n < len(weight) {
				t.Errorf("PackedSize is %d, %d elements are kept of %d", n, len(c.kept.packed), len(weight))
			}
			c.KeepPacked(0)
			if c.kept.packed != nil {
				t.Error("KeepPacked(0) keeps weights")
			}
			c.Forward(nil, x, weight, bias, got)
			fresh.Forward(nil, x, weight, bias, want)
			kerneltest.SameBits(t, "y of weights not kept", got, want)
		})
	})
}

// TestKeepPackedElsewhere checks that weights of the same version are packed again for other
// micro-kernels and for another number of threads.
func TestKeepPackedElsewhere(t *testing.T) {
	eachKept(t, func(t *testing.T, params Params) {
		c, _ := New(params)
		c.KeepPacked(1)
		r := rand.New(rand.NewPCG(8, 9))
		x, weight := make([]float32, params.Batch*params.Channels*size(params.In)), make([]float32, params.Outputs*params.Channels/params.Group*size(params.Kernel))
		kerneltest.FillNormal(r, x)
		kerneltest.FillNormal(r, weight)
		want, got := make([]float32, params.Batch*params.Outputs*size(c.out)), make([]float32, params.Batch*params.Outputs*size(c.out))
		check := func(t *testing.T, name string, p *parallel.Pool) {
			fresh, _ := New(params)
			fresh.Forward(p, x, weight, nil, want)
			for range 3 {
				c.KeepPacked(1)
				c.Forward(p, x, weight, nil, got)
				kerneltest.SameBits(t, "y, threads "+name, got, want)
			}
		}
		kerneltest.EachLevel(t, func(t *testing.T) {
			kerneltest.EachPool(func(name string, p *parallel.Pool) { check(t, name, p) })
		})
		kerneltest.EachPool(func(name string, p *parallel.Pool) {
			kerneltest.EachLevel(t, func(t *testing.T) { check(t, name, p) })
		})
	})
}

// TestKeepPackedNot checks that nothing is kept where it would save no time.
func TestKeepPackedNot(t *testing.T) {
	for name, params := range map[string]Params{
		"few tiles":      square(1, 64, 64, 1, 7, 3, 1, 1, 1),
		"many tiles":     square(1, 16, 16, 1, 56, 3, 1, 1, 1),
		"many pixels":    square(8, 64, 64, 1, 28, 1, 0, 1, 1),
		"depthwise":      square(1, 32, 32, 32, 14, 3, 1, 1, 1),
		"three channels": square(1, 3, 32, 1, 30, 3, 1, 2, 1),
		"an empty batch": square(0, 64, 64, 1, 7, 1, 0, 1, 1),
	} {
		c, err := New(params)
		if err != nil {
			t.Fatal(err)
		}
		c.KeepPacked(1)
		c.Forward(nil, make([]float32, params.Batch*params.Channels*size(params.In)), make([]float32, params.Outputs*params.Channels/params.Group*size(params.Kernel)),
			nil, make([]float32, params.Batch*params.Outputs*size(c.out)))
		if n := c.PackedSize(); n != 0 || c.kept.packed != nil {
			t.Errorf("%s: PackedSize is %d, %d elements are kept, want none", name, n, len(c.kept.packed))
		}
	}
}

// TestKeepPackedFences checks that packing and reading kept weights stays within the arguments
// and within the memory for packed weights.
func TestKeepPackedFences(t *testing.T) {
	eachKept(t, func(t *testing.T, params Params) {
		c, _ := New(params)
		kerneltest.EachLevel(t, func(t *testing.T) {
			version := uint64(0)
			kerneltest.EachFence(t, "convolution", func(slice func(r *rand.Rand, n int) []float32) {
				r := rand.New(rand.NewPCG(3, 4))
				x, weight := slice(r, params.Batch*params.Channels*size(params.In)), slice(r, params.Outputs*params.Channels/params.Group*size(params.Kernel))
				bias, y := slice(r, params.Outputs), slice(r, params.Batch*params.Outputs*size(c.out))
				version++
				c.KeepPacked(version)
				c.kept.packed = slice(r, c.PackedSize())
				for range 3 {
					c.Forward(nil, x, weight, bias, y)
				}
			})
		})
	})
}
