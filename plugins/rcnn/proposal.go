package rcnn

import (
	"math"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Proposal",
		Group: "vision",
		Plugin: &layers.Plugin{
			Field:   "proposal_param",
			Number:  8266713,
			Proto:   layers.Schema(schemas, "proposal.proto"),
			Message: "ProposalParameter",
		},
		Bottoms: layers.Exactly(3),
		Tops:    layers.Between(1, 2),
		New:     newProposal,
		Doc: `Regions of interest (ROIs) of what a region proposal network predicts for A anchors at each place of a map. An anchor
of width w and height h, in pixels, around x, y becomes the box of width w exp(t[2]) and height h exp(t[3]) around
x + w t[0], y + h t[1], clipped to the image. From the pre_nms_topn boxes with the highest scores, of equal scores the
first, those stay that overlap with no better one by more than nms_thresh; of them the first post_nms_topn are the ROIs.
A box that is smaller than min_size times the scale of the image has a score of 0.

Anchors: round(sqrt(base_size^2 / ratio)) wide and round(ratio times that) high, halves rounded up, times each scale, for
each ratio in turn, around the center of the square from 0 to base_size - 1. There are A = ratios x scales.

Bottoms: the scores, 1 x 2 A x H x W, of which the second half count, those of objects; t, 1 x 4 A x H x W; height,
width and scale of the image, 1 x 3, or with a second scale, of the width. Their gradient is 0.
Tops: the ROIs, R x 5: 0, x1, y1, x2, y2 in pixels, by descending score; optionally their scores, R. Before the first
pass R is post_nms_topn.

proposal_param:
	feat_stride (16): pixels of the image from one place of the map to the next
	base_size (16), ratio (0.5, 1, 2), scale (8, 16, 32): the anchors
	min_size (16): least width and height of a box
	pre_nms_topn (6000), post_nms_topn (300): how many boxes there are at most before and after the suppression
	nms_thresh (0.7): overlap up to which both boxes stay

Source: github.com/sanghoon/caffe (branch dev_pvanet), proposal_layer.cpp; Ren et al., "Faster R-CNN" (NIPS 2015)`,
	})
}

func newProposal(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		FeatStride uint32    `proto:"feat_stride"`
		BaseSize   uint32    `proto:"base_size"`
		MinSize    uint32    `proto:"min_size"`
		Ratio      []float64 `proto:"ratio"`
		Scale      []float64 `proto:"scale"`
		PreNMS     uint32    `proto:"pre_nms_topn"`
		PostNMS    uint32    `proto:"post_nms_topn"`
		Threshold  float32   `proto:"nms_thresh"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	if len(o.Ratio) == 0 {
		o.Ratio = defaultRatios
	}
	if len(o.Scale) == 0 {
		o.Scale = defaultScales
	}
	const most = math.MaxInt16
	for _, number := range []struct {
		name  string
		value uint32
		most  uint32
	}{{"feat_stride", o.FeatStride, most}, {"base_size", o.BaseSize, most}, {"pre_nms_topn", o.PreNMS, math.MaxInt32}, {"post_nms_topn", o.PostNMS, 1 << 24}} {
		if number.value < 1 || number.value > number.most {
			return nil, s.Errorf("proposal_param."+number.name, "%s is %d, want 1 to %d", number.name, number.value, number.most)
		}
	}
	for name, list := range map[string][]float64{"ratio": o.Ratio, "scale": o.Scale} {
		if len(list) > 1000 {
			return nil, s.Errorf("proposal_param", "there are %d values of %s, want at most 1000", len(list), name)
		}
		for i, v := range list {
			if !(v > 0 && v <= 1e6) {
				return nil, s.ErrorAt("proposal_param."+name, i, notPositive(name, v))
			}
		}
	}
	if t := o.Threshold; !(t >= 0 && t <= 1) {
		return nil, s.Errorf("proposal_param.nms_thresh", "nms_thresh is %g, want 0 to 1", t)
	}
	return &proposals{
		noGradient: noGradient{s},
		anchors:    anchors(float64(o.BaseSize), o.Ratio, o.Scale, halfUp),
		stride:     float64(o.FeatStride),
		minSize:    float32(o.MinSize),
		keepSmall:  true,
		nms:        boxes.NMS{Threshold: o.Threshold, Pixel: 1, Most: int(o.PostNMS)},
		preNMS:     int(o.PreNMS),
		rois:       int(o.PostNMS),
		scoreAxes:  1,
	}, nil
}
