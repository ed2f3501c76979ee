package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/leak"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/parallel"
)

// TestErrors checks the errors for faulty datasets and layers.
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
		{"skip", &boxes{records: 1}, Order{Skip: -1}, "the number of records to skip is -1, want 0 or more"},
		{"first", at(0, func(*Item) error { return fail }), Order{}, "record 0: the disk is on fire"},
		{"later", at(7, func(*Item) error { return fail }), Order{}, "record 7: the disk is on fire"},
		{"panic", at(7, func(*Item) error { panic("bad\nnews") }), Order{}, "record 7: panic in Read of type FeedTest: bad; news"},
		{"shape", at(6, reshaped(0, 3, 2)), Order{}, "record 6: the record has shape 3 x 2, the first of its batch 2 x 3: want one shape, or batch_size: 1"},
		{"number", at(0, reshaped(4)), Order{}, "record 0: the layer has no top 4, only 4 tops"},
		{"size", at(0, reshaped(0, 1<<16, 1<<16)), Order{}, "record 0: blob shape [1 65536 65536] has more than 2147483647 elements"},
		{"late", at(5, reshaped(3)), Order{}, "record 5: the first item of the batch has no part in top 3"},
		{"left out", at(4, func(it *Item) error { _, err := it.Top(3); return err }), Order{},
			"record 5: the reader wrote nothing to top 3, but earlier items of the batch have a part in it"},
		{"finish", &boxes{records: 1, finish: func(*Batch) error { return fail }}, Order{}, "the disk is on fire"},
		{"finish panic", &boxes{records: 1, finish: func(*Batch) error { panic("bad") }}, Order{}, "panic in Finish of type FeedTest: bad"},
		{"unfinished", &boxes{records: 1, finish: func(*Batch) error { return nil }}, Order{}, "the reader wrote nothing to top 3"},
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

// TestErrorPasses checks that an error in a batch is reported by that batch's pass only,
// and is the same for any number of threads.
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
			t.Errorf("Close took %v, want it to wait only for the current item", took)
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

// TestNotStarted checks layers whose SetUp did not call Start.
func TestNotStarted(t *testing.T) {
	var net caffepb.LayerParameter
	net.DataParam = &caffepb.DataParameter{}
	f, err := New(layers.NewSpec(&net, new(layers.Env), nil), "data_param", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(context.Background(), nil, nil); err == nil || !strings.Contains(err.Error(), "did not call Feeder.Start") {
		t.Errorf("Forward: %v", err)
	}
	if err := f.ForwardDevice(context.Background(), nil, nil, nil); err == nil || !strings.Contains(err.Error(), "did not call Feeder.Start") {
		t.Errorf("ForwardDevice: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
