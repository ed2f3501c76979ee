package rcnn

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// proposals is the layer that makes regions of interest of what a region proposal
// network predicts: Proposal, and ProposalLayer of py-faster-rcnn.
type proposals struct {
	noGradient
	anchors    []wideBox
	stride     float64
	minSize    float32
	keepSmall  bool // boxes that are too small stay, with a score of 0
	nms        boxes.NMS
	preNMS     int            // boxes before it, -1 for all
	normalized *normalization // of what the net predicts; nil for none
	rois       int            // there are before the first pass
	scoreAxes  int            // of the second top, 1 or 2

	ranking  boxes.Ranking
	boxes    []boxes.Box
	score    []float32
	order    []int32
	selected []int32
}

// noGradient is the part that layers share whose bottoms have no gradient, though they
// may depend on weights: their diffs are 0.
type noGradient struct{ spec *layers.Spec }

// AllowForceBackward returns false: no bottom has a gradient.
func (noGradient) AllowForceBackward(int) bool { return false }

// BackwardReads returns that Backward reads no data.
func (noGradient) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (noGradient) SetUp(_, _ []*blob.Blob) error { return nil }

// Backward sets the diffs of the bottoms to 0.
func (noGradient) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	clearDiffs(propagateDown, bottom, 0)
	return nil
}

var (
	_ layers.Layer          = (*proposals)(nil)
	_ layers.BackwardForcer = (*proposals)(nil)
	_ layers.BackwardReader = (*proposals)(nil)
)

// Reshape checks the bottoms.
func (l *proposals) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	a := len(l.anchors)
	for i, channels := range []int{2 * a, 4 * a} {
		b := bottom[i]
		if b.Axes() != 4 || b.Dim(0) != 1 || b.Dim(1) != channels {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got shape %v, want 1 x %d x H x W: one image and %d anchors", b.Shape(), channels, a))
		}
	}
	if s, t := bottom[0].Shape(), bottom[1].Shape(); s[2] != t[2] || s[3] != t[3] {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("bottoms 0 and 1 have shapes %v and %v, want maps of equal size", s, t))
	}
	if err := checkInfo(l.spec, bottom, 2); err != nil {
		return err
	}
	l.ranking.Reserve(a * bottom[0].CountFrom(2))
	if err := top[0].Reshape(l.rois, 5); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	if len(top) > 1 {
		return l.reshapeScores(top[1], l.rois)
	}
	return nil
}

func (l *proposals) reshapeScores(b *blob.Blob, n int) error {
	shape := [...]int{n, 1}
	if err := b.Reshape(shape[:l.scoreAxes]...); err != nil {
		return l.spec.ErrorAt("top", 1, err)
	}
	return nil
}

// checkInfo returns an error if bottom i has not height, width and scale of an image.
func checkInfo(s *layers.Spec, bottom []*blob.Blob, i int) error {
	if b := bottom[i]; b.Axes() == 0 || b.Dim(0) != 1 || b.Count() < 3 {
		return s.ErrorAt("bottom", i, fmt.Errorf("got shape %v, want 1 x 3: height, width and scale of an image", b.Shape()))
	}
	return nil
}

// Forward computes the tops.
func (l *proposals) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.predict(bottom)
	l.order = l.ranking.Top(l.preNMS, layers.Resize(l.order, len(l.boxes))[:0])
	l.nms.Reserve(len(l.order))
	l.selected = l.nms.Keep(l.boxes, l.order, layers.Resize(l.selected, len(l.order))[:0])
	n := len(l.selected)
	if err := top[0].Reshape(n, 5); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	rois := top[0].MutableData()
	for i, k := range l.selected {
		rois[5*i] = 0
		l.boxes[k].Put(rois[5*i+1:])
	}
	if len(top) < 2 {
		return nil
	}
	if err := l.reshapeScores(top[1], n); err != nil {
		return err
	}
	scores := top[1].MutableData()
	for i, k := range l.selected {
		scores[i] = l.score[k]
	}
	return nil
}

// predict computes all boxes in the image and their scores, and ranks those that are
// large enough.
func (l *proposals) predict(bottom []*blob.Blob) {
	h, w, a := bottom[0].Dim(2), bottom[0].Dim(3), len(l.anchors)
	l.boxes, l.score = layers.Resize(l.boxes, h*w*a), layers.Resize(l.score, h*w*a)
	score, delta, info := bottom[0].Data()[a*h*w:], bottom[1].Data(), bottom[2].Data()
	minH, minW := l.minSize*info[2], l.minSize*info[2]
	if l.keepSmall && len(info) > 3 {
		minW = l.minSize * info[3]
	}
	l.ranking.Reset()
	for i := range l.boxes {
		k, place := i%a, i/a
		t := [4]float32{}
		for j := range t {
			t[j] = delta[(4*k+j)*h*w+place]
		}
		if l.normalized != nil {
			t = l.normalized.undo(t)
		}
		anchor := l.anchors[k].shifted(float64(place%w)*l.stride, float64(place/w)*l.stride)
		box := decode(anchor.narrow(), t).Clip(info[1]-1, info[0]-1)
		l.boxes[i], l.score[i] = box, score[k*h*w+place]
		large := box.XMax-box.XMin+1 >= minW && box.YMax-box.YMin+1 >= minH
		if !large && l.keepSmall {
			l.score[i] = 0
		}
		if large || l.keepSmall {
			l.ranking.Add(l.score[i], i)
		}
	}
}
