package conv

import (
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// TestTiles checks that the tiles along an axis give each output once, and with as few products
// as possible.
func TestTiles(t *testing.T) {
	for a := range algorithms {
		for n := 1; n < 50; n++ {
			w := tiling{m: a.outputs()}
			tiles, full := a.tiles(n)
			w.full[1] = full
			for i := range tiles {
				outputs := w.start(1, i+1) - w.start(1, i)
				if w.start(1, i) >= n || outputs != w.m && (outputs != w.m-1 || i < full) {
					t.Errorf("algorithm %d, %d outputs: tile %d has %d from %d on", a, n, i, outputs, w.start(1, i))
				}
			}
			end := w.start(1, tiles)
			if w.start(1, 0) != 0 || end < n {
				t.Errorf("algorithm %d: tiles of %d to %d for %d outputs", a, w.start(1, 0), end, n)
			}
			if end > n && full > 0 && a != fourier5x5 {
				t.Errorf("algorithm %d, %d outputs: %d tiles too large", a, n, full)
			}
		}
	}
}

// TestNeeded counts the products of tiles, of which those with fewer outputs do without those of
// the last point.
func TestNeeded(t *testing.T) {
	for _, test := range []struct {
		params Params
		want   int // of a plane
	}{
		{square(8, 16, 16, 1, 8, 3, 1, 1, 1), 4 * 36},
		{square(8, 16, 16, 1, 7, 3, 1, 1, 1), 11 * 11},
		{square(8, 16, 16, 1, 14, 3, 1, 1, 1), 22 * 22},
		{square(8, 16, 16, 1, 13, 3, 1, 1, 1), 21 * 21},
		{square(8, 16, 16, 1, 6, 3, 1, 1, 1), 100},
		{square(8, 16, 16, 1, 5, 3, 1, 1, 1), 100}, // the last outputs of both tiles are dropped
		{square(8, 16, 16, 1, 3, 3, 1, 1, 1), 25},
		{square(8, 16, 16, 1, 1, 3, 1, 1, 1), 9}, // F(2x2,3x3)
		{square(5, 16, 16, 1, 7, 5, 2, 1, 1), 23 * 23},
		{square(8, 16, 16, 1, 7, 5, 2, 1, 1), fourierMatrices},
		{Params{2, 16, 16, 1, []int{8, 7}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false}, 12 * 11},
		{Params{2, 16, 16, 1, []int{7, 12}, []int{3, 3}, []int{1, 1}, []int{1, 1}, []int{1, 1}, false}, 11 * 18},
	} {
		c, err := New(test.params)
		if err != nil {
			t.Fatal(err)
		}
		w := c.winograd.forward
		got := 0
		for xi := range w.matrices() {
			first, n := w.needed(w.plane, xi)
			if first < 0 || first+n > w.plane.before(classes) {
				t.Errorf("%+v: matrices %d need tiles %d to %d", test.params, xi, first, first+n)
			}
			got += n
		}
		if estimate := w.products(w.algorithm); estimate != test.want {
			t.Errorf("%+v: an estimate of %d products, want %d", test.params, estimate, test.want)
		}
		if got != test.want {
			t.Errorf("%+v: %d products, want %d", test.params, got, test.want)
		}
	}
}

// TestTables checks that the tiles of a band read only its pixels, and that they write each
// pixel of it once.
func TestTables(t *testing.T) {
	for _, params := range []Params{
		square(1, 16, 16, 1, 54, 3, 1, 1, 1), square(3, 16, 16, 1, 13, 3, 0, 1, 1), square(2, 16, 16, 1, 5, 3, 2, 1, 1),
		square(1, 16, 16, 1, 2, 3, 1, 1, 1), square(9, 16, 16, 1, 7, 5, 2, 1, 1), square(2, 16, 16, 1, 50, 5, 0, 1, 1),
	} {
		c := mustNew(t, params)
		for _, w := range []*tiling{c.winograd.forward.tiling, c.winograd.data.tiling} {
			const lanes = 4
			w.tables(lanes)
			for _, b := range w.band {
				for _, at := range w.in[b.first*w.n*w.n:][:b.tiles*w.n*w.n] {
					if at < 0 || int(at) > b.srcPixels*lanes {
						t.Errorf("%+v: offset %d in a band of %d pixels", params, at, b.srcPixels)
					}
				}
				times := make([]int, b.dstPixels+1) // and the dropped ones
				for _, at := range w.out[b.first*w.m*w.m:][:b.tiles*w.m*w.m] {
					times[at/lanes]++
				}
				if slices.Max(times[:b.dstPixels]) != 1 || slices.Min(times[:b.dstPixels]) != 1 {
					t.Errorf("%+v: the pixels of a band are written %v times", params, times)
				}
			}
		}
	}
}

// TestNoProduct checks the sums of the gradient of the weights over tiles of which none needs a
// product: they are those from before, or zeros.
func TestNoProduct(t *testing.T) {
	params := square(1, 16, 16, 1, 54, 3, 1, 1, 1)
	c := mustNew(t, params)
	x, dweight := make([]float32, 16*54*54), make([]float32, 16*16*9)
	c.BackwardWeights(nil, x, x, dweight, nil)
	w := c.winograd.weights
	last := w.tiling.blocks() - 1
	if counts := w.tiling.between(last, last+1); counts.before(classes) != counts[bottomTiles]+counts[cornerTiles] {
		t.Fatalf("the tiles of the last block are %v", counts)
	}
	init, sums := make([]float32, 16*w.width), make([]float32, 16*w.width)
	kerneltest.Fill(init, 3)
	w.multiply(w.tiling.matrices()-1, 0, 0, last, 1, nil, init, sums, nil)
	kerneltest.SameBits(t, "sums", sums, init)
	w.multiply(w.tiling.matrices()-1, 0, 0, last, 1, nil, nil, sums, nil)
	kerneltest.SameBits(t, "new sums", sums, make([]float32, len(sums)))
}
