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

// A Batch holds the contents of a data layer's tops for one forward pass.
type Batch struct {
	Number int64 // of the forward pass, from 0

	// Size is the number of items: the layer's batch size, except for the single
	// item that Feeder.Start reads to learn the shapes of the tops and for the
	// last batch after Feeder.ReadOnce.
	Size int

	tops []top
}

// top is one of the blobs of a batch. Either each item fills a part of it and axis 0
// counts the items, or the reader fills the whole blob.
type top struct {
	blob  blob.Blob
	item  []int // shape of an item's part
	shape []int // Size, and item
	parts int   // number of items that have requested their part
	whole bool  // the reader has requested the whole blob
}

// Tops returns the number of tops of the layer.
func (b *Batch) Tops() int { return len(b.tops) }

// Top returns the whole top i, counted from 0. It is for tops that do not consist of
// one part of equal shape per item: the Reader reshapes the blob and writes all of its
// data. The blob contains leftovers from another batch before.
func (b *Batch) Top(i int) *blob.Blob {
	b.tops[i].whole = true
	return &b.tops[i].blob
}

// begin prepares the batch for filling.
func (b *Batch) begin() {
	for i := range b.tops {
		b.tops[i].parts, b.tops[i].whole = 0, false
	}
}

// checkItem fails if item i has not requested its part of a top although the items
// before it have.
func (b *Batch) checkItem(i int) error {
	for j := range b.tops {
		if t := &b.tops[j]; t.parts > 0 && t.parts != i+1 {
			return fmt.Errorf("the reader wrote nothing to top %d, but earlier items of the batch have a part in it", j)
		}
	}
	return nil
}

// check fails if nothing was written to one of the tops.
func (b *Batch) check() error {
	for j := range b.tops {
		if t := &b.tops[j]; t.parts == 0 && !t.whole {
			return fmt.Errorf("the reader wrote nothing to top %d", j)
		}
	}
	return nil
}

// An Item is a position in a batch and the record for it.
type Item struct {
	Batch  *Batch
	Index  int   // number of the item in the batch, from 0
	Record int   // number of the record in the Dataset, from 0
	Epoch  int64 // number of times that all records were read before

	// Place is the position of the item in the sequence of all items that all
	// solvers read during training. It is the stream of the layers.Rand that
	// provides the item's random numbers.
	Place uint64

	// Rand is a source of random numbers that starts anew for each item. They
	// depend on the seed, the layer's name and Place only.
	Rand *rand.Rand
}

// Top returns the item's part of top i, counted from 0, to be filled in row-major order.
// It contains leftovers from another batch before. All items of a batch must use the
// same shape; an empty shape is a single element, such as a label. The top gets the
// shape Size x shape.
func (it *Item) Top(i int, shape ...int) ([]float32, error) {
	if i < 0 || i >= len(it.Batch.tops) {
		return nil, fmt.Errorf("the layer has no top %d, only %d tops", i, len(it.Batch.tops))
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

// Transform writes the pixels, transformed by t, to the item's part of top i, which
// gets the shape channels x height x width. Random crops and mirroring depend on the
// item's Place: if a layer transforms two images of the same size for one item, with
// transformers of equal crop_size, pad and mirror, both are cropped and mirrored alike.
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
