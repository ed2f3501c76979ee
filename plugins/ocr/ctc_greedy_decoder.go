package ocr

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "CTCGreedyDecoder",
		Group: "recurrent",
		Plugin: &layers.Plugin{
			Field:   "ctc_decoder_param",
			Number:  149,
			Proto:   layers.Schema(schemas, "ctc_decoder.proto"),
			Message: "CTCDecoderParameter",
		},
		Bottoms: layers.Between(2, 3),
		Tops:    layers.Between(1, 3),
		New:     newCTCDecoder,
		Doc: `Read labels from the scores of a net that was trained with CTCLoss: the class with the largest score in each step,
the first of equal ones, without blanks and repetitions. There is no gradient.

Bottoms: scores, T x N x C: steps, sequences, classes; markers, T x N: a sequence ends before the first 0 after step 0;
optionally the right labels, T x N: those of a sequence end before the first negative number.
Tops: labels, N x T x 1 x 1, with -1 after the last of a sequence. With two bottoms a second top has the score of each
sequence, N x 1 x 1 x 1: minus the sum of the largest scores. With three bottoms a second top is the accuracy, or the
second is the score and the third the accuracy, 1 x 1 x 1 x 1: 1 minus the mean over the sequences of the edit distance
of read and right labels, divided by the number of the longer ones (0 if both have none).

ctc_decoder_param:
	blank_index (-1): the class of blanks, -1 for the last
	ctc_merge_repeated (true): a class that lasts for several steps is one label

With --gpu the layer runs on the host.

Source: github.com/BVLC/caffe, pull request 4681, ctc_decoder_layer.cpp`,
	})
}

// ctcDecoder implements the layer type; its registration describes it.
type ctcDecoder struct {
	sequences
	merge           bool
	score, accuracy int // the numbers of these tops, 0 for none
	each            []decoded
	loop            parallel.Loop[decoderArgs]
}

type decoderArgs struct{ scores, markers, labels []float32 }

// decoded is what one sequence is read as.
type decoded struct {
	read, right []int32
	row         []int // of the edit distance
	score       float32
	error       float64 // edit distance / longer length
}

var (
	_ layers.Layer          = (*ctcDecoder)(nil)
	_ layers.BackwardForcer = (*ctcDecoder)(nil)
)

func newCTCDecoder(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Blank int  `proto:"blank_index"`
		Merge bool `proto:"ctc_merge_repeated"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	l := &ctcDecoder{sequences: sequences{spec: s, field: "ctc_decoder_param", option: o.Blank}, merge: o.Merge}
	bottoms, tops := len(s.Param.GetBottom()), len(s.Param.GetTop())
	if tops > bottoms {
		return nil, s.Errorf("top", "there are %d tops, want at most 2: without labels there is no accuracy", tops)
	}
	if tops == bottoms {
		l.score = 1
	}
	if bottoms == 3 && tops > 1 {
		l.accuracy = tops - 1
	}
	l.loop.Body = func(a *decoderArgs, _, from, to int) {
		for i := from; i < to; i++ {
			l.decode(&l.each[i], i, a)
		}
	}
	return l, nil
}

// AllowForceBackward returns false: there is no gradient.
func (l *ctcDecoder) AllowForceBackward(int) bool { return false }

// SetUp does nothing.
func (l *ctcDecoder) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape sets the shapes of the tops.
func (l *ctcDecoder) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	if err := l.reshape(bottom); err != nil {
		return err
	}
	for len(l.each) < l.n {
		l.each = append(l.each, decoded{})
	}
	if l.score > 0 {
		if err := top[l.score].Reshape(l.n, 1, 1, 1); err != nil {
			return err
		}
	}
	if l.accuracy > 0 {
		if err := top[l.accuracy].Reshape(1, 1, 1, 1); err != nil {
			return err
		}
	}
	return top[0].Reshape(l.n, l.t, 1, 1)
}

// Forward computes the tops.
func (l *ctcDecoder) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	a := decoderArgs{scores: bottom[0].Data(), markers: bottom[1].Data()}
	if l.accuracy > 0 {
		a.labels = bottom[2].Data()
	}
	l.loop.Run(l.spec.Env.Workers, l.n, 1, a)
	y := top[0].MutableData()
	for i := range y {
		y[i] = -1
	}
	var wrong float64
	for i := range l.each[:l.n] {
		e := &l.each[i]
		for t, label := range e.read {
			y[i*l.t+t] = float32(label)
		}
		if l.score > 0 {
			top[l.score].MutableData()[i] = e.score
		}
		wrong += e.error
	}
	if l.accuracy > 0 {
		top[l.accuracy].MutableData()[0] = float32(1 - wrong/float64(l.n))
	}
	return nil
}

// decode reads sequence i.
func (l *ctcDecoder) decode(e *decoded, i int, a *decoderArgs) {
	e.read, e.score = e.read[:0], 0
	last := -1
	for t := range l.length(a.markers, i) {
		x := a.scores[(t*l.n+i)*l.c:][:l.c]
		best := 0
		for k, v := range x {
			if v > x[best] {
				best = k
			}
		}
		e.score -= x[best]
		if best != l.blank && !(l.merge && best == last) {
			e.read = append(e.read, int32(best))
		}
		last = best
	}
	if a.labels == nil {
		return
	}
	e.right = e.right[:0]
	for t := range l.labels(a.labels, i) {
		e.right = append(e.right, int32(a.labels[t*l.n+i]+0.5))
	}
	e.error = 0
	if longer := max(len(e.read), len(e.right)); longer > 0 {
		e.error = float64(e.distance()) / float64(longer)
	}
}

// distance returns the number of labels to insert, delete or replace to make right of
// read.
func (e *decoded) distance() int {
	e.row = layers.Resize(e.row, len(e.right)+1)
	for j := range e.row {
		e.row[j] = j
	}
	for i, read := range e.read {
		diagonal := e.row[0]
		e.row[0] = i + 1
		for j, right := range e.right {
			replaced := diagonal
			if read != right {
				replaced++
			}
			diagonal = e.row[j+1]
			e.row[j+1] = min(replaced, e.row[j]+1, diagonal+1)
		}
	}
	return e.row[len(e.right)]
}

// Backward does nothing: there is no gradient.
func (l *ctcDecoder) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return l.spec.NoGradient(propagateDown, 0)
}
