package cascade

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "DetectionGroupAccuracy",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "detection_group_accuracy_param",
			Number:  157,
			Proto:   layers.Schema(schemas, "detection_group_accuracy.proto"),
			Message: "DetectionGroupAccuracyParameter",
		},
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.Exactly(3),
		Tops:       layers.Between(1, 2),
		New:        newDetectionGroupAccuracy,
		Doc: `How well a region proposal network tells anchors apart, and predicts their boxes: how often the class with the
highest score, the first of equal ones, is the right one, and the mean overlap (common area / area of the union) of the
predicted boxes of the foreground with their ground truth. There is no gradient.

Bottoms: as of DetectionGroupLoss.
Tops: the share of the anchors that are right, and that of the anchors of the foreground, 1 x 1 x 1 x 2; optionally the
mean overlap, 1 x 1 x 1 x 1. Each is -1 if there is no such anchor.

detection_group_accuracy_param:
	cls_num: classes, with the background
	field_h, field_w: height and width of each anchor in pixels
	stride: pixels of the image for a pixel of the map
	field_xyr (4), field_whr (2): how much a box may differ from its anchor, as of BoxGroupOutput
	bg_threshold (0.5): anchors of the background with at least this overlap do not count
	objectness (false): whether all classes but the background are class 1

` + regressionDoc + `	cls_aware (true): not used

loss_param:
	ignore_label: the class that does not count

Source: github.com/zhaoweicai/cascade-rcnn, detection_group_accuracy_layer.cpp`,
	})
}

// detectionGroupAccuracy implements the layer type; its registration describes it.
type detectionGroupAccuracy struct {
	noGradient
	anchors
	bounds
	threshold float32
}

var (
	_ layers.Layer          = (*detectionGroupAccuracy)(nil)
	_ layers.BackwardForcer = (*detectionGroupAccuracy)(nil)
	_ layers.BackwardReader = (*detectionGroupAccuracy)(nil)
)

func newDetectionGroupAccuracy(s *layers.Spec) (layers.Layer, error) {
	const field = "detection_group_accuracy_param"
	l := &detectionGroupAccuracy{noGradient: noGradient{s}}
	var common anchorOptions
	var o struct {
		WHR       float32 `proto:"field_whr"`
		XYR       float32 `proto:"field_xyr"`
		Threshold float32 `proto:"bg_threshold"`
	}
	err := s.Options(&common)
	if err == nil {
		err = s.Options(&o)
	}
	if err != nil {
		return nil, err
	}
	l.threshold = o.Threshold
	if l.bounds, err = newBounds(s, field, o.XYR, o.WHR); err != nil {
		return nil, err
	}
	l.anchors, err = newAnchors(s, field, &common)
	return l, err
}

// Reshape checks the bottoms.
func (l *detectionGroupAccuracy) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.anchors.reshape(l.spec, bottom); err != nil {
		return err
	}
	for i, y := range top {
		if err := y.Reshape(1, 1, 1, 2-i); err != nil {
			return l.spec.ErrorAt("top", i, err)
		}
	}
	return nil
}

// Forward computes the tops.
func (l *detectionGroupAccuracy) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.readLabels(l.spec, bottom[2]); err != nil {
		return err
	}
	var all, right, fore, foreRight, boxes int
	var overlaps float32
	for item := range l.items {
		overlap := l.plane(bottom[2].Data(), 6, item, 5)
		for at, label := range l.labels[item*l.size():][:l.size()] {
			if label != 0 && !l.ignored(label) {
				overlaps += l.overlap(item, at, bottom[1].Data(), bottom[2].Data())
				boxes++
			}
			class := l.class(label)
			if l.ignored(class) || class == 0 && overlap[at] >= l.threshold {
				continue
			}
			hit := l.best(item, at, bottom[0].Data()) == class
			all++
			if hit {
				right++
			}
			if class != 0 {
				fore++
				if hit {
					foreRight++
				}
			}
		}
	}
	y := top[0].MutableData()
	y[0], y[1] = mean(float32(right), all), mean(float32(foreRight), fore)
	if len(top) > 1 {
		top[1].MutableData()[0] = mean(overlaps, boxes)
	}
	return nil
}

// mean returns sum / n, or -1 if n is 0.
func mean(sum float32, n int) float32 {
	if n == 0 {
		return -1
	}
	return sum / float32(n)
}

// best returns the class with the highest score of an anchor at a pixel.
func (l *detectionGroupAccuracy) best(item, at int, scores []float32) int {
	most, best := float32(-math.MaxFloat32), -1
	for c := range l.classes {
		if v := l.plane(scores, l.classes, item, c)[at]; v > most {
			most, best = v, c
		}
	}
	return best
}

// overlap returns the overlap of the box of an anchor at a pixel with its ground truth.
func (l *detectionGroupAccuracy) overlap(item, at int, x, truth []float32) float32 {
	k := item % len(l.w)
	t := l.denormalize(x[item*4*l.size()+at:], l.size())
	var box rect
	box.x, box.w = l.side(t[0], t[2], l.w[k], at%l.width, l.stride)
	box.y, box.h = l.side(t[1], t[3], l.h[k], at/l.width, l.stride)
	g := truth[(item*6+1)*l.size()+at:]
	w, h := g[2*l.size()], g[3*l.size()]
	return box.overlap(rect{g[0] - w/2, g[l.size()] - h/2, w, h})
}
