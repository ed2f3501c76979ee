package feed

import (
	"context"
	"errors"
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
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/internal/leak"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/parallel"
	"google.golang.org/protobuf/proto"
)

// boxes is a dataset with tops of all kinds: record i has a matrix of 2 x 3, two
// labels, one label, and i mod 3 boxes, which a batch has in one list:
// 1 x 1 x boxes x 2, as SSD's AnnotatedData.
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

// layer is a data layer of whatever dataset a test gives the name of the layer.
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

// TestTops looks at what the tops hold.
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
	// The shapes before the first pass are those of a batch of records like 0.
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
				t.Errorf("pass %d: number %d of the matrices is %v, want %v and a random number below 1", pass, i, v, record)
			}
		}
	}
}

// TestRandomNumbers checks that no two items draw the same numbers, in whichever
// solver.
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

// TestRanks deals the records to solvers that train together, but not in tests.
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

// TestErrors gives the feeder faulty datasets and layers.
func TestErrors(t *testing.T) {
	fail := errors.New("the disk is on fire")
	at := func(record int, do func(*Item) error) *boxes {
		return &boxes{records: 10, fault: func(it *Item) error {
			if it.Record == record {
				return do(it)
			}
			return nil
		}}
	}
	reshaped := func(i int, shape ...int) func(*Item) error {
		return func(it *Item) error { _, err := it.Top(i, shape...); return err }
	}
	for _, tt := range []struct {
		name    string
		dataset *boxes
		order   Order
		want    string
	}{
		{"empty", &boxes{}, Order{}, "there are no records"},
		{"skip", &boxes{records: 1}, Order{Skip: -1}, "-1 records are to be skipped, want 0 or more"},
		{"first", at(0, func(*Item) error { return fail }), Order{}, "record 0: the disk is on fire"},
		{"later", at(7, func(*Item) error { return fail }), Order{}, "record 7: the disk is on fire"},
		{"panic", at(7, func(*Item) error { panic("bad\nnews") }), Order{}, "record 7: panic in Read of type FeedTest: bad; news"},
		{"shape", at(6, reshaped(0, 3, 2)), Order{}, "record 6: the record has shape 3 x 2, the first of its batch 2 x 3: want one shape, or batch_size: 1"},
		{"number", at(0, reshaped(4)), Order{}, "record 0: the layer has no top 4, there are 4"},
		{"size", at(0, reshaped(0, 1<<16, 1<<16)), Order{}, "record 0: blob shape [1 65536 65536] has more than 2147483647 elements"},
		{"late", at(5, reshaped(3)), Order{}, "record 5: the first item of the batch has no part in top 3"},
		{"left out", at(4, func(it *Item) error { _, err := it.Top(3); return err }), Order{},
			"record 5: the reader has written nothing to top 3, but the items before have a part in it"},
		{"finish", &boxes{records: 1, finish: func(*Batch) error { return fail }}, Order{}, "the disk is on fire"},
		{"finish panic", &boxes{records: 1, finish: func(*Batch) error { panic("bad") }}, Order{}, "panic in Finish of type FeedTest: bad"},
		{"unfinished", &boxes{records: 1, finish: func(*Batch) error { return nil }}, Order{}, "the reader has written nothing to top 3"},
		{"order", &boxes{records: 3}, Order{Permute: func(epoch int64, order []int32) { order[1] = 2 * int32(epoch) }},
			"Order.Permute put record 4 at position 1 of epoch 2, want 0 to 2"},
		{"order panic", &boxes{records: 3}, Order{Permute: func(int64, []int32) { panic("bad") }}, "panic in the dataset of type FeedTest: bad"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tests["boxes"] = &test{tt.dataset, tt.order}
			for _, prefix := range []string{"", "\n\n"} {
				env := new(layers.Env)
				f, err := layertest.SetUp(env, strings.Replace(text, `source:`, prefix+`source:`, 1))
				for ; err == nil && env.Pass < 3; env.Pass++ {
					err = f.Forward()
				}
				want := fmt.Sprintf(`layer "boxes": %s`, tt.want)
				line := fmt.Sprintf("layer.prototxt:%d:", 1+len(prefix))
				if err == nil || !strings.HasPrefix(err.Error(), line) || !strings.HasSuffix(err.Error(), want) {
					t.Errorf("got error %v, want %s ... %s", err, line, want)
				}
				if f != nil {
					f.Close()
				}
			}
		})
	}
	layertest.CheckError(t, 1, `layer "boxes": batch_size is 0 or missing, want at least 1`, strings.Replace(text, "batch_size: 4", "", 1))
	layertest.CheckError(t, 2, `layer "boxes": prefetch is 0, want 1 to 65536 batches`, strings.Replace(text, "batch_size: 4", "batch_size: 4\nprefetch: 0", 1))
}

// TestErrorPasses checks that an error of a batch is that of its pass and no other,
// and that it is the same for any number of threads.
func TestErrorPasses(t *testing.T) {
	for threads := 1; threads <= 4; threads++ {
		pool := parallel.NewPool(threads)
		defer pool.Close()
		tests["boxes"] = &test{dataset: &boxes{records: 40, fault: func(it *Item) error {
			if it.Place >= 8 && it.Place < 16 {
				return errors.New("bad")
			}
			return nil
		}}}
		env := &layers.Env{Workers: pool}
		f, err := layertest.SetUp(env, text)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for env.Pass = range 6 {
			err := f.Forward()
			if want := fmt.Sprintf("record %d: bad", 4*env.Pass); (env.Pass == 2 || env.Pass == 3) != (err != nil) || err != nil && !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%d threads, pass %d: %v, want %s in passes 2 and 3", threads, env.Pass, err, want)
			}
		}
	}
}

func TestClose(t *testing.T) {
	slow := &boxes{records: 1 << 20, fault: func(it *Item) error {
		if it.Place >= 4<<10 {
			time.Sleep(time.Millisecond)
		}
		return nil
	}}
	tests["boxes"] = &test{dataset: slow}
	leak.Check(t, func() {
		f, err := layertest.SetUp(new(layers.Env), strings.Replace(text, "batch_size: 4", "batch_size: 4096", 1))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("Close took %v, want the item that is being read", took)
		}
		if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "the data layer is closed") {
			t.Errorf("a pass after Close: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	})
	if n := slow.closed.Load(); n != 1 {
		t.Errorf("%d readers were closed, want 1", n)
	}
}

// TestNotStarted has layers whose SetUp has not called Start.
func TestNotStarted(t *testing.T) {
	var net caffepb.LayerParameter
	net.DataParam = &caffepb.DataParameter{}
	f, err := New(layers.NewSpec(&net, new(layers.Env), nil), "data_param", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(context.Background(), nil, nil); err == nil || !strings.Contains(err.Error(), "has not called Feeder.Start") {
		t.Errorf("Forward: %v", err)
	}
	if err := f.ForwardDevice(context.Background(), nil, nil, nil); err == nil || !strings.Contains(err.Error(), "has not called Feeder.Start") {
		t.Errorf("ForwardDevice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// segments is a dataset of images with label images of the same size, as of the
// forks' layers for segmentation: 2 x 6 x 8 pixels, and one channel that has the
// same values as channel 1.
type segments struct{ image, label *data.Transformer }

func (d *segments) Len() int          { return 7 }
func (d *segments) Name(int) string   { return "image" }
func (d *segments) NewReader() Reader { return &segmentReader{segments: d} }

type segmentReader struct {
	*segments
	image, label data.Pixels
}

func (r *segmentReader) Read(it *Item) error {
	image := &data.Image{Channels: 2, Height: 6, Width: 8, Pix: make([]byte, 96)}
	label := &data.Image{Channels: 1, Height: 6, Width: 8, Pix: make([]byte, 48)}
	for i := range label.Pix {
		image.Pix[2*i], image.Pix[2*i+1], label.Pix[i] = byte(i), byte(i+100), byte(i+100)
	}
	r.image.SetImage(image)
	r.label.SetImage(label)
	if err := it.Transform(0, r.segments.image, &r.image); err != nil {
		return err
	}
	return it.Transform(1, r.segments.label, &r.label)
}

// TestSameCrop checks that an image and its label image are cropped and mirrored
// alike.
func TestSameCrop(t *testing.T) {
	param := &caffepb.TransformationParameter{CropSize: proto.Uint32(3), Mirror: proto.Bool(true), Scale: proto.Float32(0.5), MeanValue: []float32{1, 4}}
	env := new(layers.Env)
	spec := layers.NewSpec(&caffepb.LayerParameter{Name: proto.String("segments"), TransformParam: param}, env, nil)
	image, err := NewTransformer(spec)
	if err != nil {
		t.Fatal(err)
	}
	label, err := data.NewTransformer(&caffepb.TransformationParameter{CropSize: proto.Uint32(3), Mirror: proto.Bool(true)}, caffepb.Phase_TRAIN, spec.Rand("transform"))
	if err != nil {
		t.Fatal(err)
	}
	tests["segments"] = &test{dataset: &segments{image, label}}
	f, err := layertest.SetUp(env, `layer { name: "segments" type: "FeedTest" top: "image" top: "label" data_param { batch_size: 5 } }`)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	corners, mirrored := map[float32]bool{}, 0
	for env.Pass = range 20 {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if !f.Top[0].ShapeEqual([]int{5, 2, 3, 3}) || !f.Top[1].ShapeEqual([]int{5, 1, 3, 3}) {
			t.Fatalf("shapes %v and %v", f.Top[0].Shape(), f.Top[1].Shape())
		}
		for i := range 5 {
			x, y := f.Top[0].Data()[18*i+9:][:9], f.Top[1].Data()[9*i:][:9]
			for k := range y {
				if x[k] != (y[k]-4)*0.5 {
					t.Fatalf("pass %d, item %d: the image is %v, its label %v", env.Pass, i, x, y)
				}
			}
			corners[min(y[0], y[2])] = true
			if y[0] > y[2] {
				mirrored++
			}
		}
	}
	if len(corners) < 20 || mirrored < 30 || mirrored > 70 {
		t.Errorf("of 100 images %d are mirrored, and there are %d of 24 crops", mirrored, len(corners))
	}
}
