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
		Type:  "BoxGroupOutput",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "box_group_output_param",
			Number:  158,
			Proto:   layers.Schema(schemas, "box_group_output.proto"),
			Message: "BoxGroupOutputParameter",
		},
		MoreFields: []layers.Plugin{regressionField()},
		Bottoms:    layers.AtLeast(2),
		Tops:       layers.Between(1, 2),
		New:        newBoxGroupOutput,
		Doc: `The regions of interest (ROIs) that a region proposal network has found. Its maps predict a box for each of
several anchors at each pixel. With the numbers t of a box, and an anchor of width fw at column c of its map:

	t'     = t bbox_std + bbox_mean, t'_0 from -1 / field_xyr to 1 / field_xyr, t'_2 from -log field_whr to log field_whr
	width  = fw exp(t'_2),  x1 = t'_0 fw + (c + 0.5) stride - width / 2,  x2 = x1 + width - 1

and likewise y with t'_1, t'_3 and the height of the anchor. A box is then clipped to 0 and the size of its map times
stride. For each image:

	1. candidates are the boxes whose score, 1 - the probability of the background, is at least fg_thr and whose width
	   and height are at least min_size
	2. the max_nms_num with the highest scores stay, sorted by score, equal ones in the order of bottoms, anchors, pixels
	3. in this order, a box stays if its overlap with each box that stays before is at most iou_thr
	4. the first max_post_nms_num stay

There is no gradient. The layer runs on the host, also in nets on a GPU.

Bottoms: pairs for each map: probabilities, (N G) x C x H x W, of which channel 0 (the background) is read; the numbers
of boxes, (N G) x 4 x H x W. G is the number of anchors of the map; items are those of one image after another.
Tops: R x 5 x 1 x 1: image, x1, y1, x2, y2, by image, the highest score first; optionally R x 6 x 1 x 1 with the score
at the end of each row. If there is no box, the first has one ROI, 0, 1, 1, 10, 10, and the second a row of 0. Before
the first pass they have one row.

box_group_output_param:
	box_group_param: for each map field_h and field_w, height and width of each anchor in pixels, and stride, the pixels
	    of the image for a pixel of the map
	field_xyr (2), field_whr (2): how much a box may differ from its anchor
	fg_thr (0): least score
	min_size (15): least width and height in pixels
	iou_thr (0.5): greatest overlap
	nms_type (IOU): the overlap is the common area divided by that of the union; IOMU, by the smaller area; IOFU, by the
	    area of the box with the higher score
	max_nms_num (0), max_post_nms_num (0): 0 is all

` + regressionDoc + `	cls_aware (true): not used

Source: github.com/zhaoweicai/cascade-rcnn, box_group_output_layer.cpp`,
	})
}

// boxGroupOutput implements the layer type; its registration describes it.
type boxGroupOutput struct {
	noGradient
	regression
	bounds
	options boxGroupOutputOptions

	images int
	found  []boxes.Box // the candidates of an image
	scores []float32
	stay   []int32
	rows   []proposal
	nms    suppressor
}

type boxGroupOutputOptions struct {
	Least     float32 `proto:"fg_thr"`
	Threshold float32 `proto:"iou_thr"`
	Mode      string  `proto:"nms_type"`
	Groups    []struct {
		H      []uint32 `proto:"field_h"`
		W      []uint32 `proto:"field_w"`
		Stride uint32   `proto:"stride"`
	} `proto:"box_group_param"`
	WHR     float32 `proto:"field_whr"`
	XYR     float32 `proto:"field_xyr"`
	Best    int     `proto:"max_nms_num"`
	Limit   int     `proto:"max_post_nms_num"`
	MinSize float32 `proto:"min_size"`
}

var (
	_ layers.Layer          = (*boxGroupOutput)(nil)
	_ layers.BackwardForcer = (*boxGroupOutput)(nil)
	_ layers.BackwardReader = (*boxGroupOutput)(nil)
)

func newBoxGroupOutput(s *layers.Spec) (layers.Layer, error) {
	l := &boxGroupOutput{noGradient: noGradient{s}}
	o := &l.options
	err := s.Options(o)
	if err != nil {
		return nil, err
	}
	const field = "box_group_output_param"
	l.nms = suppressor{mode: overlapMode(o.Mode), threshold: o.Threshold}
	if err := l.nms.mode.check(s, field); err != nil {
		return nil, err
	}
	if l.bounds, err = newBounds(s, field, o.XYR, o.WHR); err != nil {
		return nil, err
	}
	for i, g := range o.Groups {
		if len(g.H) == 0 || len(g.H) != len(g.W) {
			return nil, s.Errorf(field+".box_group_param", "map %d has %d field_h and %d field_w, want as many of each, at least one", i, len(g.H), len(g.W))
		}
		if g.Stride < 1 || g.Stride > math.MaxInt16 {
			return nil, s.Errorf(field+".box_group_param", "map %d has stride %d, want 1 to %d", i, g.Stride, math.MaxInt16)
		}
	}
	l.regression, err = newRegression(s)
	return l, err
}

// Reshape gives the tops one row; Forward knows how many there are.
func (l *boxGroupOutput) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	groups := l.options.Groups
	if len(bottom) != 2*len(groups) {
		return l.spec.Errorf("bottom", "there are %d bottoms and %d box_group_param, want two bottoms for each", len(bottom), len(groups))
	}
	most := 0
	for i, b := range bottom {
		anchors := len(groups[i/2].H)
		if b.Axes() != 4 {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("bottom %d has shape %v, want 4 axes", i, b.Shape()))
		}
		if i == 0 {
			l.images = b.Dim(0) / anchors
		}
		prob := bottom[i/2*2]
		if b.Dim(0) != l.images*anchors || b.Dim(2) != prob.Dim(2) || b.Dim(3) != prob.Dim(3) {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got shape %v, want %d items for each of %d images, and the size of the map, %d x %d", b.Shape(), anchors, l.images, prob.Dim(2), prob.Dim(3)))
		}
		if c := b.Dim(1); i%2 == 1 && c != 4 || c < 1 {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("got %d channels, want %d", c, 1+i%2*3))
		}
		if i%2 == 0 {
			most += anchors * b.Dim(2) * b.Dim(3)
		}
	}
	if cap(l.found) < most {
		l.found, l.scores = make([]boxes.Box, 0, most), make([]float32, 0, most)
		l.stay = make([]int32, 0, most)
		l.rows = make([]proposal, 0, most)
	}
	l.nms.reset(most)
	return reshapeProposals(l.spec, top, 1)
}

// Forward computes the tops.
func (l *boxGroupOutput) Forward(_ context.Context, bottom, top []*blob.Blob) error {
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

// find finds the candidates of an image.
func (l *boxGroupOutput) find(image int, bottom []*blob.Blob) {
	l.found, l.scores = l.found[:0], l.scores[:0]
	l.nms.reset(0)
	for m, g := range l.options.Groups {
		prob, x := bottom[2*m], bottom[2*m+1]
		h, w := x.Dim(2), x.Dim(3)
		stride := float32(g.Stride)
		right, low := float32(w*int(g.Stride)), float32(h*int(g.Stride))
		for k := range g.H {
			item := image*len(g.H) + k
			background := prob.Data()[item*prob.CountFrom(1):][:h*w]
			numbers := x.Data()[item*4*h*w:]
			for at, p := range background {
				score := 1 - p
				if !(score >= l.options.Least) {
					continue
				}
				t := l.denormalize(numbers[at:], h*w)
				x0, dx := l.side(t[0], t[2], float32(g.W[k]), at%w, stride)
				y0, dy := l.side(t[1], t[3], float32(g.H[k]), at/w, stride)
				box := boxes.Box{XMin: max(0, x0), YMin: max(0, y0), XMax: min(right, x0+dx-1), YMax: min(low, y0+dy-1)}
				if box.XMax-box.XMin+1 >= l.options.MinSize && box.YMax-box.YMin+1 >= l.options.MinSize {
					l.nms.add(score, len(l.found))
					l.found, l.scores = append(l.found, box), append(l.scores, score)
				}
			}
		}
	}
}
