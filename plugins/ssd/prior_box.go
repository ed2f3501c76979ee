package ssd

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "PriorBox",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "prior_box_param",
			Number:  203,
			Proto:   layers.Schema(schemas, "prior_box.proto"),
			Message: "PriorBoxParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newPriorBox,
		Kernels: cuda.Math,
		Doc: `The boxes relative to which a map of features predicts boxes of objects. At each position of the map, and for
each min_size m:

	a square of size m
	if there are max_sizes, a square of size sqrt(m M), M being the max_size of the same place
	for each aspect ratio r but 1, a box of width m sqrt(r) and height m / sqrt(r)

centered at (index + offset) * step. All coordinates are divided by the size of the image. They depend on the shapes
only, and are computed when a shape changes. There is no gradient.

Bottoms: the map of features, the image; of both, height and width matter only.
Top: 1 x 2 x (height * width * boxes * 4): xmin, ymin, xmax, ymax of each box, then as many variances.

prior_box_param:
	min_size: sizes in pixels of the image, at least one; their fractions are cut off, as in Caffe
	max_size: as many sizes as there are min_sizes, each larger than its min_size, or none
	aspect_ratio: ratios of width and height; 1 is always there and first, and a ratio that is there already is
	    left out
	flip (true): add 1/r to each ratio r that is not left out
	clip (false): clip the boxes to the image
	variance (0.1): one for all coordinates, or one each for xmin, ymin, xmax, ymax
	img_size, or img_h and img_w: size of the image, instead of that of the second bottom
	step, or step_h and step_w: pixels between two positions, instead of the image's size divided by the map's
	offset (0.5): of the center of the first position, in steps

Source: github.com/weiliu89/caffe (branch ssd), prior_box_layer.cpp`,
	})
}

// priorBox implements the layer type; its registration describes it.
type priorBox struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options priorBoxOptions
	ratios  []float32 // the first is 1
	each    int       // boxes for each position

	mapH, mapW, imageH, imageW int // for which priors was computed
	priors                     blob.Blob
}

type priorBoxOptions struct {
	MinSize     []float32 `proto:"min_size"`
	MaxSize     []float32 `proto:"max_size"`
	AspectRatio []float32 `proto:"aspect_ratio"`
	Flip        bool      `proto:"flip"`
	Clip        bool      `proto:"clip"`
	Variance    []float32 `proto:"variance"`
	ImageSize   int       `proto:"img_size"`
	ImageH      int       `proto:"img_h"`
	ImageW      int       `proto:"img_w"`
	Step        float32   `proto:"step"`
	StepH       float32   `proto:"step_h"`
	StepW       float32   `proto:"step_w"`
	Offset      float32   `proto:"offset"`
}

var (
	_ layers.Layer          = (*priorBox)(nil)
	_ layers.BackwardForcer = (*priorBox)(nil)
	_ layers.BackwardReader = (*priorBox)(nil)
)

func newPriorBox(s *layers.Spec) (layers.Layer, error) {
	l := &priorBox{spec: s}
	o := &l.options
	if err := s.Options(o); err != nil {
		return nil, err
	}
	if err := l.checkSizes(); err != nil {
		return nil, err
	}
	if n := len(o.Variance); n > 1 && n != 4 {
		return nil, s.Errorf("prior_box_param.variance", "there are %d variances, want 1 or 4", n)
	}
	for i, v := range o.Variance {
		if !(v > 0) { // true for NaN too
			return nil, s.ErrorAt("prior_box_param.variance", i, fmt.Errorf("variance is %g, want a positive number", v))
		}
	}
	if len(o.Variance) == 0 {
		o.Variance = []float32{0.1}
	}
	if err := perAxis(s, [3]string{"img_size", "img_h", "img_w"}, &o.ImageSize, &o.ImageH, &o.ImageW); err != nil {
		return nil, err
	}
	if err := perAxis(s, [3]string{"step", "step_h", "step_w"}, &o.Step, &o.StepH, &o.StepW); err != nil {
		return nil, err
	}
	return l, l.setRatios()
}

func (l *priorBox) checkSizes() error {
	o, s := &l.options, l.spec
	if len(o.MinSize) == 0 {
		return s.Errorf("prior_box_param", "prior_box_param.min_size is not set")
	}
	for i, m := range o.MinSize {
		if !(m > 0 && m < 1<<15) {
			return s.ErrorAt("prior_box_param.min_size", i, fmt.Errorf("min_size is %g, want a positive number below 32768", m))
		}
	}
	if n := len(o.MaxSize); n > 0 && n != len(o.MinSize) {
		return s.Errorf("prior_box_param.max_size", "there are %d max_sizes and %d min_sizes, want as many or none", n, len(o.MinSize))
	}
	for i, m := range o.MaxSize {
		if !(m > o.MinSize[i] && m < 1<<15) {
			return s.ErrorAt("prior_box_param.max_size", i, fmt.Errorf("max_size is %g, want more than its min_size %g, and less than 32768", m, o.MinSize[i]))
		}
	}
	return nil
}

// perAxis checks that the file has either a size for both axes or one for each, and
// sets those for each.
func perAxis[T int | float32](s *layers.Spec, names [3]string, both, h, w *T) error {
	for i, v := range []*T{both, h, w} {
		if s.HasOption(names[i]) && !(*v > 0 && *v < 1<<30) { // true for NaN too
			return s.Errorf("prior_box_param."+names[i], "%s is %v, want a positive number", names[i], *v)
		}
	}
	switch {
	case *both > 0 && (*h > 0 || *w > 0):
		return s.Errorf("prior_box_param."+names[0], "there are %s and %s or %s, want one or the other", names[0], names[1], names[2])
	case (*h > 0) != (*w > 0):
		return s.Errorf("prior_box_param", "there is one of %s and %s, want both or none", names[1], names[2])
	case *both > 0:
		*h, *w = *both, *both
	}
	return nil
}

// setRatios lists the ratios. As in Caffe, the reciprocal of one that is new is added
// even if it is there already.
func (l *priorBox) setRatios() error {
	l.ratios = []float32{1}
next:
	for i, r := range l.options.AspectRatio {
		if !(r > 0 && r < math.MaxInt32) {
			return l.spec.ErrorAt("prior_box_param.aspect_ratio", i, fmt.Errorf("aspect_ratio is %g, want a positive number", r))
		}
		for _, other := range l.ratios {
			if sameRatio(r, other) {
				continue next
			}
		}
		l.ratios = append(l.ratios, r)
		if l.options.Flip {
			l.ratios = append(l.ratios, float32(1/float64(r)))
		}
	}
	l.each = len(l.ratios)*len(l.options.MinSize) + len(l.options.MaxSize)
	return nil
}

func sameRatio(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-6 }

// AllowForceBackward returns false: there is no gradient.
func (l *priorBox) AllowForceBackward(int) bool { return false }

func (l *priorBox) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape sets the shape of the top.
func (l *priorBox) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	mapH, mapW, err := plane(l.spec, bottom, 0)
	if err != nil {
		return err
	}
	imageH, imageW, err := plane(l.spec, bottom, 1)
	if err != nil {
		return err
	}
	if l.options.ImageH > 0 {
		imageH, imageW = l.options.ImageH, l.options.ImageW
	}
	if mapH*mapW == 0 || imageH*imageW == 0 {
		return l.spec.Errorf("bottom", "the map has size %d x %d and the image %d x %d, want positive sizes", mapH, mapW, imageH, imageW)
	}
	if mapH != l.mapH || mapW != l.mapW || imageH != l.imageH || imageW != l.imageW {
		l.mapH, l.mapW, l.imageH, l.imageW = mapH, mapW, imageH, imageW
		if err := l.priors.Reshape(1, 2, mapH*mapW*l.each*4); err != nil {
			return l.spec.ErrorAt("bottom", 0, err)
		}
		l.priors.FillLater(l.compute)
	}
	return top[0].ReshapeLike(&l.priors)
}

// compute sets the boxes and their variances.
func (l *priorBox) compute(data []float32) {
	stepH, stepW := float32(l.imageH)/float32(l.mapH), float32(l.imageW)/float32(l.mapW)
	if l.options.StepH > 0 {
		stepH, stepW = l.options.StepH, l.options.StepW
	}
	at := 0
	for y := range l.mapH {
		for x := range l.mapW {
			centerX, centerY := (float32(x)+l.options.Offset)*stepW, (float32(y)+l.options.Offset)*stepH
			put := func(w, h float32) {
				boxes.Box{
					XMin: corner(centerX, -w, l.imageW), YMin: corner(centerY, -h, l.imageH),
					XMax: corner(centerX, w, l.imageW), YMax: corner(centerY, h, l.imageH),
				}.Put(data[at:])
				at += 4
			}
			l.sizes(put)
		}
	}
	if l.options.Clip {
		kernel.Clip(nil, 0, 1, data[:at], data[:at])
	}
	for i := range data[at:] {
		data[at+i] = l.options.Variance[i%len(l.options.Variance)]
	}
}

// sizes calls put with the width and the height of each box of a position.
func (l *priorBox) sizes(put func(w, h float32)) {
	for i, m := range l.options.MinSize {
		least := int(m)
		put(float32(least), float32(least))
		if len(l.options.MaxSize) > 0 {
			size := float32(math.Sqrt(float64(least * int(l.options.MaxSize[i]))))
			put(size, size)
		}
		for _, r := range l.ratios {
			if !sameRatio(r, 1) {
				root := float32(math.Sqrt(float64(r)))
				put(float32(least)*root, float32(least)/root)
			}
		}
	}
}

// corner returns the coordinate that is half a size from a center, as a fraction of
// the image's size.
func corner(center, size float32, image int) float32 {
	return float32((float64(center) + float64(size)/2) / float64(image))
}

// Forward copies the boxes to the top.
func (l *priorBox) Forward(_ context.Context, _, top []*blob.Blob) error {
	kernel.Copy(l.spec.Env.Workers, l.priors.Data(), top[0].MutableData())
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *priorBox) BackwardReads() (bottom, top bool) { return false, false }

// Backward sets the diffs of the bottoms to 0.
func (l *priorBox) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i, b := range bottom {
		if propagateDown[i] {
			kernel.Fill(l.spec.Env.Workers, 0, b.MutableDiff())
		}
	}
	return nil
}
