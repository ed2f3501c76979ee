package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// A Feeder fills the tops of a data layer, like BasePrefetchingDataLayer in Caffe's
// base_data_layer.cpp. A layer that embeds it has all methods of a layers.DeviceLayer
// except SetUp, which must call Start.
type Feeder struct {
	layers.NoBottoms

	spec     *layers.Spec
	field    string // option with the path of the data, for errors
	size     int    // of a batch
	prefetch int    // number of batches held

	dataset    Dataset
	sequence   *sequence
	once       bool // each record is read once
	workers    []worker
	prefetcher *prefetcher // nil before Start
	uploader   *uploader   // nil before the first pass on a GPU
}

var (
	_ layers.Closer       = (*Feeder)(nil)
	_ layers.RecordSource = (*Feeder)(nil)
)

// worker is the private data of a goroutine that loads batches.
type worker struct {
	reader Reader
	item   Item
	random *layers.RandSource // of item.Rand
}

// maxPrefetch bounds data_param.prefetch.
const maxPrefetch = 1 << 16

// New returns the Feeder of a layer with its options in the given field, such as
// "image_data_param". Errors refer to the options batch_size and source of that field.
// As in Caffe, data_param.prefetch of any data layer is the number of batches held in
// memory; at most that many goroutines read.
func New(spec *layers.Spec, param string, batchSize int) (*Feeder, error) {
	prefetch := spec.Param.GetDataParam().GetPrefetch()
	if batchSize <= 0 {
		return nil, spec.Errorf(param+".batch_size", "batch_size is 0 or missing, want at least 1")
	}
	if prefetch < 1 || prefetch > maxPrefetch {
		return nil, spec.Errorf("data_param.prefetch", "prefetch is %d, want 1 to %d batches", prefetch, maxPrefetch)
	}
	return &Feeder{spec: spec, field: param + ".source", size: batchSize, prefetch: int(prefetch)}, nil
}

// Start sets the dataset and the order, and gives the tops the shapes of the first
// record. It sends layers.DataReady to the observer. The layer's SetUp calls it.
func (f *Feeder) Start(dataset Dataset, order Order, tops []*blob.Blob) error {
	records := dataset.Len()
	switch {
	case records <= 0:
		return f.Fail(errors.New("there are no records"))
	case order.Skip < 0:
		return f.Fail(fmt.Errorf("the number of records to skip is %d, want 0 or more", order.Skip))
	}
	f.dataset = dataset
	f.sequence = &sequence{records: records, batch: f.size, ranks: 1, order: order}
	if env := f.spec.Env; env.Phase == caffepb.Phase_TRAIN { // a single solver runs the tests
		f.sequence.rank, f.sequence.ranks = env.Rank, env.Ranks
	}
	threads := min(f.spec.Env.Workers.Threads(), f.prefetch)
	random := f.spec.Rand("item")
	f.workers = make([]worker, threads)
	for i := range f.workers {
		source := random.Source(0)
		f.workers[i] = worker{reader: dataset.NewReader(), random: source, item: Item{Rand: rand.New(source)}}
	}
	f.prefetcher = newPrefetcher(f, f.prefetch, threads, f.size, len(tops))
	if err := f.shape(tops); err != nil {
		return err
	}
	event.Send(f.spec.Env.Observer, layers.DataReady{
		Layer: f.spec.Param.GetName(), Type: f.spec.Param.GetType(), Shape: tops[0].Shape(),
	})
	return nil
}

// shape gives the tops the shapes of the first record.
func (f *Feeder) shape(tops []*blob.Blob) error {
	b := Batch{Size: 1, tops: make([]top, len(tops))}
	if err := f.load(0, &b); err != nil {
		return f.Fail(err)
	}
	for i := range b.tops {
		t := &b.tops[i]
		shape := t.blob.Shape()
		if !t.whole {
			t.shape[0] = f.size
			shape = t.shape
		}
		if err := tops[i].Reshape(shape...); err != nil {
			return f.Fail(err)
		}
	}
	return nil
}

// load fills a batch.
func (f *Feeder) load(number int, b *Batch) (err error) {
	defer f.rescue("the dataset", &err)
	w := &f.workers[number]
	if f.once {
		if b.Size = f.sequence.left(b.Number); b.Size == 0 {
			return fmt.Errorf("each record is read once, and pass %d has none left", b.Number)
		}
	}
	b.begin()
	for i := range b.Size {
		if f.prefetcher.closing.Load() {
			return errClosed
		}
		place := f.sequence.place(b.Number, i)
		record, epoch, err := f.sequence.record(place)
		if err != nil {
			return err
		}
		w.random.Restart(uint64(place))
		w.item = Item{Batch: b, Index: i, Record: record, Epoch: epoch, Place: uint64(place), Rand: w.item.Rand}
		if err = f.read(w.reader, &w.item); err == nil {
			err = b.checkItem(i)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.dataset.Name(record), err)
		}
	}
	if finisher, ok := w.reader.(Finisher); ok {
		if err := f.finish(finisher, b); err != nil {
			return err
		}
	}
	return b.check()
}

// read reads an item.
func (f *Feeder) read(r Reader, it *Item) (err error) {
	defer f.rescue("Read", &err)
	return r.Read(it)
}

// finish completes a batch.
func (f *Feeder) finish(r Finisher, b *Batch) (err error) {
	defer f.rescue("Finish", &err)
	return r.Finish(b)
}

// rescue turns a panic into an error of one line, in a deferred call. Otherwise a
// panic in one of the feeder's goroutines would end the program.
func (f *Feeder) rescue(where string, err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic in %s of type %s: %s", where, f.spec.Param.GetType(), strings.ReplaceAll(fmt.Sprint(p), "\n", "; "))
	}
}

// Fail returns err as an error about the layer's data, with the layer's name and the
// position of its option source.
func (f *Feeder) Fail(err error) error { return f.spec.ErrorAt(f.field, 0, err) }

// failed returns an error of a pass: an error of the context unchanged, any other like
// Fail.
func (f *Feeder) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return f.Fail(err)
}

var errNotStarted = errors.New("SetUp did not call Feeder.Start")

// Forward copies the batch of this pass to the tops, which take its shapes.
func (f *Feeder) Forward(ctx context.Context, _, tops []*blob.Blob) error {
	if f.prefetcher == nil {
		return f.Fail(errNotStarted)
	}
	b, err := f.prefetcher.batch(ctx, f.spec.Env.Pass)
	if err != nil {
		return f.failed(ctx, err)
	}
	for i, top := range tops {
		from := &b.tops[i].blob
		if err := top.ReshapeLike(from); err != nil {
			return f.Fail(err)
		}
		copy(top.MutableData(), from.Data())
	}
	return nil
}

// Restarts returns how often the dataset restarts in the batch of a pass. A layer may
// report it with layers.DataRestarted.
func (f *Feeder) Restarts(pass int64) int { return f.sequence.restarts(pass) }

// BatchSize returns the number of items in a batch.
func (f *Feeder) BatchSize() int { return f.size }

// Records returns the number of records of the dataset.
func (f *Feeder) Records() int { return f.sequence.records }

// RecordName returns the key of the record that is item i in the batch of a pass, if
// the dataset is Keyed, and its Name otherwise.
func (f *Feeder) RecordName(pass int64, i int) (string, error) {
	record, _, err := f.sequence.record(f.sequence.place(pass, i))
	if err != nil {
		return "", f.Fail(err)
	}
	if keyed, ok := f.dataset.(Keyed); ok {
		return keyed.Key(record), nil
	}
	return f.dataset.Name(record), nil
}

// ReadOnce has the passes from number 0 on give the records of the first epoch, none
// of which is skipped, and no more: the batch of the last pass has what is left. It is
// called after Start and before the first pass.
func (f *Feeder) ReadOnce() error {
	switch {
	case f.prefetcher == nil:
		return f.Fail(errNotStarted)
	case f.prefetcher.started():
		return f.Fail(errors.New("the records cannot be read once: some have been read already"))
	case f.sequence.ranks > 1:
		return f.Fail(fmt.Errorf("the records cannot be read once: %d solvers share them", f.sequence.ranks))
	}
	f.once, f.sequence.order.Skip = true, 0
	return nil
}

// Close stops reading. The layer must close what the dataset opened, after the Feeder.
func (f *Feeder) Close() error {
	var err error
	if f.uploader != nil {
		err = f.uploader.close()
		f.uploader = nil
	}
	if f.prefetcher != nil {
		f.prefetcher.close()
	}
	for i := range f.workers {
		if c, ok := f.workers[i].reader.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	f.workers = nil
	return err
}
