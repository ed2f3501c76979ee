package rcnn

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

// anchorTarget is AnchorTargetLayer of py-faster-rcnn: what a region proposal network
// is to predict for its anchors.
//
// An anchor within the image is of an object (label 1) if no anchor overlaps more with
// one of the objects, or if its overlap with one is at least RPN_POSITIVE_OVERLAP; of
// the background (0) if it overlaps with all by less than RPN_NEGATIVE_OVERLAP; others
// do not count (-1). Of both kinds some are drawn. As in the source, an object with which
// no anchor has any overlap makes all anchors that do not touch it anchors of objects.
type anchorTarget struct {
	noGradient
	anchors []wideBox
	stride  float64
	border  float64
	config  *config
	objects groundTruth
	sampler *sampler

	h, w    int
	object  []int32   // of each anchor, the one that overlaps most, or beyond
	overlap []float64 // with it
	most    []float64 // overlap of each object with the anchor that overlaps most
	fg, bg  []int32   // the anchors of objects and of the background
}

// beyond marks an anchor that reaches beyond the image.
const beyond = -1

var (
	_ layers.Layer          = (*anchorTarget)(nil)
	_ layers.BackwardForcer = (*anchorTarget)(nil)
	_ layers.BackwardReader = (*anchorTarget)(nil)
)

func newAnchorTarget(s *layers.Spec) (layers.Layer, error) {
	p, c, err := readParams(s, caffepb.Phase_TRAIN, "feat_stride", "scales", "ratios", "allowed_border")
	if err == nil {
		err = counts(s, layers.Between(3, 4), layers.Exactly(4))
	}
	if err != nil {
		return nil, err
	}
	return &anchorTarget{
		noGradient: noGradient{s}, anchors: p.anchors(), stride: p.FeatStride, border: p.AllowedBorder, config: c,
		objects: groundTruth{spec: s, bottom: 1}, sampler: newSampler(s),
	}, nil
}

// Reshape checks the bottoms and gives the tops their shapes.
func (l *anchorTarget) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, a := bottom[0], len(l.anchors)
	if x.Axes() != 4 || x.Dim(0) != 1 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got shape %v, want 1 x C x H x W: the map of one image", x.Shape()))
	}
	if err := l.objects.reshape(bottom[1]); err != nil {
		return err
	}
	if err := checkInfo(l.spec, bottom, 2); err != nil {
		return err
	}
	l.h, l.w = x.Dim(2), x.Dim(3)
	for i, shape := range [...][4]int{{1, 1, a * l.h, l.w}, {1, 4 * a, l.h, l.w}, {1, 4 * a, l.h, l.w}, {1, 4 * a, l.h, l.w}} {
		if err := top[i].Reshape(shape[:]...); err != nil {
			return l.spec.ErrorAt("top", i, err)
		}
	}
	return nil
}

// anchor returns anchor i: they are ordered by row, column and number.
func (l *anchorTarget) anchor(i int) wideBox {
	place := i / len(l.anchors)
	return l.anchors[i%len(l.anchors)].shifted(float64(place%l.w)*l.stride, float64(place/l.w)*l.stride)
}

// Forward computes the tops: labels, targets, inside and outside weights.
func (l *anchorTarget) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.objects.read(bottom[1])
	l.sampler.begin(l.spec.Env.Stream())
	n := len(l.anchors) * l.h * l.w
	l.object, l.overlap = layers.Resize(l.object, n), layers.Resize(l.overlap, n)
	l.fg, l.bg = layers.Resize(l.fg, n)[:0], layers.Resize(l.bg, n)[:0]
	l.mark(bottom[2].Data())
	c := l.config
	l.fg = l.limit(l.fg, int(c.RPNFgFraction*float64(c.RPNBatchSize)))
	l.bg = l.limit(l.bg, c.RPNBatchSize-len(l.fg))
	l.write(top)
	return nil
}

// mark collects the anchors of objects and of the background.
func (l *anchorTarget) mark(info []float32) {
	c := l.config
	width, height := float64(info[1])+l.border, float64(info[0])+l.border
	l.most = layers.Resize(l.most, len(l.objects.wide))
	for k := range l.most {
		l.most[k] = -1
	}
	for i := range l.object {
		box := l.anchor(i)
		if box[0] < -l.border || box[1] < -l.border || box[2] >= width || box[3] >= height {
			l.object[i] = beyond
			continue
		}
		l.object[i], l.overlap[i] = l.objects.nearest(box)
		for k, o := range l.objects.wide {
			l.most[k] = max(l.most[k], box.overlap(o))
		}
	}
	for i, object := range l.object {
		if object == beyond {
			continue
		}
		negative := l.overlap[i] < c.RPNNegativeOverlap
		positive := len(l.most) > 0 && (l.overlap[i] >= c.RPNPositiveOverlap || l.isBest(i))
		switch {
		case positive && !(negative && c.RPNClobberPositives):
			l.fg = append(l.fg, int32(i))
		case negative:
			l.bg = append(l.bg, int32(i))
		}
	}
}

// isBest reports whether no anchor overlaps more with one of the objects than anchor i.
func (l *anchorTarget) isBest(i int) bool {
	box := l.anchor(i)
	for k, o := range l.objects.wide {
		if box.overlap(o) == l.most[k] {
			return true
		}
	}
	return false
}

// limit returns at most k elements of a list, drawn at random if there are more.
func (l *anchorTarget) limit(list []int32, k int) []int32 {
	if len(list) <= k {
		return list
	}
	l.sampler.draw(list, k)
	return list[:k]
}

// write writes the tops for the anchors that were drawn.
func (l *anchorTarget) write(top []*blob.Blob) {
	label, target, inside, outside := top[0].MutableData(), top[1].MutableData(), top[2].MutableData(), top[3].MutableData()
	for i := range label {
		label[i] = -1
	}
	clear(target)
	clear(inside)
	clear(outside)
	a, c, plane := len(l.anchors), l.config, l.h*l.w
	if len(l.most) > 0 {
		l.writeTargets(target)
	}
	foreground, background := 1/float64(len(l.fg)+len(l.bg)), 1/float64(len(l.fg)+len(l.bg))
	if p := c.RPNPositiveWeight; p > 0 {
		foreground, background = p/float64(len(l.fg)), (1-p)/float64(len(l.bg))
	}
	for kind, list := range [...][]int32{l.bg, l.fg} {
		weight := []float64{background, foreground}[kind]
		for _, i := range list {
			k, place := int(i)%a, int(i)/a
			label[k*plane+place] = float32(kind)
			for j := range 4 {
				outside[(4*k+j)*plane+place] = float32(weight)
				inside[(4*k+j)*plane+place] = float32(kind) * float32(c.RPNBboxInsideWeights[j])
			}
		}
	}
}

// writeTargets writes the targets of all anchors within the image.
func (l *anchorTarget) writeTargets(target []float32) {
	a, plane := len(l.anchors), l.h*l.w
	for i, object := range l.object {
		if object == beyond {
			continue
		}
		code := encode(l.anchor(i), l.objects.boxes[object])
		t := [4]float32{float32(code[0]), float32(code[1]), float32(code[2]), float32(code[3])}
		if l.config.RPNNormalizeTargets {
			t = l.config.rpnTargets.apply(code)
		}
		for j, v := range t {
			target[(4*(i%a)+j)*plane+i/a] = v
		}
	}
}
