package layertest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// CheckData runs the data layer that the text describes and fails the test unless
// its tops depend on the seed and the number of the pass alone: with one to four
// threads, from the first pass on, from a later one as in a run that is resumed, and
// when passes are repeated and skipped. If d is not nil, it checks the same on that
// device. The layer must also be a layers.DataSource, which gocaffe check and time
// replace by made-up data.
func CheckData(t testing.TB, d *cuda.Device, text string) {
	t.Helper()
	const passes = 12
	inOrder := make([]int64, passes)
	for i := range inOrder {
		inOrder[i] = int64(i)
	}
	want := tops(t, new(layers.Env), text, inOrder)
	check := func(env *layers.Env, how string, numbers []int64) {
		t.Helper()
		for i, got := range tops(t, env, text, numbers) {
			if n := numbers[i]; !equalTops(got, want[n]) {
				t.Errorf("%s, passes %v: the data of pass %d differ from those with one thread and all passes in order", how, numbers, n)
				return
			}
		}
	}
	jumps := []int64{3, 4, 1, 1, passes - 1, 0, 1, 5}
	for threads := 1; threads <= 4; threads++ {
		pool := parallel.NewPool(threads)
		how := fmt.Sprintf("%d threads", threads)
		for _, from := range []int{0, 1, passes / 2, passes - 1} {
			check(&layers.Env{Workers: pool}, how, inOrder[from:])
		}
		check(&layers.Env{Workers: pool}, how, jumps)
		pool.Close()
	}
	if d != nil {
		check(&layers.Env{Device: d}, "on a device", inOrder)
		check(&layers.Env{Device: d}, "on a device", jumps)
	}
}

// values are the contents of a top in a pass.
type values struct {
	shape []int
	data  []float32
}

// tops sets the layer up and returns the contents of its tops in each of the passes.
func tops(t testing.TB, env *layers.Env, text string, passes []int64) [][]values {
	t.Helper()
	f, err := SetUp(env, text)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	if _, ok := f.Layer.(layers.DataSource); !ok {
		t.Fatalf("type %s is not a layers.DataSource", f.Info.Type)
	}
	var all [][]values
	for _, env.Pass = range passes {
		if err := f.forward(); err != nil {
			t.Fatalf("pass %d: %v", env.Pass, err)
		}
		var pass []values
		for _, b := range f.Top {
			pass = append(pass, values{slices.Clone(b.Shape()), slices.Clone(b.Data())})
		}
		all = append(all, pass)
	}
	if env.Device != nil && layers.ModeOf(f.Layer) != layers.OnHost {
		record(nameOf(f.Info), Device) // unless the contents are wrong, but then the tests fail
	}
	return all
}

func equalTops(a, b []values) bool {
	return slices.EqualFunc(a, b, func(x, y values) bool {
		return slices.Equal(x.shape, y.shape) && slices.EqualFunc(x.data, y.data, func(v, w float32) bool {
			return math.Float32bits(v) == math.Float32bits(w)
		})
	})
}
