package rcnn

import (
	"context"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "BoxAnnotatorOHEM",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "box_annotator_ohem_param",
			Number:  10000,
			Proto:   layers.Schema(schemas, "box_annotator_ohem.proto"),
			Message: "BoxAnnotatorOHEMParameter",
		},
		Bottoms: layers.Exactly(4),
		Tops:    layers.Exactly(2),
		New:     newBoxAnnotatorOHEM,
		Kernels: boxAnnotatorOHEMKernels,
		Doc: `Chooses the hard examples among regions of interest (ROIs), for online hard example mining: of each image the ROIs
with the largest losses keep their labels and weights. All others get the label to be ignored and weights of 0. Of
equal losses the first comes first.

Bottoms: the ROIs, R x 5: image and a box, which does not matter; their losses, R; their labels, R; their weights, R x
K, such as those of the losses of their boxes. The gradient of all is 0.
Tops: the labels, R x 1 x 1 x 1; the weights, of the shape of bottom 3.

box_annotator_ohem_param:
	roi_per_img: number of ROIs of an image that are chosen
	ignore_label (-1): label of all others

Maps of ROIs, R x 5 x H x W, are an error, unlike in the layer's source: nets do not have them.

Source: github.com/daijifeng001/caffe-rfcn (branch r-fcn), box_annotator_ohem_layer.cu; Shrivastava, Gupta,
Girshick, "Training Region-based Object Detectors with Online Hard Example Mining" (CVPR 2016)`,
	})
}

// boxAnnotatorOHEM implements the layer type; its registration describes it.
type boxAnnotatorOHEM struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options boxAnnotatorOHEMOptions
	rois    boxes.ROIs

	regions int
	ranking boxes.Ranking
	order   []int32
	chosen  map[int32]int // ROIs of an image
}

type boxAnnotatorOHEMOptions struct {
	ROIPerImg   uint32 `proto:"roi_per_img"`
	IgnoreLabel int32  `proto:"ignore_label"`
}

var (
	_ layers.Layer          = (*boxAnnotatorOHEM)(nil)
	_ layers.BackwardForcer = (*boxAnnotatorOHEM)(nil)
	_ layers.BackwardReader = (*boxAnnotatorOHEM)(nil)
)

func newBoxAnnotatorOHEM(s *layers.Spec) (layers.Layer, error) {
	l := &boxAnnotatorOHEM{spec: s, rois: boxes.NewROIs(s, 0, "images that can be counted"), chosen: make(map[int32]int)}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if n := l.options.ROIPerImg; n < 1 || n > math.MaxInt32 {
		return nil, s.Errorf("box_annotator_ohem_param.roi_per_img", "roi_per_img is %d, want 1 to %d", n, math.MaxInt32)
	}
	return l, nil
}

// AllowForceBackward returns false: no bottom has a gradient.
func (l *boxAnnotatorOHEM) AllowForceBackward(int) bool { return false }

// BackwardReads returns that Backward reads no data.
func (l *boxAnnotatorOHEM) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *boxAnnotatorOHEM) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the bottoms.
func (l *boxAnnotatorOHEM) Reshape(bottom, top []*blob.Blob) (err error) {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	const images = 1 << 24 // up to which float32 has all whole numbers
	if l.regions, err = l.rois.Reshape(bottom[0], images); err != nil {
		return err
	}
	for i, what := range []string{"losses", "labels", "weights"} {
		b := bottom[i+1]
		if b.Axes() == 0 || b.Dim(0) != l.regions || i < 2 && b.Count() != l.regions {
			return l.spec.ErrorAt("bottom", i+1, fmt.Errorf("got %s of shape %v, want those of %d ROIs", what, b.Shape(), l.regions))
		}
	}
	l.ranking.Reserve(l.regions)
	if err := top[0].Reshape(l.regions, 1, 1, 1); err != nil {
		return l.spec.ErrorAt("top", 0, err)
	}
	return top[1].ReshapeLike(bottom[3])
}

// Forward computes the tops.
func (l *boxAnnotatorOHEM) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	images, _, err := l.rois.Read(bottom[0])
	if err != nil {
		return err
	}
	for i, loss := range bottom[1].Data() {
		l.ranking.Add(loss, i)
	}
	l.order = l.ranking.Top(-1, layers.Resize(l.order, l.regions)[:0])
	clear(l.chosen)
	k := bottom[3].CountFrom(1)
	label, weight := bottom[2].Data(), bottom[3].Data()
	newLabel, newWeight := top[0].MutableData(), top[1].MutableData()
	for _, r := range l.order {
		to := newWeight[int(r)*k:][:k]
		if l.chosen[images[r]] < int(l.options.ROIPerImg) {
			l.chosen[images[r]]++
			newLabel[r] = label[r]
			copy(to, weight[int(r)*k:])
		} else {
			newLabel[r] = float32(l.options.IgnoreLabel)
			clear(to)
		}
	}
	return nil
}

// Backward sets the diffs of the bottoms to 0.
func (l *boxAnnotatorOHEM) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	clearDiffs(propagateDown, bottom, 0)
	return nil
}
