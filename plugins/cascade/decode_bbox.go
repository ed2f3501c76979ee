package cascade

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "DecodeBBox",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "decode_bbox_param",
			Number:  155,
			Proto:   layers.Schema(schemas, "decode_bbox.proto"),
			Message: "DecodeBBoxParameter",
		},
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.Between(2, 3),
		Tops:       layers.Exactly(1),
		New:        newDecodeBBox,
		Doc: `The boxes that a stage of a cascade has found, which are the regions of interest (ROIs) of the next. With the
numbers t that predict a box of the foreground, and width w = x2 - x1 + 1, height and center c of its ROI:

	t' = t bbox_std + bbox_mean,  center = c + t'_0 w,  width = w exp(t'_2),  and likewise y with t'_1 and t'_3

In phase TRAIN, boxes that end before they begin are left out, and with a third bottom those that are too good. It is
an error if none is left. There is no gradient.

Bottoms: predictions, R x 8, of which the last four are read; the ROIs, R x 5: image, x1, y1, x2, y2; in phase TRAIN
optionally the boxes of ground truth of ProposalTarget, whose last number in a row is the overlap with the ROI.
Top: R' x 5 x 1 x 1, the new ROIs. Before the first pass it has the shape of the ROIs.

decode_bbox_param:
	gt_iou_thr (0.95): with a third bottom, the overlap from which on a box is left out: it is ground truth itself

` + regressionDoc + `	cls_aware (true): not used

Source: github.com/zhaoweicai/cascade-rcnn, decode_bbox_layer.cpp`,
	})
}

// decodeBBox implements the layer type; its registration describes it.
type decodeBBox struct {
	noGradient
	regression
	greatest float32 // overlap
	decoded  []boxes.Box
	rows     []int // of the boxes that stay
}

var (
	_ layers.Layer          = (*decodeBBox)(nil)
	_ layers.BackwardForcer = (*decodeBBox)(nil)
	_ layers.BackwardReader = (*decodeBBox)(nil)
)

func newDecodeBBox(s *layers.Spec) (layers.Layer, error) {
	l := &decodeBBox{noGradient: noGradient{s}}
	var o struct {
		Greatest float32 `proto:"gt_iou_thr"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	l.greatest = o.Greatest
	var err error
	l.regression, err = newRegression(s)
	return l, err
}

func (l *decodeBBox) training() bool { return l.spec.Env.Phase == caffepb.Phase_TRAIN }

// Reshape gives the top the shape of the ROIs; Forward knows how many there are.
func (l *decodeBBox) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	n := bottom[1].Dim(0)
	if err := checkRows(l.spec, bottom[1], 1, n, "ROIs", 5); err != nil {
		return err
	}
	if err := checkRows(l.spec, bottom[0], 0, n, "predictions", 8); err != nil {
		return err
	}
	if len(bottom) > 2 {
		if !l.training() {
			return l.spec.ErrorAt("bottom", 2, fmt.Errorf("there are 3 bottoms in phase TEST, want 2"))
		}
		if bottom[2].Axes() < 2 || bottom[2].Dim(0) != n || bottom[2].CountFrom(1) < 1 {
			return l.spec.ErrorAt("bottom", 2, fmt.Errorf("got boxes of shape %v, want %d x 6", bottom[2].Shape(), n))
		}
	}
	l.decoded, l.rows = layers.Resize(l.decoded, n), layers.Resize(l.rows, n)
	return l.reshapeTop(top[0], n)
}

func (l *decodeBBox) reshapeTop(top *blob.Blob, n int) error {
	if err := top.Reshape(n, 5, 1, 1); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	return nil
}

// checkRows returns an error if a bottom does not have n rows of that width.
func checkRows(s *layers.Spec, b *blob.Blob, bottom, n int, what string, width int) error {
	if b.Axes() < 2 || b.Dim(0) != n || b.CountFrom(1) != width {
		return s.ErrorAt("bottom", bottom, fmt.Errorf("got %s of shape %v, want %d x %d", what, b.Shape(), n, width))
	}
	return nil
}

// Forward computes the top.
func (l *decodeBBox) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	x, rois := bottom[0].Data(), bottom[1].Data()
	l.rows = l.rows[:0]
	for i := range l.decoded {
		box := l.decode(boxes.From(rois[5*i+1:]), x[8*i+4:])
		l.decoded[i] = box
		if l.training() && (box.XMin > box.XMax || box.YMin > box.YMax) {
			continue
		}
		if len(bottom) > 2 {
			width := bottom[2].CountFrom(1)
			if bottom[2].Data()[i*width+width-1] >= l.greatest {
				continue
			}
		}
		l.rows = append(l.rows, i)
	}
	if len(l.rows) == 0 {
		return l.spec.Errorf("bottom", "no box is left of %d ROIs", len(l.decoded))
	}
	if err := l.reshapeTop(top[0], len(l.rows)); err != nil {
		return err
	}
	y := top[0].MutableData()
	for k, i := range l.rows {
		y[5*k] = rois[5*i]
		l.decoded[i].Put(y[5*k+1:])
	}
	return nil
}
