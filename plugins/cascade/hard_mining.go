package cascade

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "HardMining",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "hard_mining_param",
			Number:  153,
			Proto:   layers.Schema(schemas, "hard_mining.proto"),
			Message: "HardMiningParameter",
		},
		Bottoms: layers.AtLeast(2),
		Tops:    layers.AtLeast(1),
		New:     newHardMining,
		Doc: `Lets the regions of interest (ROIs) with the largest losses pass: of each image num_roi_per_image. If some images
have fewer, those with the largest losses of the rest take their place. Of equal losses, the last ROI is first. The
order of the ROIs stays. There is no gradient.

Bottoms: the losses, R; the ROIs, R x 5: image (0 to num_image - 1), x1, y1, x2, y2; others with R items.
Tops: for each bottom but the first, the items of the ROIs that pass: num_image num_roi_per_image of them, or all.

hard_mining_param:
	num_roi_per_image (128): ROIs of an image
	num_image (4): images of a batch

Source: github.com/zhaoweicai/cascade-rcnn, hard_mining_layer.cpp`,
	})
}

// hardMining implements the layer type; its registration describes it.
type hardMining struct {
	noGradient
	options hardMiningOptions
	pass    int // ROIs that pass
	ranked  []ranked
	index   []int32
	shape   []int // of a top
}

// ranked is a ROI with its loss.
type ranked struct {
	image, number int32
	loss          float32
}

type hardMiningOptions struct {
	ROIs   int `proto:"num_roi_per_image"`
	Images int `proto:"num_image"`
}

var (
	_ layers.Layer          = (*hardMining)(nil)
	_ layers.BackwardForcer = (*hardMining)(nil)
	_ layers.BackwardReader = (*hardMining)(nil)
)

func newHardMining(s *layers.Spec) (layers.Layer, error) {
	l := &hardMining{noGradient: noGradient{s}}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	for name, v := range map[string]int{"num_roi_per_image": o.ROIs, "num_image": o.Images} {
		if v < 1 || v > math.MaxInt16 {
			return nil, s.Errorf("hard_mining_param."+name, "%s is %d, want 1 to %d", name, v, math.MaxInt16)
		}
	}
	return l, nil
}

// Reshape finds the sizes.
func (l *hardMining) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if len(top) != len(bottom)-1 {
		return l.spec.Errorf("top", "layer has %d bottoms and %d tops, want a top for each bottom but the first", len(bottom), len(top))
	}
	n := bottom[0].Count()
	if bottom[0].Axes() == 0 || bottom[0].Dim(0) != n {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got losses of shape %v, want one for each ROI", bottom[0].Shape()))
	}
	if err := checkRows(l.spec, bottom[1], 1, n, "ROIs", 5); err != nil {
		return err
	}
	l.pass = min(l.options.ROIs*l.options.Images, n)
	for i, y := range top {
		x := bottom[i+1]
		if x.Axes() == 0 || x.Dim(0) != n {
			return l.spec.ErrorAt("bottom", i+1, fmt.Errorf("got shape %v, want %d items, as many as losses", x.Shape(), n))
		}
		l.shape = append(l.shape[:0], x.Shape()...)
		l.shape[0] = l.pass
		if err := y.Reshape(l.shape...); err != nil {
			return l.spec.ErrorAt("top", i, err)
		}
	}
	l.ranked, l.index = slices.Grow(l.ranked[:0], n), slices.Grow(l.index[:0], n)
	return nil
}

// Forward computes the tops.
func (l *hardMining) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	losses, rois := bottom[0].Data(), bottom[1].Data()
	l.ranked, l.index = l.ranked[:0], l.index[:0]
	for i, loss := range losses {
		v := rois[5*i]
		if !(v >= 0 && v < float32(l.options.Images)) {
			return l.spec.ErrorAt("bottom", 1, fmt.Errorf("ROI %d is of image %v, want 0 to %d, as num_image says", i, v, l.options.Images-1))
		}
		l.ranked = append(l.ranked, ranked{int32(v), int32(i), loss})
	}
	slices.SortFunc(l.ranked, func(a, b ranked) int { return cmp.Or(cmp.Compare(a.image, b.image), hardest(a, b)) })
	rest := l.ranked[:0]
	image, found := int32(-1), 0
	for _, r := range l.ranked {
		if r.image != image {
			image, found = r.image, 0
		}
		if found++; found <= l.options.ROIs {
			l.index = append(l.index, r.number)
		} else {
			rest = append(rest, r)
		}
	}
	slices.SortFunc(rest, hardest)
	for _, r := range rest[:l.pass-len(l.index)] {
		l.index = append(l.index, r.number)
	}
	slices.Sort(l.index)
	for i, y := range top {
		kernel.GatherRows(l.spec.Env.Workers, l.pass, y.CountFrom(1), bottom[i+1].Data(), l.index, y.MutableData())
	}
	return nil
}

// hardest puts large losses first, of equal ones the last.
func hardest(a, b ranked) int {
	return cmp.Or(cmp.Compare(b.loss, a.loss), cmp.Compare(b.number, a.number))
}
