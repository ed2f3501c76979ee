package yolo

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Yolov3DetectionOutput",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "yolov3_detection_output_param",
			Number:  602,
			Proto:   layers.Schema(schemas, "yolov3_detection_output.proto"),
			Message: "Yolov3DetectionOutputParameter",
		},
		Bottoms: layers.AtLeast(1),
		Tops:    layers.Exactly(1),
		New:     newYolov3DetectionOutput,
		Doc: `The boxes that a YOLOv3 net has found. Each bottom is a grid of H x W cells, whose cell in row i and column j has
num_box boxes. Box k of bottom b has anchor a = mask[b M + k], where M is the length of mask / mask_group_num, and the
numbers x0, x1, ... in channels k (5 + num_classes) and the following:

	center x = (j + sigmoid(x0)) / W        width  = exp(x2) biases[2a] / (W anchors_scale[b])
	center y = (i + sigmoid(x1)) / H        height = exp(x3) biases[2a+1] / (H anchors_scale[b])
	score of class c = sigmoid(x4) sigmoid(x5+c)

A box is a candidate for each class with a score above confidence_threshold. Candidates are taken by descending score,
equal ones in the order of bottoms, cells, boxes and classes. One is dropped if its overlap (common area / area of the
union) with one that was kept before, of any class, is at least nms_threshold; so a box keeps its best class, unless
nms_threshold is above 1. There is no gradient.

With gaussian_box a box has 9 + num_classes numbers: x0, x2, x4 and x6 take the place of x0 to x3, and the score is
sigmoid(x8) (1 - u) sigmoid(x9+c), where u is the mean of sigmoid(x1), sigmoid(x3), sigmoid(x5) and sigmoid(x7), the
uncertainties of the four.

Bottoms: mask_group_num of shape N x num_box (5 + num_classes) x H x W.
Top: 1 x 1 x K x 7: image, label, score, xmin, ymin, xmax, ymax, by image, the highest score first. The label is the
class + 1, so that 0 is the background, as in the nets of SSD. Coordinates are fractions of width and height and not
clipped. If no image has a box, there is one row for each image, which is its number and then -1. Before the first pass
the top has one row.

yolov3_detection_output_param:
	num_classes (20), num_box (3), mask_group_num (2), mask: see above
	biases: width and height of each anchor, in pixels of the net's image
	anchors_scale: for each bottom, how many pixels a cell is wide and high
	confidence_threshold (0.01), nms_threshold (0.45): see above
	gaussian_box (false): see above

Source: github.com/eric612/MobileNet-YOLO, yolov3_detection_output_layer.cpp. Differs from it: the images of a batch
have detections of their own; there all are taken for one image, with number 0. Its gaussian_box uses other numbers on
GPUs (x1 twice), and on CPUs confuses objectness and classes.`,
	})
}

// yolov3DetectionOutput implements the layer type; its registration describes it.
type yolov3DetectionOutput struct {
	detections
	anchors anchors
	options yolov3DetectionOptions
}

type yolov3DetectionOptions struct {
	Classes   int       `proto:"num_classes"`
	Boxes     int       `proto:"num_box"`
	Threshold float32   `proto:"confidence_threshold"`
	Overlap   float32   `proto:"nms_threshold"`
	Biases    []float32 `proto:"biases"`
	Scale     []uint32  `proto:"anchors_scale"`
	Groups    int       `proto:"mask_group_num"`
	Mask      []uint32  `proto:"mask"`
	Gaussian  bool      `proto:"gaussian_box"`
}

var (
	_ layers.Layer          = (*yolov3DetectionOutput)(nil)
	_ layers.BackwardForcer = (*yolov3DetectionOutput)(nil)
	_ layers.BackwardReader = (*yolov3DetectionOutput)(nil)
)

func newYolov3DetectionOutput(s *layers.Spec) (layers.Layer, error) {
	l := &yolov3DetectionOutput{}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	const field = "yolov3_detection_output_param"
	l.anchors = anchors{spec: s, field: field, count: o.Boxes, classes: o.Classes, box: 4, biases: o.Biases}
	if o.Gaussian {
		l.anchors.box = 8
	}
	if err := l.anchors.check("num_box", "num_classes"); err != nil {
		return nil, err
	}
	if err := l.anchors.mask(o.Mask); err != nil {
		return nil, err
	}
	bottoms := len(s.Param.GetBottom())
	switch {
	case o.Groups != bottoms:
		return nil, s.Errorf(field+".mask_group_num", "mask_group_num is %d, and there are %d bottoms", o.Groups, bottoms)
	case len(o.Mask) < (bottoms-1)*(len(o.Mask)/bottoms)+o.Boxes:
		return nil, s.Errorf(field+".mask", "mask has %d anchors, want num_box (%d) for each of %d bottoms", len(o.Mask), o.Boxes, bottoms)
	case len(o.Scale) < bottoms:
		return nil, s.Errorf(field+".anchors_scale", "there are %d anchors_scale, want one for each of %d bottoms", len(o.Scale), bottoms)
	}
	for i, scale := range o.Scale {
		if scale < 1 || scale > maxScale {
			return nil, s.ErrorAt(field+".anchors_scale", i, fmt.Errorf("anchors_scale is %d, want 1 to %d", scale, maxScale))
		}
	}
	var err error
	l.detections, err = newDetections(s, field, o.Threshold, o.Overlap)
	l.collect = l.find
	return l, err
}

// Reshape gives the top one row; Forward knows how many there are.
func (l *yolov3DetectionOutput) Reshape(bottom, top []*blob.Blob) error {
	if err := l.anchors.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	for i := range bottom {
		if err := l.anchors.reshape(bottom, i); err != nil {
			return err
		}
	}
	return top[0].Reshape(1, 1, 1, 7)
}

// find adds the candidates of an image.
func (l *yolov3DetectionOutput) find(f *finder, image int) {
	step, object := 1, 4 // from one number of the box to the next, and of objectness
	if l.options.Gaussian {
		step, object = 2, 8
	}
	for i, b := range l.bottom {
		data, h, w := b.Data(), b.Dim(2), b.Dim(3)
		cells := h * w
		mask := l.options.Mask[i*(len(l.options.Mask)/len(l.bottom)):]
		scale := int(l.options.Scale[i])
		for cell := range cells {
			for k := range l.anchors.count {
				x := l.anchors.of(b, data, image, k)[cell:]
				there := sigmoid(x[object*cells])
				if l.options.Gaussian {
					there *= (4 - sigmoid(x[cells]) - sigmoid(x[3*cells]) - sigmoid(x[5*cells]) - sigmoid(x[7*cells])) / 4
				}
				if there <= l.options.Threshold {
					continue // no score is higher
				}
				at := func(number int) float32 { return x[number*step*cells] }
				bias := l.anchors.biases[2*mask[k]:]
				l.classes(f, x[(object+1)*cells:], cells, there,
					(float32(cell%w)+sigmoid(at(0)))/float32(w), (float32(cell/w)+sigmoid(at(1)))/float32(h),
					exp(at(2))*bias[0]/float32(w*scale), exp(at(3))*bias[1]/float32(h*scale))
			}
		}
	}
}

// classes adds a box for those of its classes that can be kept: the best one, or all if
// equal boxes do not suppress each other.
func (l *yolov3DetectionOutput) classes(f *finder, scores []float32, cells int, there, x, y, w, h float32) {
	best, highest := -1, l.options.Threshold
	for class := range l.anchors.classes {
		score := there * sigmoid(scores[class*cells])
		if !(score > l.options.Threshold) {
			continue
		}
		if l.overlap > 1 {
			f.add(class, score, x, y, w, h)
		} else if score > highest {
			best, highest = class, score
		}
	}
	if best >= 0 {
		f.add(best, highest, x, y, w, h)
	}
}
