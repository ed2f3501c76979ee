package rcnn

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/layers/python"
)

// The classes of py-faster-rcnn. docs/forks.md describes them.
func init() {
	for _, n := range []python.Native{
		{Module: "roi_data_layer.layer", Class: "RoIDataLayer", New: newRoIData},
		{Module: "rpn.proposal_layer", Class: "ProposalLayer", New: newProposalLayer},
		{Module: "rpn.anchor_target_layer", Class: "AnchorTargetLayer", New: newAnchorTarget},
		{Module: "rpn.proposal_target_layer", Class: "ProposalTargetLayer", New: newProposalTarget},
	} {
		python.Register(n)
	}
}

// newProposalLayer returns Proposal as ProposalLayer of rpn/proposal_layer.py has it:
// boxes that are too small are left out, and how many there are depends on the phase.
func newProposalLayer(s *layers.Spec) (layers.Layer, error) {
	p, c, err := readParams(s, s.Env.Phase, "feat_stride", "scales", "ratios")
	if err == nil {
		err = counts(s, layers.Exactly(3), layers.Between(1, 2))
	}
	if err != nil {
		return nil, err
	}
	l := &proposals{
		noGradient: noGradient{s},
		anchors:    p.anchors(),
		stride:     p.FeatStride,
		minSize:    float32(c.RPNMinSize),
		nms:        boxes.NMS{Threshold: float32(c.RPNNMSThresh), Pixel: 1, Most: max(c.RPNPostNMSTopN, 0)},
		preNMS:     -1,
		rois:       1,
		scoreAxes:  2,
	}
	if c.RPNPreNMSTopN > 0 {
		l.preNMS = c.RPNPreNMSTopN
	}
	if s.Env.Phase == caffepb.Phase_TRAIN && c.RPNNormalizeTargets {
		l.normalized = &c.rpnTargets
	}
	return l, nil
}

// anchors returns those of rpn/generate_anchors.py.
func (p *params) anchors() []wideBox { return anchors(16, p.Ratios, p.Scales, math.RoundToEven) }

// counts returns an error if a layer of type Python has other numbers of bottoms and
// tops than its class.
func counts(s *layers.Spec, bottoms, tops layers.Count) error {
	for _, list := range []struct {
		what string
		got  int
		want layers.Count
	}{{"bottom", len(s.Param.GetBottom()), bottoms}, {"top", len(s.Param.GetTop()), tops}} {
		if !list.want.Allows(list.got) {
			return s.Errorf(list.what, "%s has %d %ss, want %v", s.Param.GetPythonParam().GetLayer(), list.got, list.what, list.want)
		}
	}
	return nil
}

func notPositive(name string, v float64) error {
	return fmt.Errorf("%s is %g, want a positive number", name, v)
}
