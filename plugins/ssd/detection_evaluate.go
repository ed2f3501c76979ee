package ssd

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "DetectionEvaluate",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "detection_evaluate_param",
			Number:  205,
			Proto:   layers.Schema(schemas, "detection_evaluate.proto") + layers.Schema(schemas, "resize.proto"),
			Message: "DetectionEvaluateParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newDetectionEvaluate,
		Doc: `Compares detections with ground truth. The detections of an image and a class are taken by descending score, and
each is compared with the box of ground truth that it overlaps most: if the overlap (common area / area of the union)
is at least overlap_threshold, it is a true positive the first time, and a false positive later. There is no gradient.

Bottoms: detections, 1 x 1 x D x 7: image, label, score, xmin, ymin, xmax, ymax, as DetectionOutput makes them; ground
truth, 1 x 1 x G x 8: image, label, instance, xmin, ymin, xmax, ymax, difficult, up to a row of image -1.
Top: 1 x 1 x K x 5. First one row for each class but the background: -1, label, number of boxes of ground truth, -1, -1;
then one for each detection, by image and label: image, label, score, true positive, false positive. Before the first
pass there is one for each row of the first bottom.

detection_evaluate_param:
	num_classes: with the background
	background_label_id (0): the class that is not a detection, 4294967295 for none
	overlap_threshold (0.5)
	evaluate_difficult_gt (true): false does not count difficult boxes, nor detections of them
	name_size_file: a file with lines of name, height and width of the images in order; overlaps are then those of
	    boxes in pixels, to whose widths and heights 1 is added. After the last line the first follows
	resize_param: how images were scaled; its resize_mode, height, width, height_scale and width_scale matter, its
	    prob, pad_mode, pad_value and interp_mode do not

Source: github.com/weiliu89/caffe (branch ssd), detection_evaluate_layer.cpp`,
	})
}

// detectionEvaluate implements the layer type; its registration describes it. Its
// PassCount counts the images with detections, which name_size_file lists.
type detectionEvaluate struct {
	layers.PassCount
	spec    *layers.Spec
	options detectionEvaluateOptions
	sizes   [][2]int // height and width
	truth   truth

	found   []detection
	all     []boxes.Box // of the ground truth, as overlaps need them
	visited []bool
	counts  []int // of ground truth by class
}

// detection is a row of detections.
type detection struct {
	image, label int32
	score        float32
	box          boxes.Box
}

type detectionEvaluateOptions struct {
	NumClasses int            `proto:"num_classes"`
	Background uint32         `proto:"background_label_id"`
	Threshold  float32        `proto:"overlap_threshold"`
	Difficult  bool           `proto:"evaluate_difficult_gt"`
	SizeFile   string         `proto:"name_size_file"`
	Resize     *resizeOptions `proto:"resize_param"`
}

var (
	_ layers.Layer          = (*detectionEvaluate)(nil)
	_ layers.BackwardForcer = (*detectionEvaluate)(nil)
	_ layers.Stateful       = (*detectionEvaluate)(nil)
)

func newDetectionEvaluate(s *layers.Spec) (layers.Layer, error) {
	l := &detectionEvaluate{spec: s}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	const message = "detection_evaluate_param"
	if _, err := newPredictions(s, message, o.NumClasses, true, "", false); err != nil {
		return nil, err
	}
	if !(o.Threshold > 0) { // true for NaN too
		return nil, s.Errorf(message+".overlap_threshold", "overlap_threshold is %g, want a positive number", o.Threshold)
	}
	l.truth = truth{spec: s, bottom: 1, classes: o.NumClasses, background: int(int32(o.Background)), untilPadding: true}
	return l, o.Resize.check(s, message+".resize_param", 0)
}

// AllowForceBackward returns false: there is no gradient.
func (l *detectionEvaluate) AllowForceBackward(int) bool { return false }

// SetUp reads the sizes of the images.
func (l *detectionEvaluate) SetUp(_, _ []*blob.Blob) error {
	if l.options.SizeFile == "" {
		return nil
	}
	var err error
	if l.sizes, err = readSizes(l.options.SizeFile); err != nil {
		return l.spec.Errorf("detection_evaluate_param.name_size_file", "%w", err)
	}
	return nil
}

// readSizes reads heights and widths from a file with lines of name, height and width.
func readSizes(path string) (sizes [][2]int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("%s:%d: got %d words, want name, height and width", path, number, len(words))
		}
		h, errH := strconv.Atoi(words[1])
		w, errW := strconv.Atoi(words[2])
		if errH != nil || errW != nil || h <= 0 || w <= 0 {
			return nil, fmt.Errorf("%s:%d: got height %q and width %q, want positive numbers", path, number, words[1], words[2])
		}
		sizes = append(sizes, [2]int{h, w})
	}
	return sizes, lines.Err()
}

// Reshape checks the bottoms. Forward knows how many rows the top has.
func (l *detectionEvaluate) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := checkRows(l.spec, 0, bottom[0], 7); err != nil {
		return err
	}
	if err := l.truth.check(bottom[1]); err != nil {
		return err
	}
	return top[0].Reshape(1, 1, l.positives()+bottom[0].Dim(2), 5)
}

// positives returns the number of classes but the background.
func (l *detectionEvaluate) positives() int {
	if l.truth.background < 0 || l.truth.background >= l.options.NumClasses {
		return l.options.NumClasses
	}
	return l.options.NumClasses - 1
}

// Forward computes the top.
func (l *detectionEvaluate) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.truth.read(bottom[1], true); err != nil {
		return err
	}
	slices.SortStableFunc(l.truth.objects, func(a, b object) int {
		return cmp.Or(cmp.Compare(a.image, b.image), cmp.Compare(a.label, b.label))
	})
	labelled, err := l.read(bottom[0])
	if err != nil {
		return err
	}
	if err := top[0].Reshape(1, 1, l.positives()+labelled, 5); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	y := l.countTruth(top[0].MutableData())
	for from := 0; from < len(l.found); {
		to := from + 1
		for to < len(l.found) && l.found[to].image == l.found[from].image {
			to++
		}
		y = l.evaluateImage(l.found[from:to], y)
		from = to
		if l.Passes++; int(l.Passes) >= len(l.sizes) {
			l.Passes = 0
		}
	}
	return nil
}

// read reads the detections by image and label, and returns how many have a label.
func (l *detectionEvaluate) read(b *blob.Blob) (labelled int, err error) {
	l.found = slices.Grow(l.found[:0], b.Dim(2))
	for x, row := b.Data(), 0; row < b.Dim(2); row++ {
		r := x[7*row:][:7]
		if r[0] == -1 {
			continue
		}
		d := detection{score: r[2], box: boxes.From(r[3:])}
		if r[1] == -1 { // an image without a detection
			if d.image, d.label = int32(r[0]), -1; float32(d.image) != r[0] || d.image < 0 {
				return 0, l.spec.ErrorAt("bottom", 0, fmt.Errorf("detections, row %d: image %g, want a number from 0", row, r[0]))
			}
		} else {
			if d.image, d.label, err = imageAndLabel(r, l.options.NumClasses, l.truth.background); err != nil {
				return 0, l.spec.ErrorAt("bottom", 0, fmt.Errorf("detections, row %d: %w", row, err))
			}
			labelled++
		}
		l.found = append(l.found, d)
	}
	slices.SortStableFunc(l.found, func(a, b detection) int {
		return cmp.Or(cmp.Compare(a.image, b.image), cmp.Compare(a.label, b.label))
	})
	return labelled, nil
}

// countTruth writes the rows of the classes and returns the rest of the rows.
func (l *detectionEvaluate) countTruth(y []float32) []float32 {
	l.counts = layers.Resize(l.counts, l.options.NumClasses)
	clear(l.counts)
	for _, o := range l.truth.objects {
		if l.options.Difficult || !o.difficult {
			l.counts[o.label]++
		}
	}
	for class, n := range l.counts {
		if class != l.truth.background {
			copy(y, []float32{-1, float32(class), float32(n), -1, -1})
			y = y[5:]
		}
	}
	return y
}

// evaluateImage writes the rows of the detections of an image and returns the rest.
func (l *detectionEvaluate) evaluateImage(found []detection, y []float32) []float32 {
	objects := l.truth.of(int(found[0].image))
	for from := 0; from < len(found); {
		label, to := found[from].label, from+1
		for to < len(found) && found[to].label == label {
			to++
		}
		if label >= 0 {
			at := slices.IndexFunc(objects, func(o object) bool { return o.label == label })
			var same []object
			if at >= 0 {
				same = objects[at:]
				if end := slices.IndexFunc(same, func(o object) bool { return o.label != label }); end >= 0 {
					same = same[:end]
				}
			}
			y = l.evaluateClass(found[from:to], same, y)
		}
		from = to
	}
	return y
}

// evaluateClass writes the rows of the detections of a class in an image.
func (l *detectionEvaluate) evaluateClass(found []detection, objects []object, y []float32) []float32 {
	l.all = l.all[:0]
	for _, o := range objects {
		l.all = append(l.all, l.scaled(o.box))
	}
	l.visited = layers.Resize(l.visited, len(objects))
	clear(l.visited)
	if len(objects) > 0 {
		slices.SortStableFunc(found, func(a, b detection) int { return cmp.Compare(b.score, a.score) })
	}
	for _, d := range found {
		y[0], y[1], y[2], y[3], y[4] = float32(d.image), float32(d.label), d.score, 0, 1
		best, at := float32(-1), -1
		box := l.scaled(d.box)
		for i, other := range l.all {
			if v := l.overlap(box, other); v > best {
				best, at = v, i
			}
		}
		switch {
		case at < 0 || !(best >= l.options.Threshold):
		case !l.options.Difficult && objects[at].difficult:
			y[4] = 0
		case !l.visited[at]:
			y[3], y[4] = 1, 0
			l.visited[at] = true
		}
		y = y[5:]
	}
	return y
}

// scaled returns a box as overlaps need it: in pixels, if sizes are known.
func (l *detectionEvaluate) scaled(b boxes.Box) boxes.Box {
	if len(l.sizes) == 0 {
		return b
	}
	size := l.sizes[l.Passes]
	return l.options.Resize.inPixels(b, size[0], size[1])
}

// overlap returns the overlap of two boxes. In pixels it is Caffe's: boxes that do not
// touch have one pixel in common.
func (l *detectionEvaluate) overlap(a, b boxes.Box) float32 {
	if len(l.sizes) == 0 {
		return boxes.Overlap(a, b, 0)
	}
	pixel := float32(0)
	if size := l.sizes[l.Passes]; size[0] > 1 || size[1] > 1 {
		pixel = 1
	}
	both, _ := boxes.Intersect(a, b)
	w, h := both.XMax-both.XMin+1, both.YMax-both.YMin+1
	if !(w > 0 && h > 0) {
		return 0
	}
	common := float32(w * h)
	return common / (a.Area(pixel) + b.Area(pixel) - common)
}

// SetState sets what State has returned in an earlier run.
func (l *detectionEvaluate) SetState(state []byte) error {
	var c layers.PassCount
	if err := c.SetState(state); err != nil {
		return err
	}
	if c.Passes > math.MaxInt32 || len(l.sizes) > 0 && int(c.Passes) >= len(l.sizes) {
		return fmt.Errorf("the number of images is %d, name_size_file has %d", c.Passes, len(l.sizes))
	}
	l.PassCount = c
	return nil
}

// Backward returns an error if a gradient is asked for.
func (l *detectionEvaluate) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}
