package yolo

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "SegmentationEvaluate",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "segmentation_evaluate_param",
			Number:  605,
			Proto:   layers.Schema(schemas, "segmentation_evaluate.proto"),
			Message: "SegmentationEvaluateParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newSegmentationEvaluate,
		Doc: `How well the pixels that a net gives a class agree with those that have it, for each class:

	y[c] = pixels with a score and a target above threshold / pixels with one of both above threshold

and 0 if no pixel has both. If scores and targets have planes of different sizes, the scores are scaled to those of the
targets, as images of bytes (255 times the score) and with AREA; y is then -1 for a class that no target has. There is
no gradient.

Bottoms: scores from 0 to 1, N x C x H x W; targets, N x C x h x w, as AnnotatedData makes them as its third top.
Top: y, 1 x 1 x 1 x C.

segmentation_evaluate_param:
	num_classes: C
	threshold (0.5): see above

Source: github.com/eric612/MobileNet-YOLO, segmentation_evaluate_layer.cpp. Differs from it: pixels of all images of a
batch count; there, of the first image.`,
	})
}

// segmentationEvaluate implements the layer type; its registration describes it.
type segmentationEvaluate struct {
	spec        *layers.Spec
	classes     int
	threshold   float32
	resizer     data.Resizer
	plane, same data.Image // a plane of scores, and scaled
	has         []bool
}

var (
	_ layers.Layer          = (*segmentationEvaluate)(nil)
	_ layers.BackwardForcer = (*segmentationEvaluate)(nil)
)

func newSegmentationEvaluate(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Classes   int     `proto:"num_classes"`
		Threshold float32 `proto:"threshold"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	switch {
	case !s.HasOption("num_classes"):
		return nil, s.Errorf("segmentation_evaluate_param", "segmentation_evaluate_param.num_classes is not set")
	case !(o.Threshold >= 0 && o.Threshold <= 1): // true for NaN too
		return nil, s.Errorf("segmentation_evaluate_param.threshold", "threshold is %g, want 0 to 1", o.Threshold)
	}
	return &segmentationEvaluate{spec: s, classes: o.Classes, threshold: o.Threshold}, nil
}

func (l *segmentationEvaluate) SetUp(_, _ []*blob.Blob) error { return nil }

// AllowForceBackward returns false: there is no gradient.
func (l *segmentationEvaluate) AllowForceBackward(int) bool { return false }

// Reshape sets the shape of the top.
func (l *segmentationEvaluate) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	for i, b := range bottom {
		if b.Axes() != 4 || b.Dim(0) != bottom[0].Dim(0) || b.Dim(1) != l.classes {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got bottoms of shapes %v and %v, want N x %d x height x width", bottom[0].Shape(), bottom[1].Shape(), l.classes))
		}
	}
	if s, t := bottom[0], bottom[1]; !sameSize(s, t) && (s.Count() == 0 || t.Count() == 0) {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got bottoms of shapes %v and %v, want pixels in both", s.Shape(), t.Shape()))
	}
	return top[0].Reshape(1, 1, 1, l.classes)
}

func sameSize(a, b *blob.Blob) bool { return a.Dim(2) == b.Dim(2) && a.Dim(3) == b.Dim(3) }

// Forward computes the top.
func (l *segmentationEvaluate) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	scores, targets, y := bottom[0], bottom[1], top[0].MutableData()
	s, t := scores.Data(), targets.Data()
	from, to := scores.CountFrom(2), targets.CountFrom(2)
	for class := range y {
		var both, found, wanted int
		for image := range scores.Dim(0) {
			plane := image*l.classes + class
			l.find(s[plane*from:][:from], scores, targets)
			for i, target := range t[plane*to:][:to] {
				a, b := l.has[i], target > l.threshold
				if a && b {
					both++
				}
				if a {
					found++
				}
				if b {
					wanted++
				}
			}
		}
		switch {
		case both > 0:
			y[class] = float32(both) / float32(found+wanted-both)
		case wanted == 0 && !sameSize(scores, targets):
			y[class] = -1
		default:
			y[class] = 0
		}
	}
	return nil
}

// find sets has to which pixels of a plane of scores, scaled to the targets, have the
// class.
func (l *segmentationEvaluate) find(plane []float32, scores, targets *blob.Blob) {
	l.has = layers.Resize(l.has, targets.CountFrom(2))
	if sameSize(scores, targets) {
		for i, v := range plane {
			l.has[i] = v > l.threshold
		}
		return
	}
	im := &l.plane
	im.Channels, im.Height, im.Width, im.Pix = 1, scores.Dim(2), scores.Dim(3), layers.Resize(im.Pix, len(plane))
	for i, v := range plane {
		im.Pix[i] = byte(max(0, min(v*255, 255)))
	}
	l.resizer.Resize(&l.same, im, targets.Dim(2), targets.Dim(3), data.Area)
	for i, v := range l.same.Pix {
		l.has[i] = v > byte(l.threshold*255)
	}
}

// Backward returns an error if a gradient is asked for.
func (l *segmentationEvaluate) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}
