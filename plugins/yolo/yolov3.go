package yolo

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Yolov3",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "yolov3_param",
			Number:  603,
			Proto:   layers.Schema(schemas, "yolov3.proto"),
			Message: "Yolov3Parameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newYolov3,
		Doc: `The loss of one grid of a YOLOv3 net. The boxes of a cell are those of Yolov3DetectionOutput, with one bottom: b =
(x, y, w, h), with sx = sigmoid(x0), sy = sigmoid(x1), objectness p = sigmoid(x4), and q_m = sigmoid(x5+m) for class m.
M(b, g) is a measure of how well two boxes agree: the overlap (common area / area of the union), or what iou_loss says.
Errors are computed for each box:

	1. e4 = p of every box, but 0 if M with an object is more than thresh
	2. each object g, of class c and box (X, Y, W, H), is matched in order with anchors that are in mask: the one of all
	   anchors that has the highest M with g, both placed around the same center; then, by number, those with an M above
	   iou_thresh whose number is not k, where k is the place in mask of the first one or, if it is not in mask, its
	   number. For each, the box of that anchor in the cell that has the center of g, in row i and column j, has
	       e0 = s (sx - (X grid width - j))     e2 = s (x2 - log(W / w of the anchor))     s = coord_scale (2 - W H)
	       e1 = s (sy - (Y grid height - i))    e3 = s (x3 - log(H / h of the anchor))
	       e4 = p - 1, or object_scale (p - 1) with use_logic_gradient
	       e5+m = class_scale (q_m - t_m), t_m = 1 - label_smooth_eps / 2 for m = c, label_smooth_eps / 2 for others;
	       where e5+c is no longer 0, because of an object before, other classes keep what they have

Other errors are 0. The loss is the sum of e² over the N images, divided by N. The gradient is e / N, as in darknet, or
e s (1 - s) / N with use_logic_gradient, for the sigmoid s of each number but x2 and x3: not the gradient of the loss,
but, without use_logic_gradient, of the cross entropy of the sigmoids and of squares, halved, for x2 and x3.

With iou_loss other than MSE, each object adds to e0 to e3 (or, without accumulate, sets) iou_normalizer times these, of
M(b, g), bounded to max_delta in magnitude:

	IOU      M = o, the overlap       -dM/dx, -dM/dy, -2 dM/dw exp(x2), -2 dM/dh exp(x3)
	GIOU     M = o - 1 + U / R        as IOU
	DIOU     M = o - (S / D)^0.6      as IOU for o; and for -S / D: -d/dx and -d/dy, but with the opposite sign of dD,
	                                  -d/dw exp(x2), -d/dh exp(x3)
	CIOU     M = o - S / D - a r      as DIOU; and for -r: -a (w² + h²) d/dw exp(x2), -a (w² + h²) d/dh exp(x3)

U is the area of the union and R that of the rectangle around both boxes, D its squared diagonal, S the squared distance
of the centers, r = 4/π² (atan(W/H) - atan(w/h))², a = r / (1 - o + r + 1e-6). Where boxes have nothing in common, o is
left out; U then has the product of the (negative) lengths in common. In the loss, e0 to e3 do not count, but
iou_normalizer / N times the mean of 1 - M over all matches does, with DIOU's M for IOU.

Bottoms: predictions, N x num (5 + num_class) x H x W; ground truth, N x 1 x 300 x 5: class from 0, x, y, w, h, in
fractions, up to a row of w 0, as AnnotatedData makes it with yolo_data_type. There may be more or fewer rows than 300.
Top: the loss, a scalar.

yolov3_param:
	num_class (20): number of classes
	num (5): boxes of a cell, the first so many of mask
	biases: width and height of each anchor of the net, in pixels of its image
	mask: the numbers of the anchors of this layer
	anchors_scale (32): how many pixels a cell is wide and high
	object_scale (1), class_scale (1), coord_scale (5), thresh (0.2), iou_thresh (0.5), label_smooth_eps (0.1): see above
	iou_loss (MSE): MSE, or the measure IOU, GIOU, DIOU or CIOU
	iou_normalizer (0.25), max_delta (10), accumulate (true), use_logic_gradient (false): see above
	use_focal_loss (false): class_scale (q_m - t_m) of a box's first object, without label_smooth_eps, times
	    f = -(1 - q_c) (2 q_c log q_c + q_c - 1) / 2
	side, noobject_scale: accepted and not used, as in the fork

Source: github.com/eric612/MobileNet-YOLO, yolov3_layer.cpp. The averages that it logs are not computed. Differs from
it: rounding cannot make M more than 1, which the fork takes for a match; with use_logic_gradient and iou_loss, x0 and
x1 have the derivative of the sigmoid (there that of another number); ground truth out of range is an error.`,
	})
}

// yolov3 implements the layer type; its registration describes it.
type yolov3 struct {
	loss
	options yolov3Options
}

type yolov3Options struct {
	Classes    int       `proto:"num_class"`
	Boxes      int       `proto:"num"`
	Object     float32   `proto:"object_scale"`
	Class      float32   `proto:"class_scale"`
	Coord      float32   `proto:"coord_scale"`
	Thresh     float32   `proto:"thresh"`
	Scale      uint32    `proto:"anchors_scale"`
	Biases     []float32 `proto:"biases"`
	Mask       []uint32  `proto:"mask"`
	Logic      bool      `proto:"use_logic_gradient"`
	Focal      bool      `proto:"use_focal_loss"`
	IOU        string    `proto:"iou_loss"`
	Normalizer float32   `proto:"iou_normalizer"`
	IOUThresh  float32   `proto:"iou_thresh"`
	MaxDelta   float32   `proto:"max_delta"`
	Accumulate bool      `proto:"accumulate"`
	Smooth     float32   `proto:"label_smooth_eps"`
}

var (
	_ layers.Layer          = (*yolov3)(nil)
	_ layers.BackwardForcer = (*yolov3)(nil)
	_ layers.BackwardReader = (*yolov3)(nil)
)

func newYolov3(s *layers.Spec) (layers.Layer, error) {
	l := &yolov3{}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	const field = "yolov3_param"
	l.loss = loss{
		spec:    s,
		anchors: anchors{spec: s, field: field, count: o.Boxes, classes: o.Classes, box: 4, biases: o.Biases},
		truth:   truths{spec: s, classes: o.Classes},
		unit:    float64(o.Scale),
		which:   o.Mask,
		thresh:  o.Thresh,
		measure: measure(o.IOU),
		nothing: func(p float32) float32 { return p },
		match:   l.matchImage,
		boxless: o.IOU != "MSE",
	}
	if o.IOU == "MSE" {
		l.measure = iou
	}
	if err := l.anchors.check("num", "num_class"); err != nil {
		return nil, err
	}
	if err := l.anchors.mask(o.Mask); err != nil {
		return nil, err
	}
	switch {
	case len(o.Mask) < o.Boxes:
		return nil, s.Errorf(field+".mask", "mask has %d anchors, want %d, which is num", len(o.Mask), o.Boxes)
	case o.Scale < 1 || o.Scale > maxScale:
		return nil, s.Errorf(field+".anchors_scale", "anchors_scale is %d, want 1 to %d", o.Scale, maxScale)
	case !(o.MaxDelta >= 0): // true for NaN too
		return nil, s.Errorf(field+".max_delta", "max_delta is %g, want 0 or more", o.MaxDelta)
	}
	return l, nil
}

// matchImage sets the errors of the boxes of an image's objects.
func (l *yolov3) matchImage(a *imageLoss, image int) {
	anchors := uint32(len(l.anchors.biases) / 2)
	for _, o := range l.truth.objects[image] {
		best, highest := -1, 0.0
		for n := range anchors {
			if m := l.agreement(n, &o); m > highest {
				best, highest = int(n), m
			}
		}
		if k := l.place(best); k >= 0 {
			l.matchBox(a, &o, image, k)
			best = k // as the fork
		}
		if l.options.IOUThresh >= 1 {
			continue
		}
		for n := range anchors {
			if k := l.place(int(n)); k >= 0 && int(n) != best && l.agreement(n, &o) > float64(l.options.IOUThresh) {
				l.matchBox(a, &o, image, k)
			}
		}
	}
}

// agreement returns how well the sizes of an anchor and an object agree.
func (l *yolov3) agreement(n uint32, o *object) float64 {
	w, h := l.anchor(n)
	return l.measure.of(box{w: w, h: h}, o.box.sized())
}

// place returns which of the layer's anchors the one with a number is, -1 for none.
func (l *yolov3) place(n int) int {
	for k, m := range l.options.Mask[:l.options.Boxes] {
		if int(m) == n {
			return k
		}
	}
	return -1
}

// matchBox sets the errors of box k in the cell of an object.
func (l *yolov3) matchBox(a *imageLoss, o *object, image, k int) {
	i, j := o.cell(l.h, l.w)
	cells, cell := l.h*l.w, i*l.w+j
	p, e := l.numbers(l.scores, image, k)[cell:], l.numbers(l.errors, image, k)[cell:]
	if l.options.IOU == "MSE" {
		scale := float64(l.options.Coord) * (2 - o.box.w*o.box.h)
		w, h := l.anchor(l.which[k])
		e[0] = float32(scale * (float64(p[0]) - (o.box.x*float64(l.w) - float64(j))))
		e[cells] = float32(scale * (float64(p[cells]) - (o.box.y*float64(l.h) - float64(i))))
		e[2*cells] = float32(scale * (float64(p[2*cells]) - math.Log(o.box.w/w)))
		e[3*cells] = float32(scale * (float64(p[3*cells]) - math.Log(o.box.h/h)))
	} else {
		l.measureBox(a, o, l.predicted(p, k, cell), p, e)
	}
	a.matches++
	e[4*cells] = p[4*cells] - 1
	if l.options.Logic {
		e[4*cells] *= l.options.Object
	}
	l.matchClass(o.class, p[5*cells:], e[5*cells:])
}

// measureBox sets the errors of a box that is compared by a measure.
func (l *yolov3) measureBox(a *imageLoss, o *object, pred box, p, e []float32) {
	counted := l.measure
	if counted == iou {
		counted = diou
	}
	a.disagreement += float64(l.options.Normalizer) * (1 - counted.of(pred, o.box))
	if pred.w == 0 {
		pred.w = 1
	}
	if pred.h == 0 {
		pred.h = 1
	}
	cells := l.h * l.w
	d := l.measure.slopes(pred, o.box)
	d.w *= math.Exp(float64(p[2*cells]))
	d.h *= math.Exp(float64(p[3*cells]))
	for i, slope := range [4]float64{d.x, d.y, d.w, d.h} {
		slope *= float64(l.options.Normalizer)
		if math.IsNaN(slope) || math.IsInf(slope, 0) {
			slope = 0
		}
		bound := float64(l.options.MaxDelta)
		if !l.options.Accumulate {
			e[i*cells] = 0
		}
		e[i*cells] -= float32(max(-bound, min(slope, bound)))
	}
}

// matchClass sets the errors of the classes of a box, whose scores are p.
func (l *yolov3) matchClass(class int, p, e []float32) {
	cells, o := l.h*l.w, &l.options
	at := class * cells
	if e[at] != 0 {
		e[at] = o.Class * (p[at] - (1 - 0.5*o.Smooth))
		return
	}
	factor, smooth := o.Class, o.Smooth
	if o.Focal {
		q := float64(p[at]) + 1e-15
		factor *= float32(-0.5 * (1 - q) * (2*q*math.Log(q) + q - 1))
		smooth = 0
	}
	for c := range l.anchors.classes {
		target := 0.5 * smooth
		if c == class {
			target = 1 - target
		}
		e[c*cells] = factor * (p[c*cells] - target)
	}
}

// Backward computes the diff of the predictions.
func (l *yolov3) Backward(ctx context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.loss.Backward(ctx, top, propagateDown, bottom); err != nil || !propagateDown[0] || !l.options.Logic {
		return err
	}
	args := logicArgs{scores: l.scores, diff: bottom[0].MutableDiff(), cells: l.h * l.w, len: l.anchors.len()}
	logicLoop.Run(l.spec.Env.Workers, len(args.diff)/args.cells, parallel.Step(args.cells), args)
	return nil
}

type logicArgs struct {
	scores, diff []float32
	cells, len   int
}

// logicLoop multiplies the diffs of sigmoids by their derivatives, plane by plane.
var logicLoop = parallel.Loop[logicArgs]{Body: func(a *logicArgs, _, from, to int) {
	for plane := from; plane < to; plane++ {
		if number := plane % a.len; number == 2 || number == 3 {
			continue
		}
		for i := plane * a.cells; i < (plane+1)*a.cells; i++ {
			a.diff[i] *= a.scores[i] * (1 - a.scores[i])
		}
	}
}}
