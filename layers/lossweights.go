package layers

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
)

// LossWeights are factors of the terms of a loss and of their gradients: a weight for
// each class, which loss_param.class_weighting has, and one for each label or item,
// which the third bottom has. What the loss is divided by does not depend on them.
//
// The class weights are those of SegNet's softmax_loss_layer.cpp.
type LossWeights struct {
	spec    *Spec
	classes []float32 // one for each class, or nil
	device  blob.Blob // the same for a device

	bottom *blob.Blob // the third, of a pass on a device, or nil
	items  []float32  // its data, of a pass on the host: one for every per labels
	per    int        // 0 if there is no third bottom
}

// newLossWeights reads the options, and returns nil if all terms count the same. Layer
// types that use it take two or three bottoms.
func newLossWeights(spec *Spec) (*LossWeights, error) {
	p := spec.Param.GetLossParam()
	w := &LossWeights{spec: spec}
	for i, v := range p.GetClassWeighting() {
		if !(v >= 0 && v <= math.MaxFloat32) {
			return nil, spec.ErrorAt("loss_param.class_weighting", i, fmt.Errorf("class_weighting is %g, want 0 or more", v))
		}
	}
	switch n := len(p.GetClassWeighting()); {
	case p.GetWeightByLabelFreqs() && n == 0:
		return nil, spec.Errorf("loss_param.weight_by_label_freqs", "weight_by_label_freqs is true and class_weighting is missing, want a weight for each class")
	case n > 0 && p.WeightByLabelFreqs == nil:
		return nil, spec.Errorf("loss_param.class_weighting", "class_weighting has no effect without weight_by_label_freqs: true; write that, or false to train without weights")
	case p.GetWeightByLabelFreqs():
		w.classes = p.ClassWeighting
		if err := w.device.Reshape(n); err != nil {
			return nil, err
		}
		copy(w.device.MutableData(), w.classes)
	case len(spec.Param.GetBottom()) < 3:
		return nil, nil
	}
	return w, nil
}

// noLossWeights returns an error if there are options that newLossWeights would read.
func (s *Spec) noLossWeights() error {
	p := s.Param.GetLossParam()
	if p.GetWeightByLabelFreqs() || len(p.GetClassWeighting()) > 0 && p.WeightByLabelFreqs == nil {
		return s.Errorf("loss_param.class_weighting", "layers of type %s have no weights of classes: SoftmaxWithLoss and SigmoidCrossEntropyLoss have",
			s.Param.GetType())
	}
	return nil
}

// Reshape takes the bottoms, and the numbers of classes and of labels. It fails if the
// weights do not fit them.
func (w *LossWeights) Reshape(bottom []*blob.Blob, classes, labels int) error {
	if w == nil {
		return nil
	}
	if w.classes != nil && len(w.classes) != classes {
		return w.spec.Errorf("loss_param.class_weighting", "there are %d class_weighting, want %d, one for each class", len(w.classes), classes)
	}
	w.per = 0
	if len(bottom) < 3 {
		return nil
	}
	switch n, items := bottom[2].Count(), bottom[0].Dim(0); n {
	case labels:
		w.per = 1
	case items:
		w.per = max(1, labels/max(1, items))
	default:
		return w.spec.ErrorAt("bottom", 2, fmt.Errorf("got weights of shape %v, which are %d, want %d, one for each label, or %d, one for each item",
			bottom[2].Shape(), n, labels, items))
	}
	return nil
}

// Read takes the third bottom, if there is one, at the start of a pass on the host.
func (w *LossWeights) Read(bottom []*blob.Blob) {
	if w != nil && w.per > 0 {
		w.items = bottom[2].Data()
	}
}

// At returns the weight of a label of a class.
func (w *LossWeights) At(label, class int) float32 {
	weight := float32(1)
	if w.classes != nil {
		weight = w.classes[class]
	}
	if w.per > 0 {
		weight *= w.items[label/w.per]
	}
	return weight
}
