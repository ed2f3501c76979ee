package data

import "fmt"

// A Sequence says which records the batches of a solver hold: of all records,
// repeated without end, every Ranks'th, from number Rank on. That is how
// Caffe's data layer deals them to solvers that train together.
type Sequence struct {
	Records int
	Batch   int
	Rank    int
	Ranks   int // 1 for a solver that trains alone
	Skip    int // records left out at the start
}

// Place returns the place of item i of batch n in the endless sequence. It
// counts the records of all solvers.
func (s Sequence) Place(n int64, i int) int64 {
	return (n*int64(s.Batch)+int64(i))*int64(s.Ranks) + int64(s.Rank)
}

// Record returns the record at a place, and how often all records have passed
// before it.
func (s Sequence) Record(place int64) (record int, epoch int64) {
	place += int64(s.Skip)
	return int(place % int64(s.Records)), place / int64(s.Records)
}

// Restarts returns how often Caffe's cursor, which moves on after each record,
// returns to the first one while batch n is read.
func (s Sequence) Restarts(n int64) int {
	_, after := s.Record(s.Place(n, s.Batch-1) + 1)
	if n == 0 {
		return int(after)
	}
	_, before := s.Record(s.Place(n-1, s.Batch-1) + 1)
	return int(after - before)
}

// Records is the Loader for databases.
type Records struct {
	source      Source
	transformer *Transformer
	sequence    Sequence
	workers     []recordWorker
}

var _ Loader = (*Records)(nil)

type recordWorker struct {
	scratch []byte
	datum   Datum
	item    Item
}

// NewRecords returns a loader for as many workers as there are threads.
func NewRecords(source Source, t *Transformer, s Sequence, threads int) *Records {
	return &Records{source: source, transformer: t, sequence: s, workers: make([]recordWorker, threads)}
}

// Shape returns the shape C x H x W that the first record has when it is
// transformed.
func (l *Records) Shape() (c, h, w int, err error) {
	err = l.with(&l.workers[0], 0, func(it *Item) (err error) {
		c, h, w, err = l.transformer.Shape(it)
		return err
	})
	return c, h, w, err
}

// Load fills a batch. Its shape is that of the first record, as in Caffe's
// data_layer.cpp.
func (l *Records) Load(worker int, b *Batch) error {
	w := &l.workers[worker]
	for i := range l.sequence.Batch {
		place := l.sequence.Place(b.Number, i)
		record, _ := l.sequence.Record(place)
		err := l.with(w, record, func(it *Item) error { return l.transformer.into(b, i, l.sequence.Batch, it, place) })
		if err != nil {
			return err
		}
		b.Labels[i] = float32(w.datum.Label)
	}
	return nil
}

// with does something with a record, which an error names.
func (l *Records) with(w *recordWorker, record int, do func(*Item) error) error {
	key, value, err := l.source.Record(record, &w.scratch)
	if err != nil {
		return err
	}
	if err = w.datum.Unmarshal(value); err == nil {
		err = l.transformer.SetDatum(&w.item, &w.datum)
	}
	if err == nil {
		err = do(&w.item)
	}
	if err != nil {
		return fmt.Errorf("record %d, key %q: %w", record, key, err)
	}
	return nil
}

// into transforms an item to be number i of the n in a batch. The first item
// gives the batch its shape, which the others must have too.
func (t *Transformer) into(b *Batch, i, n int, it *Item, place int64) error {
	c, h, w, err := t.Shape(it)
	if err != nil {
		return err
	}
	if i == 0 {
		b.Reset(n, c, h, w)
	}
	if b.Shape != [4]int{n, c, h, w} {
		return fmt.Errorf("the image is %d x %d x %d (channels x height x width), the first of its batch %d x %d x %d: set crop_size, or batch_size: 1",
			c, h, w, b.Shape[1], b.Shape[2], b.Shape[3])
	}
	size := c * h * w
	return t.Transform(b.Data[i*size:][:size], it, uint64(place))
}
