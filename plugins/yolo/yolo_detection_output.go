package yolo

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "YoloDetectionOutput",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "yolo_detection_output_param",
			Number:  601,
			Proto:   layers.Schema(schemas, "yolo_detection_output.proto"),
			Message: "YoloDetectionOutputParameter",
		},
		Bottoms: layers.Between(1, 2),
		Tops:    layers.Exactly(1),
		New:     newYoloDetectionOutput,
		Doc: `The boxes that a YOLOv2 net has found. A cell in row i and column j of a grid of S x S cells has num_box boxes.
Box k has the numbers x0, x1, ... in channels k (5 + num_classes) and the following:

	center x = (j + sigmoid(x0)) / S        width  = exp(x2) biases[2k] / S
	center y = (i + sigmoid(x1)) / S        height = exp(x3) biases[2k+1] / S
	score    = sigmoid(x4) max softmax(x5, ...), and its class

Boxes with scores of confidence_threshold or more are taken by descending score, equal ones in the order of bottoms,
cells and boxes. A box is dropped if its overlap (common area / area of the union) with one that was kept before, of
any class, is at least nms_threshold. There is no gradient.

Bottoms: one or two of shape N x num_box (5 + num_classes) x S x S, with grids of their own.
Top: 1 x 1 x K x 7: image, label, score, xmin, ymin, xmax, ymax, by image, the highest score first. The label is the
class + 1, so that 0 is the background, as in the nets of SSD. Coordinates are fractions of width and height and not
clipped. If no image has a box, there is one row for each image, which is its number and then -1. Before the first pass
the top has one row.

yolo_detection_output_param:
	num_classes (20), num_box (5): see above
	biases: width and height of each anchor, in cells
	confidence_threshold (0.01), nms_threshold (0.45): see above
	coords (4): must be 4
	side, label_map_file: accepted and not used

Source: github.com/eric612/MobileNet-YOLO, yolo_detection_output_layer.cpp. Differs from it: the images of a batch have
detections of their own; there all are taken for one image, with number 0.`,
	})
}

// yoloDetectionOutput implements the layer type; its registration describes it.
type yoloDetectionOutput struct {
	detections
	anchors   anchors
	threshold float32
}

var (
	_ layers.Layer          = (*yoloDetectionOutput)(nil)
	_ layers.BackwardForcer = (*yoloDetectionOutput)(nil)
	_ layers.BackwardReader = (*yoloDetectionOutput)(nil)
)

func newYoloDetectionOutput(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Classes   int       `proto:"num_classes"`
		Boxes     int       `proto:"num_box"`
		Coords    int       `proto:"coords"`
		Threshold float32   `proto:"confidence_threshold"`
		Overlap   float32   `proto:"nms_threshold"`
		Biases    []float32 `proto:"biases"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	const field = "yolo_detection_output_param"
	l := &yoloDetectionOutput{
		anchors:   anchors{spec: s, field: field, count: o.Boxes, classes: o.Classes, box: 4, biases: o.Biases},
		threshold: o.Threshold,
	}
	if err := l.anchors.check("num_box", "num_classes"); err != nil {
		return nil, err
	}
	if err := l.anchors.enough(); err != nil {
		return nil, err
	}
	if err := l.anchors.coords(o.Coords); err != nil {
		return nil, err
	}
	var err error
	l.detections, err = newDetections(s, field, o.Threshold, o.Overlap)
	l.collect = l.find
	return l, err
}

// enough checks that each box has an anchor.
func (a *anchors) enough() error {
	if len(a.biases) < 2*a.count {
		return a.spec.Errorf(a.field+".biases", "there are %d biases, want %d: width and height of %d anchors", len(a.biases), 2*a.count, a.count)
	}
	return nil
}

// coords checks how many numbers a box has.
func (a *anchors) coords(n int) error {
	if n != 4 {
		return a.spec.Errorf(a.field+".coords", "coords is %d, want 4", n)
	}
	return nil
}

// Reshape gives the top one row; Forward knows how many there are.
func (l *yoloDetectionOutput) Reshape(bottom, top []*blob.Blob) error {
	if err := l.anchors.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	for i := range bottom {
		if err := l.anchors.reshape(bottom, i); err != nil {
			return err
		}
		if err := l.anchors.square(bottom, i); err != nil {
			return err
		}
	}
	return top[0].Reshape(1, 1, 1, 7)
}

// find adds the candidates of an image.
func (l *yoloDetectionOutput) find(f *finder, image int) {
	for _, b := range l.bottom {
		data, side := b.Data(), b.Dim(3)
		cells := side * side
		for cell := range cells {
			for k := range l.anchors.count {
				x := l.anchors.of(b, data, image, k)[cell:]
				object := sigmoid(x[4*cells])
				if object < l.threshold {
					continue // the score is not higher
				}
				class, share := softmaxMax(x[5*cells:], l.anchors.classes, cells)
				score := object * share
				if !(score >= l.threshold) {
					continue
				}
				s := float32(side)
				f.add(class, score,
					(float32(cell%side)+sigmoid(x[0]))/s, (float32(cell/side)+sigmoid(x[cells]))/s,
					exp(x[2*cells])*l.anchors.biases[2*k]/s, exp(x[3*cells])*l.anchors.biases[2*k+1]/s)
			}
		}
	}
}

// softmaxMax returns the largest of n numbers, which are stride apart, and its softmax.
func softmaxMax(x []float32, n, stride int) (at int, share float32) {
	for i := range n {
		if x[i*stride] > x[at*stride] {
			at = i
		}
	}
	largest, sum := x[at*stride], float32(0)
	for i := range n {
		sum += exp(x[i*stride] - largest)
	}
	return at, 1 / sum
}
