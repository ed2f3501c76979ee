package gocaffecmd

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
)

// A classifier is a pair of blobs of a net, scores of classes and labels, with
// their data in the last pass.
type classifier struct {
	score, label string // names of blobs
	axis         int    // of the classes; a negative one counts from the last
	ignore       *int32 // ignore_label, if there is one

	shape          []int // of the scores
	scores, labels []float32
}

// newClassifier finds the classifier of a net: the scores that SoftmaxWithLoss,
// Accuracy, HingeLoss or a plugin's loss compares with labels. The softmax of a
// blob counts as that blob. If there are several, only is the name of the blob to
// use; otherwise it is "".
func newClassifier(n *net.Net, only string) (*classifier, error) {
	origin := make(map[string]string) // bottom of the Split, by top
	name := func(blob string) string {
		if from, ok := origin[blob]; ok {
			return from
		}
		return blob
	}
	softmaxOf := make(map[string]classifier)
	var found []*classifier
	for _, l := range n.Layers() {
		switch l.Type {
		case "Split":
			for _, top := range l.TopNames {
				origin[top] = name(l.BottomNames[0])
			}
		case "Softmax":
			softmaxOf[l.TopNames[0]] = classifier{score: name(l.BottomNames[0]), axis: int(l.Param.GetSoftmaxParam().GetAxis())}
		}
		c := classifierOf(l)
		if c == nil {
			continue
		}
		c.score, c.label = name(c.score), name(c.label)
		if s, ok := softmaxOf[c.score]; ok && c.score != only {
			c.score, c.axis = s.score, s.axis
		}
		if only != "" && c.score != only {
			continue
		}
		i := slices.IndexFunc(found, func(o *classifier) bool { return o.score == c.score && o.label == c.label })
		switch {
		case i < 0:
			found = append(found, c)
		case found[i].ignore == nil:
			found[i].ignore = c.ignore
		}
	}
	switch {
	case len(found) == 1:
		c := found[0]
		if _, err := n.Blob(c.score).Axis(c.axis); err != nil {
			return nil, fmt.Errorf("the scores %q: %w", c.score, err)
		}
		return c, nil
	case len(found) == 0 && only != "":
		return nil, fmt.Errorf("--scores %s: no loss or Accuracy compares that blob with labels", only)
	case len(found) == 0:
		return nil, errors.New("the net has no classifier in phase TEST: no SoftmaxWithLoss, Accuracy or HingeLoss, and no plugin's loss with scores")
	}
	var names []string
	for _, c := range found {
		names = append(names, fmt.Sprintf("%s (labels %s)", c.score, c.label))
	}
	return nil, fmt.Errorf("the net has %d classifiers: %s; choose one with --scores NAME", len(found), strings.Join(names, ", "))
}

// classifierOf returns the classifier that a layer reads, or nil.
func classifierOf(l *net.Layer) *classifier {
	if scorer, ok := l.Impl.(layers.Scorer); ok && len(l.BottomNames) > 1 {
		top, axis := scorer.ScoreTop()
		return &classifier{score: l.TopNames[top], label: l.BottomNames[1], axis: axis, ignore: ignoredBy(l.Param)}
	}
	switch l.Type {
	case "SoftmaxWithLoss":
		return &classifier{score: l.BottomNames[0], label: l.BottomNames[1], axis: int(l.Param.GetSoftmaxParam().GetAxis()), ignore: ignoredBy(l.Param)}
	case "Accuracy":
		if l.Param.GetAccuracyParam().GetMinIsBetter() {
			return nil // distances, not scores
		}
		return &classifier{score: l.BottomNames[0], label: l.BottomNames[1], axis: int(l.Param.GetAccuracyParam().GetAxis()), ignore: ignoredBy(l.Param)}
	case "HingeLoss":
		return &classifier{score: l.BottomNames[0], label: l.BottomNames[1], axis: 1}
	}
	return nil
}

// ignoredBy returns the ignore_label of a loss or Accuracy, or nil.
func ignoredBy(p *caffepb.LayerParameter) *int32 {
	if a := p.GetAccuracyParam(); p.GetType() == "Accuracy" && a != nil {
		return a.IgnoreLabel
	}
	if l := p.GetLossParam(); l != nil {
		return l.IgnoreLabel
	}
	return nil
}

// look keeps the scores and labels if they are tops of a layer that has just
// run. If several layers have a top of that name, the last one counts.
func (c *classifier) look(l *net.Layer) {
	for j, top := range l.TopNames {
		if top == c.score {
			c.shape = append(c.shape[:0], l.Tops[j].Shape()...)
			c.scores = append(c.scores[:0], l.Tops[j].Data()...)
		}
		if top == c.label {
			c.labels = append(c.labels[:0], l.Tops[j].Data()...)
		}
	}
}

// classes returns the number of classes and the stride between their scores at one
// place.
func (c *classifier) classes() (classes, inner int) {
	axis := c.axis
	if axis < 0 {
		axis += len(c.shape)
	}
	inner = 1
	for _, n := range c.shape[axis+1:] {
		inner *= n
	}
	return c.shape[axis], inner
}

// place copies the scores of a place, which is an item or a position in an item,
// to dst, which has one element per class. NaN is an error.
func (c *classifier) place(i int, dst []float64) error {
	classes, inner := c.classes()
	first := i/inner*classes*inner + i%inner
	for k := range dst {
		v := c.scores[first+k*inner]
		if v != v {
			return fmt.Errorf("a score of %q is NaN: the net has diverged", c.score)
		}
		dst[k] = float64(v)
	}
	return nil
}

// class returns the class of a place, or -1 if its label is ignored. It truncates
// fractions, as Caffe does.
func (c *classifier) class(i, classes int) (int, error) {
	v := c.labels[i]
	whole := v >= -1<<31 && v < 1<<31 // false for NaN
	switch {
	case whole && c.ignore != nil && int32(v) == *c.ignore:
		return -1, nil
	case !whole || int32(v) < 0 || int(v) >= classes:
		return 0, fmt.Errorf("label %v of %q is out of range, there are %d classes", v, c.label, classes)
	}
	return int(v), nil
}

// softmax turns scores into probabilities.
func softmax(x []float64) {
	most, sum := slices.Max(x), 0.0
	for i, v := range x {
		x[i] = math.Exp(v - most)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}
