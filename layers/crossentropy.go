package layers

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// CrossEntropy is the loss of a layer with a softmax, and its gradient:
//
//	E = 1/M Σ -w log p[t]        dE/dx = w (p - [class is t])/M
//
// where p are the probabilities of the classes, t is the true class, x are the scores,
// M is what loss_param says, and w is 1 or a weight (LossWeights). A layer makes one with NewCrossEntropy and calls
// Reshape, then in each pass Read, Forward and Backward, or the methods with Device in
// their names.
//
// The probabilities are (outer, groups, classes, inner). There are outer × inner
// labels; all groups have the same, as the classifiers of an ensemble do.
//
// It computes what Caffe's softmax_loss_layer.cpp does.
type CrossEntropy struct {
	Labels  *Labels
	norm    LossNorm
	weights *LossWeights // or nil
	groups  int

	class []int32 // of each label, -1 if it is ignored
	valid int     // labels that count
	terms blob.Blob

	sum parallel.SumLoop

	// What the loops work on: probabilities, scores, diff, and the loss weight over M.
	p, x, diff []float32
	weight     float32
}

const (
	// placesPerPart is the number of softmaxes in one part of a parallel loop.
	placesPerPart = 4096

	leastProbability = 0x1p-126 // C's FLT_MIN
)

// NewCrossEntropy reads loss_param: the normalization, which is VALID if the file does
// not say, and the label to ignore.
func NewCrossEntropy(spec *Spec) (*CrossEntropy, error) {
	norm, err := NewLossNorm(spec, caffepb.LossParameter_VALID)
	if err != nil {
		return nil, err
	}
	return newCrossEntropy(spec, norm, nil), nil
}

// NewWeightedCrossEntropy does what NewCrossEntropy does for a layer type with weights
// of classes in loss_param, and of items in the third bottom. Such a layer also calls
// Reshape of the Weights, and Read or ReadDevice at the start of each pass.
func NewWeightedCrossEntropy(spec *Spec) (*CrossEntropy, error) {
	norm, weights, err := NewWeightedLossNorm(spec, caffepb.LossParameter_VALID)
	if err != nil {
		return nil, err
	}
	return newCrossEntropy(spec, norm, weights), nil
}

func newCrossEntropy(spec *Spec, norm LossNorm, weights *LossWeights) *CrossEntropy {
	e := &CrossEntropy{Labels: NewLabels(spec, spec.IgnoreLabel()), norm: norm, weights: weights}
	e.sum.Body = e.losses
	return e
}

// Weights returns the weights, or nil if all labels count the same.
func (e *CrossEntropy) Weights() *LossWeights { return e.weights }

// Reshape takes the sizes of the probabilities and the blob of the labels, and fails
// if there are not outer × inner labels.
func (e *CrossEntropy) Reshape(labels *blob.Blob, outer, groups, classes, inner int) error {
	if err := e.Labels.Reshape(labels, outer, classes, inner); err != nil {
		return err
	}
	e.groups = groups
	return e.terms.Reshape(e.places())
}

// places returns the number of softmaxes.
func (e *CrossEntropy) places() int { return e.Labels.Outer * e.groups * e.Labels.Inner }

// Read reads the labels of a pass and returns them as Labels.Read does.
func (e *CrossEntropy) Read(labels *blob.Blob) (class []int32, err error) {
	e.class, e.valid, err = e.Labels.Read(labels)
	return e.class, err
}

// Normalizer returns M for the labels last read.
func (e *CrossEntropy) Normalizer() float32 {
	return e.norm.Normalizer(e.Labels.Outer, e.Labels.Inner, e.valid)
}

// Forward returns the loss. A probability below 2⁻¹²⁶, the least normal float32, counts
// as that, so that no place has a loss above 87.34; but if the scores are given, the
// loss of such a place is computed from them. inner must then be 1.
func (e *CrossEntropy) Forward(p *parallel.Pool, prob, scores []float32) float64 {
	e.p, e.x = prob, scores
	return e.sum.Run(p, e.places(), placesPerPart) / float64(e.Normalizer())
}

// weigh returns the loss of a place, times its weight.
func (e *CrossEntropy) weigh(loss float64, place, class int) float64 {
	if e.weights == nil {
		return loss
	}
	return loss * float64(e.weights.At(e.label(place), class))
}

// label returns the number of the label of a place.
func (e *CrossEntropy) label(place int) int {
	inner := e.Labels.Inner
	return place/inner/e.groups*inner + place%inner
}

// at returns the class of a place, and the index of its class 0; the others follow at
// steps of inner.
func (e *CrossEntropy) at(place int) (class, first int) {
	inner := e.Labels.Inner
	return int(e.class[e.label(place)]), place/inner*e.Labels.Classes*inner + place%inner
}

// losses returns the loss of some places.
func (e *CrossEntropy) losses(from, to int) float64 {
	var sum float64
	for place := from; place < to; place++ {
		class, first := e.at(place)
		if class < 0 {
			continue
		}
		p := float64(e.p[first+class*e.Labels.Inner])
		if p < leastProbability && e.x != nil {
			sum += e.weigh(crossEntropy(e.x[first:first+e.Labels.Classes], class), place, class)
			continue
		}
		sum -= e.weigh(math.Log(max(p, leastProbability)), place, class)
	}
	return sum
}

// crossEntropy returns -log softmax(x)[class], for a probability that float32 cannot
// hold.
func crossEntropy(x []float32, class int) float64 {
	most := kernel.Max(nil, x)
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - float64(most))
	}
	return math.Log(sum) + float64(most) - float64(x[class])
}

// Backward sets diff to the gradient of the loss, times weight, by the scores.
func (e *CrossEntropy) Backward(p *parallel.Pool, weight float32, prob, diff []float32) {
	e.p, e.diff, e.weight = prob, diff, weight/e.Normalizer()
	kernel.Scale(p, e.weight, prob, diff)
	subtractLoop.Run(p, e.places(), placesPerPart, e)
}

// subtractLoop turns weight·p into weight·(p - [class is true]).
var subtractLoop = parallel.Loop[*CrossEntropy]{Body: func(loss **CrossEntropy, _, from, to int) {
	e := *loss
	inner := e.Labels.Inner
	for place := from; place < to; place++ {
		class, at := e.at(place)
		if class >= 0 && e.weights != nil {
			weight := e.weight * e.weights.At(e.label(place), class)
			for c := range e.Labels.Classes {
				e.diff[at] = e.p[at] * weight
				if c == class {
					e.diff[at] = (e.p[at] - 1) * weight
				}
				at += inner
			}
			continue
		}
		if class >= 0 {
			at += class * inner
			e.diff[at] = (e.p[at] - 1) * e.weight // not diff - weight, which would lose digits
			continue
		}
		for range e.Labels.Classes {
			e.diff[at] = 0
			at += inner
		}
	}
}}
