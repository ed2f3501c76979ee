package cascade

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:     "DetectionEvaluate",
		Dialects: []string{"cascade"},
		Group:    "vision",
		Plugin: &layers.Plugin{
			Field:   "detection_evaluate_param",
			Number:  161,
			Proto:   layers.Schema(schemas, "detection_evaluate.proto"),
			Message: "DetectionEvaluateParameter",
		},
		Bottoms: layers.Exactly(3),
		Tops:    layers.Exactly(1),
		New:     newDetectionEvaluate,
		Doc: `Compares detections with ground truth, in pixels of the original images. The detections of an image and a class are
taken by descending score, and each is compared with the box of ground truth that it overlaps most: if the overlap
(common area / area of the union) is at least overlap_threshold, it is a true positive the first time, and a false
positive later. There is no gradient.

Bottoms: detections, D x 7: image, x1, y1, x2, y2, class, score, as FrcnnOutput makes them; ground truth, G x 8: image,
x1, y1, x2, y2, class, ignore, difficult, where rows of image -1 do not count; height and width of the images as they
are in the net, N x 2.
Top: K x 5 x 1 x 1. First one row for each class but the background: -1, class, number of boxes of ground truth, -1, -1;
then one for each detection, by image and class: image, class, score, true positive, false positive. Before the first
pass there is one for each row of the first bottom.

detection_evaluate_param:
	num_classes: with the background
	overlap_threshold (0.5)
	evaluate_difficult_gt (true): false does not count difficult boxes, nor detections of them
	name_size_file: must be given: a file with lines of name, height and width of the original images in order. After
	    the last line the first follows

Source: github.com/zhaoweicai/cascade-rcnn, detection_evaluate_layer.cpp`,
	})
}

// detectionEvaluate implements the layer type; its registration describes it. Its
// PassCount counts the images with detections, which name_size_file lists.
type detectionEvaluate struct {
	layers.PassCount
	noGradient
	options detectionEvaluateOptions
	sizes   [][2]float32 // height and width

	found, truth []evaluated
	scaled       []boxes.Box // the ground truth of a class in an image
	visited      []bool
	counts       []int // of ground truth by class
}

// evaluated is a row of detections or of ground truth.
type evaluated struct {
	image, class int
	score        float32
	difficult    bool
	box          boxes.Box
}

type detectionEvaluateOptions struct {
	Classes   int     `proto:"num_classes"`
	Threshold float32 `proto:"overlap_threshold"`
	Difficult bool    `proto:"evaluate_difficult_gt"`
	SizeFile  string  `proto:"name_size_file"`
}

var (
	_ layers.Layer          = (*detectionEvaluate)(nil)
	_ layers.BackwardForcer = (*detectionEvaluate)(nil)
	_ layers.Stateful       = (*detectionEvaluate)(nil)
)

func newDetectionEvaluate(s *layers.Spec) (layers.Layer, error) {
	l := &detectionEvaluate{noGradient: noGradient{s}}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	const field = "detection_evaluate_param"
	switch {
	case o.Classes < 2:
		return nil, s.Errorf(field, "num_classes is %d, want 2 or more, with the background", o.Classes)
	case !(o.Threshold > 0): // true for NaN too
		return nil, s.Errorf(field+".overlap_threshold", "overlap_threshold is %g, want a positive number", o.Threshold)
	case o.SizeFile == "":
		return nil, s.Errorf(field, "name_size_file is not set")
	}
	return l, nil
}

// SetUp reads the sizes of the images.
func (l *detectionEvaluate) SetUp(_, _ []*blob.Blob) error {
	text, err := imagelist.ReadFile(l.options.SizeFile, nil)
	if err == nil {
		w := imagelist.NewWords(l.options.SizeFile, text)
		for w.More() && w.Err() == nil {
			w.Word()
			h := w.Integer("the height", 1, imagelist.MaxCoordinate)
			l.sizes = append(l.sizes, [2]float32{float32(h), float32(w.Integer("the width", 1, imagelist.MaxCoordinate))})
		}
		if err = w.Err(); err == nil && len(l.sizes) == 0 {
			err = fmt.Errorf("%s is empty", l.options.SizeFile)
		}
	}
	if err != nil {
		return l.spec.Errorf("detection_evaluate_param.name_size_file", "%w", err)
	}
	return nil
}

// Reshape checks the bottoms. Forward knows how many rows the top has.
func (l *detectionEvaluate) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	for i, width := range []int{7, 8, 2} {
		if b := bottom[i]; b.Axes() < 2 || b.CountFrom(1) != width {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got shape %v, want rows of %d", b.Shape(), width))
		}
	}
	l.found, l.truth = slices.Grow(l.found[:0], bottom[0].Dim(0)), slices.Grow(l.truth[:0], bottom[1].Dim(0))
	l.scaled, l.visited = slices.Grow(l.scaled[:0], bottom[1].Dim(0)), slices.Grow(l.visited[:0], bottom[1].Dim(0))
	return l.reshapeTop(top[0], bottom[0].Dim(0))
}

func (l *detectionEvaluate) reshapeTop(top *blob.Blob, detections int) error {
	if err := top.Reshape(l.options.Classes-1+detections, 5, 1, 1); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	return nil
}

// Forward computes the top.
func (l *detectionEvaluate) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.read(bottom[0], bottom[1]); err != nil {
		return err
	}
	detections := 0
	for _, d := range l.found {
		if d.class >= 0 {
			detections++
		}
	}
	if err := l.reshapeTop(top[0], detections); err != nil {
		return err
	}
	y := l.count(top[0].MutableData())
	for from := 0; from < len(l.found); {
		image, to := l.found[from].image, from+1
		for to < len(l.found) && l.found[to].image == image {
			to++
		}
		if image >= bottom[2].Dim(0) {
			return l.spec.ErrorAt("bottom", 2, fmt.Errorf("there are the sizes of %d images, and detections in image %d", bottom[2].Dim(0), image))
		}
		size := bottom[2].Data()[2*image:]
		original := l.sizes[l.Passes]
		y = l.image(l.found[from:to], original[0]/size[0], original[1]/size[1], y)
		from = to
		if l.Passes++; int(l.Passes) >= len(l.sizes) {
			l.Passes = 0
		}
	}
	return nil
}

// read reads the rows of detections and of ground truth, by image and class.
func (l *detectionEvaluate) read(detections, truth *blob.Blob) error {
	l.found, l.truth = l.found[:0], l.truth[:0]
	for x, row := detections.Data(), 0; row < detections.Dim(0); row++ {
		r := x[7*row:][:7]
		if r[0] == -1 {
			continue
		}
		d := evaluated{image: int(r[0]), class: int(r[5]), score: r[6], box: boxes.From(r[1:])}
		if float32(d.image) != r[0] || d.image < 0 || float32(d.class) != r[5] || d.class != -1 && (d.class < 1 || d.class >= l.options.Classes) {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf("detections, row %d: image %v and class %v, want numbers from 0 and from 1 to %d", row, r[0], r[5], l.options.Classes-1))
		}
		l.found = append(l.found, d)
	}
	for x, row := truth.Data(), 0; row < truth.Dim(0); row++ {
		r := x[8*row:][:8]
		if r[0] == -1 {
			continue
		}
		o := evaluated{image: int(r[0]), class: int(r[5]), difficult: r[7] != 0, box: boxes.From(r[1:])}
		if float32(o.image) != r[0] || o.image < 0 || float32(o.class) != r[5] || o.class < 1 || o.class >= l.options.Classes {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("ground truth, row %d: image %v and class %v, want numbers from 0 and from 1 to %d", row, r[0], r[5], l.options.Classes-1))
		}
		l.truth = append(l.truth, o)
	}
	slices.SortStableFunc(l.found, byImageAndClass)
	slices.SortStableFunc(l.truth, byImageAndClass)
	return nil
}

func byImageAndClass(a, b evaluated) int {
	return cmp.Or(cmp.Compare(a.image, b.image), cmp.Compare(a.class, b.class))
}

// count writes the rows of the classes and returns the rest of the rows.
func (l *detectionEvaluate) count(y []float32) []float32 {
	l.counts = layers.Resize(l.counts, l.options.Classes)
	clear(l.counts)
	for _, o := range l.truth {
		if l.options.Difficult || !o.difficult {
			l.counts[o.class]++
		}
	}
	for class := 1; class < l.options.Classes; class++ {
		y[0], y[1], y[2], y[3], y[4] = -1, float32(class), float32(l.counts[class]), -1, -1
		y = y[5:]
	}
	return y
}

// image writes the rows of the detections of an image, whose original has so many pixels
// for one in the net, and returns the rest.
func (l *detectionEvaluate) image(found []evaluated, h, w float32, y []float32) []float32 {
	for from := 0; from < len(found); {
		class, to := found[from].class, from+1
		for to < len(found) && found[to].class == class {
			to++
		}
		if class >= 0 {
			first, _ := slices.BinarySearchFunc(l.truth, found[from], byImageAndClass)
			last := first
			for last < len(l.truth) && byImageAndClass(l.truth[last], found[from]) == 0 {
				last++
			}
			y = l.class(found[from:to], l.truth[first:last], h, w, y)
		}
		from = to
	}
	return y
}

// class writes the rows of the detections of a class in an image.
func (l *detectionEvaluate) class(found, truth []evaluated, h, w float32, y []float32) []float32 {
	l.scaled = l.scaled[:0]
	for _, o := range truth {
		l.scaled = append(l.scaled, o.box.Scale(w, h))
	}
	l.visited = layers.Resize(l.visited, len(truth))
	clear(l.visited)
	if len(truth) > 0 {
		slices.SortStableFunc(found, func(a, b evaluated) int { return cmp.Compare(b.score, a.score) })
	}
	for _, d := range found {
		y[0], y[1], y[2], y[3], y[4] = float32(d.image), float32(d.class), d.score, 0, 1
		best, at := float32(-1), -1
		box := d.box.Scale(w, h)
		for i, other := range l.scaled {
			if v := overUnion.overlap(box, other, box.Area(1), other.Area(1)); v > best {
				best, at = v, i
			}
		}
		switch {
		case !(best >= l.options.Threshold):
		case !l.options.Difficult && truth[at].difficult:
			y[4] = 0
		case !l.visited[at]:
			y[3], y[4] = 1, 0
			l.visited[at] = true
		}
		y = y[5:]
	}
	return y
}

// SetState sets what State has returned in an earlier run.
func (l *detectionEvaluate) SetState(state []byte) error {
	var c layers.PassCount
	if err := c.SetState(state); err != nil {
		return err
	}
	if c.Passes > math.MaxInt32 || int(c.Passes) >= len(l.sizes) {
		return fmt.Errorf("the number of images is %d, name_size_file has %d", c.Passes, len(l.sizes))
	}
	l.PassCount = c
	return nil
}
