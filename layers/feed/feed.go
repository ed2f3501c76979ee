// Package feed implements the common part of data layers. A data layer describes its
// records as a Dataset: how many there are, and how a record becomes an item of a
// batch. A Feeder, which the layer embeds, does the rest:
//
//   - Several goroutines read batches ahead of the pass that needs them.
//   - The contents of a batch depend only on the seed, the layer's name and the
//     number of the forward pass, not on the number of goroutines. Training that is
//     interrupted and resumed sees the same batches as uninterrupted training.
//   - Solvers that train together share the records.
//   - If the net runs on a GPU, the next batch is uploaded while the current one
//     is in use.
//   - Errors name the record, the layer and the position of its source option in
//     the prototxt.
//
// docs/writing-a-data-layer.md walks through an example, examples/dataplugin.
package feed

import (
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/layers"
)

// A Dataset provides the records of a data layer.
type Dataset interface {
	// Len returns the number of records.
	Len() int

	// Name returns the name of record i in errors, such as "line 12" or
	// "record 3, key \"00000003\"". It may be called from any goroutine.
	Name(i int) string

	// NewReader returns a Reader with its own buffers. The feeder calls it for
	// each of its goroutines.
	NewReader() Reader
}

// A Keyed dataset has a shorter name for each record, for the output of programs.
type Keyed interface {
	Dataset

	// Key returns the key of record i in a database, or the path of an image.
	Key(i int) string
}

// A Reader turns records into items of batches. One goroutine at a time uses it, so it
// may keep buffers between calls. If it is an io.Closer, the Feeder closes it.
type Reader interface {
	// Read reads record it.Record and writes it to the item's part of each top
	// (Item.Top, Item.Transform). The result must depend only on the item's
	// fields and the layer's options. The Feeder calls it for the items of a batch
	// in order, and prefixes errors with the record's name.
	Read(it *Item) error
}

// A Finisher is a Reader with work to do after the last item of a batch, such as
// writing a top whose shape depends on all items.
type Finisher interface {
	Reader

	// Finish completes the batch whose items this Reader has just read.
	Finish(b *Batch) error
}

// Order is the order in which a layer reads its records. The zero Order is that of
// the Dataset, repeated endlessly.
type Order struct {
	// Skip is the number of records to leave out at the start of the first epoch.
	Skip int

	// Permute sets the order of the records in an epoch, counted from 0. order
	// has an element for each record and is initially 0, 1, 2, ... An order may
	// also leave out records and repeat others. Permute must depend on its
	// arguments only. It may be called several times for an epoch, by one
	// goroutine at a time.
	Permute func(epoch int64, order []int32)
}

// Shuffle returns an Order.Permute that shuffles the records anew in each epoch.
func Shuffle(r layers.Rand) func(epoch int64, order []int32) {
	source := r.Source(0)
	random := rand.New(source)
	return func(epoch int64, order []int32) {
		source.Restart(uint64(epoch))
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
}
