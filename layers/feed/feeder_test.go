package feed

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// boxes is a dataset with tops of all kinds: record i has a matrix of 2 x 3, two
// labels, one label, and i mod 3 boxes. A batch has its boxes in one list, of shape
// 1 x 1 x boxes x 2, like SSD's AnnotatedData.
type boxes struct {
	records int
	fault   func(*Item) error // nil for none
	finish  func(*Batch) error
	reads   atomic.Int64
	closed  atomic.Int64
}

func (d *boxes) Len() int          { return d.records }
func (d *boxes) Name(i int) string { return fmt.Sprintf("record %d", i) }
func (d *boxes) NewReader() Reader { return &boxReader{boxes: d} }

type boxReader struct {
	*boxes
	list []float32 // two for each box
}

func (r *boxReader) Read(it *Item) error {
	r.reads.Add(1)
	if r.fault != nil {
		if err := r.fault(it); err != nil {
			return err
		}
	}
	matrix, err := it.Top(0, 2, 3)
	if err != nil {
		return err
	}
	for i := range matrix {
		matrix[i] = float32(it.Record) + it.Rand.Float32()
	}
	labels, err := it.Top(1, 2)
	if err != nil {
		return err
	}
	labels[0], labels[1] = float32(it.Record), float32(it.Epoch)
	label, err := it.Top(2)
	if err != nil {
		return err
	}
	label[0] = float32(it.Place)
	if it.Index == 0 {
		r.list = r.list[:0]
	}
	for i := range it.Record % 3 {
		r.list = append(r.list, float32(it.Index), float32(i))
	}
	return nil
}

// Finish writes the list of boxes.
func (r *boxReader) Finish(b *Batch) error {
	if r.finish != nil {
		return r.finish(b)
	}
	top := b.Top(3)
	if err := top.Reshape(1, 1, len(r.list)/2, 2); err != nil {
		return err
	}
	copy(top.MutableData(), r.list)
	return nil
}

func (r *boxReader) Close() error {
	r.closed.Add(1)
	return nil
}

// layer is a data layer of the dataset that a test has registered under its name.
type layer struct {
	*Feeder
	test *test
}

type test struct {
	dataset Dataset
	order   Order
}

var tests = map[string]*test{} // by the name of the layer

func init() {
	layers.Register(layers.Info{
		Type: "FeedTest", Group: "data", Param: "data_param", Tops: layers.AtLeast(1),
		New: func(spec *layers.Spec) (layers.Layer, error) {
			f, err := New(spec, "data_param", int(spec.Param.GetDataParam().GetBatchSize()))
			if err != nil {
				return nil, err
			}
			return &layer{Feeder: f, test: tests[spec.Param.GetName()]}, nil
		},
	})
}

func (l *layer) SetUp(_, top []*blob.Blob) error { return l.Start(l.test.dataset, l.test.order, top) }

func (l *layer) Sources() []string { return nil }

const text = `layer { name: "boxes" type: "FeedTest" top: "matrix" top: "labels" top: "label" top: "boxes" data_param { batch_size: 4 source: "s" } }`

func TestData(t *testing.T) {
	d := cudatest.Device(t)
	for _, order := range []Order{
		{},
		{Skip: 3},
		{Permute: Shuffle(layers.NewRand(7, "shuffle"))},
		{Skip: 9, Permute: func(epoch int64, order []int32) { slices.Reverse(order); order[0] = int32(epoch % 10) }},
	} {
		tests["boxes"] = &test{&boxes{records: 10}, order}
		layertest.CheckData(t, d, text)
		layertest.CheckAllocs(t, text)
	}
}

// TestTops checks the contents of the tops.
func TestTops(t *testing.T) {
	tests["boxes"] = &test{dataset: &boxes{records: 5}}
	env := &layers.Env{Seed: 3}
	f, err := layertest.SetUp(env, text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shapes := func() (s [][]int) {
		for _, top := range f.Top {
			s = append(s, slices.Clone(top.Shape()))
		}
		return s
	}
	// Before the first pass the shapes are those of a batch of records like record 0.
	if got, want := fmt.Sprint(shapes()), "[[4 2 3] [4 2] [4] [1 1 0 2]]"; got != want {
		t.Errorf("SetUp gives the shapes %s, want %s", got, want)
	}
	for pass, want := range []struct {
		labels, boxes []float32
	}{
		{[]float32{0, 0, 1, 0, 2, 0, 3, 0}, []float32{1, 0, 2, 0, 2, 1}},
		{[]float32{4, 0, 0, 1, 1, 1, 2, 1}, []float32{0, 0, 2, 0, 3, 0, 3, 1}},
	} {
		env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if got := f.Top[1].Data(); !slices.Equal(got, want.labels) {
			t.Errorf("pass %d: labels %v, want %v", pass, got, want.labels)
		}
		if got := f.Top[3].Data(); !slices.Equal(got, want.boxes) || !f.Top[3].ShapeEqual([]int{1, 1, len(want.boxes) / 2, 2}) {
			t.Errorf("pass %d: boxes %v of shape %v, want %v", pass, got, f.Top[3].Shape(), want.boxes)
		}
		for i, v := range f.Top[0].Data() {
			if record := want.labels[i/6*2]; v < record || v >= record+1 {
				t.Errorf("pass %d: element %d of the matrices is %v, want %v plus a random number below 1", pass, i, v, record)
			}
		}
	}
}

// TestRandomNumbers checks that no two items, even of different solvers, draw the same
// numbers.
func TestRandomNumbers(t *testing.T) {
	tests["boxes"] = &test{dataset: &boxes{records: 1}}
	seen := map[float32]bool{}
	for rank := range 2 {
		env := &layers.Env{Rank: rank, Ranks: 2}
		f, err := layertest.SetUp(env, text)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for env.Pass = range 5 {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				if v := f.Top[0].Data()[6*i]; seen[v] {
					t.Errorf("rank %d, pass %d, item %d: %v was drawn before", rank, env.Pass, i, v)
				} else {
					seen[v] = true
				}
			}
		}
	}
}

// TestRanks checks that records are distributed to solvers that train together, but not
// in phase TEST.
func TestRanks(t *testing.T) {
	tests["boxes"] = &test{dataset: &boxes{records: 100}}
	for phase, want := range map[caffepb.Phase][]float32{caffepb.Phase_TRAIN: {2, 5, 8, 11}, caffepb.Phase_TEST: {0, 1, 2, 3}} {
		f, err := layertest.SetUp(&layers.Env{Phase: phase, Rank: 2, Ranks: 3}, text)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Forward(); err != nil || !slices.Equal(f.Top[2].Data(), want) {
			t.Errorf("%v: items %v, %v, want %v", phase, f.Top[2].Data(), err, want)
		}
	}
}

// TestAhead checks that the batch of the next pass is uploaded before that pass.
func TestAhead(t *testing.T) {
	fake := cudatest.Fake(t, "log=1")
	d, err := cuda.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	tests["boxes"] = &test{dataset: &boxes{records: 10}}
	env := &layers.Env{Device: d}
	f, err := layertest.SetUp(env, text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3 {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		env.Pass++
	}
	u := f.Layer.(*layer).uploader
	for deadline := time.Now().Add(5 * time.Second); len(u.results) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is uploaded without a pass")
		}
	}
	uploads := 0
	for _, call := range fake.Calls() {
		if strings.HasPrefix(call, "cuMemcpyHtoDAsync") {
			uploads++
		}
	}
	if r := <-u.results; r.pass != 3 || !r.uploaded || uploads != 4 {
		t.Errorf("after 3 passes there were %d uploads, the last for pass %d, want 4, for pass 3", uploads, r.pass)
	}
	u.ahead = false
}

// keyed is a dataset of boxes with keys.
type keyed struct{ *boxes }

func (keyed) Key(i int) string { return fmt.Sprintf("key%d", i) }

// TestReadOnce reads each record once, in a last batch that is smaller.
func TestReadOnce(t *testing.T) {
	tests["boxes"] = &test{keyed{&boxes{records: 10}}, Order{Skip: 3, Permute: func(epoch int64, order []int32) { slices.Reverse(order) }}}
	env := new(layers.Env)
	f, err := layertest.SetUp(env, text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	source := f.Layer.(layers.RecordSource)
	if source.Records() != 10 || source.BatchSize() != 4 {
		t.Errorf("%d records in batches of %d", source.Records(), source.BatchSize())
	}
	if err := source.ReadOnce(); err != nil {
		t.Fatal(err)
	}
	var got []float32
	for pass, size := range []int{4, 4, 2} {
		env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if !f.Top[1].ShapeEqual([]int{size, 2}) {
			t.Errorf("pass %d has the shape %v, want %d items", pass, f.Top[1].Shape(), size)
		}
		for i := range f.Top[1].Dim(0) {
			record := f.Top[1].Data()[2*i]
			got = append(got, record)
			if name, err := source.RecordName(env.Pass, i); err != nil || name != fmt.Sprintf("key%g", record) {
				t.Errorf("pass %d, item %d is called %s, %v, want key%g", pass, i, name, err, record)
			}
		}
	}
	if want := []float32{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
	env.Pass = 3
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), "each record is read once, and pass 3 has none left") {
		t.Errorf("the pass after the last one: %v", err)
	}
	if err := source.ReadOnce(); err == nil || !strings.Contains(err.Error(), "some have been read already") {
		t.Errorf("ReadOnce after a pass: %v", err)
	}
}
