package yolo

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// object is a row of ground truth.
type object struct {
	class int
	box   box
}

// truths reads ground truth: a blob N x 1 x R x 5 with rows class, x, y, w, h of each
// image, up to a row with width 0.
type truths struct {
	spec    *layers.Spec
	classes int
	objects [][]object // by image
}

// check checks the shape of the blob.
func (t *truths) check(b *blob.Blob, images int) error {
	if b.Axes() < 2 || b.Dim(0) != images || b.Dim(b.Axes()-1) != 5 {
		return t.spec.ErrorAt("bottom", 1, fmt.Errorf("bottom 1 has shape %v, want %d x 1 x rows x 5", b.Shape(), images))
	}
	return nil
}

// read reads the rows.
func (t *truths) read(b *blob.Blob) error {
	for len(t.objects) < b.Dim(0) {
		t.objects = append(t.objects, nil)
	}
	n, x := b.CountFrom(1), b.Data()
	for image := range b.Dim(0) {
		rows := t.objects[image][:0]
		for at := 0; at < n; at += 5 {
			r := x[image*n+at:][:5]
			if r[3] == 0 {
				break
			}
			o := object{class: int(r[0]), box: box{float64(r[1]), float64(r[2]), float64(r[3]), float64(r[4])}}
			if err := o.check(r, t.classes); err != nil {
				return t.spec.ErrorAt("bottom", 1, fmt.Errorf("ground truth of image %d, row %d: %w", image, at/5, err))
			}
			rows = append(rows, o)
		}
		t.objects[image] = rows
	}
	return nil
}

// check checks the object of a row.
func (o *object) check(r []float32, classes int) error {
	switch b := o.box; {
	case float32(o.class) != r[0] || o.class < 0 || o.class >= classes:
		return fmt.Errorf("class %g, want 0 to %d", r[0], classes-1)
	case !(b.x >= 0 && b.x <= 1 && b.y >= 0 && b.y <= 1): // true for NaN too
		return fmt.Errorf("center %g, %g, want 0 to 1", r[1], r[2])
	case !(b.w > 0 && b.w < 1e6 && b.h > 0 && b.h < 1e6):
		return fmt.Errorf("width %g and height %g, want positive numbers", r[3], r[4])
	}
	return nil
}

// cell returns the cell of a grid that has the center of the object.
func (o *object) cell(h, w int) (i, j int) {
	return min(int(o.box.y*float64(h)), h-1), min(int(o.box.x*float64(w)), w-1)
}
