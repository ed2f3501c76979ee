package layertest

import (
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// CheckThreads runs both passes of the layer that the text describes with one,
// two, three and four threads, and fails the test unless all results are the same
// bit for bit. The bottoms should be large enough to keep several threads busy.
func CheckThreads(t testing.TB, text string, bottom ...*blob.Blob) {
	t.Helper()
	var first []result
	for threads := 1; threads <= 4; threads++ {
		pool := parallel.NewPool(threads)
		got := passes(t, &layers.Env{Workers: pool}, text, bottom)
		pool.Close()
		if threads == 1 {
			first = got
			continue
		}
		for i, r := range got {
			for k, v := range r.values {
				if math.Float32bits(v) != math.Float32bits(first[i].values[k]) {
					t.Errorf("%s, %s is %g with one thread and %g with %d", r.name, element(k, r.shape), first[i].values[k], v, threads)
					break
				}
			}
		}
	}
}

// A result is an array that a pass has computed.
type result struct {
	name   string // such as: top 0 "y" data
	shape  []int
	values []float32
}

// passes runs both passes on copies of the bottoms and returns the results.
func passes(t testing.TB, env *layers.Env, text string, bottom []*blob.Blob) []result {
	t.Helper()
	f := copied(t, env, text, bottom)
	defer f.Close()
	return pass(t, f, f.Forward, f.Backward)
}

// copied sets up the layer that the text describes on copies of the bottoms.
func copied(t testing.TB, env *layers.Env, text string, bottom []*blob.Blob) *Fixture {
	t.Helper()
	copies := make([]*blob.Blob, len(bottom))
	for i, b := range bottom {
		copies[i] = Values(b.Data(), b.Shape()...)
	}
	f, err := SetUp(env, text, copies...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// pass runs both passes of a layer and returns the results. The diffs of the bottoms
// are NaN at first, so that elements that are not written show.
func pass(t testing.TB, f *Fixture, forward, backward func() error) []result {
	t.Helper()
	if err := forward(); err != nil {
		t.Fatal(err)
	}
	var results []result
	keep := func(name string, b *blob.Blob, values []float32) {
		results = append(results, result{name, slices.Clone(b.Shape()), slices.Clone(values)})
	}
	for i, b := range f.Bottom {
		if f.Propagate[i] {
			fill(b.MutableDiff(), float32(math.NaN()))
		}
	}
	for i, b := range f.Top {
		keep(f.topName(i)+" data", b, b.Data())
		if w := f.lossWeight(i); w == 0 {
			layers.NewRand(uint64(i), "top diff").Gaussian(nil, 0, 0, 1, b.MutableDiff())
		}
	}
	for i, b := range f.Params() { // Backward adds to them
		layers.NewRand(uint64(i), "param diff").Gaussian(nil, 0, 0, 1, b.MutableDiff())
	}
	if err := backward(); err != nil {
		t.Fatal(err)
	}
	for i, b := range f.Bottom {
		if f.Propagate[i] {
			keep(f.bottomName(i)+" diff", b, b.Diff())
		}
	}
	for i, b := range f.Params() {
		keep(f.paramName(i)+" data", b, b.Data())
		keep(f.paramName(i)+" diff", b, b.Diff())
	}
	return results
}

// CheckAllocs fails the test if the passes of the layer that the text describes
// allocate memory after their first run. For a data layer that includes reading
// ahead, after eight batches.
func CheckAllocs(t testing.TB, text string, bottom ...*blob.Blob) {
	t.Helper()
	if raceEnabled {
		t.Log("SKIPPED: the race detector itself allocates")
		return
	}
	pool := parallel.NewPool(2)
	defer pool.Close()
	f, err := SetUp(&layers.Env{Workers: pool}, text, bottom...)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	run := func() {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		f.Spec.Env.Pass++
	}
	if _, ok := f.Layer.(layers.DataSource); ok {
		for range 8 {
			run()
		}
	}
	allocs := testing.AllocsPerRun(20, run)
	if allocs != 0 {
		t.Errorf("Reshape, Forward and Backward allocate %v times per pass", allocs)
	}
}
