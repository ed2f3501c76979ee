package feed

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data"
)

// A Batch is what the tops of a data layer hold in one forward pass.
type Batch struct {
	Number int64 // of the forward pass, from 0

	// Size is the number of items. It is the layer's batch size, but for the
	// single item that Feeder.Start reads to learn the shapes of the tops, and for
	// the last batch after Feeder.ReadOnce.
	Size int

	tops []top
}

// top is one of the blobs of a batch. Either each item fills a part of it, and
// axis 0 counts the items, or the reader fills it as a whole.
type top struct {
	blob  blob.Blob
	item  []int // shape of the part of an item
	shape []int // Size, and item
	parts int   // how many items have asked for their part
	whole bool  // the reader has asked for all of it
}

// Tops returns the number of tops of the layer.
func (b *Batch) Tops() int { return len(b.tops) }

// Top returns top i, counted from 0, as a whole. It is for tops that are not made
// of parts of equal shape, one for each item: the Reader reshapes the blob and
// writes all of its data. What it holds before is left over from another batch.
func (b *Batch) Top(i int) *blob.Blob {
	b.tops[i].whole = true
	return &b.tops[i].blob
}

// begin prepares the batch to be filled.
func (b *Batch) begin() {
	for i := range b.tops {
		b.tops[i].parts, b.tops[i].whole = 0, false
	}
}

// checkItem fails if item i has not asked for its part of a top, although the
// items before it have.
func (b *Batch) checkItem(i int) error {
	for j := range b.tops {
		if t := &b.tops[j]; t.parts > 0 && t.parts != i+1 {
			return fmt.Errorf("the reader has written nothing to top %d, but the items before have a part in it", j)
		}
	}
	return nil
}

// check fails if nobody has written to one of the tops.
func (b *Batch) check() error {
	for j := range b.tops {
		if t := &b.tops[j]; t.parts == 0 && !t.whole {
			return fmt.Errorf("the reader has written nothing to top %d", j)
		}
	}
	return nil
}

// An Item is a place in a batch, and the record that goes there.
type Item struct {
	Batch  *Batch
	Index  int   // number of the item in the batch, from 0
	Record int   // number of the record in the Dataset, from 0
	Epoch  int64 // how often all records have been seen before

	// Place is the place of the item among all items that all solvers of the
	// training ever see. It is the stream of a layers.Rand from which an item
	// draws random numbers.
	Place uint64

	// Rand is a source of random numbers that begins anew for each item. They
	// depend on the seed, the layer's name and the Place.
	Rand *rand.Rand
}

// Top returns the part of top i, counted from 0, that belongs to the item, to be
// filled with numbers in row-major order. What it holds before is left over from
// another batch. Every item of a batch has a part of the same shape; with no
// sizes at all it is a single number, as for a label. The top gets the shape
// Size x shape.
func (it *Item) Top(i int, shape ...int) ([]float32, error) {
	if i < 0 || i >= len(it.Batch.tops) {
		return nil, fmt.Errorf("the layer has no top %d, there are %d", i, len(it.Batch.tops))
	}
	t := &it.Batch.tops[i]
	if it.Index == 0 {
		t.item = append(t.item[:0], shape...)
		t.shape = append(append(t.shape[:0], it.Batch.Size), shape...)
		if err := t.blob.Reshape(t.shape...); err != nil {
			return nil, err
		}
	} else if t.parts == 0 {
		return nil, fmt.Errorf("the first item of the batch has no part in top %d", i)
	} else if !slices.Equal(t.item, shape) {
		return nil, fmt.Errorf("the record has shape %s, the first of its batch %s: want one shape, or batch_size: 1", sizes(shape), sizes(t.item))
	}
	t.parts = it.Index + 1
	n := t.blob.Count() / it.Batch.Size
	return t.blob.MutableData()[it.Index*n:][:n:n], nil
}

// Transform writes the pixels, transformed by t, to the item's part of top i,
// which gets the shape channels x height x width. Random crops and mirror images
// depend on the item's Place: two images of equal size that transformers of equal
// crop_size, pad and mirror, made by one layer, transform for one item have the
// same part taken and are both mirrored or both not.
func (it *Item) Transform(i int, t *data.Transformer, p *data.Pixels) error {
	c, h, w, err := t.Shape(p)
	if err != nil {
		return err
	}
	if it.Index > 0 && i < len(it.Batch.tops) {
		if first := it.Batch.tops[i].item; len(first) == 3 && [3]int(first) != [3]int{c, h, w} {
			want := "set crop_size, or batch_size: 1"
			if c != first[0] {
				want = "set force_color or force_gray in transform_param, or make the database with --gray or without --encoded"
			}
			return fmt.Errorf("the image is %d x %d x %d (channels x height x width), the first of its batch %s: %s", c, h, w, sizes(first), want)
		}
	}
	dst, err := it.Top(i, c, h, w)
	if err != nil {
		return err
	}
	return t.Transform(dst, p, it.Place)
}

// sizes returns a shape as text: "3 x 224 x 224".
func sizes(shape []int) string {
	var text []string
	for _, n := range shape {
		text = append(text, strconv.Itoa(n))
	}
	return strings.Join(text, " x ")
}
