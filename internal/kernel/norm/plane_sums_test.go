package norm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/kerneltest"
)

// TestSumVectors compares the loop with sums in order, to the last bit, next to protected pages.
func TestSumVectors(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		lanes := lanesOf[cpu.Active()]
		for n := range 9 {
			kerneltest.EachFence(t, "sumVectors", func(slice func(r *rand.Rand, n int) []float32) {
				r := rand.New(rand.NewPCG(4, uint64(n)))
				x := slice(r, n*lanes)
				got := make([]float64, 4*lanes+2)
				for i := range got {
					got[i] = r.NormFloat64()
				}
				want := slices.Clone(got)
				for i, v := range x {
					sums := want[i/lanes%2*2*lanes+i%lanes:]
					sums[0] += float64(v)
					sums[lanes] += float64(v) * float64(v)
				}
				active().sumVectors(x, got[:2*lanes], got[2*lanes:][:2*lanes])
				if !slices.Equal(got, want) {
					t.Errorf("%d vectors: the sums are %v, want %v", n, got, want)
				}
			})
		}
	})
}

// TestPlaneSums takes the sums of planes in parts, by several goroutines and in other orders. The
// sums are the same bits, and the statistics those of ChannelStats, to the last bit if whole planes
// are summed.
func TestPlaneSums(t *testing.T) {
	kerneltest.EachLevel(t, func(t *testing.T) {
		lanes := lanesOf[cpu.Active()]
		for _, shape := range []struct {
			n, c int
			ends []int
		}{{1, 1, []int{2}}, {3, 5, []int{7}}, {2, 17, []int{12, 24, 36, 60}}, {3, 33, []int{9, 18, 25}}, {2, 40, []int{96}}, {1, 16, []int{7, 12, 13, 30}}} {
			n, c, ends := shape.n, shape.c, shape.ends
			s := ends[len(ends)-1]
			r := rand.New(rand.NewPCG(uint64(c), uint64(s)))
			x := kerneltest.Guarded(r, n*c*s)
			for i := range x {
				x[i] += float32(100 * (i / s % c % 3))
			}
			mean, variance := make([]float32, c), make([]float32, c)
			ChannelStats(nil, n, c, s, x, mean, variance)
			m := Norm{Sums: new(PlaneSums)}
			m.Resize(n, c, s)
			stats := func() []float32 {
				m.ForwardBatch(nil, slices.Repeat([]float32{kerneltest.Guard}, len(x)), nil) // not of x
				return slices.Concat(m.Mean, m.Variance)
			}
			var first []float64
			for round := range 4 {
				name := fmt.Sprintf("%v, round %d", shape, round)
				m.Sums.Begin(n, c, s, nil)
				eachPart(r, n*c, s, 5, func(plane, at, end int) { m.Sums.Written(x, plane*s+at, end-at) })
				m.Sums.End()
				kerneltest.SameBits(t, name+", written", stats(), slices.Concat(mean, variance))

				m.Sums.Begin(n, c, s, ends)
				vectors, starts := (c+lanes-1)/lanes, append([]int{0}, ends...)
				eachPart(r, n*vectors, len(ends), round+1, func(vector, from, to int) {
					image, ch := vector/vectors, vector%vectors*lanes
					at, end := starts[from], starts[to]
					if skip := ch + lanes - c; skip <= 0 || skip > ch { // few channels leave lanes empty
						addVectors(m.Sums, x, round, lanes, 0, min(c, lanes), image*c+ch, at, end)
					} else {
						addVectors(m.Sums, x, round, lanes, skip, lanes, image*c+ch-skip, at, end)
					}
				})
				m.Sums.End()
				sums := slices.Clone((*m.Sums.sums)[:2*n*c])
				if first == nil {
					first = sums
				}
				if !slices.Equal(sums, first) {
					t.Errorf("%s, vectors: the sums are %v, want %v", name, sums, first)
				}
				got := stats()
				for i, v := range slices.Concat(mean, variance) {
					if !(math.Abs(float64(got[i]-v)) <= 1e-6*math.Abs(float64(v))) {
						t.Errorf("%s, vectors: statistic %d is %g, want %g", name, i, got[i], v)
					}
				}
			}
		}
	})
}

// eachPart calls f for parts of random size, up to a given one, of rows of some elements, in random
// order and from several goroutines.
func eachPart(r *rand.Rand, rows, elements, size int, f func(row, at, end int)) {
	var parts [][3]int
	for row := range rows {
		for at := 0; at < elements; {
			end := min(elements, at+1+r.IntN(size))
			parts = append(parts, [3]int{row, at, end})
			at = end
		}
	}
	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	var wait sync.WaitGroup
	for _, part := range parts {
		wait.Go(func() { f(part[0], part[1], part[2]) })
	}
	wait.Wait()
}

// addVectors takes the sums of the elements at to to-1 of planes as lanes of vectors, of which it adds
// one more than the number of the round at a time.
func addVectors(sums *PlaneSums, x []float32, round, lanes, first, end, plane, at, to int) {
	v := sums.Vectors(lanes, first, end, plane, at)
	defer v.End()
	for ; at < to; at += round + 1 {
		vectors := make([]float32, min(round+1, to-at)*lanes)
		for i := range vectors {
			if lane := i % lanes; plane+lane < len(x)/sums.s {
				vectors[i] = x[(plane+lane)*sums.s+at+i/lanes]
			}
		}
		v.Add(vectors)
	}
}

// TestPlaneSumsGone checks that sums are used once, and only for the size that they are of.
func TestPlaneSumsGone(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	m := Norm{Sums: new(PlaneSums)}
	check := func(name string, n, c, s int, want float32) {
		t.Helper()
		m.Resize(n, c, s)
		m.ForwardBatch(nil, x, nil)
		if m.Mean[0] != want {
			t.Errorf("%s: the mean is %g, want %g", name, m.Mean[0], want)
		}
	}
	take := func(complete bool) {
		m.Sums.Begin(2, 2, 3, nil)
		for at := 0; at < len(x); at += 3 {
			m.Sums.Written(slices.Repeat([]float32{100}, len(x)), at, 3)
		}
		if complete {
			m.Sums.End()
		}
	}
	check("no sums", 2, 2, 3, 5)
	take(true)
	check("sums", 2, 2, 3, 100)
	check("sums used before", 2, 2, 3, 5)
	take(true)
	check("fewer items", 1, 2, 3, 2)
	check("fewer channels", 2, 1, 3, 3.5)
	check("smaller planes", 2, 2, 2, 3.5)
	m.Sums.Free()
	check("dropped", 2, 2, 3, 5)
	take(false)
	check("incomplete", 2, 2, 3, 5)
}
