package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestWinogradAccuracy compares the rounding errors of Winograd's convolution with those
// of the direct one for normally distributed elements.
func TestWinogradAccuracy(t *testing.T) {
	accuracyCases := []Params{
		square(2, 32, 32, 1, 16, 3, 1, 1, 1), // F(4x4,3x3)
		square(2, 64, 32, 1, 14, 3, 1, 1, 1), // the same, tiles with 3 outputs
		square(16, 64, 64, 1, 2, 3, 1, 1, 1), // F(2x2,3x3)
		square(80, 16, 32, 1, 4, 5, 2, 1, 1), // F(2x2,5x5)
		square(4, 16, 32, 1, 16, 5, 2, 1, 1), // Fourier transforms
	}
	if !testing.Short() {
		accuracyCases = append(accuracyCases,
			square(4, 64, 64, 1, 16, 3, 1, 1, 1), square(8, 256, 64, 1, 8, 3, 1, 1, 1),
			square(8, 32, 64, 1, 8, 5, 2, 1, 1), square(80, 32, 24, 1, 8, 5, 2, 1, 1))
	}
	for _, params := range accuracyCases {
		t.Run(fmt.Sprint(params.Channels, params.In), func(t *testing.T) {
			direct := params
			direct.Direct = true
			r := rand.New(rand.NewPCG(5, 5))
			x, dy := make([]float32, params.Batch*params.Channels*size(params.In)), make([]float32, params.Batch*params.Outputs*size(params.In))
			weight := make([]float32, params.Outputs*params.Channels*size(params.Kernel))
			kerneltest.FillNormal(r, x)
			kerneltest.FillNormal(r, dy)
			kerneltest.FillNormal(r, weight)
			most := 10.
			if c, err := New(params); err == nil && c.winograd.forward.algorithm == fourier5x5 {
				most = 1.5
			}
			want := [3][]float64{make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(weight))}
			ref := &convReference{params, params.In}
			ref.each(func(xi, wi, yi int) {
				want[0][yi] += float64(x[xi]) * float64(weight[wi])
				want[1][xi] += float64(dy[yi]) * float64(weight[wi])
				want[2][wi] += float64(dy[yi]) * float64(x[xi])
			})
			kerneltest.EachLevel(t, func(t *testing.T) {
				errs := func(params Params) (errs [3]float64) {
					c, err := New(params)
					if err != nil {
						t.Fatal(err)
					}
					if (c.winograd == nil) != params.Direct {
						t.Fatalf("Direct: %v, by Winograd's algorithm: %v", params.Direct, c.winograd != nil)
					}
					got := [3][]float32{make([]float32, len(dy)), make([]float32, len(x)), make([]float32, len(weight))}
					c.Forward(nil, x, weight, nil, got[0])
					c.BackwardData(nil, weight, dy, got[1])
					c.BackwardWeights(nil, x, dy, got[2], nil)
					for i := range got {
						for j, v := range got[i] {
							errs[i] = math.Max(errs[i], math.Abs(float64(v)-want[i][j]))
						}
					}
					return errs
				}
				slow, fast := errs(direct), errs(params)
				for i, name := range []string{"y", "dx", "dweight"} {
					ratio := fast[i] / slow[i]
					t.Logf("%s: largest error %.2g, direct %.2g: %.2f times", name, fast[i], slow[i], ratio)
					// With the points 0, ±1, ±2 the ratio for y alone would be about 7.
					if !(ratio <= most) {
						t.Errorf("%s: the largest error is %g, %.1f times that of the direct convolution", name, fast[i], ratio)
					}
				}
			})
		})
	}
}

// TestWinogradChoice checks which convolutions use Winograd's algorithm, and which
// version.
func TestWinogradChoice(t *testing.T) {
	for _, test := range []struct {
		p    Params
		want int // m, or 0 for none
	}{
		{square(8, 16, 16, 1, 32, 3, 1, 1, 1), 4},
		{square(8, 16, 16, 1, 7, 3, 1, 1, 1), 4},
		{square(8, 16, 16, 1, 6, 3, 1, 1, 1), 4},
		{square(1, 16, 16, 1, 6, 3, 1, 1, 1), 2}, // few tiles for the transformed weights
		{square(1, 16, 16, 1, 7, 3, 1, 1, 1), 4},
		{square(8, 16, 16, 1, 4, 3, 1, 1, 1), 4},
		{square(2, 16, 16, 1, 4, 3, 1, 1, 1), 2},
		{square(8, 16, 16, 1, 2, 3, 1, 1, 1), 2},
		{square(8, 32, 32, 2, 32, 3, 1, 1, 1), 4},
		{square(8, 32, 32, 4, 32, 3, 1, 1, 1), 4}, // 8 channels a group, two of which are joined
		{square(8, 32, 96, 4, 32, 3, 1, 1, 1), 4}, // 24 outputs a group
		{square(8, 24, 24, 3, 32, 3, 1, 1, 1), 0}, // an odd number of groups
		{square(8, 48, 48, 4, 32, 3, 1, 1, 1), 0}, // 12 channels a group
		{square(8, 16, 16, 4, 32, 3, 1, 1, 1), 0}, // 4
		{square(8, 3, 64, 1, 32, 3, 1, 1, 1), 0},
		{square(8, 16, 16, 1, 32, 3, 1, 2, 1), 0},
		{square(8, 16, 16, 1, 32, 3, 1, 1, 2), 0},
		{square(8, 16, 16, 1, 32, 5, 2, 1, 1), 8},
		{square(6, 16, 16, 1, 8, 5, 2, 1, 1), 8},
		{square(5, 16, 16, 1, 8, 5, 2, 1, 1), 2}, // few tiles
		{square(8, 16, 16, 1, 2, 5, 2, 1, 1), 2}, // which would be emptier than those of F(2x2,5x5)
		{square(8, 16, 16, 1, 32, 7, 2, 1, 1), 0},
		{Params{1, 16, 16, 1, []int{8, 8, 8}, []int{3, 3, 3}, []int{1, 1, 1}, []int{1, 1, 1}, []int{1, 1, 1}, false}, 0},
	} {
		c, err := New(test.p)
		if err != nil {
			t.Fatal(err)
		}
		m := 0
		if c.winograd != nil {
			m = c.winograd.forward.m
		}
		if m != test.want {
			t.Errorf("%+v: m = %d, want %d", test.p, m, test.want)
		}
	}
}

// TestGroupParts checks of which convolutions the gradient of the weights is computed with a part
// for each group.
func TestGroupParts(t *testing.T) {
	for _, test := range []struct {
		p    Params
		want bool
	}{
		{square(8, 256, 256, 8, 28, 3, 1, 1, 1), true},
		{square(8, 2048, 2048, 8, 14, 3, 1, 1, 1), false}, // many sums
		{square(8, 64, 64, 2, 28, 3, 1, 1, 1), false},     // few groups
		{square(1, 64, 64, 2, 14, 3, 1, 1, 1), true},      // of few tiles
		{square(1, 384, 384, 2, 13, 3, 1, 1, 1), false},   // and many sums
		{square(1, 64, 64, 1, 14, 3, 1, 1, 1), false},
	} {
		c, err := New(test.p)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.winograd.weights.byGroup; got != test.want {
			t.Errorf("%+v: a part for each group: %v, want %v", test.p, got, test.want)
		}
	}
}

// TestCacheSizes checks that the size of the second cache, which decides how many tiles are
// multiplied at a time, does not change the gradient of the weights.
func TestCacheSizes(t *testing.T) {
	defer func(f func() int) { secondCache = f }(secondCache)
	r := rand.New(rand.NewPCG(6, 6))
	for _, params := range []Params{
		square(48, 16, 24, 1, 32, 3, 1, 1, 1),
		square(5, 40, 16, 1, 50, 3, 0, 1, 1),
		square(99, 33, 16, 1, 13, 3, 1, 1, 1), // tiles with 3 outputs
		square(160, 32, 16, 1, 4, 5, 2, 1, 1),
		square(40, 32, 16, 1, 12, 5, 2, 1, 1),   // Fourier transforms
		square(2, 64, 64, 1, 12, 5, 2, 1, 1),    // several blocks in a chunk
		square(12, 128, 128, 8, 16, 3, 1, 1, 1), // each group is a part
	} {
		c, err := New(params)
		if err != nil {
			t.Fatal(err)
		}
		x, dy := make([]float32, params.Batch*params.Channels*size(params.In)), make([]float32, params.Batch*params.Outputs*size(c.OutShape()))
		kerneltest.FillNormal(r, x)
		kerneltest.FillNormal(r, dy)
		kerneltest.EachLevel(t, func(t *testing.T) {
			var want []float32
			pieces := map[int]bool{}
			for _, bytes := range []int{-1, largeCache, 2 * largeCache, 64 * largeCache} {
				secondCache = func() int { return bytes }
				got := make([]float32, params.Outputs*params.Channels*size(params.Kernel))
				c.BackwardWeights(nil, x, dy, got, nil)
				pieces[c.winograd.weights.piece] = true
				if want == nil {
					want = got
				}
				kerneltest.SameBits(t, fmt.Sprint("gradient with a cache of ", bytes), got, want)
			}
			if params.Kernel[0] == 3 && len(pieces) < 2 {
				t.Errorf("the size of the cache makes no difference: pieces of %v blocks", pieces)
			}
		})
	}
}

// TestChunks checks the gradient of the weights for chunks of all sizes and for one part and
// several. All but F(2x2,5x5) have the same sums whatever the chunks are, if no tile ends
// beyond the plane.
func TestChunks(t *testing.T) {
	for _, params := range []Params{
		square(7, 33, 52, 1, 7, 3, 1, 1, 1),
		square(24, 36, 40, 2, 6, 3, 0, 1, 1), // groups, F(2x2,3x3)
		square(3, 80, 16, 1, 14, 3, 1, 1, 1), // several panels
		square(20, 40, 20, 1, 8, 3, 1, 1, 1),
		square(16, 16, 20, 1, 3, 3, 1, 1, 1), // one tile for each image, in the corner
		square(36, 20, 34, 1, 4, 5, 2, 1, 1),
		square(72, 16, 18, 1, 4, 5, 2, 1, 1), // several pieces of the sums in a chunk
		square(60, 16, 18, 1, 3, 5, 2, 1, 1), // the same with tiles that end beyond the plane
		square(30, 20, 34, 1, 8, 5, 2, 1, 1), // Fourier transforms
	} {
		c, err := New(params)
		if err != nil {
			t.Fatal(err)
		}
		if c.winograd.weights.tiling.blocks() < 2 {
			t.Fatalf("%+v is one block", params)
		}
		r := rand.New(rand.NewPCG(8, 8))
		x, dy := make([]float32, params.Batch*params.Channels*size(params.In)), make([]float32, params.Batch*params.Outputs*size(c.OutShape()))
		kerneltest.FillNormal(r, x)
		kerneltest.FillNormal(r, dy)
		want := make([]float64, params.Outputs*params.Channels/params.Group*size(params.Kernel))
		(&convReference{params, c.OutShape()}).each(func(xi, wi, yi int) { want[wi] += float64(dy[yi]) * float64(x[xi]) })
		g := c.winograd.weights
		blocks := g.tiling.blocks()
		kerneltest.EachLevel(t, func(t *testing.T) {
			p := parallel.NewPool(2)
			defer p.Close()
			var same []float32
			for _, cut := range []struct{ parts, chunk int }{{1, blocks}, {1, 1}, {1, (blocks + 1) / 2}, {2, 1}} {
				g.parts, g.chunk, g.byGroup = cut.parts, cut.chunk, false
				name := fmt.Sprintf("%v: %d of %d blocks, %d parts", params, g.chunk, blocks, g.parts)
				got := kerneltest.Guarded(r, len(want))
				clear(got)
				c.BackwardWeights(p, x, dy, got, nil) // allocates workspaces
				clear(got)
				kerneltest.Dirty(p)
				c.BackwardWeights(p, x, dy, got, nil)
				kerneltest.CheckGuards(t, name, got)
				closeTo(t, name, got, want, params.Batch*size(c.OutShape()))
				if same == nil {
					same = got
				}
				if w := g.tiling; g.parts == 1 && w.algorithm != f2x2of5x5 && w.plane[innerTiles] == w.plane.before(classes) {
					kerneltest.SameBits(t, name, got, same)
				}
			}
		})
	}
}

// TestFewTilesShare checks when all threads work on the same tiles, without sums for each
// part of the batch.
func TestFewTilesShare(t *testing.T) {
	for _, test := range []struct {
		params        Params
		parts, chunks int
	}{
		{square(8, 112, 224, 1, 14, 3, 1, 1, 1), 1, 1},
		{square(8, 256, 256, 1, 14, 3, 1, 1, 1), 1, 1},
		{square(8, 512, 512, 1, 7, 3, 1, 1, 1), 1, 1},
		{square(32, 512, 512, 1, 7, 3, 1, 1, 1), 1, 2},
		{square(128, 256, 256, 1, 8, 3, 1, 1, 1), 1, 8},
		{square(128, 64, 64, 1, 8, 3, 1, 1, 1), 2, 2},
		{square(32, 48, 128, 1, 4, 5, 2, 1, 1), 2, 2},
		{square(8, 48, 128, 1, 7, 5, 2, 1, 1), 1, 1},
	} {
		c, err := New(test.params)
		if err != nil {
			t.Fatal(err)
		}
		g := c.winograd.weights
		if chunks := (g.tiling.blocks() + g.chunk - 1) / g.chunk; g.parts != test.parts || chunks != test.chunks {
			t.Errorf("%+v: %d parts and %d chunks, want %d and %d", test.params, g.parts, chunks, test.parts, test.chunks)
		}
	}
}

// TestBlocks checks how many images, and how many rows of their tiles, are a block: about 60
// tiles with 64 channels, and evenly many.
func TestBlocks(t *testing.T) {
	for _, test := range []struct {
		params       Params
		images, rows int
	}{
		{square(8, 256, 256, 1, 14, 3, 1, 1, 1), 1, 4},
		{square(8, 64, 64, 1, 56, 3, 1, 1, 1), 1, 5}, // of 14 rows of 14 tiles
		{square(128, 64, 64, 1, 32, 3, 1, 1, 1), 1, 8},
		{square(128, 64, 64, 1, 28, 3, 1, 1, 1), 1, 7}, // 128 blocks of 49 tiles, not 92 of 49 or 98
		{square(128, 128, 128, 1, 16, 3, 1, 1, 1), 4, 4},
		{square(128, 256, 256, 1, 8, 3, 1, 1, 1), 16, 2},
		{square(1, 16, 16, 1, 200, 3, 1, 1, 1), 1, 5},
	} {
		c, err := New(test.params)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []*tiling{c.winograd.forward.tiling, c.winograd.weights.tiling} {
			if w.images != test.images || w.rows != test.rows {
				t.Errorf("%+v: blocks of %d images and %d rows, want %d and %d", test.params, w.images, w.rows, test.images, test.rows)
			}
		}
	}
}

// TestShare checks how many bands one image is cut into for some threads, and that their number
// changes no bit.
func TestShare(t *testing.T) {
	for _, test := range []struct {
		params Params
		bands  map[int]int // by threads
	}{
		{square(1, 64, 64, 1, 56, 3, 1, 1, 1), map[int]int{1: 3, 2: 4, 3: 3, 4: 4, 5: 5, 16: 14}},
		{square(1, 32, 48, 2, 40, 5, 2, 1, 1), map[int]int{1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 16: 5}},
		{square(2, 20, 16, 1, 37, 3, 1, 1, 1), map[int]int{1: 1, 2: 1, 3: 2, 4: 2, 16: 8}},
		{square(9, 64, 64, 1, 56, 3, 1, 1, 1), map[int]int{1: 3, 2: 3, 4: 3, 16: 4}},
		{square(9, 64, 64, 1, 8, 3, 1, 1, 1), map[int]int{1: 1, 3: 1, 16: 1}}, // several images a block
	} {
		c, err := New(test.params)
		if err != nil {
			t.Fatal(err)
		}
		w := c.winograd.forward
		for threads, want := range test.bands {
			w.share(threads)
			tiles, pixels := 0, 0
			for _, b := range w.band {
				if b.first != tiles || b.dst != pixels || b.tiles > w.maxTiles() || b.tiles == 0 {
					t.Errorf("%+v, %d threads: bands %+v", test.params, threads, w.band)
				}
				tiles, pixels = tiles+b.tiles, pixels+b.dstPixels
			}
			if w.bands != want || tiles != w.perPlane[0]*w.perPlane[1] || pixels != w.dst[0]*w.dst[1] {
				t.Errorf("%+v, %d threads: %d bands of %d tiles, want %d", test.params, threads, w.bands, tiles, want)
			}
		}
		if test.params.Batch > 2 {
			continue
		}
		r := rand.New(rand.NewPCG(5, 5))
		x, weight := make([]float32, test.params.Batch*test.params.Channels*size(test.params.In)), make([]float32, test.params.Outputs*test.params.Channels*size(test.params.Kernel)/test.params.Group)
		kerneltest.FillNormal(r, x)
		kerneltest.FillNormal(r, weight)
		kerneltest.EachLevel(t, func(t *testing.T) {
			want := make([]float32, test.params.Batch*test.params.Outputs*size(test.params.In))
			c.Forward(nil, x, weight, nil, want)
			kerneltest.EachPool(func(name string, p *parallel.Pool) {
				got := make([]float32, len(want))
				kerneltest.Dirty(p)
				c.Forward(p, x, weight, nil, got)
				kerneltest.SameBits(t, "y, threads "+name, got, want)
			})
		})
	}
}
