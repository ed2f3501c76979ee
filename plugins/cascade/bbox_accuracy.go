package cascade

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:       "BboxAccuracy",
		Group:      "loss",
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.Exactly(3),
		Tops:       layers.Between(1, 2),
		New:        newBboxAccuracy,
		Doc: `How well boxes are predicted: the mean overlap (common area / area of the union) of the predicted boxes of the
foreground with their ground truth. Boxes whose region of interest (ROI) overlaps the ground truth by more than 0.975
do not count: they are ground truth itself. There is no gradient.

Bottoms: the numbers of boxes, R x (4 classes) or, without cls_aware, R x 8, as DecodeBBox describes them; the ROIs,
R x 5: image, x1, y1, x2, y2; the ground truth of each, R x 6: class (0 for the background), x1, y1, x2, y2, overlap
with the ROI, as ProposalTarget makes it.
Tops: the mean overlap, 1 x 1 x 1 x 1, -1 if no box counts; optionally that of the ROIs.

` + regressionDoc + `	cls_aware (true): whether each class has a box of its own

Source: github.com/zhaoweicai/cascade-rcnn, bbox_accuracy_layer.cpp`,
	})
}

// bboxAccuracy implements the layer type; its registration describes it.
type bboxAccuracy struct {
	noGradient
	regression
}

var (
	_ layers.Layer          = (*bboxAccuracy)(nil)
	_ layers.BackwardForcer = (*bboxAccuracy)(nil)
	_ layers.BackwardReader = (*bboxAccuracy)(nil)
)

func newBboxAccuracy(s *layers.Spec) (layers.Layer, error) {
	r, err := newRegression(s)
	return &bboxAccuracy{noGradient{s}, r}, err
}

// Reshape checks the bottoms.
func (l *bboxAccuracy) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() < 2 || x.CountFrom(1)%4 != 0 || x.CountFrom(1) < 8 || !l.classAware && x.CountFrom(1) != 8 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got the numbers of boxes of shape %v, want R x 8 or, with cls_aware, four for each class", x.Shape()))
	}
	for i, what := range []string{1: "ROIs", 2: "ground truth"} {
		if i > 0 {
			if err := checkRows(l.spec, bottom[i], i, x.Dim(0), what, 4+i); err != nil {
				return err
			}
		}
	}
	for i, y := range top {
		if err := y.Reshape(1, 1, 1, 1); err != nil {
			return l.spec.ErrorAt("top", i, err)
		}
	}
	return nil
}

// Forward computes the tops.
func (l *bboxAccuracy) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	x, rois, truth := bottom[0].Data(), bottom[1].Data(), bottom[2].Data()
	width := bottom[0].CountFrom(1)
	var after, before float32
	count := 0
	for i := range bottom[0].Dim(0) {
		t := truth[6*i:][:6]
		if !(t[0] >= 1) || t[5] > 0.975 {
			continue
		}
		class := int(min(t[0], float32(width)))
		if !l.classAware {
			class = 1
		}
		if 4*class >= width {
			return l.spec.ErrorAt("bottom", 2, fmt.Errorf("row %d has class %v, want 0 to %d", i, t[0], width/4-1))
		}
		roi := boxes.From(rois[5*i+1:])
		want := rectOf(boxes.From(t[1:]))
		after += rectOf(l.decode(roi, x[i*width+4*class:])).overlap(want)
		before += rectOf(roi).overlap(want)
		count++
	}
	for k, sum := range []float32{after, before}[:len(top)] {
		mean := float32(-1)
		if count > 0 {
			mean = sum / float32(count)
		}
		top[k].MutableData()[0] = mean
	}
	return nil
}
