package ocr

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "CTCLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "ctc_loss_param",
			Number:  148,
			Proto:   layers.Schema(schemas, "ctc_loss.proto"),
			Message: "CTCLossParameter",
		},
		Bottoms: layers.Exactly(3),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newCTCLoss,
		Doc: `Connectionist temporal classification: the loss of labels that are in order, but at unknown steps. p is the sum
of the probabilities of all paths that yield a sequence's labels; a path has a class for each step, and yields its
labels without the blanks, where equal neighbors are one label. The probabilities are the softmax of the scores.

	E = 1/N sum of -log(p)

Bottoms: scores, T x N x C: steps, sequences, classes; markers, T x N: a sequence ends before the first 0 after step 0;
labels, T x N: those of a sequence end before the first negative number. Only scores have a gradient. A sequence of one
step without labels is empty: its loss and gradient are 0.
Top: the loss, a scalar.

ctc_loss_param:
	output_delay (0): steps at the start of a sequence that are not used
	blank_index (-1): the class of blanks, -1 for the last
	preprocess_collapse_repeated (false): leave out labels that repeat the one before
	ctc_merge_repeated (true): false counts paths only in which each label lasts for one step; then equal
	neighbors are two labels
	loss_calculation_t (0): without effect

As in the source, the gradient is that of the sum: it is not divided by N, nor multiplied by the loss weight. If no path
yields the labels, the loss is infinite and the gradient is the softmax. A label that is the blank or no class ends the
sequence. With --gpu the layer runs on the host.

Source: github.com/BVLC/caffe, pull request 4681, ctc_loss_layer.cpp; Graves, Supervised Sequence Labelling with
Recurrent Neural Networks, chapter 7.`,
	})
}

// ctcLoss implements the layer type; its registration describes it.
type ctcLoss struct {
	sequences
	options struct {
		Delay    int  `proto:"output_delay"`
		Blank    int  `proto:"blank_index"`
		Collapse bool `proto:"preprocess_collapse_repeated"`
		Merge    bool `proto:"ctc_merge_repeated"`
	}
	each     []ctcSequence
	forward  parallel.Loop[ctcArgs]
	backward parallel.Loop[ctcArgs]
}

type ctcArgs struct{ scores, markers, labels, diff []float32 }

// ctcSequence is what one sequence keeps for Backward.
type ctcSequence struct {
	err         error
	steps       int       // without the delay; 0 if the sequence is empty
	path        []int     // the labels, with blanks between them and at both ends
	y           []float32 // (steps,C): the softmax
	alpha, beta []float64 // (steps,path): logarithms of Graves's variables
	logP        float64
	expected    []float64 // (C)
}

var (
	_ layers.Layer          = (*ctcLoss)(nil)
	_ layers.BackwardReader = (*ctcLoss)(nil)
	_ layers.BackwardForcer = (*ctcLoss)(nil)
)

func newCTCLoss(s *layers.Spec) (layers.Layer, error) {
	l := &ctcLoss{}
	if err := s.Options(&l.options); err != nil {
		return nil, err
	}
	if l.options.Delay < 0 {
		return nil, s.Errorf("ctc_loss_param.output_delay", "output_delay is %d, want 0 or more", l.options.Delay)
	}
	l.sequences = sequences{spec: s, field: "ctc_loss_param", option: l.options.Blank}
	l.init(l.read)
	return l, nil
}

// init makes the loops. read finds the steps and the path of a sequence.
func (l *ctcLoss) init(read func(e *ctcSequence, i int, a *ctcArgs) error) {
	l.forward.Body = func(a *ctcArgs, _, from, to int) {
		for i := from; i < to; i++ {
			e := &l.each[i]
			if e.err = read(e, i, a); e.err == nil && e.steps > 0 {
				l.softmax(e, i, a.scores)
				l.variables(e)
			}
		}
	}
	l.backward.Body = func(a *ctcArgs, _, from, to int) {
		for i := from; i < to; i++ {
			if l.each[i].steps > 0 {
				l.gradient(&l.each[i], i, a.diff)
			}
		}
	}
}

// AllowForceBackward reports whether bottom i has a gradient.
func (l *ctcLoss) AllowForceBackward(i int) bool { return i == 0 }

// BackwardReads returns that Backward reads only what Forward has kept.
func (l *ctcLoss) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *ctcLoss) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the bottoms.
func (l *ctcLoss) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.reshape(bottom); err != nil {
		return err
	}
	l.reserve()
	return top[0].Reshape()
}

// reserve has memory for the sequences.
func (l *ctcLoss) reserve() {
	for len(l.each) < l.n {
		l.each = append(l.each, ctcSequence{})
	}
}

// Forward computes the loss.
func (l *ctcLoss) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	loss, err := l.loss(2, ctcArgs{scores: bottom[0].Data(), markers: bottom[1].Data(), labels: bottom[2].Data()})
	top[0].MutableData()[0] = float32(loss / float64(l.n))
	return err
}

// loss returns the sum of the losses of the sequences, whose labels are in a bottom.
func (l *ctcLoss) loss(labels int, a ctcArgs) (sum float64, err error) {
	l.forward.Run(l.spec.Env.Workers, l.n, 1, a)
	for i := range l.each[:l.n] {
		if e := &l.each[i]; e.err != nil {
			return 0, l.spec.ErrorAt("bottom", labels, fmt.Errorf("sequence %d: %w", i, e.err))
		} else if e.steps > 0 {
			sum -= e.logP
		}
	}
	return sum, nil
}

var errLabelAfterEnd = errors.New("there is a label after one that is the blank or no class")

// read finds the steps and the path of sequence i.
func (l *ctcLoss) read(e *ctcSequence, i int, a *ctcArgs) error {
	steps, count := l.length(a.markers, i), l.labels(a.labels, i)
	e.steps = steps - l.options.Delay
	if count == 0 {
		if e.steps = 0; steps > 1 {
			return fmt.Errorf("there is no label for %d steps, want one", steps)
		}
		return nil
	}
	if count > e.steps {
		return fmt.Errorf("there are %d labels for %d steps, less %d of output_delay", count, steps, l.options.Delay)
	}
	e.path = append(e.path[:0], l.blank)
	ended := false
	for t := range count {
		v := a.labels[t*l.n+i]
		if t > 0 && l.options.Collapse && v == a.labels[(t-1)*l.n+i] {
			continue
		}
		label := l.c
		if v < float32(l.c) {
			label = int(v + 0.5)
		}
		switch {
		case label >= l.c || label == l.blank:
			ended = true
		case ended:
			return errLabelAfterEnd
		default:
			e.path = append(e.path, label, l.blank)
		}
	}
	return nil
}

// softmax computes y of the steps after the delay.
func (l *ctcLoss) softmax(e *ctcSequence, i int, scores []float32) {
	e.y = layers.Resize(e.y, e.steps*l.c)
	for t := range e.steps {
		x, y := scores[((t+l.options.Delay)*l.n+i)*l.c:][:l.c], e.y[t*l.c:][:l.c]
		most := x[0]
		for _, v := range x {
			most = max(most, v)
		}
		var sum float32
		for k, v := range x {
			y[k] = float32(math.Exp(float64(v - most)))
			sum += y[k]
		}
		for k := range y {
			y[k] /= sum
		}
	}
}

// logY returns the logarithm of the probability at step t of the class at place u of
// the path.
func (l *ctcLoss) logY(e *ctcSequence, t, u int) float64 {
	return math.Log(float64(e.y[t*l.c+e.path[u]]))
}

// stays reports whether a path may stay at place u, and skips whether it may go from u
// to u + 2.
func (l *ctcLoss) stays(e *ctcSequence, u int) bool {
	return l.options.Merge || e.path[u] == l.blank
}

func (l *ctcLoss) skips(e *ctcSequence, u int) bool {
	return e.path[u] != l.blank && !(l.options.Merge && e.path[u] == e.path[u+2])
}

// variables computes alpha, beta and logP, by Graves's equations 7.5 to 7.15.
func (l *ctcLoss) variables(e *ctcSequence) {
	places := len(e.path)
	e.alpha, e.beta = layers.Resize(e.alpha, e.steps*places), layers.Resize(e.beta, e.steps*places)
	for i := range e.alpha {
		e.alpha[i], e.beta[i] = math.Inf(-1), math.Inf(-1)
	}
	for u := range min(2, places) {
		e.alpha[u] = l.logY(e, 0, u)
		e.beta[e.steps*places-1-u] = 0
	}
	for t := 1; t < e.steps; t++ {
		before, now := e.alpha[(t-1)*places:t*places], e.alpha[t*places:(t+1)*places]
		for u := max(0, places-2*(e.steps-t)); u < min(places, 2*(t+1)); u++ {
			sum := math.Inf(-1)
			if l.stays(e, u) {
				sum = before[u]
			}
			if u > 0 {
				sum = logSum(sum, before[u-1])
			}
			if u > 1 && l.skips(e, u-2) {
				sum = logSum(sum, before[u-2])
			}
			now[u] = sum + l.logY(e, t, u)
		}
	}
	for t := e.steps - 2; t >= 0; t-- {
		now, after := e.beta[t*places:(t+1)*places], e.beta[(t+1)*places:(t+2)*places]
		for u := max(0, places-2*(e.steps-t)); u < min(places, 2*(t+1)); u++ {
			sum := math.Inf(-1)
			if l.stays(e, u) {
				sum = after[u] + l.logY(e, t+1, u)
			}
			if u+1 < places {
				sum = logSum(sum, after[u+1]+l.logY(e, t+1, u+1))
			}
			if u+2 < places && l.skips(e, u) {
				sum = logSum(sum, after[u+2]+l.logY(e, t+1, u+2))
			}
			now[u] = sum
		}
	}
	e.logP = math.Inf(-1)
	for u := range places {
		e.logP = logSum(e.logP, e.alpha[u]+e.beta[u])
	}
}

// logSum returns log(exp(a) + exp(b)).
func logSum(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// Backward computes the diff of the scores.
func (l *ctcLoss) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 1); err != nil || !propagateDown[0] {
		return err
	}
	diff := bottom[0].MutableDiff()
	clear(diff)
	l.backward.Run(l.spec.Env.Workers, l.n, 1, ctcArgs{diff: diff})
	return nil
}

// gradient computes the diff of sequence i: the softmax minus what is expected on the
// paths that yield the labels.
func (l *ctcLoss) gradient(e *ctcSequence, i int, diff []float32) {
	places := len(e.path)
	e.expected = layers.Resize(e.expected, l.c)
	for t := range e.steps {
		for k := range e.expected {
			e.expected[k] = math.Inf(-1)
		}
		if !math.IsInf(e.logP, -1) {
			for u, k := range e.path {
				e.expected[k] = logSum(e.expected[k], e.alpha[t*places+u]+e.beta[t*places+u])
			}
		}
		dx := diff[((t+l.options.Delay)*l.n+i)*l.c:][:l.c]
		for k, y := range e.y[t*l.c:][:l.c] {
			dx[k] = y
			if !math.IsInf(e.expected[k], -1) {
				dx[k] = float32(float64(y) - math.Exp(e.expected[k]-e.logP))
			}
		}
	}
}
