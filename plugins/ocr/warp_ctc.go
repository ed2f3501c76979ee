package ocr

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "CtcLoss",
		Group: "loss",
		Plugin: &layers.Plugin{
			Field:   "ctc_loss_param",
			Number:  150,
			Proto:   layers.Schema(schemas, "warp_ctc.proto"),
			Message: "CtcLossParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		Loss:    true,
		New:     newWarpCTC,
		Doc: `Connectionist temporal classification by WarpCTC: the loss of CTCLoss for sequences of equal length, whose labels
stand in rows.

	E = 1/N sum of -log(p)

Bottoms: scores, T x N x alphabet_size: steps, sequences, classes; labels, N x L: those of a sequence, without the
blanks, wherever these stand. Only scores have a gradient.
Top: the loss, a scalar.

ctc_loss_param:
	alphabet_size: number of classes, that of blanks among them
	time_step: number of steps, at most T; later ones do not count
	blank_label (0): the class of blanks

As in the source, the gradient is that of the sum: it is not divided by N. A sequence whose labels need more steps than
there are (one for each, and one between equal neighbors) adds nothing to the loss and the gradient. With --gpu the
layer runs on the host.

Source: github.com/xmfbit/warpctc-caffe and github.com/yalecyu/crnn.caffe, ctc_loss_layer.cpp;
github.com/baidu-research/warp-ctc.`,
	})
}

// warpCTC implements the layer type; its registration describes it.
type warpCTC struct {
	ctcLoss
	classes, steps int
	row            int // labels of a sequence
}

var (
	_ layers.Layer          = (*warpCTC)(nil)
	_ layers.BackwardReader = (*warpCTC)(nil)
	_ layers.BackwardForcer = (*warpCTC)(nil)
)

func newWarpCTC(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Classes int `proto:"alphabet_size"`
		Steps   int `proto:"time_step"`
		Blank   int `proto:"blank_label"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	const field = "ctc_loss_param"
	if o.Classes < 1 {
		return nil, s.Errorf(field+".alphabet_size", "alphabet_size is %d, want 1 or more", o.Classes)
	}
	if o.Steps < 1 {
		return nil, s.Errorf(field+".time_step", "time_step is %d, want 1 or more", o.Steps)
	}
	if o.Blank < 0 || o.Blank >= o.Classes {
		return nil, s.Errorf(field+".blank_label", "blank_label is %d, want 0 to %d", o.Blank, o.Classes-1)
	}
	l := &warpCTC{classes: o.Classes, steps: o.Steps}
	l.sequences = sequences{spec: s, field: field, blank: o.Blank}
	l.options.Merge = true
	l.init(l.read)
	return l, nil
}

// Reshape checks the bottoms.
func (l *warpCTC) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, labels := bottom[0], bottom[1]
	if x.Axes() < 3 || x.CountFrom(3) != 1 || x.Dim(1) == 0 || x.Dim(0) < l.steps || x.Dim(2) != l.classes {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0 has shape %v, want steps x sequences x %d with %d steps or more", x.Shape(), l.classes, l.steps))
	}
	l.t, l.n, l.c = x.Dim(0), x.Dim(1), x.Dim(2)
	if labels.Axes() < 2 || labels.Dim(0) != l.n {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("bottom 1, the labels, has shape %v, want %d rows", labels.Shape(), l.n))
	}
	l.row = labels.CountFrom(1)
	l.reserve()
	return top[0].Reshape()
}

// read finds the steps and the path of sequence i. Without steps, its labels do not fit.
func (l *warpCTC) read(e *ctcSequence, i int, a *ctcArgs) error {
	e.steps = l.steps
	e.path = append(e.path[:0], l.blank)
	needed := 0
	for _, v := range a.labels[i*l.row:][:l.row] {
		if !(v >= 0 && v < float32(l.c)) {
			return fmt.Errorf("a label is %g, want 0 to %d", v, l.c-1)
		}
		label := int(v)
		if label == l.blank {
			continue
		}
		if needed++; len(e.path) > 1 && e.path[len(e.path)-2] == label {
			needed++
		}
		e.path = append(e.path, label, l.blank)
	}
	if needed > l.steps {
		e.steps = 0
	}
	return nil
}

// Forward computes the loss.
func (l *warpCTC) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	loss, err := l.loss(1, ctcArgs{scores: bottom[0].Data(), labels: bottom[1].Data()})
	top[0].MutableData()[0] = float32(loss / float64(l.n))
	if err == nil && !l.labelled() {
		err = l.spec.ErrorAt("bottom", 1, fmt.Errorf("all labels are %d, the blank", l.blank))
	}
	return err
}

// labelled reports whether any sequence has a label.
func (l *warpCTC) labelled() bool {
	for i := range l.each[:l.n] {
		if len(l.each[i].path) > 1 {
			return true
		}
	}
	return false
}

// Backward computes the diff of the scores.
func (l *warpCTC) Backward(ctx context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if err := l.ctcLoss.Backward(ctx, top, propagateDown, bottom); err != nil || !propagateDown[0] {
		return err
	}
	diff := bottom[0].MutableDiff()
	kernel.Scale(l.spec.Env.Workers, top[0].Diff()[0], diff, diff)
	return nil
}
