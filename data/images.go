package data

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/gocaffe/gocaffe/data/imagelist"
)

// Images is the Loader for image files of a list, as in Caffe's
// image_data_layer.cpp.
type Images struct {
	options     ImageOptions
	transformer *Transformer
	sequence    Sequence
	workers     []imageWorker

	mu     sync.Mutex
	orders [2]order // of an even and an odd epoch, for batches that reach into the next
}

// ImageOptions says which images are loaded, and how.
type ImageOptions struct {
	Items         []imagelist.Item
	Root          string // put in front of the paths
	Height, Width int    // size that images are scaled to, 0 for their own
	Mode          Mode   // Color or Gray

	// Shuffle returns the random numbers for the order of an epoch. Without it
	// the order is that of the list.
	Shuffle func(epoch uint64) rand.Source
}

// order is the order of the items in an epoch.
type order struct {
	epoch int64
	items []int32
}

type imageWorker struct {
	file []byte
	item Item
}

var _ Loader = (*Images)(nil)

// NewImages returns a loader for as many workers as there are threads.
func NewImages(o ImageOptions, t *Transformer, s Sequence, threads int) *Images {
	return &Images{options: o, transformer: t, sequence: s, workers: make([]imageWorker, threads)}
}

// Shape returns the shape C x H x W that the first image has when it is
// transformed.
func (l *Images) Shape() (c, h, w int, err error) {
	_, err = l.with(&l.workers[0], l.sequence.Place(0, 0), func(it *Item) (err error) {
		c, h, w, err = l.transformer.Shape(it)
		return err
	})
	return c, h, w, err
}

// Load fills a batch. Its shape is that of the first image.
func (l *Images) Load(worker int, b *Batch) error {
	w := &l.workers[worker]
	for i := range l.sequence.Batch {
		place := l.sequence.Place(b.Number, i)
		label, err := l.with(w, place, func(it *Item) error { return l.transformer.into(b, i, l.sequence.Batch, it, place) })
		if err != nil {
			return err
		}
		b.Labels[i] = float32(label)
	}
	return nil
}

// with does something with the image at a place of the sequence, which an error
// names, and returns its label.
func (l *Images) with(w *imageWorker, place int64, do func(*Item) error) (label int, err error) {
	entry := &l.options.Items[l.index(place)]
	path := l.options.Root + entry.Path
	if w.file, err = imagelist.ReadFile(path, w.file); err != nil {
		return 0, fmt.Errorf("line %d: %w", entry.Line, err)
	}
	img := &w.item.image
	if err = img.Decode(w.file, l.options.Mode); err == nil {
		if l.options.Height > 0 {
			img.Resize(l.options.Height, l.options.Width)
		}
		w.item.pixels = img.pixels()
		err = do(&w.item)
	}
	if err != nil {
		return 0, fmt.Errorf("line %d: %s: %w", entry.Line, path, err)
	}
	return entry.Label, nil
}

// index returns the item at a place of the sequence.
func (l *Images) index(place int64) int {
	record, epoch := l.sequence.Record(place)
	if l.options.Shuffle == nil {
		return record
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	o := &l.orders[epoch%2]
	if o.items == nil || o.epoch != epoch {
		o.epoch = epoch
		o.items = make([]int32, len(l.options.Items))
		for i := range o.items {
			o.items[i] = int32(i)
		}
		rand.New(l.options.Shuffle(uint64(epoch))).Shuffle(len(o.items), func(i, j int) {
			o.items[i], o.items[j] = o.items[j], o.items[i]
		})
	}
	return int(o.items[record])
}
