package ssd

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "DetectionOutput",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "detection_output_param",
			Number:  204,
			Proto:   layers.Schema(schemas, "detection_output.proto") + layers.Schema(schemas, "resize.proto"),
			Message: "DetectionOutputParameter",
		},
		Bottoms: layers.Between(3, 4),
		Tops:    layers.Exactly(1),
		New:     newDetectionOutput,
		Doc: `The boxes that a net has found. For each image and each class but the background:

	1. candidates are the boxes with a score above confidence_threshold
	2. they are sorted by score, equal ones by the number of the prior, and cut to nms_param.top_k
	3. in this order, a box is kept if its overlap (common area / area of the union) with each box that was kept
	   before is at most nms_param.nms_threshold

Then the keep_top_k boxes with the highest scores of each image stay. There is no gradient.

Bottoms: locations, N x (P * L * 4), where L is 1 or, without share_location, the number of classes; confidences,
N x (P * classes); priors, 1 x 2 x 4P: boxes, then variances; and optionally the images, which are not read.
Top: 1 x 1 x K x 7: image, label, score, xmin, ymin, xmax, ymax, by image and label, the highest score first.
Coordinates are fractions of width and height. If no image has a box, there is one row for each image, which is its
number and then -1. Before the first pass the top has one row.

detection_output_param:
	num_classes: with the background
	share_location (true): whether all classes have one location
	background_label_id (0): the class that is not a detection, -1 for none
	code_type (CORNER): CENTER_SIZE or CORNER_SIZE, as the priors were made for
	variance_encoded_in_target (false): the net has learned to predict without variances
	confidence_threshold: all scores count if it is not given
	nms_param.nms_threshold (0.3), nms_param.top_k (all)
	nms_param.eta (1): after each box that is kept, a threshold above 0.5 is multiplied by it
	keep_top_k (-1): -1 is all
	save_output_param: files with the detections are not written; a warning says so. Its output_directory,
	    output_name_prefix, output_format, label_map_file, name_size_file, num_test_image and resize_param (resize_mode,
	    height, width, height_scale, width_scale, pad_mode, pad_value, interp_mode, prob) have no effect
	visualize, visualize_threshold, save_file: nothing is shown; a warning says so

Source: github.com/weiliu89/caffe (branch ssd), detection_output_layer.cpp`,
	})
}

// detectionOutput implements the layer type; its registration describes it.
type detectionOutput struct {
	predictions
	options   detectionOutputOptions
	threshold float32

	decoded []boxes.Box // (n,lists,p)
	kept    [][]int32   // (n,classes): the priors that are kept
	order   []finder    // by worker
	best    boxes.Ranking
	chosen  []int32
	stays   []bool
	task    detectTask
}

// finder has the working memory of a thread.
type finder struct {
	ranking boxes.Ranking
	nms     boxes.NMS
	order   []int32
}

type detectionOutputOptions struct {
	NumClasses int     `proto:"num_classes"`
	Share      bool    `proto:"share_location"`
	Background int     `proto:"background_label_id"`
	CodeType   string  `proto:"code_type"`
	KeepTopK   int     `proto:"keep_top_k"`
	Encoded    bool    `proto:"variance_encoded_in_target"`
	Threshold  float32 `proto:"confidence_threshold"`
	NMS        *nms    `proto:"nms_param"`
	Save       *struct {
		Directory string `proto:"output_directory"`
	} `proto:"save_output_param"`
	Visualize bool `proto:"visualize"`
}

type nms struct {
	Threshold float32 `proto:"nms_threshold"`
	TopK      int     `proto:"top_k"`
	Eta       float32 `proto:"eta"`
}

var (
	_ layers.Layer          = (*detectionOutput)(nil)
	_ layers.BackwardForcer = (*detectionOutput)(nil)
	_ layers.BackwardReader = (*detectionOutput)(nil)
)

func newDetectionOutput(s *layers.Spec) (layers.Layer, error) {
	l := &detectionOutput{}
	o := &l.options
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	l.predictions, err = newPredictions(s, "detection_output_param", o.NumClasses, o.Share, o.CodeType, o.Encoded)
	if err != nil {
		return nil, err
	}
	l.threshold = float32(math.Inf(-1))
	if s.HasOption("confidence_threshold") {
		l.threshold = o.Threshold
	}
	if o.NMS == nil {
		o.NMS = &nms{Threshold: 0.3, TopK: -1, Eta: 1}
	} else if err := checkNMS(s, "detection_output_param.nms_param", o.NMS); err != nil {
		return nil, err
	}
	if o.Save != nil && o.Save.Directory != "" {
		s.Notef(event.Warning, "save_output_param: no files are written to %s; the top has the detections", o.Save.Directory)
	}
	if o.Visualize {
		s.Notef(event.Warning, "visualize: nothing is shown; the top has the detections")
	}
	return l, nil
}

// checkNMS checks the options of non-maximum suppression.
func checkNMS(s *layers.Spec, field string, o *nms) error {
	if !(o.Threshold >= 0) { // true for NaN too
		return s.Errorf(field+".nms_threshold", "nms_threshold is %g, want 0 or more", o.Threshold)
	}
	if !(o.Eta > 0 && o.Eta <= 1) {
		return s.Errorf(field+".eta", "eta is %g, want a number above 0 and up to 1", o.Eta)
	}
	return nil
}

// AllowForceBackward returns false: there is no gradient.
func (l *detectionOutput) AllowForceBackward(int) bool { return false }

func (l *detectionOutput) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top one row; Forward knows how many there are.
func (l *detectionOutput) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.predictions.reshape(bottom); err != nil {
		return err
	}
	return top[0].Reshape(1, 1, 1, 7)
}

// Forward computes the top.
func (l *detectionOutput) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.decoded = layers.Resize(l.decoded, l.n*l.lists*l.p)
	skip := -1
	if l.lists > 1 {
		skip = l.options.Background
	}
	if err := l.decode(decodeArgs{locations: bottom[0].Data(), priors: bottom[2].Data(), skip: skip, decoded: l.decoded}); err != nil {
		return err
	}
	l.reserve()
	scores := bottom[1].Data()
	l.task = detectTask{l, scores}
	l.spec.Env.Workers.Run(l.n*l.classes, &l.task)
	l.task.scores = nil
	total := 0
	for image := range l.n {
		total += l.cut(image, scores)
	}
	return l.write(total, scores, top[0])
}

// reserve allocates what the passes need.
func (l *detectionOutput) reserve() {
	if threads := l.spec.Env.Workers.Threads(); len(l.order) < threads {
		l.order = make([]finder, threads)
	}
	most := l.p
	if l.options.NMS.TopK >= 0 {
		most = min(most, l.options.NMS.TopK)
	}
	for i := range l.order {
		f := &l.order[i]
		f.ranking.Reserve(l.p)
		f.nms.Reserve(most)
		f.nms.Threshold, f.nms.Eta = l.options.NMS.Threshold, l.options.NMS.Eta
		f.order = layers.Resize(f.order, most)
	}
	for len(l.kept) < l.n*l.classes {
		l.kept = append(l.kept, nil)
	}
}

// detectTask finds the boxes of each class of each image.
type detectTask struct {
	*detectionOutput
	scores []float32
}

// Do finds the boxes of class i mod classes of image i / classes.
func (t *detectTask) Do(worker, i int) {
	image, class := i/t.classes, i%t.classes
	t.kept[i] = t.kept[i][:0]
	if class == t.options.Background {
		return
	}
	f := &t.order[worker]
	scores := t.scores[image*t.p*t.classes:][:t.p*t.classes]
	for k := range t.p {
		if score := scores[k*t.classes+class]; score > t.threshold {
			f.ranking.Add(score, k)
		}
	}
	f.order = f.ranking.Top(t.options.NMS.TopK, f.order[:0])
	t.kept[i] = f.nms.Keep(t.boxesOf(image, class), f.order, t.kept[i])
}

// boxesOf returns the boxes of all priors for a class.
func (l *detectionOutput) boxesOf(image, class int) []boxes.Box {
	if l.lists == 1 {
		class = 0
	}
	return l.decoded[(image*l.lists+class)*l.p:][:l.p]
}

// cut removes all but the keep_top_k best boxes of an image, and returns how many there
// are.
func (l *detectionOutput) cut(image int, scores []float32) int {
	kept, total := l.kept[image*l.classes:][:l.classes], 0
	for _, k := range kept {
		total += len(k)
	}
	if l.options.KeepTopK < 0 || total <= l.options.KeepTopK {
		return total
	}
	l.best.Reset()
	for class, priors := range kept {
		for _, k := range priors {
			l.best.Add(scores[(image*l.p+int(k))*l.classes+class], l.best.Len())
		}
	}
	l.chosen = l.best.Top(l.options.KeepTopK, l.chosen[:0])
	l.stays = layers.Resize(l.stays, total)
	clear(l.stays)
	for _, i := range l.chosen {
		l.stays[i] = true
	}
	i := 0
	for class, priors := range kept {
		stay := priors[:0]
		for _, k := range priors {
			if l.stays[i] {
				stay = append(stay, k)
			}
			i++
		}
		kept[class] = stay
	}
	return len(l.chosen)
}

// write writes the rows of the top.
func (l *detectionOutput) write(total int, scores []float32, top *blob.Blob) error {
	rows := total
	if total == 0 {
		rows = l.n
	}
	if err := top.Reshape(1, 1, rows, 7); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	y := top.MutableData()
	if total == 0 {
		for i := range y {
			y[i] = -1
			if i%7 == 0 {
				y[i] = float32(i / 7)
			}
		}
		return nil
	}
	for i := range l.n * l.classes {
		image, class := i/l.classes, i%l.classes
		for _, k := range l.kept[i] {
			y[0], y[1], y[2] = float32(image), float32(class), scores[(image*l.p+int(k))*l.classes+class]
			l.boxesOf(image, class)[k].Put(y[3:])
			y = y[7:]
		}
	}
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *detectionOutput) BackwardReads() (bottom, top bool) { return false, false }

// Backward returns an error if a gradient is asked for.
func (l *detectionOutput) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}
