package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// convReference computes a convolution and its gradients by their definition,
// in float64.
type convReference struct {
	p   Params
	out []int
}

// each calls f for every product of the sum, with indices in x, weight and y.
func (c *convReference) each(f func(x, w, y int)) {
	p := c.p
	cg, og := p.Channels/p.Group, p.Outputs/p.Group
	in, out, taps := size(p.In), size(c.out), size(p.Kernel)
	for n := range p.Batch {
		for o := range p.Outputs {
			for ch := range cg {
				for q := range out {
					for tap := range taps {
						if at, ok := c.place(q, tap); ok {
							f((n*p.Channels+o/og*cg+ch)*in+at, (o*cg+ch)*taps+tap, (n*p.Outputs+o)*out+q)
						}
					}
				}
			}
		}
	}
}

// place returns the pixel of x at which output q and a tap meet.
func (c *convReference) place(q, tap int) (int, bool) {
	at, scale := 0, 1
	for a := len(c.out) - 1; a >= 0; a-- {
		i := q%c.out[a]*c.p.Stride[a] + tap%c.p.Kernel[a]*c.p.Dilation[a] - c.p.Pad[a]
		if i < 0 || i >= c.p.In[a] {
			return 0, false
		}
		at += i * scale
		scale *= c.p.In[a]
		q /= c.out[a]
		tap /= c.p.Kernel[a]
	}
	return at, true
}

func square(batch, channels, outputs, group, in, kernel, pad, stride, dilation int) Params {
	return Params{batch, channels, outputs, group, []int{in, in}, []int{kernel, kernel}, []int{pad, pad}, []int{stride, stride}, []int{dilation, dilation}, false}
}

var cases = []Params{
	square(1, 1, 1, 1, 1, 1, 0, 1, 1),
	square(2, 3, 5, 1, 7, 3, 1, 1, 1),
	square(3, 4, 6, 2, 9, 3, 0, 2, 1),
	square(2, 6, 4, 2, 12, 3, 2, 1, 2),
	square(2, 3, 20, 1, 13, 5, 2, 1, 1),
	square(2, 20, 50, 1, 12, 5, 0, 1, 1),
	square(1, 3, 17, 1, 31, 11, 0, 4, 1),
	square(1, 2, 3, 1, 15, 3, 4, 3, 2),
	square(1, 2, 3, 1, 10, 2, 0, 4, 1),    // pixels that no output covers
	square(1, 2, 3, 1, 9, 3, 5, 1, 1),     // outputs that cover no pixel
	square(1, 8, 8, 8, 6, 3, 1, 1, 1),     // depthwise
	square(3, 19, 19, 19, 12, 3, 1, 2, 1), // by vectors of channels
	square(20, 16, 16, 16, 7, 3, 1, 1, 1), // of several images
	square(1, 18, 18, 18, 45, 5, 2, 2, 2), // bands of rows
	square(2, 17, 17, 17, 11, 2, 1, 3, 1), // pixels that no output covers
	square(2, 16, 16, 16, 33, 3, 0, 2, 1), // an odd number of rows
	square(3, 5, 5, 5, 31, 3, 1, 1, 1),    // by vectors of pixels
	square(2, 3, 3, 3, 42, 3, 1, 2, 1),
	square(2, 4, 4, 4, 15, 3, 0, 1, 1),    // of eight
	square(7, 300, 40, 1, 7, 1, 0, 1, 1),  // 1x1: pieces of several images
	square(2, 1100, 70, 1, 3, 1, 0, 1, 1), // two blocks of channels and of outputs, of two images
	square(7, 40, 140, 2, 12, 1, 0, 1, 1), // parts of the batch, of several blocks
	square(1, 130, 64, 1, 13, 1, 0, 1, 1), // a last block that ends within a tile
	square(1, 66, 32, 2, 13, 1, 0, 1, 1),  // pixels in place
	square(1, 200, 70, 1, 34, 1, 0, 1, 1), // in pieces
	square(2, 20, 270, 1, 18, 1, 0, 1, 1), // several pieces of an image
	square(1, 68, 40, 2, 35, 1, 0, 2, 1),
	square(2, 20, 100, 2, 13, 1, 0, 3, 1),
	square(5, 16, 70, 1, 8, 1, 0, 1, 1),
	square(2, 33, 65, 1, 8, 1, 0, 2, 1),
	square(20, 64, 16, 1, 8, 3, 1, 1, 1), // chunks of several images
	square(3, 14, 150, 1, 9, 3, 1, 2, 1), // two blocks of outputs in the gradient
	square(2, 70, 64, 1, 17, 3, 1, 1, 1), // two pieces of channels in the gradient
	square(1, 2, 2, 1, 70, 3, 1, 1, 1),   // bands of rows
	square(1, 2, 2, 1, 71, 3, 1, 2, 1),
	{2, 3, 4, 1, []int{50}, []int{4}, []int{2}, []int{1}, []int{3}, false},
	{1, 2, 3, 1, []int{3000}, []int{5}, []int{2}, []int{1}, []int{1}, false},
	{1, 2, 3, 1, []int{3000}, []int{5}, []int{1}, []int{3}, []int{1}, false},
	{2, 3, 4, 1, []int{6, 5, 7}, []int{3, 1, 2}, []int{1, 0, 1}, []int{1, 2, 1}, []int{2, 1, 1}, false},
	{1, 2, 4, 2, []int{4, 3, 5, 4}, []int{2, 2, 2, 3}, []int{0, 1, 0, 1}, []int{1, 1, 2, 1}, []int{1, 1, 1, 1}, false},
	{2, 3, 4, 1, []int{8, 11}, []int{1, 5}, []int{0, 2}, []int{1, 1}, []int{1, 1}, false},
	{2, 3, 4, 1, []int{11, 8}, []int{5, 2}, []int{0, 2}, []int{3, 2}, []int{2, 1}, false},
	{3, 5, 7, 1, nil, nil, nil, nil, nil, false},
	square(0, 3, 5, 1, 7, 3, 1, 1, 1),
	// Winograd's algorithm: whole and partial tiles, small planes, bands, groups, channels
	// that do not fill a vector.
	square(2, 16, 16, 1, 8, 3, 1, 1, 1),
	square(3, 64, 64, 1, 14, 3, 1, 1, 1),
	square(2, 65, 70, 1, 7, 3, 1, 1, 1),
	square(5, 17, 33, 1, 6, 3, 0, 1, 1),
	square(4, 32, 20, 1, 2, 3, 1, 1, 1),
	square(2, 16, 24, 1, 1, 3, 1, 1, 1),
	square(1, 16, 18, 1, 60, 3, 2, 1, 1),
	square(2, 16, 16, 1, 9, 3, 4, 1, 1), // outputs that cover no pixel
	square(2, 36, 40, 2, 13, 3, 1, 1, 1),
	square(2, 20, 36, 1, 5, 3, 1, 1, 1), // F(2x2,3x3)
	square(9, 17, 16, 1, 5, 3, 1, 1, 1), // F(4x4,3x3)
	{3, 34, 38, 2, []int{10, 6}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false},
	{1, 20, 17, 1, []int{29, 107}, []int{3, 3}, []int{0, 2}, []int{1, 1}, []int{1, 1}, false},
	{1, 16, 16, 1, []int{3, 90}, []int{3, 3}, []int{1, 0}, []int{1, 1}, []int{1, 1}, false},
	square(0, 16, 16, 1, 8, 3, 1, 1, 1),
	// Winograd's algorithm for joined groups, and for many groups.
	square(3, 32, 32, 4, 14, 3, 1, 1, 1),
	square(2, 16, 48, 2, 30, 3, 0, 1, 1),
	square(5, 96, 32, 4, 7, 3, 1, 1, 1), // panels that begin within a group
	square(1, 32, 160, 4, 9, 3, 1, 1, 1),
	square(2, 160, 160, 10, 8, 3, 1, 1, 1),
	square(2, 32, 16, 2, 12, 5, 2, 1, 1),
	// Depthwise: a row of x that only three of five rows of taps meet.
	{2, 3, 3, 3, []int{1, 40}, []int{5, 3}, []int{2, 1}, []int{2, 1}, []int{1, 1}, false},
	// Lines: rows of whole and partial vectors, planes, few and many panels, depthwise,
	// bands, several images, rotated weights.
	square(2, 3, 64, 1, 32, 3, 1, 1, 1),
	square(9, 1, 20, 1, 28, 5, 0, 1, 1),
	square(2, 40, 20, 1, 17, 1, 0, 1, 1),
	square(2, 24, 36, 2, 12, 1, 0, 1, 1),
	square(2, 6, 6, 6, 37, 3, 1, 2, 1), // rows of even and odd pixels
	square(1, 3, 20, 1, 61, 7, 3, 2, 1),
	square(2, 4, 4, 4, 40, 3, 2, 2, 2),
	square(2, 50, 70, 1, 13, 1, 0, 1, 1), // products of matrices
	square(1, 1040, 97, 1, 7, 1, 0, 1, 1),
	square(3, 96, 128, 2, 2, 1, 0, 1, 1),
	square(5, 50, 60, 2, 7, 1, 0, 1, 1), // panels of pixels of several images
	square(2, 20, 100, 1, 40, 1, 0, 1, 1),
	square(2, 100, 60, 1, 9, 1, 0, 2, 1), // with strides, and gradients with zeros between the pixels
	square(3, 48, 530, 1, 16, 1, 0, 2, 1),
	square(2, 96, 98, 2, 10, 1, 0, 3, 1),
	{2, 50, 60, 1, []int{5, 8, 70}, []int{1, 1, 1}, []int{0, 0, 0}, []int{2, 1, 2}, []int{1, 1, 1}, false},
	{1, 60, 50, 1, []int{200}, []int{1}, []int{0}, []int{2}, []int{1}, false},
	{2, 50, 60, 1, []int{8, 8}, []int{1, 1}, []int{0, 1}, []int{1, 1}, []int{1, 1}, false}, // a pad along one axis only
	{2, 50, 60, 1, []int{5, 8, 9}, []int{1, 1, 1}, []int{2, 0, 0}, []int{2, 1, 1}, []int{1, 1, 1}, false},
	square(2, 12, 12, 12, 20, 3, 1, 1, 1),
	square(1, 2, 3, 1, 130, 3, 2, 1, 2),
	// Few pixels, not by Winograd's algorithm: pieces of channels, several images and groups.
	square(1, 70, 90, 1, 14, 3, 1, 2, 1),
	square(3, 40, 100, 2, 11, 3, 1, 2, 1),
	square(2, 130, 36, 1, 9, 3, 2, 1, 2),
	{1, 20, 40, 1, []int{4, 5, 9}, []int{3, 1, 3}, []int{1, 0, 1}, []int{2, 1, 1}, []int{1, 1, 1}, false},
	// Depthwise gradients: several images, bands, more taps, axes.
	square(20, 5, 5, 5, 7, 3, 1, 1, 1),
	square(1, 3, 3, 3, 70, 5, 2, 1, 1),
	square(2, 3, 3, 3, 12, 3, 2, 1, 2),
	{2, 2, 2, 2, []int{3000}, []int{5}, []int{2}, []int{1}, []int{1}, false},
	{2, 3, 3, 3, []int{4, 5, 18}, []int{3, 1, 3}, []int{1, 0, 1}, []int{1, 1, 1}, []int{1, 1, 2}, false},
	{2, 6, 3, 1, []int{4, 5, 18}, []int{3, 1, 3}, []int{1, 0, 1}, []int{2, 1, 1}, []int{1, 1, 1}, false},
	// Flat copies: groups of few channels, shared zeros, rows of even and odd pixels, bands,
	// several images, channels in pieces, axes.
	square(9, 24, 24, 6, 14, 3, 1, 1, 1),
	square(9, 16, 8, 4, 14, 3, 1, 2, 1),
	square(3, 15, 20, 5, 7, 3, 1, 2, 1),
	square(2, 8, 12, 4, 57, 3, 1, 1, 1),
	square(2, 8, 8, 2, 90, 3, 1, 2, 1),
	square(3, 24, 24, 2, 13, 5, 2, 1, 1),
	square(3, 24, 24, 2, 13, 5, 1, 2, 2),
	square(2, 80, 4, 1, 11, 3, 1, 1, 1),
	square(4, 10, 10, 2, 9, 2, 0, 2, 1),
	{3, 8, 8, 2, []int{9, 20}, []int{3, 3}, []int{0, 4}, []int{1, 2}, []int{1, 1}, false},
	{3, 8, 8, 2, []int{19, 20}, []int{3, 3}, []int{1, 0}, []int{2, 1}, []int{1, 1}, false},
	{2, 8, 8, 2, []int{41}, []int{3}, []int{1}, []int{2}, []int{1}, false},
	{2, 8, 8, 2, []int{5, 7, 9}, []int{3, 3, 3}, []int{1, 1, 1}, []int{2, 2, 2}, []int{1, 1, 1}, false},
	square(2, 16, 16, 1, 8, 5, 2, 1, 1),
	square(2, 34, 36, 2, 12, 5, 0, 1, 1),
	square(3, 65, 70, 1, 7, 5, 2, 1, 1),
	square(1, 16, 18, 1, 40, 5, 4, 1, 1),
	square(6, 17, 20, 1, 8, 5, 2, 1, 1), // Fourier transforms: few tiles
	square(2, 68, 34, 2, 19, 5, 0, 1, 1),
	square(67, 16, 18, 1, 7, 5, 2, 1, 1), // blocks of several images
	square(1, 20, 16, 1, 70, 5, 2, 1, 1), // bands
	{1, 16, 16, 1, []int{5, 50}, []int{5, 5}, []int{2, 0}, []int{1, 1}, []int{1, 1}, false},
}

func closeTo(t *testing.T, name string, got []float32, want []float64, terms int) {
	t.Helper()
	for i := range got {
		if !(math.Abs(float64(got[i])-want[i]) <= kerneltest.Tolerance(terms)) {
			t.Errorf("%s[%d] = %g, want %g", name, i, got[i], want[i])
			return
		}
	}
}

// some returns all cases, or with -short one of twenty: emulators, Go's loops and the race
// detector take ten times as long and more.
func some(all []Params) []Params {
	if !testing.Short() {
		return all
	}
	var few []Params
	for i := 0; i < len(all); i += 20 {
		few = append(few, all[i])
	}
	return few
}

// randomCases returns n possible geometries of 1 to 3 axes. Every second one has a kernel of one
// pixel and more channels.
func randomCases(n int) []Params {
	r := rand.New(rand.NewPCG(6, 6))
	var list []Params
	for len(list) < n {
		axes := 1 + r.IntN(3)
		group := 1 + r.IntN(3)
		channels, outputs, kernel := 6, 24, 5
		if len(list)%2 == 0 {
			channels, outputs, kernel = 60, 90, 1
		}
		p := Params{Batch: r.IntN(5), Channels: group * (1 + r.IntN(channels)), Outputs: group * (1 + r.IntN(outputs)), Group: group}
		for range axes {
			p.In = append(p.In, 1+r.IntN(40>>axes))
			p.Kernel = append(p.Kernel, 1+r.IntN(kernel))
			p.Pad = append(p.Pad, r.IntN(4))
			p.Stride = append(p.Stride, 1+r.IntN(4))
			p.Dilation = append(p.Dilation, 1+r.IntN(3))
		}
		if _, err := New(p); err == nil {
			list = append(list, p)
		}
	}
	return list
}

func TestConv(t *testing.T) {
	for _, params := range slices.Concat(cases, randomCases(40)) {
		t.Run(fmt.Sprintf("%+v", params), func(t *testing.T) {
			c, err := New(params)
			if err != nil {
				t.Fatal(err)
			}
			out := c.OutShape()
			for a, in := range params.In {
				if want := (in+2*params.Pad[a]-params.Dilation[a]*(params.Kernel[a]-1)-1)/params.Stride[a] + 1; out[a] != want {
					t.Fatalf("OutShape()[%d] = %d, want %d", a, out[a], want)
				}
			}
			r := rand.New(rand.NewPCG(2, uint64(params.Channels)))
			outs, taps := size(out), size(params.Kernel)
			x := kerneltest.Guarded(r, params.Batch*params.Channels*size(params.In))
			weight := kerneltest.Guarded(r, params.Outputs*params.Channels/params.Group*taps)
			bias := kerneltest.Guarded(r, params.Outputs)
			dy := kerneltest.Guarded(r, params.Batch*params.Outputs*outs)

			y := make([]float64, len(dy))
			dx, dweight, dbias := make([]float64, len(x)), make([]float64, len(weight)), make([]float64, len(bias))
			products := int64(0)
			ref := &convReference{params, out}
			ref.each(func(xi, wi, yi int) {
				y[yi] += float64(x[xi]) * float64(weight[wi])
				dx[xi] += float64(dy[yi]) * float64(weight[wi])
				dweight[wi] += float64(dy[yi]) * float64(x[xi])
				products++
			})
			yBias := make([]float64, len(y))
			for i, v := range dy {
				o := i / outs % params.Outputs
				yBias[i] = y[i] + float64(bias[o])
				dbias[o] += float64(v)
			}
			if c.MACs() < products {
				t.Errorf("MACs() = %d, want at least %d", c.MACs(), products)
			}
			terms, sums := params.Channels*taps, params.Batch*outs

			kerneltest.EachLevel(t, func(t *testing.T) {
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
				start := append([]float32(nil), got...)
				kerneltest.Dirty(p)
				gotBias := make([]float32, len(bias))
				c.BackwardWeights(p, x, dy, got, gotBias)
				closeTo(t, "dbias with dweight", gotBias, dbias, sums)
				kerneltest.CheckGuards(t, "dweight", got)
				for i := range got {
					got[i] -= start[i]
				}
				closeTo(t, "dweight", got, dweight, sums)

				if c.bothBySingles() || c.MACs() < 1<<20 { // the others call the passes above
					got, gotX := kerneltest.Guarded(r, len(weight)), kerneltest.Guarded(r, len(x))
					start = append(start[:0], got...)
					kerneltest.Fill(gotX, kerneltest.Guard)
					kerneltest.Dirty(p)
					clear(gotBias)
					c.Backward(p, x, weight, dy, got, gotBias, gotX)
					kerneltest.CheckGuards(t, "dweight of both gradients", got)
					kerneltest.CheckGuards(t, "dx of both gradients", gotX)
					for i := range got {
						got[i] -= start[i]
					}
					closeTo(t, "dweight of both gradients", got, dweight, sums)
					closeTo(t, "dx of both gradients", gotX, dx, params.Outputs*taps)
					closeTo(t, "dbias of both gradients", gotBias, dbias, sums)
				}

				got = kerneltest.Guarded(r, len(bias))
				start = append([]float32(nil), got...)
				c.BackwardBias(p, dy, got)
				kerneltest.CheckGuards(t, "dbias", got)
				for i := range got {
					got[i] -= start[i]
				}
				closeTo(t, "dbias", got, dbias, sums)
			})
		})
	}
}

func TestConvThreads(t *testing.T) {
	t.Run("direct", func(t *testing.T) { testConvThreads(t, square(33, 24, 70, 2, 9, 3, 1, 1, 1)) })
	t.Run("lines", func(t *testing.T) { testConvThreads(t, square(9, 3, 20, 1, 33, 3, 1, 1, 1)) })
	t.Run("lines in place", func(t *testing.T) { testConvThreads(t, square(3, 40, 20, 2, 50, 1, 0, 1, 1)) })
	t.Run("lines of one image", func(t *testing.T) { testConvThreads(t, square(1, 90, 33, 1, 11, 1, 0, 1, 1)) })
	t.Run("one pixel", func(t *testing.T) { testConvThreads(t, square(9, 70, 300, 1, 12, 1, 0, 1, 1)) })
	t.Run("even and odd pixels", func(t *testing.T) { testConvThreads(t, square(9, 8, 8, 8, 70, 3, 1, 2, 1)) })
	t.Run("one image", func(t *testing.T) { testConvThreads(t, square(1, 96, 200, 1, 17, 1, 0, 1, 1)) })
	t.Run("few pixels", func(t *testing.T) { testConvThreads(t, square(2, 80, 40, 1, 17, 3, 1, 2, 1)) })
	t.Run("Fourier transforms", func(t *testing.T) { testConvThreads(t, square(20, 16, 20, 1, 15, 5, 2, 1, 1)) })
	t.Run("single channels", func(t *testing.T) { testConvThreads(t, square(2, 40, 40, 40, 31, 5, 2, 2, 1)) })
	t.Run("flat copies", func(t *testing.T) { testConvThreads(t, square(9, 24, 24, 6, 14, 3, 1, 1, 1)) })
	t.Run("flat copies with strides", func(t *testing.T) { testConvThreads(t, square(5, 20, 12, 4, 23, 3, 1, 2, 1)) })
	t.Run("winograd", func(t *testing.T) { testConvThreads(t, square(33, 40, 70, 2, 18, 3, 1, 1, 1)) })
	t.Run("winograd, joined groups", func(t *testing.T) { testConvThreads(t, square(3, 32, 32, 4, 40, 3, 1, 1, 1)) })
	t.Run("winograd, many groups", func(t *testing.T) { testConvThreads(t, square(3, 200, 160, 10, 14, 3, 1, 1, 1)) })
	t.Run("winograd, small planes", func(t *testing.T) { testConvThreads(t, square(70, 16, 20, 1, 6, 3, 1, 1, 1)) })
}

func testConvThreads(t *testing.T, params Params) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		c, err := New(params)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(3, 3))
		x, dy := kerneltest.Guarded(r, params.Batch*params.Channels*size(params.In)), kerneltest.Guarded(r, params.Batch*params.Outputs*size(c.out))
		weight, bias := kerneltest.Guarded(r, params.Outputs*params.Channels/params.Group*c.geometry.taps), kerneltest.Guarded(r, params.Outputs)
		var want []float32
		kerneltest.EachPool(func(name string, p *parallel.Pool) {
			got := make([]float32, len(dy)+2*len(x)+2*len(weight)+len(bias))
			y, rest := got[:len(dy)], got[len(dy):]
			c.Forward(p, x, weight, bias, y)
			c.BackwardData(p, weight, dy, rest)
			c.BackwardWeights(p, x, dy, rest[len(x):], rest[len(x)+len(weight):])
			c.BackwardBias(p, dy, rest[len(x)+len(weight):])
			rest = rest[len(x)+len(weight)+len(bias):]
			c.Backward(p, x, weight, dy, rest[len(x):], nil, rest)
			if want == nil {
				want = got
			}
			kerneltest.SameBits(t, "threads "+name, got, want)
		})
	})
}

// TestLinesChoice checks which products use lines, with 16, 8 and 4 lanes: forward (f) or data (d).
func TestLinesChoice(t *testing.T) {
	for _, test := range []struct {
		p    Params
		want [3]string
	}{
		{square(2, 3, 64, 1, 32, 3, 1, 1, 1), [3]string{"fd", "fd", "f"}},    // a first layer
		{square(2, 256, 64, 1, 28, 1, 0, 1, 1), [3]string{"fd", "fd", "fd"}}, // in place
		{square(2, 32, 32, 32, 56, 3, 1, 1, 1), [3]string{"fd", "fd", "fd"}}, // depthwise
		{square(2, 20, 50, 1, 12, 5, 0, 1, 1), [3]string{"", "", ""}},        // rows of 8 and 12
		{square(2, 64, 64, 1, 40, 7, 3, 1, 1), [3]string{"", "", ""}},        // whole panels and long sums
		{square(2, 3, 96, 1, 227, 11, 0, 4, 1), [3]string{"", "", ""}},       // pixels that are not contiguous; data has phases
	} {
		test.p.Direct = true
		c, err := New(test.p)
		if err != nil {
			t.Fatal(err)
		}
		kerneltest.EachLevel(t, func(t *testing.T) {
			got := ""
			for i, p := range []*plan{c.direct.forward, c.direct.data} {
				if p == nil {
					continue
				}
				p.prepare()
				if p.choose(gemm.Active()); p.byLines {
					got += "fd"[i : i+1]
				}
			}
			checkChoice(t, test.p, got, test.want)
		})
	}
}

// checkChoice compares what was chosen with what should be with 16, 8 and 4 lanes.
func checkChoice(t *testing.T, p Params, got string, want [3]string) {
	t.Helper()
	for i, lanes := range []int{16, 8, 4} {
		if gemm.Active().Lanes == lanes && got != want[i] {
			t.Errorf("%+v: chosen for %q, want %q", p, got, want[i])
		}
	}
}

// TestFlatChoice checks which convolutions use flat copies, with 16, 8 and 4 lanes: forward (f), data
// (d) or weights (w).
func TestFlatChoice(t *testing.T) {
	for _, test := range []struct {
		p    Params
		want [3]string
	}{
		{square(8, 32, 32, 8, 14, 3, 1, 1, 1), [3]string{"fdw", "w", ""}},
		{square(8, 32, 32, 8, 14, 3, 1, 2, 1), [3]string{"fdw", "dw", ""}},
		{square(8, 32, 32, 8, 56, 3, 1, 1, 1), [3]string{"w", "w", ""}},  // lines fill their vectors
		{square(8, 28, 28, 2, 14, 3, 1, 1, 1), [3]string{"", "", ""}},    // tiles are nearly full
		{square(8, 32, 32, 2, 14, 3, 1, 2, 1), [3]string{"", "", ""}},    // and here they are full
		{square(8, 32, 32, 8, 25, 3, 1, 3, 1), [3]string{"d", "d", "d"}}, // no halves
		{square(8, 32, 32, 32, 14, 3, 1, 2, 1), [3]string{"", "", "d"}},  // depthwise
	} {
		c, err := New(test.p)
		if err != nil {
			t.Fatal(err)
		}
		kerneltest.EachLevel(t, func(t *testing.T) {
			d, u, got := c.direct, gemm.Active(), ""
			for i, p := range []*plan{d.forward, d.data} {
				if p == nil {
					continue
				}
				p.prepare()
				p.choose(u)
				if p.micro = u; p.method() == byFlat {
					got += "fd"[i : i+1]
				}
			}
			if p := d.phases; p != nil {
				p.prepare()
				p.list[0].micro = u
				if p.choose(u); p.byFlat && !p.rows.fits() && !p.singles.fits() {
					got += "d"
				}
			}
			if w := d.weights; w.lines != nil && w.lines.fits(u) {
				got += "w"
			}
			checkChoice(t, test.p, got, test.want)
		})
	}
}

// TestFlatCopySize checks that a flat copy of some rows of a large image does not grow with the
// image.
func TestFlatCopySize(t *testing.T) {
	c, err := New(square(1, 8, 8, 2, 3000, 3, 1, 2, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*window{&c.direct.forward.flat.window, &c.direct.weights.lines.window} {
		if n := w.copySize(); w.bands == 1 || n > 2*chunkSize {
			t.Errorf("%d bands: a copy has %d elements, want at most %d", w.bands, n, 2*chunkSize)
		}
	}
}

// TestByFew checks which kernels of one pixel with few outputs are computed by lines in place:
// those whose outputs do not fill vectors, but the planes do, or whose channels displace each
// other.
func TestByFew(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		for _, test := range []struct {
			outputs, side int
			want          bool
		}{{32, 3, true}, {32, 14, true}, {32, 28, true}, {32, 16, false}, {17, 3, true}, {17, 14, false}, {17, 28, false}} {
			c, err := New(square(1, 192, test.outputs, 1, test.side, 1, 0, 1, 1))
			if err != nil {
				t.Fatal(err)
			}
			p := c.direct.forward
			p.prepare()
			p.micro = gemm.Active()
			p.choose(p.micro)
			if !p.few.fits() || p.byFew() != test.want {
				t.Errorf("%d outputs, planes of %d: few fits %v, chosen %v, want true and %v", test.outputs, test.side, p.few.fits(), p.byFew(), test.want)
			}
		}
	})
}

// TestBeatsDense checks which products of one image multiply the pixels in place.
func TestBeatsDense(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		panel := gemm.Active().Panel()
		for _, test := range []struct {
			channels, outputs, side int
			want                    bool
		}{
			{64, 4 * panel, 14, true}, {64, panel, 7, true},
			{64, panel + 1, 7, false}, // the next weights must come from memory
			{64, 4 * panel, 10, true}, {64, 5 * panel, 10, false},
			{64, 5 * panel, 14, cpu.L2() >= 8*64*14*14}, {4096, 5 * panel, 14, cpu.L2() >= 8*4096*14*14},
			{64, 4 * panel, 16, false},    // the channels displace each other
			{64, panel, 33, false},        // many pixels
			{192, panel, 33, panel == 64}, // and many channels
		} {
			c, err := New(square(1, test.channels, test.outputs, 1, test.side, 1, 0, 1, 1))
			if err != nil {
				t.Fatal(err)
			}
			p := c.direct.forward
			p.prepare()
			p.micro = gemm.Active()
			if got := p.few.beatsDense(); got != test.want {
				t.Errorf("%d channels, %d outputs, planes of %d: in place %v, want %v", test.channels, test.outputs, test.side, got, test.want)
			}
		}
	})
}

func TestNewErrors(t *testing.T) {
	for _, test := range []struct {
		p    Params
		want string
	}{
		{square(1, 1, 1, 1, 2, 3, 0, 1, 1), "spatial axis 0: kernel of extent 3 is larger than the padded input of 2"},
		{square(1, 1, 1, 1, 4, 3, 0, 1, 2), "spatial axis 0: kernel of extent 5 is larger than the padded input of 4"},
		{square(1, 3, 2, 2, 4, 3, 0, 1, 1), "channels 3 are not divisible by group 2"},
		{square(1, 2, 3, 2, 4, 3, 0, 1, 1), "num_output 3 is not divisible by group 2"},
		{square(1, 1, 1, 1, 4, 3, 0, 0, 1), "spatial axis 0: input 4, kernel_size 3, pad 0, stride 0, dilation 1"},
		{square(1, 0, 1, 1, 4, 3, 0, 1, 1), "convolution with batch 1, channels 0, num_output 1, group 1"},
		{Params{1, 1, 1, 1, []int{4, 4}, []int{3}, []int{0, 0}, []int{1, 1}, []int{1, 1}, false}, "convolution of 2 spatial axes with 1 kernel sizes, 2 pads, 2 strides, 2 dilations"},
		{square(1<<20, 1<<20, 1, 1, 1<<20, 1, 0, 1<<20, 1), "convolution: the input has too many elements"},
		{square(1, 1, 1, 1, 1<<29, 3, 0, 1, 1), "spatial axis 0: input 536870912, kernel_size 3, pad 0, stride 1, dilation 1: too large"},
		{square(1, 1, 1, 1, 1, 3, 1<<20, 1, 1<<20), "convolution: the padded input has too many elements"},
		{Params{1, 4, 1, 1, []int{1, 1}, []int{1, 1}, []int{0, 1 << 26}, []int{1, 1}, []int{1, 1}, false}, "convolution: the padded input has too many elements"},
	} {
		if _, err := New(test.p); err == nil || err.Error() != test.want {
			t.Errorf("New(%+v): %v, want %s", test.p, err, test.want)
		}
	}
}

func TestAllocations(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		p := parallel.NewPool(2)
		defer p.Close()
		c, err := New(square(4, 8, 16, 1, 9, 3, 1, 2, 1))
		if err != nil {
			t.Fatal(err)
		}
		w, err := New(square(8, 16, 16, 1, 12, 3, 1, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		few, err := New(square(4, 16, 16, 1, 9, 3, 1, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		pixels, err := New(square(4, 16, 32, 1, 9, 3, 1, 2, 1))
		if err != nil {
			t.Fatal(err)
		}
		l, err := New(square(1, 2, 3, 1, 20, 3, 1, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		one, err := New(square(2, 16, 16, 16, 9, 3, 1, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		strided, err := New(square(2, 16, 16, 16, 9, 3, 1, 2, 1))
		if err != nil {
			t.Fatal(err)
		}
		pixel, err := New(square(2, 16, 16, 1, 12, 1, 0, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		d, err := New(square(2, 3, 3, 3, 9, 3, 1, 1, 1))
		if err != nil {
			t.Fatal(err)
		}
		x, y := make([]float32, 8*16*144), make([]float32, 8*16*144)
		weight, bias := make([]float32, 32*16*9), make([]float32, 32)
		m := norm.Norm{Sums: new(norm.PlaneSums)}
		m.Resize(8, 16, 144)
		kerneltest.AllocatesNothing(t, map[string]func(){
			"Forward":         func() { c.Forward(p, x, weight, bias, y) },
			"BackwardData":    func() { c.BackwardData(p, weight, y, x) },
			"BackwardWeights": func() { c.BackwardWeights(p, x, y, weight, bias) },
			"BackwardBias":    func() { c.BackwardBias(p, y, bias) },
			"Lines":           func() { l.Forward(p, x, weight, bias, y) },
			"Lines data":      func() { l.BackwardData(p, weight, y, x) },
			"Depthwise grad":  func() { d.BackwardWeights(p, x, y, weight, bias) },
			"Single channels": func() { one.Forward(p, x, weight, bias, y) },
			"Single data":     func() { strided.BackwardData(p, weight, y, x) },
			"Single grad":     func() { strided.BackwardWeights(p, x, y, weight, bias) },
			"One pixel grad":  func() { pixel.BackwardWeights(p, x, y, weight, bias) },
			"Winograd":        func() { w.Forward(p, x, weight, bias, y) },
			"Winograd data":   func() { w.BackwardData(p, weight, y, x) },
			"Winograd, sums": func() {
				defer func(n int) { streamSize = n }(streamSize)
				streamSize = 1
				w.ForwardSums(p, x, weight, bias, y, m.Sums)
				m.ForwardBatch(p, y, nil)
			},
			"Winograd grad":  func() { w.BackwardWeights(p, x, y, weight, bias) },
			"Few tiles":      func() { few.Forward(p, x, weight, bias, y) },
			"Few pixels":     func() { pixels.Forward(p, x, weight, bias, y) },
			"Few tiles data": func() { few.BackwardData(p, weight, y, x) },
		})
	})
}

// TestGroupsAllocate checks that convolutions of groups allocate nothing from pass to pass: with
// flat copies, by Winograd's algorithm with a part for each group, and for joined groups.
func TestGroupsAllocate(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		p := parallel.NewPool(2)
		defer p.Close()
		for name, params := range map[string]Params{
			"flat":         square(2, 16, 16, 4, 14, 3, 1, 1, 1),
			"strided":      square(2, 16, 16, 4, 14, 3, 1, 2, 1),
			"many groups":  square(2, 128, 128, 8, 8, 3, 1, 1, 1),
			"joined":       square(2, 32, 32, 4, 8, 3, 1, 1, 1),
			"joined bands": square(1, 16, 16, 2, 40, 3, 1, 1, 1),
		} {
			c := mustNew(t, params)
			x, y := make([]float32, c.Batch*c.Channels*c.inSize), make([]float32, c.Batch*c.Outputs*c.outSize)
			weight, bias := make([]float32, c.Outputs*c.groupChannels()*c.taps), make([]float32, c.Outputs)
			kerneltest.AllocatesNothing(t, map[string]func(){
				name + ": Forward":         func() { c.Forward(p, x, weight, bias, y) },
				name + ": BackwardData":    func() { c.BackwardData(p, weight, y, x) },
				name + ": BackwardWeights": func() { c.BackwardWeights(p, x, y, weight, bias) },
			})
		}
	})
}

func TestShortSlicesPanic(t *testing.T) {
	c, err := New(square(1, 2, 3, 1, 4, 3, 1, 1, 1))
	if err != nil {
		t.Fatal(err)
	}
	x, w, y := make([]float32, 2*16), make([]float32, 3*2*9), make([]float32, 3*16)
	for want, f := range map[string]func(){
		"kernel: Conv: x has 31 elements, want 32":      func() { c.Forward(nil, x[:31], w, nil, y) },
		"kernel: Conv: weight has 53 elements, want 54": func() { c.BackwardData(nil, w[:53], y, x) },
		"kernel: Conv: y has 47 elements, want 48":      func() { c.BackwardWeights(nil, x, y[:47], w, nil) },
		"kernel: Conv: bias has 2 elements, want 3":     func() { c.Forward(nil, x, w, x[:2], y) },
		"kernel: Conv: dbias has 2 elements, want 3":    func() { c.BackwardBias(nil, y, x[:2]) },
	} {
		func() {
			defer func() {
				if r := recover(); r != want {
					t.Errorf("got %v, want %v", r, want)
				}
			}()
			f()
		}()
	}
}
