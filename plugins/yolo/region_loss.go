package yolo

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "RegionLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "region_loss_param",
			Number:  600,
			Proto:   layers.Schema(schemas, "region_loss.proto"),
			Message: "RegionLossParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newRegionLoss,
		Doc: `The loss of YOLOv2. The boxes of a cell are those of YoloDetectionOutput: b = (x, y, w, h), with sx = sigmoid(x0) and
sy = sigmoid(x1), objectness p = sigmoid(x4), and probabilities q = softmax(x5, ...). Errors are computed for each:

	1. e4 = noobject_scale p p (1 - p) of every box, but 0 if its overlap (common area / area of the union) with an object
	   is more than thresh
	2. for each object in order, of class c and box (X, Y, W, H): in the cell that has its center, in row i and column j,
	   the box whose anchor, placed around the same center, overlaps it most. There, with
	   s = coord_scale (2 - W H), or coord_scale with rescore,
	       e0 = s (sx - (X S - j)) sx (1 - sx)      e2 = s (x2 - log(W S / biases[2k]))
	       e1 = s (sy - (Y S - i)) sy (1 - sy)      e3 = s (x3 - log(H S / biases[2k+1]))
	       e4 = object_scale (p - t) p (1 - p), t = 1 or, with rescore, the overlap of b with the object
	       e5+m = class_scale (q_m - 1 if m is c, q_m - 0 if not)

Other errors are 0. The loss is the sum of e² over the N images, divided by N. The gradient is e / N, as in darknet: not
that of the loss, but of squares for boxes and objectness, halved, and of the cross entropy of classes.

Bottoms: predictions, N x num (5 + num_class) x S x S; ground truth, N x 1 x 300 x 5: class from 0, x, y, w, h, in
fractions, up to a row of w 0, as AnnotatedData makes it with yolo_data_type. There may be more or fewer rows than 300.
Top: the loss, a scalar.

region_loss_param:
	num_class (20): number of classes
	num (5): boxes of a cell
	biases: width and height of each anchor, in cells
	object_scale (1), class_scale (1), noobject_scale (0.5), coord_scale (5), thresh (0.2): see above
	bias_match (1): 0 takes the predicted sizes in place of the anchors' for matching
	rescore (1): see above
	coords (4): must be 4
	side, softmax, jitter, absolute, random, softmax_tree, class_map: accepted and not used, as in the fork

Source: github.com/eric612/MobileNet-YOLO, region_loss_layer.cpp. The averages that it logs are not computed. Ground
truth that is out of range is an error; there, memory is read that is not the layer's.`,
	})
}

// regionLoss implements the layer type; its registration describes it.
type regionLoss struct {
	loss
	options regionLossOptions
}

type regionLossOptions struct {
	Classes   int       `proto:"num_class"`
	BiasMatch uint32    `proto:"bias_match"`
	Coords    int       `proto:"coords"`
	Boxes     int       `proto:"num"`
	Rescore   uint32    `proto:"rescore"`
	Object    float32   `proto:"object_scale"`
	Class     float32   `proto:"class_scale"`
	NoObject  float32   `proto:"noobject_scale"`
	Coord     float32   `proto:"coord_scale"`
	Thresh    float32   `proto:"thresh"`
	Biases    []float32 `proto:"biases"`
}

var (
	_ layers.Layer          = (*regionLoss)(nil)
	_ layers.BackwardForcer = (*regionLoss)(nil)
	_ layers.BackwardReader = (*regionLoss)(nil)
)

func newRegionLoss(s *layers.Spec) (layers.Layer, error) {
	l := &regionLoss{}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	l.loss = loss{
		spec:    s,
		anchors: anchors{spec: s, field: "region_loss_param", count: o.Boxes, classes: o.Classes, box: 4, biases: o.Biases},
		truth:   truths{spec: s, classes: o.Classes},
		softmax: true,
		unit:    1,
		thresh:  o.Thresh,
		measure: iou,
		nothing: func(p float32) float32 { return o.NoObject * p * p * (1 - p) },
		match:   l.matchImage,
	}
	if err := l.anchors.check("num", "num_class"); err != nil {
		return nil, err
	}
	if err := l.anchors.coords(o.Coords); err != nil {
		return nil, err
	}
	for k := range o.Boxes {
		l.which = append(l.which, uint32(k))
	}
	return l, l.anchors.enough()
}

// Reshape checks the bottoms.
func (l *regionLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.loss.Reshape(bottom, top); err != nil {
		return err
	}
	return l.anchors.square(bottom, 0)
}

// matchImage sets the errors of the boxes of an image's objects.
func (l *regionLoss) matchImage(_ *imageLoss, image int) {
	cells := l.h * l.w
	for _, o := range l.truth.objects[image] {
		i, j := o.cell(l.h, l.w)
		cell := i*l.w + j
		k := l.best(&o, image, cell)
		p, e := l.numbers(l.scores, image, k)[cell:], l.numbers(l.errors, image, k)[cell:]
		scale, target := float64(l.options.Coord)*(2-o.box.w*o.box.h), float32(1)
		if l.options.Rescore != 0 {
			scale, target = float64(l.options.Coord), nanToZero(float32(iou.of(l.predicted(p, k, cell), o.box)))
		}
		sx, sy, object := p[0], p[cells], p[4*cells]
		w, h := l.anchor(uint32(k))
		e[0] = float32(scale) * (sx - float32(o.box.x*float64(l.w)-float64(j))) * sx * (1 - sx)
		e[cells] = float32(scale) * (sy - float32(o.box.y*float64(l.h)-float64(i))) * sy * (1 - sy)
		e[2*cells] = float32(scale * (float64(p[2*cells]) - math.Log(o.box.w/w)))
		e[3*cells] = float32(scale * (float64(p[3*cells]) - math.Log(o.box.h/h)))
		e[4*cells] = l.options.Object * (object - target) * object * (1 - object)
		for class := range l.anchors.classes {
			at := (5 + class) * cells
			e[at] = l.options.Class * p[at]
			if class == o.class {
				e[at] = l.options.Class * (p[at] - 1)
			}
		}
	}
}

// best returns which box of a cell an object is matched with.
func (l *regionLoss) best(o *object, image, cell int) (best int) {
	highest := 0.0
	for k := range l.anchors.count {
		w, h := l.anchor(uint32(k))
		size := box{w: w, h: h}
		if l.options.BiasMatch == 0 {
			size = l.predicted(l.numbers(l.scores, image, k)[cell:], k, cell).sized()
		}
		if overlap := iou.of(size, o.box.sized()); overlap > highest {
			best, highest = k, overlap
		}
	}
	return best
}
