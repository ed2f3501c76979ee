package rcnn

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// proposalTarget is ProposalTargetLayer of py-faster-rcnn: it draws ROIs for training,
// from those proposed and the objects themselves, with their classes and what is to be
// predicted for their boxes.
//
// A ROI is of the class of the object that it overlaps with most if that is at least
// FG_THRESH, and of the background if it is from BG_THRESH_LO to below BG_THRESH_HI. Of
// the first kind at most FG_FRACTION of BATCH_SIZE are drawn, the rest of the second.
type proposalTarget struct {
	noGradient
	classes int // for which there are targets
	config  *config
	objects groundTruth
	sampler *sampler

	rois   []boxes.Box
	object []int32 // of each ROI, the one that overlaps most
	fg, bg []int32 // the ROIs of both kinds
}

var (
	_ layers.Layer          = (*proposalTarget)(nil)
	_ layers.BackwardForcer = (*proposalTarget)(nil)
	_ layers.BackwardReader = (*proposalTarget)(nil)
)

func newProposalTarget(s *layers.Spec) (layers.Layer, error) {
	p, c, err := readParams(s, caffepb.Phase_TRAIN, "num_classes")
	if err == nil {
		err = counts(s, layers.Exactly(2), layers.Exactly(5))
	}
	if err != nil {
		return nil, err
	}
	return &proposalTarget{
		noGradient: noGradient{s}, classes: p.NumClasses, config: c,
		objects: groundTruth{spec: s, bottom: 1}, sampler: newSampler(s),
	}, nil
}

// Reshape checks the bottoms. How many ROIs there are is known after the pass.
func (l *proposalTarget) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if b := bottom[0]; b.Axes() < 2 || b.CountFrom(1) != 5 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got ROIs of shape %v, want R x 5: image, x1, y1, x2, y2", b.Shape()))
	}
	if err := l.objects.reshape(bottom[1]); err != nil {
		return err
	}
	return reshapeROIs(l.spec, top, 1, l.classes)
}

// reshapeROIs gives the tops of n ROIs their shapes: ROIs, labels, and if there are more,
// targets and their weights. The labels have four axes, as in R-FCN: Eltwise adds the
// losses of labels and boxes.
func reshapeROIs(s *layers.Spec, top []*blob.Blob, n, classes int) error {
	for i, b := range top {
		shape := [...]int{n, 4 * classes, 1, 1}
		axes := 2
		switch i {
		case 0:
			shape[1] = 5
		case 1:
			shape[1], axes = 1, 4
		}
		if err := b.Reshape(shape[:axes]...); err != nil {
			return s.ErrorAt("top", i, err)
		}
	}
	return nil
}

// Forward computes the tops: ROIs, labels, targets, inside and outside weights.
func (l *proposalTarget) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.objects.read(bottom[1])
	if err := l.checkClasses(); err != nil {
		return err
	}
	if err := l.collect(bottom[0].Data()); err != nil {
		return err
	}
	l.draw()
	n := len(l.fg) + len(l.bg)
	if err := reshapeROIs(l.spec, top, n, l.classes); err != nil {
		return err
	}
	rois, label, target, inside, outside := top[0].MutableData(), top[1].MutableData(), top[2].MutableData(), top[3].MutableData(), top[4].MutableData()
	for i := range n {
		r, class := int32(0), float32(0)
		if i < len(l.fg) {
			r = l.fg[i]
			class = l.objects.class[l.object[r]]
		} else {
			r = l.bg[i-len(l.fg)]
		}
		rois[5*i] = 0
		l.rois[r].Put(rois[5*i+1:])
		label[i] = class
		row := 4 * l.classes
		clear(target[i*row:][:row])
		clear(inside[i*row:][:row])
		clear(outside[i*row:][:row])
		if class == 0 {
			continue
		}
		at := i*row + 4*l.column(class)
		t := l.config.targets(l.rois[r], l.objects.boxes[l.object[r]])
		for j := range t {
			target[at+j], inside[at+j] = t[j], float32(l.config.BboxInsideWeights[j])
			if inside[at+j] > 0 {
				outside[at+j] = 1
			}
		}
	}
	return nil
}

// targets returns what is to be predicted for a ROI of an object.
func (c *config) targets(roi, object boxes.Box) [4]float32 {
	code := encode(wideOf(roi), object)
	if c.NormalizeTargets {
		return c.bboxTargets.apply(code)
	}
	return [4]float32{float32(code[0]), float32(code[1]), float32(code[2]), float32(code[3])}
}

// column returns which of the classes has the targets of a class: with two, as R-FCN
// trains boxes, the second is that of all objects.
func (l *proposalTarget) column(class float32) int {
	if l.classes == 2 || l.config.Agnostic {
		return 1
	}
	return int(class)
}

// checkClasses returns an error about an object with a class that there is not.
func (l *proposalTarget) checkClasses() error {
	for i, class := range l.objects.class {
		if !(class >= 1 && class < 1<<24) || class != float32(int(class)) {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("object %d has class %v, want 1 or more: 0 is the background", i, class))
		}
		if l.column(class) >= l.classes {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("object %d has class %v, want 1 to %d: num_classes is %d", i, class, l.classes-1, l.classes))
		}
	}
	return nil
}

// collect takes the ROIs and the objects, and sorts them into both kinds.
func (l *proposalTarget) collect(x []float32) error {
	n := len(x) / 5
	l.rois = layers.Resize(l.rois, n+len(l.objects.boxes))
	for i := range n {
		if x[5*i] != 0 {
			return l.spec.ErrorAt("bottom", 0, fmt.Errorf("ROI %d is of image %v, want 0: there is one image", i, x[5*i]))
		}
		l.rois[i] = boxes.From(x[5*i+1:])
	}
	copy(l.rois[n:], l.objects.boxes)
	l.object = layers.Resize(l.object, len(l.rois))
	l.fg, l.bg = layers.Resize(l.fg, len(l.rois))[:0], layers.Resize(l.bg, len(l.rois))[:0]
	c := l.config
	for i, roi := range l.rois {
		var overlap float64
		l.object[i], overlap = l.objects.nearest(wideOf(roi))
		if overlap >= c.FgThresh && len(l.objects.boxes) > 0 {
			l.fg = append(l.fg, int32(i))
		}
		if overlap < c.BgThreshHi && overlap >= c.BgThreshLo {
			l.bg = append(l.bg, int32(i))
		}
	}
	return nil
}

// draw draws the ROIs of both kinds.
func (l *proposalTarget) draw() {
	l.sampler.begin(l.spec.Env.Stream())
	fg, all := len(l.fg), len(l.fg)+len(l.bg)
	if batch := l.config.BatchSize; batch > 0 {
		fg, all = min(fg, int(math.RoundToEven(l.config.FgFraction*float64(batch)))), batch
	}
	l.sampler.draw(l.fg, fg)
	l.fg = l.fg[:fg]
	bg := min(len(l.bg), all-fg)
	l.sampler.draw(l.bg, bg)
	l.bg = l.bg[:bg]
}
