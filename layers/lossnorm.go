package layers

import "github.com/gocaffe/gocaffe/caffepb"

// LossNorm says what a loss is divided by: the loss_param of a layer.
type LossNorm struct {
	mode caffepb.LossParameter_NormalizationMode
}

// NewLossNorm reads loss_param. unset is the mode of a layer that does not
// give one: VALID for all of Caffe's losses but SigmoidCrossEntropyLoss. The
// old option normalize says VALID or BATCH_SIZE; it counts where normalization
// is not given, as in Caffe's softmax_loss_layer.cpp.
//
// It fails if there are weights of classes, which NewWeightedLossNorm reads.
func NewLossNorm(spec *Spec, unset caffepb.LossParameter_NormalizationMode) (LossNorm, error) {
	if err := spec.noLossWeights(); err != nil {
		return LossNorm{}, err
	}
	return newLossNorm(spec, unset)
}

// NewWeightedLossNorm reads loss_param as NewLossNorm, and the weights of classes and items, nil for none.
func NewWeightedLossNorm(spec *Spec, unset caffepb.LossParameter_NormalizationMode) (LossNorm, *LossWeights, error) {
	w, err := newLossWeights(spec)
	if err != nil {
		return LossNorm{}, nil, err
	}
	norm, err := newLossNorm(spec, unset)
	return norm, w, err
}

func newLossNorm(spec *Spec, unset caffepb.LossParameter_NormalizationMode) (LossNorm, error) {
	p := spec.Param.GetLossParam()
	mode := unset
	switch {
	case p == nil:
	case p.Normalization != nil:
		mode = p.GetNormalization()
	case p.Normalize != nil && p.GetNormalize():
		mode = caffepb.LossParameter_VALID
	case p.Normalize != nil:
		mode = caffepb.LossParameter_BATCH_SIZE
	}
	switch mode {
	case caffepb.LossParameter_FULL, caffepb.LossParameter_VALID, caffepb.LossParameter_BATCH_SIZE, caffepb.LossParameter_NONE:
		return LossNorm{mode}, nil
	}
	return LossNorm{}, spec.Errorf("loss_param.normalization", "got normalization %v, want FULL, VALID, BATCH_SIZE or NONE", mode)
}

// Normalizer returns what to divide by a sum over outer × inner places, of
// which valid are not ignored: outer × inner (FULL), valid (VALID), outer
// (BATCH_SIZE) or 1 (NONE), and never less than 1, so that a batch without a
// single label has the loss 0.
func (n LossNorm) Normalizer(outer, inner, valid int) float32 {
	switch n.mode {
	case caffepb.LossParameter_FULL:
		return float32(max(1, outer*inner))
	case caffepb.LossParameter_VALID:
		return float32(max(1, valid))
	case caffepb.LossParameter_BATCH_SIZE:
		return float32(max(1, outer))
	}
	return 1
}

// IgnoreLabel returns the label of loss_param that does not count, or nil.
func (s *Spec) IgnoreLabel() *int32 {
	if p := s.Param.GetLossParam(); p != nil {
		return p.IgnoreLabel
	}
	return nil
}
