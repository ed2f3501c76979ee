package cascade

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ProposalTarget",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "proposal_target_param",
			Number:  159,
			Proto:   layers.Schema(schemas, "proposal_target.proto"),
			Message: "ProposalTargetParameter",
		},
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.Exactly(2),
		Tops:       layers.Between(6, 7),
		New:        newProposalTarget,
		Doc: `The regions of interest (ROIs) that a detector is trained with, and what it shall learn of each. A ROI is matched
with the box of ground truth of its image that it overlaps most (common area / area of the union), of equal ones the
first. It is

	foreground if the overlap is at least fg_thr, or not used if that box is ignored
	background if the overlap is from bg_thr_lw to below bg_thr_hg, or if its image has no ground truth and bg_thr_lw is 0
	a rest otherwise

Of the foreground at most fg_fraction batch_size are drawn at random, of the background what is lacking to batch_size;
the first of the rest fill what is lacking still. If no ROI is found, a random box of background is taken. What is
random depends on the seed, the layer's name and the pass only. There is no gradient.

Bottoms: the ROIs, R x 5: image, x1, y1, x2, y2; ground truth, G x 7 or G x 8: image, x1, y1, x2, y2, class, ignore,
where rows of image -1 do not count.
Tops, foreground first: the ROIs, K x 5 x 1 x 1; the classes, K x 1 x 1 x 1; the numbers of boxes as DecodeBBox
describes them, K x (4 cls_num) x 1 x 1 or, without cls_aware, K x 8 x 1 x 1, 0 but for the class; inside and outside
weights of these, 1 for the class; the ground truth of the foreground, K x 6 x 1 x 1: class, x1, y1, x2, y2, overlap, or
0; optionally weights for the loss of the classes, K x 1 x 1 x 1. Before the first pass, K is batch_size or R.

proposal_target_param:
	cls_num: classes, with the background
	batch_size (128): ROIs of the tops, -1 for all
	fg_fraction (0.25): share of the foreground
	num_img_per_batch (4): images of the batch
	fg_thr (0.5), bg_thr_hg (0.5), bg_thr_lw (0.1): overlaps of the foreground and the background
	img_width, img_height: size of the images, for a random box; at least 33 then
	iou_weighted (false): the weights of the foreground are proportional to the overlaps
	bbox_thr_lw (0), bbox_thr_hg (10): boxes of ROIs with an overlap outside of this have the inside and outside weight 0
	pickup_discard (true): whether the rest fills the batch
	append_gtbox (true): whether ground truth is among the ROIs, after the others

` + regressionDoc + `	cls_aware (true): whether each class has a box of its own

Source: github.com/zhaoweicai/cascade-rcnn, proposal_target_layer.cpp`,
	})
}

// proposalTarget implements the layer type; its registration describes it.
type proposalTarget struct {
	noGradient
	regression
	options proposalTargetOptions
	width   int // of the numbers of boxes
	source  *layers.RandSource
	random  *rand.Rand

	rois, truth      []candidate
	fore, back, rest []int // numbers of ROIs
}

// A candidate is a ROI or a box of ground truth.
type candidate struct {
	image int
	rect
	class   int // of ground truth
	ignore  bool
	match   int // number of the ground truth that a ROI is matched with, or -1
	overlap float32
}

type proposalTargetOptions struct {
	Classes   int     `proto:"cls_num"`
	Batch     int     `proto:"batch_size"`
	Fraction  float32 `proto:"fg_fraction"`
	Images    int     `proto:"num_img_per_batch"`
	Fore      float32 `proto:"fg_thr"`
	BackBelow float32 `proto:"bg_thr_hg"`
	BackFrom  float32 `proto:"bg_thr_lw"`
	Width     int     `proto:"img_width"`
	Height    int     `proto:"img_height"`
	Weighted  bool    `proto:"iou_weighted"`
	BoxFrom   float32 `proto:"bbox_thr_lw"`
	BoxTo     float32 `proto:"bbox_thr_hg"`
	Pickup    bool    `proto:"pickup_discard"`
	Append    bool    `proto:"append_gtbox"`
}

var (
	_ layers.Layer          = (*proposalTarget)(nil)
	_ layers.BackwardForcer = (*proposalTarget)(nil)
	_ layers.BackwardReader = (*proposalTarget)(nil)
)

func newProposalTarget(s *layers.Spec) (layers.Layer, error) {
	l := &proposalTarget{noGradient: noGradient{s}, source: s.Rand("proposals").Source(0)}
	l.random = rand.New(l.source)
	o := &l.options
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	const field = "proposal_target_param"
	switch {
	case o.Classes < 2 || o.Classes > math.MaxInt16:
		return nil, s.Errorf(field, "cls_num is %d, want 2 to %d, with the background", o.Classes, math.MaxInt16)
	case o.Batch != -1 && (o.Batch < 1 || o.Batch > 1<<24):
		return nil, s.Errorf(field+".batch_size", "batch_size is %d, want 1 or more, or -1 for all", o.Batch)
	case !(o.Fraction >= 0 && o.Fraction <= 1):
		return nil, s.Errorf(field+".fg_fraction", "fg_fraction is %v, want 0 to 1", o.Fraction)
	case !(o.Fore >= o.BackBelow):
		return nil, s.Errorf(field+".fg_thr", "fg_thr is %v, want bg_thr_hg, %v, or more", o.Fore, o.BackBelow)
	case !(o.Fore > 0):
		return nil, s.Errorf(field+".fg_thr", "fg_thr is %v, want a positive number", o.Fore)
	}
	if l.regression, err = newRegression(s); err != nil {
		return nil, err
	}
	l.width = 8
	if l.classAware {
		l.width = 4 * o.Classes
	}
	return l, nil
}

// Reshape gives the tops batch_size rows; Forward knows how many there are.
func (l *proposalTarget) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	rois, truth := bottom[0], bottom[1]
	if rois.Axes() < 2 || rois.CountFrom(1) != 5 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got ROIs of shape %v, want R x 5: image, x1, y1, x2, y2", rois.Shape()))
	}
	if truth.Axes() < 2 || truth.CountFrom(1) != 7 && truth.CountFrom(1) != 8 {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got ground truth of shape %v, want G x 7 or G x 8", truth.Shape()))
	}
	if most := rois.Dim(0) + truth.Dim(0) + 1; cap(l.rois) < most {
		l.rois, l.truth = make([]candidate, 0, most), make([]candidate, 0, most)
		l.fore, l.back, l.rest = make([]int, 0, most), make([]int, 0, most), make([]int, 0, most)
	}
	if l.options.Batch > 0 {
		return l.reshapeTops(top, l.options.Batch)
	}
	return l.reshapeTops(top, max(rois.Dim(0), 1))
}

func (l *proposalTarget) reshapeTops(top []*blob.Blob, n int) error {
	for i, width := range [...]int{5, 1, l.width, l.width, l.width, 6, 1} {
		if i == len(top) {
			break
		}
		if err := top[i].Reshape(n, width, 1, 1); err != nil {
			return l.spec.ErrorAt("top", i, err)
		}
	}
	return nil
}

// Forward computes the tops.
func (l *proposalTarget) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if err := l.read(bottom[0], bottom[1]); err != nil {
		return err
	}
	l.source.Restart(l.spec.Env.Stream())
	l.sort()
	if err := l.draw(); err != nil {
		return err
	}
	if err := l.reshapeTops(top, len(l.fore)+len(l.back)); err != nil {
		return err
	}
	l.write(top)
	return nil
}

// read reads the ROIs and the ground truth.
func (l *proposalTarget) read(rois, truth *blob.Blob) error {
	o := &l.options
	l.rois, l.truth = l.rois[:0], l.truth[:0]
	x := rois.Data()
	for i := range rois.Dim(0) {
		r := x[5*i:]
		if !(r[0] >= 0 && r[0] < float32(o.Images)) {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf("ROI %d is of image %v, want 0 to %d, as num_img_per_batch says", i, r[0], o.Images-1))
		}
		l.rois = append(l.rois, candidate{image: int(r[0]), rect: rectOf(boxes.From(r[1:]))})
	}
	width := truth.CountFrom(1)
	x = truth.Data()
	for i := range truth.Dim(0) {
		r := x[width*i:]
		if r[0] == -1 {
			continue
		}
		if !(r[0] >= 0 && r[0] < float32(o.Images)) || !(r[5] >= 1 && r[5] < float32(o.Classes)) {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("ground truth %d is of image %v and class %v, want 0 to %d, as num_img_per_batch says, and 1 to %d, as cls_num does",
				i, r[0], r[5], o.Images-1, o.Classes-1))
		}
		l.truth = append(l.truth, candidate{image: int(r[0]), rect: rectOf(boxes.From(r[1:])), class: int(r[5]), ignore: r[6] != 0})
	}
	if o.Append {
		l.rois = append(l.rois, l.truth...)
	}
	return nil
}

// sort finds out which ROIs are foreground, background and rest.
func (l *proposalTarget) sort() {
	l.fore, l.back, l.rest = l.fore[:0], l.back[:0], l.rest[:0]
	for i := range l.rois {
		r := &l.rois[i]
		r.match, r.overlap = l.match(r)
		switch {
		case r.overlap >= l.options.Fore:
			if !l.truth[r.match].ignore {
				l.fore = append(l.fore, i)
			}
		case r.overlap >= l.options.BackFrom && r.overlap < l.options.BackBelow:
			l.back = append(l.back, i)
		default:
			l.rest = append(l.rest, i)
		}
	}
}

// match returns the number of the box of ground truth that a ROI overlaps most, and the
// overlap; -1 and 0 if its image has none.
func (l *proposalTarget) match(r *candidate) (best int, overlap float32) {
	best = -1
	for i := range l.truth {
		if t := &l.truth[i]; t.image == r.image {
			if v := r.rect.overlap(t.rect); best < 0 || v > overlap {
				best, overlap = i, v
			}
		}
	}
	return best, overlap
}

// draw draws the ROIs of the batch.
func (l *proposalTarget) draw() error {
	o := &l.options
	batch, fore := o.Batch, round(o.Fraction*float32(o.Batch))
	if batch < 0 {
		batch, fore = len(l.fore)+len(l.back), len(l.fore)
	}
	l.fore = sample(l.random, l.fore, fore)
	lacking := batch - len(l.fore)
	switch {
	case len(l.back) > lacking:
		l.back = sample(l.random, l.back, lacking)
	case o.Pickup:
		l.back = append(l.back, l.rest[:min(len(l.rest), lacking-len(l.back))]...)
	}
	if len(l.fore)+len(l.back) > 0 {
		return nil
	}
	const least = 32
	if o.Width <= least || o.Height <= least {
		return l.spec.Errorf("proposal_target_param", "there is no ROI for the batch, and img_width is %d and img_height %d, want more than %d for a random one", o.Width, o.Height, least)
	}
	for range 1000 {
		r := candidate{image: l.random.IntN(o.Images), match: -1}
		x, y := l.random.IntN(o.Width-least), l.random.IntN(o.Height-least)
		w, h := max(least, l.random.IntN(o.Width-x)), max(least, l.random.IntN(o.Height-y))
		r.rect = rect{float32(x), float32(y), float32(w), float32(h)}
		if _, overlap := l.match(&r); overlap < o.Fore {
			l.rois, l.back = append(l.rois, r), append(l.back, len(l.rois))
			return nil
		}
	}
	return l.spec.Errorf("bottom", "there is no ROI for the batch, and no random one is background")
}

// write writes the tops.
func (l *proposalTarget) write(top []*blob.Blob) {
	o, row := &l.options, 0
	for _, y := range top {
		clear(y.MutableData())
	}
	for k, numbers := range [][]int{l.fore, l.back} {
		for _, i := range numbers {
			r := &l.rois[i]
			y := top[0].MutableData()[5*row:]
			y[0] = float32(r.image)
			r.box().Put(y[1:])
			if k == 0 {
				t := &l.truth[r.match]
				top[1].MutableData()[row] = float32(t.class)
				at := row*l.width + 4
				if l.classAware {
					at = row*l.width + 4*t.class
				}
				for j, v := range r.encode(t.rect) {
					top[2].MutableData()[at+j] = (v - l.mean[j]) / l.std[j]
					if o.BoxFrom <= r.overlap && r.overlap <= o.BoxTo {
						top[3].MutableData()[at+j], top[4].MutableData()[at+j] = 1, 1
					}
				}
				y := top[5].MutableData()[6*row:]
				y[0], y[5] = float32(t.class), r.overlap
				t.box().Put(y[1:])
			}
			row++
		}
	}
	if len(top) > 6 {
		l.weigh(top[6].MutableData())
	}
}

// weigh writes the weights of the classes' loss: the share of the foreground is
// fg_fraction, if there is any.
func (l *proposalTarget) weigh(y []float32) {
	fore := y[:len(l.fore)]
	for i := range y {
		y[i] = 1
	}
	sum := float32(0)
	for i, k := range l.fore {
		if l.options.Weighted {
			fore[i] = l.rois[k].overlap
		}
		sum += fore[i]
	}
	if sum == 0 {
		return
	}
	n := float32(len(y))
	for i := range fore {
		fore[i] *= float32(l.options.Fraction*n) / sum
	}
	for i := range y[len(fore):] {
		y[len(fore)+i] *= float32((1-l.options.Fraction)*n) / float32(len(l.back))
	}
}
