package loss

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type:    "InfogainLoss",
		Group:   "loss",
		Param:   "infogain_loss_param",
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Between(1, 2),
		Loss:    true,
		New:     newInfogainLoss,
		Kernels: infogainLossKernels,
		Doc: `Cross-entropy of the softmax of scores x, weighted by the row of a matrix H for the true class t:

	p = exp(x) / sum of exp(x) over the classes
	E = 1/M sum over positions and classes c of -H[t,c] log(max(p[c], 1e-20))

With the identity matrix it is SoftmaxWithLoss; a diagonal matrix weights the classes.

Bottoms: scores, outer x classes x inner elements (for axis 1: items x classes x positions);
labels 0 to classes-1, one for each item and position; optionally H, classes x classes elements. Labels and H
have no gradient.
Tops: the loss, a scalar; optionally p, in the shape of the scores. No gradient flows back through p.

infogain_loss_param:
	source: the file with H, a BlobProto message; required if there is no third bottom
	axis (1): the axis of the classes; a negative one counts from the last
loss_param:
	normalization (VALID): M. FULL: all labels. VALID: labels that are not ignored. BATCH_SIZE: items.
		NONE: 1. M is at least 1.
	ignore_label (none): items and positions with this label do not count
	normalize: an error, as in Caffe: use normalization
softmax_param:
	normalize_type (Softmax): must be Softmax (NormFace)

Caffe: infogain_loss_layer.cpp`,
	})
}

// infogainLoss implements the layer type; its registration describes it.
type infogainLoss struct {
	softmaxLabels
	source string
	matrix blob.Blob // H, unless it is a bottom
	rows   blob.Blob // the sum of each row of H

	// Arguments of the loops: the classes of the places, -1 if ignored; the probabilities,
	// the matrix and the sums of its rows; the diff of the scores, and the loss weight
	// over the normalizer.
	class         []int32
	p, h, rowSums []float32
	diff          []float32
	weight        float32
	sum           parallel.SumLoop
	grad          parallel.Range

	terms blob.Blob // of the loss on a device, one for each place
}

var (
	_ layers.Layer          = (*infogainLoss)(nil)
	_ layers.BackwardReader = (*infogainLoss)(nil)
	_ layers.BackwardForcer = (*infogainLoss)(nil)
)

func newInfogainLoss(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetInfogainLossParam()
	common, err := newSoftmaxLabels(spec, layers.NewCrossEntropy, "infogain_loss_param.axis", p.GetAxis())
	if err != nil {
		return nil, err
	}
	if loss := spec.Param.GetLossParam(); loss != nil && loss.Normalize != nil {
		return nil, spec.Errorf("loss_param.normalize", "InfogainLoss has no option normalize: use normalization")
	}
	l := &infogainLoss{softmaxLabels: common, source: p.GetSource()}
	if len(spec.Param.GetBottom()) < 3 && l.source == "" {
		return nil, spec.Errorf("infogain_loss_param", "the matrix is missing: give its file as source, or a third bottom")
	}
	l.sum.Body, l.grad.Body = l.losses, l.gradients
	return l, nil
}

// SetUp reads the matrix.
func (l *infogainLoss) SetUp(bottom, _ []*blob.Blob) error {
	if len(bottom) > 2 {
		return nil
	}
	if err := l.read(); err != nil {
		return l.spec.ErrorAt("infogain_loss_param.source", 0, err)
	}
	return nil
}

// read reads the matrix from the source.
func (l *infogainLoss) read() error {
	file, err := os.ReadFile(l.source)
	if err != nil {
		return err
	}
	var p caffepb.BlobProto
	if proto.Unmarshal(file, &p) != nil {
		return fmt.Errorf("%s is not a BlobProto message", l.source)
	}
	if err := l.matrix.FromProto(&p, true); err != nil {
		return fmt.Errorf("%s: %w", l.source, err)
	}
	return nil
}

func (l *infogainLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.softmaxLabels.Reshape(bottom, top); err != nil {
		return err
	}
	classes := l.labels.Classes
	if h := l.matrixOf(bottom); h.Count() != classes*classes {
		field, index := "infogain_loss_param.source", 0
		if len(bottom) > 2 {
			field, index = "bottom", 2
		}
		return l.spec.ErrorAt(field, index, fmt.Errorf("the matrix has shape %v, want %d x %d elements for %d classes", h.Shape(), classes, classes, classes))
	}
	return errors.Join(l.rows.Reshape(classes), l.terms.ReshapeLike(bottom[1]))
}

// matrixOf returns the blob of H.
func (l *infogainLoss) matrixOf(bottom []*blob.Blob) *blob.Blob {
	if len(bottom) > 2 {
		return bottom[2]
	}
	return &l.matrix
}

func (l *infogainLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.class, l.p, err = l.begin(bottom); err != nil {
		return err
	}
	l.h = l.matrixOf(bottom).Data()
	sum := l.sum.Run(l.spec.Env.Workers, len(l.class), step(l.labels.Classes))
	return l.end(sum/float64(l.loss.Normalizer()), top)
}

// at returns the index of the score of a place for class 0. The scores for the other
// classes follow at steps of labels.Inner.
func (l *infogainLoss) at(place int) int {
	inner := l.labels.Inner
	return place/inner*l.labels.Classes*inner + place%inner
}

// losses returns the loss of some places.
func (l *infogainLoss) losses(lo, hi int) float64 {
	classes, inner := l.labels.Classes, l.labels.Inner
	var sum float64
	for place := lo; place < hi; place++ {
		if l.class[place] < 0 {
			continue
		}
		at := l.at(place)
		for k, h := range l.h[int(l.class[place])*classes:][:classes] {
			if h != 0 {
				sum -= float64(h) * math.Log(max(float64(l.p[at+k*inner]), leastProbability))
			}
		}
	}
	return sum
}

func (l *infogainLoss) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	l.p, l.diff, l.weight = l.prob.Data(), bottom[0].MutableDiff(), top[0].Diff()[0]/l.loss.Normalizer()
	l.h, l.rowSums = l.matrixOf(bottom).Data(), l.rows.MutableData()
	classes := l.labels.Classes
	for k := range l.rowSums {
		l.rowSums[k] = float32(kernel.Sum(nil, l.h[k*classes:][:classes]))
	}
	l.grad.Run(l.spec.Env.Workers, len(l.class), step(classes))
	return nil
}

// gradients computes the diff of the scores of some places: weight (p[c] sum of H[t] -
// H[t,c]).
func (l *infogainLoss) gradients(lo, hi int) {
	classes, inner := l.labels.Classes, l.labels.Inner
	for place := lo; place < hi; place++ {
		at, t := l.at(place), int(l.class[place])
		for k := range classes {
			if i := at + k*inner; t < 0 {
				l.diff[i] = 0
			} else {
				l.diff[i] = (l.p[i]*l.rowSums[t] - l.h[t*classes+k]) * l.weight
			}
		}
	}
}
