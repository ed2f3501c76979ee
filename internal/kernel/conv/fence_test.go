package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// TestFences checks that no convolution touches memory next to its arguments.
func TestFences(t *testing.T) {
	for _, params := range some(slices.Concat(cases, roundedCases, randomCases(40))) {
		t.Run(fmt.Sprintf("%+v", params), func(t *testing.T) {
			c, err := New(params)
			if err != nil {
				t.Fatal(err)
			}
			check := func(t *testing.T, c *Conv) {
				r := rand.New(rand.NewPCG(2, 7))
				kerneltest.EachFence(t, "convolution", func(slice func(r *rand.Rand, n int) []float32) {
					x := slice(r, params.Batch*params.Channels*size(params.In))
					weight := slice(r, params.Outputs*params.Channels/params.Group*size(params.Kernel))
					bias := slice(r, params.Outputs)
					y := slice(r, params.Batch*params.Outputs*size(c.OutShape()))
					c.Forward(nil, x, weight, bias, y)
					c.BackwardData(nil, weight, y, x)
					c.BackwardWeights(nil, x, y, weight, bias)
					c.BackwardBias(nil, y, bias)
				})
			}
			// Go's loops are too slow for large cases, and smaller ones test them.
			large := c.MACs() > 1<<18
			kerneltest.EachLevel(t, func(t *testing.T) {
				if !large || cpu.Active() != cpu.Generic {
					check(t, c)
				}
			})
			rounded := roundedConv(t, params)
			eachVariant(t, func(t *testing.T) {
				if !large || bf16.Active().Name != "generic" {
					check(t, rounded)
				}
			})
		})
	}
}
