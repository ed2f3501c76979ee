package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
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
			kerneltest.EachLevel(t, func(t *testing.T) { check(t, c) })
			rounded := roundedConv(t, params)
			eachVariant(t, func(t *testing.T) {
				if c.MACs() > 1<<20 && bf16.Active().Name == "generic" {
					return // too slow in Go, which smaller cases test
				}
				check(t, rounded)
			})
		})
	}
}
