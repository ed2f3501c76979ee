package digits

import (
	"fmt"
	"hash/fnv"
	"math"
	"runtime"
	"slices"
	"testing"
)

func set(seed uint64, n int) (x [][]float32, y []int) {
	for i := range n {
		pixels := make([]byte, Size*Size)
		label := Image(seed, uint64(i), pixels)
		row := make([]float32, Size*Size)
		for j, v := range pixels {
			row[j] = float32(v) / 255
		}
		x, y = append(x, row), append(y, label)
	}
	return x, y
}

// TestNotLinear trains softmax regression on the raw pixels: if that were enough,
// the set would be too easy to demonstrate a deep net.
func TestNotLinear(t *testing.T) {
	x, y := set(1, 4000)
	testX, testY := set(2, 1000)
	const k, d = 10, Size * Size
	w := make([]float32, k*(d+1))
	for epoch := range 12 {
		rate := 0.05 / float32(1+epoch)
		for i, row := range x {
			p := scores(w, row)
			for c := range k {
				g := p[c]
				if c == y[i] {
					g--
				}
				for j, v := range row {
					w[c*(d+1)+j] -= rate * g * v
				}
				w[c*(d+1)+d] -= rate * g
			}
		}
	}
	right := 0
	for i, row := range testX {
		best, p := 0, scores(w, row)
		for c := range p {
			if p[c] > p[best] {
				best = c
			}
		}
		if best == testY[i] {
			right++
		}
	}
	accuracy := float64(right) / float64(len(testX))
	t.Logf("a linear classifier gets %.1f %%", 100*accuracy)
	if accuracy < 0.5 || accuracy > 0.95 {
		t.Errorf("a linear classifier gets %.1f %%, want between 50 %% (the digits can be told apart) and 95 %%", 100*accuracy)
	}
}

func scores(w, row []float32) []float32 {
	const k, d = 10, Size * Size
	p := make([]float32, k)
	var sum float64
	for c := range k {
		s := w[c*(d+1)+d]
		for j, v := range row {
			s += w[c*(d+1)+j] * v
		}
		p[c] = float32(math.Exp(float64(s)))
		sum += float64(p[c])
	}
	for c := range p {
		p[c] /= float32(sum)
	}
	return p
}

// TestSame checks that the set does not change: runs of the demonstration on
// different machines are comparable. (On other processors about one pixel in a
// thousand is rounded differently, because Go fuses multiplications and additions.)
func TestSame(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: the hash is that of amd64")
	}
	h := fnv.New64a()
	pixels := make([]byte, Size*Size)
	for i := range uint64(100) {
		h.Write([]byte{byte(Image(7, i, pixels))})
		h.Write(pixels)
	}
	const want = 0x73429da08b34e656
	if got := h.Sum64(); got != want {
		t.Errorf("hash of 100 images is %#x, want %#x", got, uint64(want))
	}
	h.Reset()
	scene := make([]byte, SceneSize*SceneSize)
	for i := range uint64(20) {
		fmt.Fprint(h, Scene(7, i, scene))
		h.Write(scene)
	}
	const scenes = 0x3f9d3d4120722d46
	if got := h.Sum64(); got != scenes {
		t.Errorf("hash of 20 scenes is %#x, want %#x", got, uint64(scenes))
	}
}

// TestScene checks that each digit fills its box, with ink at all four edges, and that
// all digits and sizes are there.
func TestScene(t *testing.T) {
	pixels := make([]byte, SceneSize*SceneSize)
	total, seen, heights := 0, [10]int{}, [2]int{}
	const dark = 120 // above the noise, below the stroke
	for i := range uint64(200) {
		objects := Scene(3, i, pixels)
		if len(objects) == 0 || len(objects) > 6 {
			t.Fatalf("scene %d has %d digits", i, len(objects))
		}
		for _, o := range objects {
			total++
			seen[o.Digit]++
			if o.YMax-o.YMin < 24 {
				heights[0]++
			}
			if o.YMax-o.YMin > 32 {
				heights[1]++
			}
			x0, y0, x1, y1 := int(o.XMin), int(o.YMin), int(math.Ceil(o.XMax)), int(math.Ceil(o.YMax))
			ink := func(x0, y0, x1, y1 int) bool {
				for y := y0; y < y1; y++ {
					for x := x0; x < x1; x++ {
						if pixels[y*SceneSize+x] > dark {
							return true
						}
					}
				}
				return false
			}
			for _, edge := range [][4]int{{x0, y0, x1, y0 + 3}, {x0, y1 - 3, x1, y1}, {x0, y0, x0 + 3, y1}, {x1 - 3, y0, x1, y1}} {
				if !ink(edge[0], edge[1], edge[2], edge[3]) {
					t.Errorf("scene %d: digit %d has no ink at the edge %v of its box", i, o.Digit, edge)
				}
			}
		}
	}
	if total < 500 || slices.Min(seen[:]) < total/20 || heights[0] < total/10 || heights[1] < total/10 {
		t.Errorf("%d digits, %v of each kind, %v small and large ones", total, seen, heights)
	}
}
