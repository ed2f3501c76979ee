package rcnn

import (
	"math"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "SmoothL1LossOHEM",
		Group:   "loss",
		Param:   "loss_param",
		Extends: layers.Schema(schemas, "loss.proto"),
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Between(1, 2),
		New:     newSmoothL1LossOHEM,
		Kernels: smoothL1LossKernels,
		Doc: `Distance of two blobs, squared where it is small, and that of each item, for online hard example mining:

	E = 1/M sum of f(w (x0 - x1))      f(d) = 1/2 d^2 if |d| < 1, else |d| - 1/2

Without loss_weight its loss weight is 0, not 1 as that of other losses: write "loss_weight: 1".

Bottoms: x0 and x1, both N x C x H x W, or with fewer axes; both have a gradient. Optionally the weights w of the same
shape, without them 1; their gradient is 0. The gradient of x0 is f'(w (x0 - x1)), without the factor w, as in the
source: that makes a difference for weights that are neither 0 nor 1.
Tops: E, a scalar; optionally the sums over the channels, N x 1 x H x W, which have no gradient.

loss_param:
	normalization (VALID): M. FULL and VALID: N H W. BATCH_SIZE: N. NONE: 1. PRE_FIXED: pre_fixed_normalizer. M is at
	least 1
	pre_fixed_normalizer (1): M of PRE_FIXED
	normalize (none): old form of normalization; true means VALID, false BATCH_SIZE
	ignore_label: not used, as in the source
	weight_by_label_freqs, class_weighting: must not be set

Source: github.com/intel/caffe, smooth_L1_loss_ohem_layer.cpp; github.com/daijifeng001/caffe-rfcn (branch r-fcn), whose
name for it is SmoothL1Loss`,
	})
}

func newSmoothL1LossOHEM(s *layers.Spec) (layers.Layer, error) {
	norm, err := newLossNorm(s)
	if err != nil {
		return nil, err
	}
	return &smoothL1Loss{spec: s, sigma2: 1, ohem: true, norm: norm}, nil
}

// A lossNorm is what R-FCN's losses are divided by.
type lossNorm struct {
	layers.LossNorm
	fixed float32 // of PRE_FIXED, or 0
}

// newLossNorm reads loss_param. For PRE_FIXED the layer's own loss_param says NONE.
func newLossNorm(s *layers.Spec) (lossNorm, error) {
	var n lossNorm
	var o struct {
		Mode  string  `proto:"normalization"`
		Fixed float32 `proto:"pre_fixed_normalizer"`
	}
	given, err := s.OptionsIn("loss_param", &o)
	if err != nil {
		return n, err
	}
	if given && o.Mode == "PRE_FIXED" {
		if !(o.Fixed > 0 && o.Fixed <= math.MaxFloat32) {
			return n, s.Errorf("loss_param.pre_fixed_normalizer", "pre_fixed_normalizer is %v, want a positive number", o.Fixed)
		}
		n.fixed = max(1, o.Fixed)
		s.Param.LossParam.Normalization = caffepb.LossParameter_NONE.Enum()
	}
	n.LossNorm, err = layers.NewLossNorm(s, caffepb.LossParameter_VALID)
	return n, err
}

// normalizer returns M for outer items of inner places, all of which count.
func (n lossNorm) normalizer(outer, inner int) float32 {
	if n.fixed > 0 {
		return n.fixed
	}
	return n.Normalizer(outer, inner, outer*inner)
}
