package yolo

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "EvalDetection",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "eval_detection_param",
			Number:  201,
			Proto:   layers.Schema(schemas, "eval_detection.proto"),
			Message: "EvalDetectionParameter",
		},
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Exactly(1),
		New:     newEvalDetection,
		Doc: `Which detections of a YOLOv2 net are right, for the mean average precision. A cell in row i and column j of the
grid has num_object boxes. Box k has the numbers x0, x1, ... in channels k (5 + num_class) and the following:

	center x = (j + sigmoid(x0)) / side        width  = exp(x2) biases[2k] / side
	center y = (i + sigmoid(x1)) / side        height = exp(x3) biases[2k+1] / side

and the class with the largest softmax(x5, ...). Boxes are taken by descending score, equal ones in the order of cells
and boxes. A box is dropped if its overlap (common area / area of the union) with one that was kept before, of any
class, is at least nms; and then if its score is below 0.005. The others are detections. One is a true positive if the
object of its class that it overlaps most does so by at least threshold and was not found before, else a false one.
There is no gradient.

Bottoms: the predictions, N x num_object (5 + num_class) x side x side; the objects, 1 x 1 x R x 8, as from
AnnotatedData: image (-1 for none), class from 1, instance, xmin, ymin, xmax, ymax, difficult; and, if given, a third one
that is not read.
Top: N x (num_class + 4 num_object side^2): the number of objects of each class, and for each detection its class from 0,
its score, 1 if it is a true positive and 1 if it is a false one, by class and then by score; then zeros.
If there are objects of its class and none overlaps enough, a detection has neither, as in the fork.

eval_detection_param:
	side (7), num_class (20), num_object (2): see above
	biases: width and height of each anchor, in cells
	threshold (0.5), nms (-1): see above; nms must be positive, since the fork finds nothing otherwise
	score_type (MULTIPLY): sigmoid(x4) times the largest softmax; OBJ: the first alone; PROB: the second alone
	sqrt, constriant: accepted and not used

Source: github.com/intel/caffe, eval_detection_layer.cpp. Differs from it: num_object need not be 5.`,
	})
}

// leastScore is that of a detection.
const leastScore = 0.005

// evalDetection implements the layer type; its registration describes it.
type evalDetection struct {
	detections
	anchors   anchors
	side      int
	threshold float32
	scoreType string
	objects   [][]truth // by image, in the order of classes
}

// truth is an object of an image.
type truth struct {
	class int
	box   boxes.Box
	found bool
}

var (
	_ layers.Layer          = (*evalDetection)(nil)
	_ layers.BackwardForcer = (*evalDetection)(nil)
	_ layers.BackwardReader = (*evalDetection)(nil)
)

func newEvalDetection(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Side      int       `proto:"side"`
		Classes   int       `proto:"num_class"`
		Boxes     int       `proto:"num_object"`
		Threshold float32   `proto:"threshold"`
		ScoreType string    `proto:"score_type"`
		NMS       float32   `proto:"nms"`
		Biases    []float32 `proto:"biases"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	const field = "eval_detection_param"
	if !(o.NMS > 0) { // true for NaN too
		return nil, s.Errorf(field+".nms", "nms is %g, want a positive number", o.NMS)
	}
	if o.Threshold != o.Threshold {
		return nil, s.Errorf(field+".threshold", "threshold is NaN, want a number")
	}
	l := &evalDetection{
		anchors: anchors{spec: s, field: field, count: o.Boxes, classes: o.Classes, box: 4, biases: o.Biases},
		side:    o.Side, threshold: o.Threshold, scoreType: o.ScoreType,
	}
	if err := l.anchors.check("num_object", "num_class"); err != nil {
		return nil, err
	}
	if err := l.anchors.enough(); err != nil {
		return nil, err
	}
	l.detections = detections{spec: s, overlap: o.NMS, collect: l.find}
	return l, nil
}

// Reshape sets the shape of the top.
func (l *evalDetection) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.anchors.reshape(bottom, 0); err != nil {
		return err
	}
	b := bottom[0]
	if b.Dim(2) != l.side || b.Dim(3) != l.side {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has a grid of %d x %d, want %d x %[3]d: side", b.Dim(2), b.Dim(3), l.side))
	}
	if bottom[1].Count()%8 != 0 {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("bottom 1 has shape %v, want rows of 8 numbers", bottom[1].Shape()))
	}
	if err := top[0].Reshape(b.Dim(0), l.anchors.classes+4*l.anchors.count*l.side*l.side); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	return nil
}

// Forward finds the detections and compares them with the objects.
func (l *evalDetection) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	n := bottom[0].Dim(0)
	l.start(bottom[:1])
	l.spec.Env.Workers.Run(n, l)
	l.bottom = nil
	if err := l.readObjects(bottom[1].Data(), n); err != nil {
		return err
	}
	y := top[0].MutableData()
	clear(y)
	size := len(y) / max(n, 1)
	for image := range n {
		l.compare(&l.images[image], l.objects[image], y[image*size:][:size])
	}
	return nil
}

// readObjects sorts the rows of ground truth by image. The fork has room for one image
// more than there are, whose objects count for nothing.
func (l *evalDetection) readObjects(rows []float32, images int) error {
	for len(l.objects) < images {
		l.objects = append(l.objects, nil)
	}
	for i := range l.objects {
		l.objects[i] = l.objects[i][:0]
	}
	for ; len(rows) > 0; rows = rows[8:] {
		image, class := int(rows[0]), int(rows[1])-1
		switch {
		case rows[0] == -1 || image == images:
			continue
		case !(rows[0] >= 0) || image > images:
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("an object is of image %g, there are %d", rows[0], images))
		case class < 0 || class >= l.anchors.classes:
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("an object of image %d has class %g, want 1 to %d", image, rows[1], l.anchors.classes))
		}
		l.objects[image] = append(l.objects[image], truth{class: class, box: boxes.Box{XMin: rows[3], YMin: rows[4], XMax: rows[5], YMax: rows[6]}})
	}
	return nil
}

// compare writes the row of an image.
func (l *evalDetection) compare(f *finder, objects []truth, row []float32) {
	for _, o := range objects {
		row[o.class]++
	}
	counts, rest := row[:l.anchors.classes], row[l.anchors.classes:]
	slices.SortStableFunc(f.kept, func(a, b int32) int { return int(f.labels[a]) - int(f.labels[b]) })
	for _, k := range f.kept {
		if f.scores[k] < leastScore {
			continue
		}
		class := int(f.labels[k]) - 1
		out := rest[:4]
		rest = rest[4:]
		out[0], out[1] = float32(class), f.scores[k]
		if counts[class] == 0 {
			out[3] = 1
			continue
		}
		best, at := float32(-1), -1
		for i := range objects {
			if o := &objects[i]; o.class == class {
				if overlap := boxes.Overlap(f.found[k], o.box, 0); overlap > best {
					best, at = overlap, i
				}
			}
		}
		if at < 0 || !(best >= l.threshold) {
			continue
		}
		if objects[at].found {
			out[3] = 1
		} else {
			out[2] = 1
		}
		objects[at].found = true
	}
}

// find adds the candidates of an image.
func (l *evalDetection) find(f *finder, image int) {
	b := l.bottom[0]
	data, cells, side := b.Data(), l.side*l.side, float32(l.side)
	for cell := range cells {
		for k := range l.anchors.count {
			x := l.anchors.of(b, data, image, k)[cell:]
			class, score := softmaxMax(x[5*cells:], l.anchors.classes, cells)
			switch object := sigmoid(x[4*cells]); l.scoreType {
			case "OBJ":
				score = object
			case "MULTIPLY":
				score *= object
			}
			if score != score {
				score = float32(math.Inf(-1))
			}
			f.add(class, score,
				(float32(cell%l.side)+sigmoid(x[0]))/side, (float32(cell/l.side)+sigmoid(x[cells]))/side,
				exp(x[2*cells])*l.anchors.biases[2*k]/side, exp(x[3*cells])*l.anchors.biases[2*k+1]/side)
		}
	}
}
