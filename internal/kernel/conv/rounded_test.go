package conv

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/bf16"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// Cases for rounded operands only: several panels and parts of the channels and the outputs, bands,
// chunks of several images, phases of the source, rows that fill runs.
var roundedCases = []Params{
	square(2, 64, 150, 1, 16, 3, 1, 1, 1),
	square(1, 16, 16, 1, 64, 3, 1, 1, 1),
	square(3, 32, 48, 1, 32, 3, 1, 1, 1),
	square(9, 32, 40, 1, 7, 3, 1, 1, 1),
	square(2, 130, 40, 1, 14, 3, 1, 2, 1),
	square(2, 24, 40, 1, 56, 1, 0, 2, 1),
	square(1, 3, 64, 1, 60, 7, 3, 2, 1),
	square(2, 16, 34, 2, 21, 5, 2, 3, 1),
	square(1, 300, 20, 1, 5, 3, 1, 1, 1),
}

func eachVariant(t *testing.T, f func(t *testing.T)) {
	for _, u := range bf16.Variants() {
		t.Run(u.Name, func(t *testing.T) {
			bf16.Use(u)
			defer bf16.Use(nil)
			f(t)
		})
	}
}

// roundedConv returns a convolution that rounds its operands, whatever NewRounded would choose.
func roundedConv(t *testing.T, p Params) *Conv {
	t.Helper()
	c, err := NewRounded(p)
	if err != nil {
		t.Fatal(err)
	}
	if c.rounded == nil {
		c.rounded = &rounded{geometry: c.geometry}
	}
	return c
}

// The products are those of the rounded operands, up to the rounding of sums.
func TestRounded(t *testing.T) {
	for _, params := range some(slices.Concat(cases, roundedCases, randomCases(40))) {
		t.Run(fmt.Sprintf("%+v", params), func(t *testing.T) {
			c := roundedConv(t, params)
			if !c.rounded.plan() {
				t.Fatal("there is no plan")
			}
			out := c.OutShape()
			r := rand.New(rand.NewPCG(2, uint64(params.Channels)))
			outs, taps := size(out), size(params.Kernel)
			x := kerneltest.Guarded(r, params.Batch*params.Channels*size(params.In))
			weight := kerneltest.Guarded(r, params.Outputs*params.Channels/params.Group*taps)
			bias := kerneltest.Guarded(r, params.Outputs)
			dy := kerneltest.Guarded(r, params.Batch*params.Outputs*outs)
			rounded := func(x []float32) []float64 {
				y := make([]float64, len(x))
				for i, v := range x {
					y[i] = float64(bf16.ToFloat32(bf16.FromFloat32(v)))
				}
				return y
			}
			rx, rw, rdy := rounded(x), rounded(weight), rounded(dy)
			y, dx, dweight := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(weight))
			ref := &convReference{params, out}
			ref.each(func(xi, wi, yi int) {
				y[yi] += rx[xi] * rw[wi]
				dx[xi] += rdy[yi] * rw[wi]
				dweight[wi] += rdy[yi] * rx[xi]
			})
			yBias, dbias := make([]float64, len(y)), make([]float64, len(bias))
			for i, v := range dy {
				o := i / outs % params.Outputs
				yBias[i] = y[i] + float64(bias[o])
				dbias[o] += float64(v) // is not a product, and not rounded
			}
			terms, sums := params.Channels*taps, params.Batch*outs
			large := c.MACs() > 1<<20
			eachVariant(t, func(t *testing.T) {
				if large && bf16.Active().Name == "generic" {
					return // too slow in Go, which smaller cases test
				}
				p := parallel.NewPool(2)
				defer p.Close()
				c.BackwardWeights(p, x, dy, make([]float32, len(weight)), nil) // allocates workspaces
				got := kerneltest.Guarded(r, len(dy))
				kerneltest.Fill(got, kerneltest.Guard)
				kerneltest.Dirty(p)
				c.Forward(p, x, weight, bias, got)
				kerneltest.CheckGuards(t, "y", got)
				closeTo(t, "y with bias", got, yBias, terms)
				kerneltest.Fill(got, kerneltest.Guard)
				kerneltest.Dirty(p)
				c.Forward(p, x, weight, nil, got)
				closeTo(t, "y", got, y, terms)

				got = kerneltest.Guarded(r, len(x))
				kerneltest.Fill(got, kerneltest.Guard)
				kerneltest.Dirty(p)
				c.BackwardData(p, weight, dy, got)
				kerneltest.CheckGuards(t, "dx", got)
				closeTo(t, "dx", got, dx, params.Outputs*taps)

				got = kerneltest.Guarded(r, len(weight))
				start := slices.Clone(got)
				kerneltest.Dirty(p)
				gotBias := make([]float32, len(bias))
				c.BackwardWeights(p, x, dy, got, gotBias)
				closeTo(t, "dbias", gotBias, dbias, sums)
				kerneltest.CheckGuards(t, "dweight", got)
				for i := range got {
					got[i] -= start[i]
				}
				closeTo(t, "dweight", got, dweight, sums)
			})
		})
	}
}

// Every number of threads gives the same bits, and nothing is allocated.
func TestRoundedThreads(t *testing.T) {
	for _, params := range some([]Params{square(33, 24, 70, 2, 9, 3, 1, 1, 1), square(1, 96, 200, 1, 17, 3, 1, 1, 1), square(5, 20, 40, 1, 20, 3, 1, 2, 1)}) {
		c := roundedConv(t, params)
		r := rand.New(rand.NewPCG(3, 4))
		x, dy := kerneltest.Guarded(r, params.Batch*params.Channels*size(params.In)), kerneltest.Guarded(r, params.Batch*params.Outputs*size(c.out))
		weight, bias := kerneltest.Guarded(r, params.Outputs*params.Channels/params.Group*c.geometry.taps), kerneltest.Guarded(r, params.Outputs)
		eachVariant(t, func(t *testing.T) {
			if bf16.Active().Name == "generic" {
				return // the parts are those of every variant
			}
			var want []float32
			kerneltest.EachPool(func(name string, p *parallel.Pool) {
				got := make([]float32, len(dy)+len(x)+len(weight))
				y, rest := got[:len(dy)], got[len(dy):]
				run := func() {
					c.Forward(p, x, weight, bias, y)
					c.BackwardData(p, weight, dy, rest)
					c.BackwardWeights(p, x, dy, rest[len(x):], nil)
				}
				run()
				if want == nil {
					want = slices.Clone(got)
				}
				kerneltest.SameBits(t, "threads "+name, got, want)
				if p != nil {
					kerneltest.AllocatesNothing(t, map[string]func(){name + " threads": run})
				}
			})
		})
	}
}

// Small sums and depthwise convolutions stay float32, and so do those for which Winograd's
// algorithm is faster.
func TestRoundedChoice(t *testing.T) {
	for _, test := range []struct {
		p         Params
		want, amx bool
	}{
		{square(2, 3, 64, 1, 32, 7, 3, 2, 1), true, true},
		{square(2, 3, 64, 1, 32, 3, 1, 1, 1), false, false}, // 27 terms
		{square(2, 64, 8, 1, 32, 1, 0, 1, 1), true, true},
		{square(2, 64, 4, 1, 28, 3, 1, 1, 1), false, false},  // 4 outputs
		{square(2, 32, 32, 32, 9, 5, 1, 1, 1), false, false}, // depthwise
		{square(2, 64, 64, 1, 28, 3, 1, 1, 1), false, true},  // Winograd's algorithm
		{square(2, 64, 64, 1, 28, 3, 1, 2, 1), true, true},
	} {
		for _, fast := range []bool{false, true} {
			u, want := bf16.Micro{Speed: 2}, test.want
			if fast {
				u.Speed, want = 16, test.amx
			}
			bf16.Use(&u)
			c, err := NewRounded(test.p)
			bf16.Use(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.rounded.plan(); got != want {
				t.Errorf("%+v, at speed %d: rounded: %v, want %v", test.p, u.Speed, got, want)
			}
		}
	}
}
