package ssd

import (
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// object is a row of ground truth.
type object struct {
	image, label int32
	difficult    bool
	box          boxes.Box
}

// truth reads ground truth: a blob 1 x 1 x G x 8 with rows image, label, instance, xmin,
// ymin, xmax, ymax, difficult.
type truth struct {
	spec       *layers.Spec
	bottom     int // its number
	classes    int
	background int // a class that no row may have, -1 for none

	// untilPadding says that the rows end at the first one with image -1; otherwise
	// such rows are left out.
	untilPadding bool

	objects []object // by image, each image's in the order of the blob
}

// check checks the shape of the blob.
func (t *truth) check(b *blob.Blob) error { return checkRows(t.spec, t.bottom, b, 8) }

// checkRows checks that a bottom has rows of the given width.
func checkRows(s *layers.Spec, bottom int, b *blob.Blob, width int) error {
	if b.Axes() != 4 || b.Dim(0) != 1 || b.Dim(1) != 1 || b.Dim(3) != width {
		return s.ErrorAt("bottom", bottom, fmt.Errorf("bottom %d has shape %v, want 1 x 1 x rows x %d", bottom, b.Shape(), width))
	}
	return nil
}

// read reads the rows, without those that are difficult unless difficult is set.
func (t *truth) read(b *blob.Blob, difficult bool) error {
	t.objects = slices.Grow(t.objects[:0], b.Dim(2))
	for x, row := b.Data(), 0; row < b.Dim(2); row++ {
		r := x[8*row:][:8]
		if r[0] == -1 {
			if t.untilPadding {
				break
			}
			continue
		}
		o := object{difficult: r[7] != 0, box: boxes.From(r[3:])}
		var err error
		if o.image, o.label, err = imageAndLabel(r, t.classes, t.background); err != nil {
			return t.spec.ErrorAt("bottom", t.bottom, fmt.Errorf("ground truth, row %d: %w", row, err))
		}
		if difficult || !o.difficult {
			t.objects = append(t.objects, o)
		}
	}
	slices.SortStableFunc(t.objects, func(a, b object) int { return int(a.image - b.image) })
	return nil
}

// imageAndLabel returns the first two numbers of a row.
func imageAndLabel(r []float32, classes, background int) (image, label int32, err error) {
	image, label = int32(r[0]), int32(r[1])
	switch {
	case float32(image) != r[0] || image < 0 || image == math.MaxInt32:
		err = fmt.Errorf("image %g, want a number from 0", r[0])
	case float32(label) != r[1] || label < 0 || int(label) >= classes:
		err = fmt.Errorf("label %g, want 0 to %d", r[1], classes-1)
	case int(label) == background:
		err = fmt.Errorf("label %d is that of the background", label)
	}
	return image, label, err
}

// of returns the objects of an image.
func (t *truth) of(image int) []object {
	from, _ := slices.BinarySearchFunc(t.objects, int32(image), func(o object, image int32) int { return int(o.image - image) })
	to := from
	for to < len(t.objects) && int(t.objects[to].image) == image {
		to++
	}
	return t.objects[from:to]
}
