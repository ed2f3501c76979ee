package boxes_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/gocaffe/gocaffe/layers/boxes"
)

// TestOverlap compares areas and overlaps with values computed by hand.
func TestOverlap(t *testing.T) {
	for _, test := range []struct {
		name           string
		a, b           boxes.Box
		pixel          float32
		areaA, overlap float32
	}{
		{"equal", boxes.Box{1, 2, 3, 5}, boxes.Box{1, 2, 3, 5}, 0, 6, 1},
		{"half", boxes.Box{0, 0, 1, 1}, boxes.Box{0.5, 0, 1.5, 1}, 0, 1, 1. / 3},
		{"inside", boxes.Box{0, 0, 4, 4}, boxes.Box{1, 1, 3, 2}, 0, 16, 1. / 8},
		{"touching", boxes.Box{0, 0, 1, 1}, boxes.Box{1, 0, 2, 1}, 0, 1, 0},
		{"apart", boxes.Box{0, 0, 1, 1}, boxes.Box{2, 3, 4, 5}, 0, 1, 0},
		{"inverted", boxes.Box{1, 0, 0, 1}, boxes.Box{0, 0, 1, 1}, 0, 0, 0},
		{"pixels", boxes.Box{0, 0, 9, 9}, boxes.Box{5, 0, 14, 9}, 1, 100, 50. / 150},
		{"one pixel in common", boxes.Box{0, 0, 1, 1}, boxes.Box{1, 1, 2, 2}, 1, 4, 1. / 7},
		{"neighbouring pixels", boxes.Box{0, 0, 1, 1}, boxes.Box{2, 0, 3, 1}, 1, 4, 0},
	} {
		if got := test.a.Area(test.pixel); got != test.areaA {
			t.Errorf("%s: area %g, want %g", test.name, got, test.areaA)
		}
		if got := boxes.Overlap(test.a, test.b, test.pixel); got != test.overlap {
			t.Errorf("%s: overlap %g, want %g", test.name, got, test.overlap)
		}
		if got := boxes.Overlap(test.b, test.a, test.pixel); got != test.overlap {
			t.Errorf("%s: overlap the other way round %g, want %g", test.name, got, test.overlap)
		}
	}
	if got := (boxes.Box{-0.5, 0.25, 2, 1.5}).Clip(1, 1); got != (boxes.Box{0, 0.25, 1, 1}) {
		t.Errorf("clipped %v", got)
	}
	if got := (boxes.Box{0.5, 0.25, 1, 1.5}).Scale(10, 4); got != (boxes.Box{5, 1, 10, 6}) {
		t.Errorf("scaled %v", got)
	}
	if got, ok := boxes.Intersect(boxes.Box{0, 0, 2, 2}, boxes.Box{1, 1, 3, 3}); !ok || got != (boxes.Box{1, 1, 2, 2}) {
		t.Errorf("in common %v, %v", got, ok)
	}
	if got, ok := boxes.Intersect(boxes.Box{0, 0, 1, 1}, boxes.Box{1.5, 0, 2, 1}); ok || got != (boxes.Box{}) {
		t.Errorf("in common %v, %v", got, ok)
	}
	x := make([]float32, 4)
	boxes.Box{1, 2, 3, 4}.Put(x)
	if got := boxes.From(x); got != (boxes.Box{1, 2, 3, 4}) {
		t.Errorf("box %v", got)
	}
}

// TestCodes compares Encode with the formulas in float64, and Decode with its inverse.
func TestCodes(t *testing.T) {
	p, g, v := [4]float64{0.2, 0.1, 0.5, 0.7}, [4]float64{0.25, 0.3, 0.6, 0.65}, [4]float64{0.1, 0.1, 0.2, 0.3}
	w, h := p[2]-p[0], p[3]-p[1]
	want := map[boxes.Code][4]float64{
		boxes.Corner:     {0.05 / 0.1, 0.2 / 0.1, 0.1 / 0.2, -0.05 / 0.3},
		boxes.CornerSize: {0.05 / w / 0.1, 0.2 / h / 0.1, 0.1 / w / 0.2, -0.05 / h / 0.3},
		boxes.CenterSize: {(0.425 - 0.35) / w / 0.1, (0.475 - 0.4) / h / 0.1, math.Log(0.35/w) / 0.2, math.Log(0.35/h) / 0.3},
	}
	prior, truth := box(p), box(g)
	for code, want := range want {
		variances := [4]float32{0.1, 0.1, 0.2, 0.3}
		got := code.Encode(prior, variances, truth)
		plain := code.Encode(prior, boxes.NoVariance, truth)
		for i := range got {
			if d := math.Abs(float64(got[i]) - want[i]); d > 2e-6 {
				t.Errorf("code %d: element %d is %g, want %g", code, i, got[i], want[i])
			}
			if d := math.Abs(float64(plain[i]) - want[i]*v[i]); d > 1e-6 {
				t.Errorf("code %d without variance: element %d is %g, want %g", code, i, plain[i], want[i]*v[i])
			}
		}
		back := code.Decode(prior, variances, got)
		for i, d := range [4]float32{back.XMin - truth.XMin, back.YMin - truth.YMin, back.XMax - truth.XMax, back.YMax - truth.YMax} {
			if math.Abs(float64(d)) > 1e-6 {
				t.Errorf("code %d: coordinate %d decoded is %g off", code, i, d)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	flat := boxes.Box{0, 0.5, 1, 0.5}
	for _, code := range []boxes.Code{boxes.Corner, boxes.CenterSize, boxes.CornerSize} {
		if got, want := code.CheckPrior(flat) != nil, code != boxes.Corner; got != want {
			t.Errorf("code %d: a flat prior is an error: %v", code, got)
		}
		if got, want := code.CheckTarget(flat) != nil, code == boxes.CenterSize; got != want {
			t.Errorf("code %d: a flat target is an error: %v", code, got)
		}
		if err := code.CheckPrior(boxes.Box{0, 0, 1, 1}); err != nil {
			t.Error(err)
		}
	}
}

// TestRanking compares Top with a stable sort, for scores with many equal ones.
func TestRanking(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var r boxes.Ranking
	for round := range 300 {
		n := rng.IntN(200)
		if round == 0 {
			n = 5000
		}
		scores := make([]float32, n)
		want := make([]int32, n)
		for i := range scores {
			scores[i] = float32(rng.IntN(40)-20) / 8
			if scores[i] == 0 && rng.IntN(2) == 0 {
				scores[i] = float32(math.Copysign(0, -1))
			}
			want[i] = int32(i)
			r.Add(scores[i], i)
		}
		sort.SliceStable(want, func(a, b int) bool { return scores[want[a]] > scores[want[b]] })
		k := rng.IntN(n+3) - 1
		if k >= 0 && k < n {
			want = want[:k]
		}
		if r.Len() != n {
			t.Fatalf("%d scores, want %d", r.Len(), n)
		}
		got := r.Top(k, []int32{-7})
		if got[0] != -7 || !slices.Equal(got[1:], want) {
			t.Fatalf("the first %d of %v are %v, want %v", k, scores, got, want)
		}
	}
}

// TestRankingSorted sorts what makes a quick selection slow.
func TestRankingSorted(t *testing.T) {
	var r boxes.Ranking
	for i := range 100000 {
		r.Add(float32(-(i % 317)), i)
	}
	got := r.Top(400, nil)
	for i := range 316 { // those with score 0
		if want := int32(317 * i); got[i] != want {
			t.Fatalf("number %d is %d, want %d", i, got[i], want)
		}
	}
	if len(got) != 400 || got[316] != 1 {
		t.Errorf("%d numbers, then %d, want 400 and 1", len(got), got[316])
	}
}

// TestNMS compares Keep with the definition.
func TestNMS(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []*boxes.NMS{{Threshold: 0.3}, {Threshold: 0.9, Eta: 0.8}, {Threshold: 0.7, Eta: 1}, {Threshold: 0.2, Pixel: 1}, {Threshold: 0.7, Most: 3}} {
		all := make([]boxes.Box, 60)
		order := make([]int32, len(all))
		for i := range all {
			x, y, w := 3*rng.Float32(), 3*rng.Float32(), 1+rng.Float32()
			all[i] = boxes.Box{x, y, x + w, y + 2}
			order[i] = int32(i)
		}
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		var want []int32
		threshold := n.Threshold
		for _, i := range order {
			keep := true
			for _, k := range want {
				keep = keep && boxes.Overlap(all[i], all[k], n.Pixel) <= threshold
			}
			if keep && (n.Most == 0 || len(want) < n.Most) {
				want = append(want, i)
				if n.Eta > 0 && threshold > 0.5 {
					threshold *= n.Eta
				}
			}
		}
		if got := n.Keep(all, order, nil); !slices.Equal(got, want) || len(want) == len(all) || len(want) < 2 {
			t.Errorf("threshold %g: kept %v, want %v", n.Threshold, got, want)
		}
		kept := make([]int32, 0, len(all))
		if allocs := testing.AllocsPerRun(10, func() { n.Keep(all, order, kept) }); allocs != 0 {
			t.Errorf("%g allocations", allocs)
		}
	}
}

func box(x [4]float64) boxes.Box {
	return boxes.Box{float32(x[0]), float32(x[1]), float32(x[2]), float32(x[3])}
}
