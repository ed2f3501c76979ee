package yolo

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// maxClasses and maxAnchors bound what a file may ask for.
const (
	maxClasses = 1 << 20
	maxAnchors = 1 << 12
)

// anchors describes the predictions in a blob N x (A len) x H x W: for each cell of a
// grid, A boxes with len numbers, which are channels.
type anchors struct {
	spec    *layers.Spec
	field   string // that has the options
	count   int    // A
	classes int
	box     int       // numbers of a box, before objectness and classes
	biases  []float32 // pairs of the width and the height of an anchor
}

// check checks the options, whose fields have the given names.
func (a *anchors) check(countField, classesField string) error {
	switch {
	case a.count < 1 || a.count > maxAnchors:
		return a.spec.Errorf(a.field+"."+countField, "%s is %d, want 1 to %d", countField, a.count, maxAnchors)
	case a.classes < 1 || a.classes > maxClasses:
		return a.spec.Errorf(a.field+"."+classesField, "%s is %d, want 1 to %d", classesField, a.classes, maxClasses)
	case len(a.biases)%2 != 0:
		return a.spec.Errorf(a.field+".biases", "there are %d biases, want pairs of width and height", len(a.biases))
	}
	for i, b := range a.biases {
		if !(b > 0) { // true for NaN too
			return a.spec.ErrorAt(a.field+".biases", i, fmt.Errorf("biases: number %d is %g, want a positive number", i, b))
		}
	}
	return nil
}

// mask checks numbers of anchors.
func (a *anchors) mask(mask []uint32) error {
	for i, m := range mask {
		if n := len(a.biases) / 2; int64(m) >= int64(n) {
			return a.spec.ErrorAt(a.field+".mask", i, fmt.Errorf("mask has anchor %d, and the biases are those of %d anchors", m, n))
		}
	}
	return nil
}

// len returns how many numbers a box has.
func (a *anchors) len() int { return a.box + 1 + a.classes }

// reshape checks the shape of a bottom.
func (a *anchors) reshape(bottom []*blob.Blob, i int) error {
	b := bottom[i]
	if b.Axes() != 4 {
		return a.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v, want 4 axes", i, b.Shape()))
	}
	if got, want := b.Dim(1), a.count*a.len(); got != want {
		return a.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has %d channels, want %d: for each of %d boxes %d numbers, objectness and %d classes",
			i, got, want, a.count, a.box, a.classes))
	}
	if n := bottom[0].Dim(0); b.Dim(0) != n {
		return a.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has %d images and bottom 0 %d", i, b.Dim(0), n))
	}
	return nil
}

// square checks that the grid of a bottom is square.
func (a *anchors) square(bottom []*blob.Blob, i int) error {
	if b := bottom[i]; b.Dim(2) != b.Dim(3) {
		return a.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has a grid of %d x %d, want a square", i, b.Dim(2), b.Dim(3)))
	}
	return nil
}

// of returns the numbers of box k of an image: planes of the grid, one for each.
func (a *anchors) of(b *blob.Blob, x []float32, image, k int) []float32 {
	n := a.len() * b.CountFrom(2)
	return x[(image*a.count+k)*n:][:n]
}
