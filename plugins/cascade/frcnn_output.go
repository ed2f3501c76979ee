package cascade

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "FrcnnOutput",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "frcnn_output_param",
			Number:  160,
			Proto:   layers.Schema(schemas, "frcnn_output.proto"),
			Message: "FrcnnOutputParameter",
		},
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.Exactly(4),
		Tops:       layers.Exactly(1),
		New:        newFrcnnOutput,
		Doc: `The boxes that a net has found in one image. Each region of interest (ROI) gets a box for each class, as DecodeBBox
describes, which is clipped to 0 and the size of the image. For each class but 0, the background:

	1. candidates are the boxes whose probability is at least conf_thr
	2. in descending order of it, equal ones in the order of the ROIs, a box stays if its overlap with each box that
	   stays before is at most iou_thr

Then the max_det_num boxes with the highest probabilities of all classes stay, of equal ones those of the first class.
There is no gradient. The layer runs on the host, also in nets on a GPU.

Bottoms: probabilities, R x classes; the numbers of boxes, R x (4 classes) or, without cls_aware, R x 8, of which the
last four are read; the ROIs, R x 5 or R x 6: image, which must be 0, x1, y1, x2, y2 and a score that is not used;
height and width of the image, 1 x 2.
Top: K x 7 x 1 x 1: image, x1, y1, x2, y2, class, probability, by class, the highest probability first. The first row is
no box: 0, and then -1. Before the first pass the top has one row.

frcnn_output_param:
	conf_thr (0): least probability
	iou_thr (0.5): greatest overlap
	nms_type (IOU): the overlap is the common area divided by that of the union; IOMU, by the smaller area; IOFU, by the
	    area of the box with the higher probability
	max_det_num (0): 0 is all
	save_output_param: files with the detections are not written; a warning says so. Its output_directory,
	    output_name_prefix, output_format, label_map_file, name_size_file and num_test_image have no effect

` + regressionDoc + `	cls_aware (true): whether each class has a box of its own

Source: github.com/zhaoweicai/cascade-rcnn, frcnn_output_layer.cpp`,
	})
}

// frcnnOutput implements the layer type; its registration describes it.
type frcnnOutput struct {
	noGradient
	regression
	options frcnnOutputOptions

	regions, classes int
	decoded          []boxes.Box // of all regions for a class
	stay             []int32
	rows             []detection
	best             boxes.Ranking
	order            []int32
	chosen           []bool
	nms              suppressor
}

// A detection is a box of a class with its probability.
type detection struct {
	box   boxes.Box
	class int
	score float32
}

type frcnnOutputOptions struct {
	Least     float32 `proto:"conf_thr"`
	Threshold float32 `proto:"iou_thr"`
	Mode      string  `proto:"nms_type"`
	Limit     int     `proto:"max_det_num"`
	Save      *struct {
		Directory string `proto:"output_directory"`
	} `proto:"save_output_param"`
}

var (
	_ layers.Layer          = (*frcnnOutput)(nil)
	_ layers.BackwardForcer = (*frcnnOutput)(nil)
	_ layers.BackwardReader = (*frcnnOutput)(nil)
)

func newFrcnnOutput(s *layers.Spec) (layers.Layer, error) {
	l := &frcnnOutput{noGradient: noGradient{s}}
	o := &l.options
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	l.nms = suppressor{mode: overlapMode(o.Mode), threshold: o.Threshold}
	if err := l.nms.mode.check(s, "frcnn_output_param"); err != nil {
		return nil, err
	}
	if o.Save != nil && o.Save.Directory != "" {
		s.Notef(event.Warning, "save_output_param: no files are written to %s; the top has the detections", o.Save.Directory)
	}
	l.regression, err = newRegression(s)
	return l, err
}

// Reshape gives the top one row; Forward knows how many there are.
func (l *frcnnOutput) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if bottom[0].Axes() < 2 || bottom[0].CountFrom(1) < 2 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got probabilities of shape %v, want R x classes, at least two", bottom[0].Shape()))
	}
	l.regions, l.classes = bottom[0].Dim(0), bottom[0].CountFrom(1)
	width := 8
	if l.classAware {
		width = 4 * l.classes
	}
	if err := checkRows(l.spec, bottom[1], 1, l.regions, "the numbers of boxes", width); err != nil {
		return err
	}
	if rois := bottom[2]; rois.Axes() < 2 || rois.Dim(0) != l.regions || rois.CountFrom(1) != 5 && rois.CountFrom(1) != 6 {
		return l.spec.ErrorAt("bottom", 2, fmt.Errorf("got ROIs of shape %v, want %d x 5 or %d x 6", rois.Shape(), l.regions, l.regions))
	}
	if err := checkRows(l.spec, bottom[3], 3, 1, "the size of the image", 2); err != nil {
		return err
	}
	l.decoded = layers.Resize(l.decoded, l.regions)
	l.nms.reset(l.regions)
	if most := l.regions * (l.classes - 1); cap(l.rows) < most {
		l.rows, l.order, l.chosen = make([]detection, 0, most), make([]int32, 0, most), make([]bool, most)
		l.stay = make([]int32, 0, l.regions)
		l.best.Reserve(most)
	}
	return l.reshapeTop(top[0], 1)
}

func (l *frcnnOutput) reshapeTop(top *blob.Blob, n int) error {
	if err := top.Reshape(n, 7, 1, 1); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	return nil
}

// Forward computes the top.
func (l *frcnnOutput) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	rois, width := bottom[2].Data(), bottom[2].CountFrom(1)
	for i := range l.regions {
		if v := rois[i*width]; v != 0 {
			return l.spec.ErrorAt("bottom", 2, fmt.Errorf("ROI %d is of image %v, want all of image 0", i, v))
		}
	}
	l.rows = l.rows[:0]
	for class := 1; class < l.classes; class++ {
		l.find(class, bottom)
	}
	l.cut()
	if err := l.reshapeTop(top[0], 1+len(l.rows)); err != nil {
		return err
	}
	y := top[0].MutableData()
	y[0] = 0
	for i := 1; i < 7; i++ {
		y[i] = -1
	}
	for i, row := range l.rows {
		r := y[7+7*i:]
		r[0] = 0
		row.box.Put(r[1:])
		r[5], r[6] = float32(row.class), row.score
	}
	return nil
}

// find adds the boxes of a class.
func (l *frcnnOutput) find(class int, bottom []*blob.Blob) {
	scores, numbers, rois := bottom[0].Data(), bottom[1].Data(), bottom[2].Data()
	size, width := bottom[3].Data(), bottom[2].CountFrom(1)
	each, offset := 8, 4
	if l.classAware {
		each, offset = 4*l.classes, 4*class
	}
	l.nms.reset(0)
	for i := range l.regions {
		score := scores[i*l.classes+class]
		if !(score >= l.options.Least) {
			continue
		}
		b := l.decode(boxes.From(rois[i*width+1:]), numbers[i*each+offset:])
		l.decoded[i] = boxes.Box{XMin: max(0, b.XMin), YMin: max(0, b.YMin), XMax: min(size[1], b.XMax), YMax: min(size[0], b.YMax)}
		l.nms.add(score, i)
	}
	l.stay = l.nms.choose(l.decoded, 0, 0, l.stay[:0])
	for _, i := range l.stay {
		l.rows = append(l.rows, detection{l.decoded[i], class, scores[int(i)*l.classes+class]})
	}
}

// cut removes all but the max_det_num best boxes.
func (l *frcnnOutput) cut() {
	if l.options.Limit == 0 || len(l.rows) <= l.options.Limit {
		return
	}
	l.best.Reset()
	for i, row := range l.rows {
		l.best.Add(row.score, i)
	}
	l.order = l.best.Top(l.options.Limit, l.order[:0])
	chosen := l.chosen[:len(l.rows)]
	clear(chosen)
	for _, i := range l.order {
		chosen[i] = true
	}
	n := 0
	for i, row := range l.rows {
		if chosen[i] {
			l.rows[n] = row
			n++
		}
	}
	l.rows = l.rows[:n]
}
