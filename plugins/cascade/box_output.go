package cascade

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
		Type:  "BoxOutput",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "box_output_param",
			Proto:   layers.Schema(schemas, "box_output.proto"),
			Message: "BoxOutputParameter",
		},
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.AtLeast(1),
		Tops:       layers.Between(1, 2),
		New:        newBoxOutput,
		Doc: `The regions of interest (ROIs) that MS-CNN's proposal network has found. Its maps have scores and a box for one
anchor at each pixel. The box is that of BoxGroupOutput, but its coordinates are those of edges: x2 = x1 + width. It is
clipped to 0 and the size of its map times downsample_rate. For each image:

	1. candidates are the boxes whose score, the largest score of a class minus that of the background, is at least
	   fg_thr, and whose width and height are at least min_size
	2. the max_nms_num with the highest scores stay, sorted by score, of equal ones the last first
	3. in this order, a box stays if its overlap with each box that stays before is at most iou_thr
	4. the first max_post_nms_num stay

There is no gradient. The layer runs on the host, also in nets on a GPU.

Bottoms: maps, N x (classes + 4) x H x W, class 0 for the background, then the numbers of boxes.
Tops: as of BoxGroupOutput.

box_output_param:
	field_h, field_w: height and width of the anchor of each map in pixels
	downsample_rate: for each map, pixels of the image for a pixel of the map
	field_xyr (2), field_whr (2): how much a box may differ from its anchor
	fg_thr (0): least score
	min_size (15): least width and height in pixels
	iou_thr (0.5): greatest overlap
	nms_type (IOU): the overlap is the common area divided by that of the union; IOMU, by the smaller area; IOFU, by the
	    area of the box with the higher score
	max_nms_num (0), max_post_nms_num (0): 0 is all

` + regressionDoc + `	cls_aware (true): not used

Source: github.com/zhaoweicai/mscnn, box_output_layer.cpp`,
	})
}

// boxOutput implements the layer type; its registration describes it.
type boxOutput struct {
	noGradient
	regression
	bounds
	options boxOutputOptions

	images, classes int
	found           []boxes.Box // the candidates of an image, from the end
	scores          []float32
	stay            []int32
	rows            []proposal
	nms             suppressor
}

type boxOutputOptions struct {
	Least     float32 `proto:"fg_thr"`
	Threshold float32 `proto:"iou_thr"`
	Mode      string  `proto:"nms_type"`
	H         []int   `proto:"field_h"`
	W         []int   `proto:"field_w"`
	Rate      []int   `proto:"downsample_rate"`
	WHR       float32 `proto:"field_whr"`
	XYR       float32 `proto:"field_xyr"`
	Best      int     `proto:"max_nms_num"`
	Limit     int     `proto:"max_post_nms_num"`
	MinSize   float32 `proto:"min_size"`
}

var (
	_ layers.Layer          = (*boxOutput)(nil)
	_ layers.BackwardForcer = (*boxOutput)(nil)
	_ layers.BackwardReader = (*boxOutput)(nil)
)

func newBoxOutput(s *layers.Spec) (layers.Layer, error) {
	l := &boxOutput{noGradient: noGradient{s}}
	o := &l.options
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	const field = "box_output_param"
	l.nms = suppressor{mode: overlapMode(o.Mode), threshold: o.Threshold, edges: true}
	if err := l.nms.mode.check(s, field); err != nil {
		return nil, err
	}
	if l.bounds, err = newBounds(s, field, o.XYR, o.WHR); err != nil {
		return nil, err
	}
	if n := len(s.Param.GetBottom()); len(o.H) != n || len(o.W) != n || len(o.Rate) != n {
		return nil, s.Errorf(field, "there are %d bottoms, %d field_h, %d field_w and %d downsample_rate, want as many of each", n, len(o.H), len(o.W), len(o.Rate))
	}
	for i, rate := range o.Rate {
		if rate < 1 || rate > math.MaxInt16 {
			return nil, s.Errorf(field+".downsample_rate", "downsample_rate of map %d is %d, want 1 to %d", i, rate, math.MaxInt16)
		}
	}
	l.regression, err = newRegression(s)
	return l, err
}

// Reshape gives the tops one row; Forward knows how many there are.
func (l *boxOutput) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	most := 0
	for i, b := range bottom {
		if b.Axes() != 4 || b.Dim(1) < 6 {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v, want N x (classes + 4) x H x W, at least two classes", i, b.Shape()))
		}
		if i == 0 {
			l.images, l.classes = b.Dim(0), b.Dim(1)-4
		}
		if b.Dim(0) != l.images || b.Dim(1) != l.classes+4 {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v, want %d items of %d channels, as bottom 0 has", i, b.Shape(), l.images, l.classes+4))
		}
		most += b.Dim(2) * b.Dim(3)
	}
	l.found, l.scores = layers.Resize(l.found, most), layers.Resize(l.scores, most)
	if cap(l.stay) < most {
		l.stay = make([]int32, 0, most)
	}
	if all := most * l.images; cap(l.rows) < all {
		l.rows = make([]proposal, 0, all)
	}
	l.nms.reset(most)
	return reshapeProposals(l.spec, top, 1)
}

// Forward computes the tops.
func (l *boxOutput) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.rows = l.rows[:0]
	for image := range l.images {
		l.find(image, bottom)
		l.stay = l.nms.choose(l.found, l.options.Best, l.options.Limit, l.stay[:0])
		for _, i := range l.stay {
			l.rows = append(l.rows, proposal{image, l.found[i], l.scores[i]})
		}
	}
	return writeProposals(l.spec, l.rows, top)
}

// find finds the candidates of an image. They are numbered from the end, because the
// last of equal scores is the first.
func (l *boxOutput) find(image int, bottom []*blob.Blob) {
	l.nms.reset(0)
	number := len(l.found)
	for m, b := range bottom {
		h, w := b.Dim(2), b.Dim(3)
		maps := b.Data()[image*b.CountFrom(1):][:b.CountFrom(1)]
		rate := float32(l.options.Rate[m])
		right, low := float32(w)*rate, float32(h)*rate
		for at := range h * w {
			score := float32(-math.MaxFloat32)
			for c := 1; c < l.classes; c++ {
				score = max(score, maps[c*h*w+at])
			}
			if score -= maps[at]; !(score >= l.options.Least) {
				continue
			}
			t := l.denormalize(maps[l.classes*h*w+at:], h*w)
			x, dx := l.side(t[0], t[2], float32(l.options.W[m]), at%w, rate)
			y, dy := l.side(t[1], t[3], float32(l.options.H[m]), at/w, rate)
			x, y = max(x, 0), max(y, 0)
			dx, dy = min(dx, right-x), min(dy, low-y)
			if dx >= l.options.MinSize && dy >= l.options.MinSize {
				number--
				l.found[number], l.scores[number] = boxes.Box{XMin: x, YMin: y, XMax: x + dx, YMax: y + dy}, score
				l.nms.add(score, number)
			}
		}
	}
}
