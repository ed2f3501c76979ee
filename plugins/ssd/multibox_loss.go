package ssd

import (
	"context"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "MultiBoxLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "multibox_loss_param",
			Number:  201,
			Proto:   layers.Schema(schemas, "multibox_loss.proto"),
			Message: "MultiBoxLossParameter",
		},
		Bottoms: layers.Exactly(4),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newMultiboxLoss,
		Doc: `The loss of a net that predicts, relative to P prior boxes, classes and locations of objects:

	E = (loc_weight sum of location losses of positives + sum of confidence losses of positives and negatives) / Z

Positives are the priors that are matched with an object (ground truth): for each object the one with the largest
overlap (common area / area of the union), where the largest overlaps come first; with PER_PREDICTION also each other
prior with an overlap of at least overlap_threshold, with the object that it overlaps most. Negatives, of the class
background_label_id, are chosen from the others (mining). Images without objects contribute nothing then.

Bottoms: locations, N x (P * L * 4), where L is 1 or, without share_location, the number of classes; confidences,
N x (P * classes); priors, 1 x 2 x 4P: boxes, then variances; ground truth, 1 x 1 x G x 8: image, label, instance, xmin,
ymin, xmax, ymax, difficult, where rows of image -1 are left out. The first two have a gradient. As the priors of a net
depend on features that are trained, the layer needs propagate_down: true, true, false, false. The part of the loss
whose propagate_down is false is left out.
Top: the loss, a scalar.

multibox_loss_param:
	num_classes: with the background
	share_location (true): whether all classes have one location; false needs mining_type NONE
	background_label_id (0)
	code_type (CORNER): CENTER_SIZE or CORNER_SIZE, as the priors were made for
	encode_variance_in_target (false): targets are not divided by the variances. In the loss the difference of
	    prediction and target is divided by them, in the gradient it is not, as in Caffe
	loc_loss_type (SMOOTH_L1): d^2/2 if |d| < 1, else |d| - 1/2; or L2: d^2/2
	conf_loss_type (SOFTMAX): or LOGISTIC, the sum of the sigmoid cross-entropies of all classes
	loc_weight (1)
	match_type (PER_PREDICTION): or BIPARTITE
	overlap_threshold (0.5)
	use_prior_for_matching (true): false matches objects with the predicted boxes
	use_difficult_gt (true): false leaves out objects that are difficult
	ignore_cross_boundary_bbox (false): priors that leave the image are neither positive nor negative
	mining_type (MAX_NEGATIVE): neg_pos_ratio negatives for each positive of an image, those with the largest
	    confidence loss, of the priors with overlaps less than neg_overlap; HARD_EXAMPLE: the sample_size priors with
	    the largest loss, the positives of which are kept; NONE: all priors that are not positive
	do_neg_mining: replaced by mining_type, with which it must agree
	neg_pos_ratio (3), neg_overlap (0.5), sample_size (64)
	nms_param: of the nms_param.top_k (0) candidates with the largest losses, only those are mined that do not
	    overlap others by more than nms_param.nms_threshold (0.3); nms_param.eta is not used
	use_prior_for_nms (false): that overlap is of priors, not of predicted boxes
	map_object_to_agnostic (false): all objects have the class after the background
	bp_inside (false): coordinates outside of the image have no location loss

loss_param.normalization says what Z is, at least 1: VALID (default) the number of positives, FULL N * P, BATCH_SIZE
N, NONE 1. With LOGISTIC, targets are first background_label_id, which is meant to be 0; with mining_type NONE they are
written where Caffe writes them, which is right for one image.

Source: github.com/weiliu89/caffe (branch ssd), multibox_loss_layer.cpp and bbox_util.cpp`,
	})
}

// multiboxLoss implements the layer type; its registration describes it.
type multiboxLoss struct {
	predictions
	options multiboxOptions
	norm    layers.LossNorm
	truth   truth

	locations, confidences []float32 // of the pass
	prob                   []float32 // of the confidences: softmax or sigmoid, for Backward
	target                 []float32 // of the confidences, without mining
	images                 []imageLoss
	priors                 []boxes.Box
	variances              [][4]float32
	decoded                []boxes.Box // (n,lists,p), if it is needed
	positives              int
	task                   multiboxTask
}

// imageLoss is what one image contributes.
type imageLoss struct {
	objects            []object
	priors, decoded    []boxes.Box
	variances          [][4]float32
	match              []int32   // (lists,p)
	largest            []float32 // (lists,p)
	positives          int
	negatives          []int32
	slopes             []float32 // of the positives' locations: 4 for each
	location, confided float64   // sums of losses

	matcher    matcher
	candidates []int32
	taken      []bool
	ranking    boxes.Ranking
	nms        boxes.NMS
	order      []int32
	kept       []int32
}

type multiboxOptions struct {
	LocLoss           string  `proto:"loc_loss_type"`
	ConfLoss          string  `proto:"conf_loss_type"`
	LocWeight         float32 `proto:"loc_weight"`
	NumClasses        int     `proto:"num_classes"`
	Share             bool    `proto:"share_location"`
	MatchType         string  `proto:"match_type"`
	OverlapThreshold  float32 `proto:"overlap_threshold"`
	PriorsForMatching bool    `proto:"use_prior_for_matching"`
	Background        int     `proto:"background_label_id"`
	Difficult         bool    `proto:"use_difficult_gt"`
	NegMining         bool    `proto:"do_neg_mining"`
	NegPosRatio       float32 `proto:"neg_pos_ratio"`
	NegOverlap        float32 `proto:"neg_overlap"`
	CodeType          string  `proto:"code_type"`
	Encoded           bool    `proto:"encode_variance_in_target"`
	Agnostic          bool    `proto:"map_object_to_agnostic"`
	IgnoreOutside     bool    `proto:"ignore_cross_boundary_bbox"`
	Inside            bool    `proto:"bp_inside"`
	Mining            string  `proto:"mining_type"`
	NMS               *nms    `proto:"nms_param"`
	SampleSize        int     `proto:"sample_size"`
	PriorsForNMS      bool    `proto:"use_prior_for_nms"`
}

var (
	_ layers.Layer          = (*multiboxLoss)(nil)
	_ layers.BackwardForcer = (*multiboxLoss)(nil)
	_ layers.BackwardReader = (*multiboxLoss)(nil)
)

func newMultiboxLoss(s *layers.Spec) (layers.Layer, error) {
	l := &multiboxLoss{}
	o := &l.options
	const message = "multibox_loss_param"
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	if l.predictions, err = newPredictions(s, message, o.NumClasses, o.Share, o.CodeType, o.Encoded); err != nil {
		return nil, err
	}
	if l.norm, err = layers.NewLossNorm(s, caffepb.LossParameter_VALID); err != nil {
		return nil, err
	}
	mines := o.Mining != "NONE"
	switch {
	case o.Background >= o.NumClasses:
		return nil, s.Errorf(message+".background_label_id", "background_label_id is %d, want less than num_classes, which is %d", o.Background, o.NumClasses)
	case s.HasOption("do_neg_mining") && o.NegMining != mines:
		return nil, s.Errorf(message+".do_neg_mining", "do_neg_mining is %v and mining_type %s, want them to agree", o.NegMining, o.Mining)
	case mines && !o.Share:
		return nil, s.Errorf(message+".share_location", "share_location is false and mining_type %s, want NONE", o.Mining)
	case o.Mining == "HARD_EXAMPLE" && o.SampleSize <= 0:
		return nil, s.Errorf(message+".sample_size", "sample_size is %d, want a positive number", o.SampleSize)
	case !(o.NegPosRatio >= 0): // true for NaN too
		return nil, s.Errorf(message+".neg_pos_ratio", "neg_pos_ratio is %g, want 0 or more", o.NegPosRatio)
	case o.Agnostic && o.NumClasses != 2:
		return nil, s.Errorf(message+".num_classes", "num_classes is %d, want 2 with map_object_to_agnostic", o.NumClasses)
	case o.Agnostic && o.Background != 0:
		return nil, s.Errorf(message+".background_label_id", "background_label_id is %d, want 0 with map_object_to_agnostic", o.Background)
	}
	l.truth = truth{spec: s, bottom: 3, classes: o.NumClasses, background: o.Background}
	if o.Agnostic {
		l.truth.classes = math.MaxInt32
	}
	return l, nil
}

// AllowForceBackward returns true for locations and confidences.
func (l *multiboxLoss) AllowForceBackward(i int) bool { return i < 2 }

func (l *multiboxLoss) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the bottoms.
func (l *multiboxLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.predictions.reshape(bottom); err != nil {
		return err
	}
	if err := l.truth.check(bottom[3]); err != nil {
		return err
	}
	if err := l.spec.NoItems(l.n, bottom[0]); err != nil {
		return err
	}
	return top[0].Reshape()
}

// Forward computes the loss.
func (l *multiboxLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.truth.read(bottom[3], l.options.Difficult); err != nil {
		return err
	}
	pool := l.spec.Env.Workers
	l.locations, l.confidences = bottom[0].Data(), bottom[1].Data()
	if err := l.prepare(bottom[2].Data()); err != nil {
		return err
	}
	l.prob = layers.Resize(l.prob, bottom[1].Count())
	if l.options.ConfLoss == "SOFTMAX" {
		kernel.Softmax(pool, l.n*l.p, l.classes, 1, l.confidences, l.prob)
	} else {
		kernel.Sigmoid(pool, l.confidences, l.prob)
	}
	l.task.multiboxLoss = l
	pool.Run(l.n, &l.task)
	if l.options.Mining == "NONE" {
		l.setTargets()
	}
	var location, confided float64
	l.positives = 0
	for i := range l.images[:l.n] {
		a := &l.images[i]
		location, confided, l.positives = location+a.location, confided+a.confided, l.positives+a.positives
	}
	if l.options.Mining == "NONE" {
		confided = l.allConfidences()
	}
	var loss float64
	z := float64(l.norm.Normalizer(l.n, l.p, l.positives))
	if l.counts(0) {
		loss += float64(l.options.LocWeight) * location / z
	}
	if l.counts(1) {
		loss += confided / z
	}
	top[0].MutableData()[0] = float32(loss)
	l.locations, l.confidences = nil, nil
	return nil
}

// counts reports whether the loss of a bottom counts: its propagate_down is true, or
// the file has none.
func (l *multiboxLoss) counts(i int) bool {
	p := l.spec.Param.GetPropagateDown()
	return i >= len(p) || p[i]
}

// prepare allocates memory, and decodes the predictions if they are needed.
func (l *multiboxLoss) prepare(priors []float32) error {
	l.priors, l.variances = l.priors[:0], l.variances[:0]
	for i := range l.p {
		l.priors = append(l.priors, boxes.From(priors[4*i:]))
		l.variances = append(l.variances, [4]float32(priors[4*(l.p+i):]))
	}
	if n := l.options.NMS; !l.options.PriorsForMatching || n != nil && n.Threshold > 0 && !l.options.PriorsForNMS {
		l.decoded = layers.Resize(l.decoded, l.n*l.lists*l.p)
		skip := -1
		if l.lists > 1 {
			skip = l.options.Background
		}
		if err := l.decode(decodeArgs{locations: l.locations, priors: priors, skip: skip, decoded: l.decoded}); err != nil {
			return err
		}
	}
	for len(l.images) < l.n {
		l.images = append(l.images, imageLoss{matcher: matcher{
			threshold: l.options.OverlapThreshold, perPrediction: l.options.MatchType == "PER_PREDICTION", inside: l.options.IgnoreOutside,
		}})
	}
	for i := range l.images[:l.n] {
		a := &l.images[i]
		a.priors, a.variances, a.objects = l.priors, l.variances, l.truth.of(i)
		if len(l.decoded) > 0 {
			a.decoded = l.decoded[i*l.lists*l.p:][:l.lists*l.p]
		}
		a.match, a.largest = layers.Resize(a.match, l.lists*l.p), layers.Resize(a.largest, l.lists*l.p)
		a.taken, a.negatives = layers.Resize(a.taken, l.p), slices.Grow(a.negatives[:0], l.p)
	}
	return nil
}

// classOf returns the class of an object, for the confidences.
func (l *multiboxLoss) classOf(a *imageLoss, object int32) int {
	if l.options.Agnostic {
		return l.options.Background + 1
	}
	return int(a.objects[object].label)
}
