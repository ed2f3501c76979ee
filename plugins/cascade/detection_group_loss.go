package cascade

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "DetectionGroupLoss",
		Group: "loss",
		Loss:  true,
		Plugin: &layers.Plugin{
			Field:   "detection_group_loss_param",
			Number:  156,
			Proto:   layers.Schema(schemas, "detection_group_loss.proto"),
			Message: "DetectionGroupLossParameter",
		},
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.Exactly(3),
		Tops:       layers.Exactly(1),
		New:        newDetectionGroupLoss,
		Doc: `The loss of a region proposal network, whose maps have scores and a box for each of G anchors at each pixel.
Anchors are foreground if they have a class, and background if they have none and overlap ground truth by less than
bg_threshold. Of each image some are chosen, with n of the foreground: all n, and n bg_multiple of the background, at
least min_num_neg; or with batch_size b at most b / (1 + bg_multiple) of the foreground, and of the background what is
lacking to b. Those of the foreground are drawn at random. With the chosen anchors,

	y_1 = lambda mean of the losses of the four numbers of the boxes of the foreground
	y_0 = y_1 + mean of -log(probability of the class), where probabilities are the softmax of the scores

The target t of a box with center x and width w, for an anchor of width fw at column c:

	t_0 = ((x - (c + 0.5) stride) / fw - bbox_mean_0) / bbox_std_0,  t_2 = (log(max(w, 2) / fw) - bbox_mean_2) / bbox_std_2

and likewise t_1 and t_3 with y and the height. The gradient is that of y_0 alone, though both numbers are added to
the loss that a net reports, as in the fork. Predictions that are out of bounds (field_xyr, field_whr) are taken to be
at the bound; their gradient is the one there. What is random depends on the seed, the layer's name and the pass only.

Bottoms: scores, (N G) x C x H x W; the numbers of boxes, (N G) x 4 x H x W; (N G) x 6 x H x W: class, x and y of the
center, width, height, overlap, without gradient, as DetectionData makes them.
Top: y, 1 x 1 x 1 x 2.

detection_group_loss_param:
	cls_num: classes, with the background
	lambda (1): weight of the boxes
	field_h, field_w: height and width of each anchor in pixels
	stride: pixels of the image for a pixel of the map
	field_xyr (0.25), field_whr (4): if both are given, how much a box may differ from its anchor, as of BoxGroupOutput
	bg_threshold (0.5): least overlap of an anchor that is neither foreground nor background
	bg_multiple (4): anchors of the background for one of the foreground
	batch_size (-1): anchors of an image; -1 is all of the foreground
	min_num_neg (5): least number of anchors of the background, without batch_size
	neg_mining_type (random): how those of the background are chosen: random, bootstrap (the hardest) or mixture (half of
	    them the hardest)
	neg_ranking_type (conf_loss): what is hard: conf_loss, -log of the probability of the class; or conf_prob, 1 - that of
	    the background. Of equal ones, the last is first
	objectness (false): whether all classes but the background are class 1
	pos_neg_weighted (false): whether the losses of the classes are weighted: the foreground by n' / (1 + bg_multiple)
	    divided by the number of its anchors, the background likewise with the rest of n', the number of all chosen
	bbox_loss_type (Smooth_L1): d^2 / 2 for -1 < d < 1, |d| - 1/2 beyond; or Euclidean_L2: d^2 / 2

` + regressionDoc + `	cls_aware (true): not used

loss_param:
	ignore_label: the class that does not count

Source: github.com/zhaoweicai/cascade-rcnn, detection_group_loss_layer.cpp`,
	})
}

// detectionGroupLoss implements the layer type; its registration describes it.
type detectionGroupLoss struct {
	anchors
	spec    *layers.Spec
	options detectionGroupLossOptions
	low     [4]float32 // bounds of the normalized numbers
	high    [4]float32
	sampler anchorSampler

	prob     []float32 // of the classes
	diff     []float32 // of the boxes
	keep     []bool    // the anchors that are chosen
	positive float32   // weights of foreground and background
	negative float32
	counted  int // anchors with a loss
}

type detectionGroupLossOptions struct {
	Lambda    float32 `proto:"lambda"`
	WHR       float32 `proto:"field_whr"`
	XYR       float32 `proto:"field_xyr"`
	Threshold float32 `proto:"bg_threshold"`
	Multiple  int     `proto:"bg_multiple"`
	Mining    string  `proto:"neg_mining_type"`
	Ranking   string  `proto:"neg_ranking_type"`
	Least     int     `proto:"min_num_neg"`
	Batch     int     `proto:"batch_size"`
	Weighted  bool    `proto:"pos_neg_weighted"`
	BoxLoss   string  `proto:"bbox_loss_type"`
}

var (
	_ layers.Layer          = (*detectionGroupLoss)(nil)
	_ layers.BackwardForcer = (*detectionGroupLoss)(nil)
	_ layers.BackwardReader = (*detectionGroupLoss)(nil)
)

func newDetectionGroupLoss(s *layers.Spec) (layers.Layer, error) {
	const field = "detection_group_loss_param"
	l := &detectionGroupLoss{spec: s}
	var common anchorOptions
	o := &l.options
	err := s.Options(&common)
	if err == nil {
		err = s.Options(o)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case o.Mining != "random" && o.Mining != "bootstrap" && o.Mining != "mixture":
		return nil, s.Errorf(field+".neg_mining_type", "neg_mining_type is %q, want random, bootstrap or mixture", o.Mining)
	case o.Ranking != "conf_loss" && o.Ranking != "conf_prob":
		return nil, s.Errorf(field+".neg_ranking_type", "neg_ranking_type is %q, want conf_loss or conf_prob", o.Ranking)
	case o.BoxLoss != "Smooth_L1" && o.BoxLoss != "Euclidean_L2":
		return nil, s.Errorf(field+".bbox_loss_type", "bbox_loss_type is %q, want Smooth_L1 or Euclidean_L2", o.BoxLoss)
	case o.Batch != -1 && o.Batch < 1:
		return nil, s.Errorf(field+".batch_size", "batch_size is %d, want 1 or more, or -1 for all", o.Batch)
	case o.Multiple > math.MaxInt16:
		return nil, s.Errorf(field+".bg_multiple", "bg_multiple is %d, want at most %d", o.Multiple, math.MaxInt16)
	}
	if l.anchors, err = newAnchors(s, field, &common); err != nil {
		return nil, err
	}
	for k := range 4 {
		l.low[k], l.high[k] = float32(math.Inf(-1)), float32(math.Inf(1))
	}
	if s.HasOption("field_xyr") && s.HasOption("field_whr") {
		b, err := newBounds(s, field, o.XYR, o.WHR)
		if err != nil {
			return nil, err
		}
		for k, bound := range [4]float32{b.xy, b.xy, b.wh, b.wh} { // of x and y together, and of width and height
			mean := (l.mean[k/2*2] + l.mean[k/2*2+1]) / 2
			std := float32(math.Sqrt(float64(l.std[k/2*2] * l.std[k/2*2+1])))
			l.low[k], l.high[k] = (-bound-mean)/std, (bound-mean)/std
		}
	}
	l.sampler = newAnchorSampler(s, o)
	return l, nil
}

// AllowForceBackward returns false for the labels.
func (l *detectionGroupLoss) AllowForceBackward(i int) bool { return i < 2 }

// BackwardReads returns that Backward reads no data.
func (l *detectionGroupLoss) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *detectionGroupLoss) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape finds the sizes.
func (l *detectionGroupLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.reshape(l.spec, bottom); err != nil {
		return err
	}
	l.prob, l.diff = layers.Resize(l.prob, bottom[0].Count()), layers.Resize(l.diff, bottom[1].Count())
	l.keep = layers.Resize(l.keep, len(l.labels))
	l.sampler.reserve(len(l.w) * l.size())
	return top[0].Reshape(1, 1, 1, 2)
}

// Forward computes the top.
func (l *detectionGroupLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.readLabels(l.spec, bottom[2]); err != nil {
		return err
	}
	kernel.Softmax(l.spec.Env.Workers, l.items, l.classes, l.size(), bottom[0].Data(), l.prob)
	l.choose(bottom[2].Data())
	classes, boxes := l.classLoss(), l.boxLoss(bottom[1].Data(), bottom[2].Data())
	y := top[0].MutableData()
	y[0], y[1] = classes+float32(l.options.Lambda*boxes), l.options.Lambda*boxes
	return nil
}

// choose chooses anchors of each image, and finds the weights of foreground and
// background.
func (l *detectionGroupLoss) choose(truth []float32) {
	clear(l.keep)
	l.sampler.restart()
	of := len(l.w) * l.size() // anchors of an image
	fore, back := 0, 0
	for image := range l.items / len(l.w) {
		l.sampler.reset()
		for i, label := range l.labels[image*of:][:of] {
			item, at := image*len(l.w)+i/l.size(), i%l.size()
			if label > 0 {
				l.sampler.fore = append(l.sampler.fore, i)
			} else if label == 0 && l.plane(truth, 6, item, 5)[at] < l.options.Threshold {
				l.sampler.back = append(l.sampler.back, hardAnchor{l.hardness(item, at), i})
			}
		}
		l.sampler.draw()
		for _, i := range l.sampler.fore {
			l.keep[image*of+i] = true
		}
		for _, b := range l.sampler.back {
			l.keep[image*of+b.number] = true
		}
		fore, back = fore+len(l.sampler.fore), back+len(l.sampler.back)
	}
	l.positive, l.negative = 1, 1
	if l.options.Weighted {
		share := 1 / float32(1+l.options.Multiple)
		if fore > 0 {
			l.positive = float32(share*float32(fore+back)) / float32(fore)
		}
		if back > 0 {
			l.negative = float32((1-share)*float32(fore+back)) / float32(back)
		}
	}
}

// hardness returns by what an anchor of the background is ranked.
func (l *detectionGroupLoss) hardness(item, at int) float32 {
	p := l.plane(l.prob, l.classes, item, 0)[at]
	switch {
	case l.options.Mining == "random":
		return 0
	case l.options.Ranking == "conf_prob":
		return 1 - p
	}
	return -log(max(p, smallest))
}

// smallest is the smallest normal number, whose logarithm is finite.
const smallest = 0x1p-126

// weight returns the weight of an anchor's class.
func (l *detectionGroupLoss) weight(i int) float32 {
	if l.labels[i] > 0 {
		return l.positive
	}
	return l.negative
}

// classLoss returns the mean loss of the classes.
func (l *detectionGroupLoss) classLoss() float32 {
	var sum float32
	l.counted = 0
	for i, keep := range l.keep {
		class := l.class(l.labels[i])
		if !keep || l.ignored(class) {
			continue
		}
		item, at := i/l.size(), i%l.size()
		sum -= float32(log(max(l.plane(l.prob, l.classes, item, class)[at], smallest)) * l.weight(i))
		l.counted++
	}
	if l.counted == 0 {
		return 0
	}
	return sum / float32(l.counted)
}

// boxLoss returns the mean loss of the numbers of the boxes, and computes their
// gradient.
func (l *detectionGroupLoss) boxLoss(x, truth []float32) float32 {
	clear(l.diff)
	var sum float32
	count, size := 0, l.size()
	for i, keep := range l.keep {
		if label := l.labels[i]; !keep || label == 0 || l.ignored(label) {
			continue
		}
		item, at := i/size, i%size
		target := l.target(item, at, truth)
		for k := range 4 {
			place := (item*4+k)*size + at
			d := min(l.high[k], max(l.low[k], x[place])) - target[k]
			if l.options.BoxLoss == "Smooth_L1" && (d <= -1 || d >= 1) {
				sum += float32(math.Abs(float64(d))) - 0.5
				d = float32(math.Copysign(1, float64(d)))
			} else {
				sum += float32(0.5 * d * d)
			}
			l.diff[place] = d
			count++
		}
	}
	if count == 0 {
		return 0
	}
	kernel.Scale(l.spec.Env.Workers, 1/float32(count), l.diff, l.diff)
	return sum / float32(count)
}

// target returns the normalized numbers of the ground truth of an anchor at a pixel.
func (l *detectionGroupLoss) target(item, at int, truth []float32) (t [4]float32) {
	k, size := item%len(l.w), l.size()
	g := truth[(item*6+1)*size+at:]
	t = [4]float32{
		(g[0] - float32((float32(at%l.width)+0.5)*l.stride)) / l.w[k], (g[size] - float32((float32(at/l.width)+0.5)*l.stride)) / l.h[k],
		log(max(g[2*size], 2) / l.w[k]), log(max(g[3*size], 2) / l.h[k]),
	}
	for j := range t {
		t[j] = (t[j] - l.mean[j]) / l.std[j]
	}
	return t
}

// Backward computes the diffs of the scores and the boxes.
func (l *detectionGroupLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 2); err != nil {
		return err
	}
	weight := top[0].Diff()[0]
	if propagateDown[0] {
		dx := bottom[0].MutableDiff()
		clear(dx)
		for i, keep := range l.keep {
			class := l.class(l.labels[i])
			if !keep || l.ignored(class) {
				continue
			}
			item, at := i/l.size(), i%l.size()
			scale := l.weight(i) * weight / float32(l.counted)
			for c := range l.classes {
				p := l.plane(l.prob, l.classes, item, c)[at]
				if c == class {
					p--
				}
				l.plane(dx, l.classes, item, c)[at] = p * scale
			}
		}
	}
	if propagateDown[1] {
		kernel.Scale(l.spec.Env.Workers, l.options.Lambda*weight, l.diff, bottom[1].MutableDiff())
	}
	return nil
}
