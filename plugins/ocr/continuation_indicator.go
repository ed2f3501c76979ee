package ocr

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ContinuationIndicator",
		Group: "utility",
		Plugin: &layers.Plugin{
			Field:   "continuation_indicator_param",
			Number:  151,
			Proto:   layers.Schema(schemas, "continuation_indicator.proto"),
			Message: "ContinuationIndicatorParameter",
		},
		Bottoms: layers.Exactly(0),
		Tops:    layers.Exactly(1),
		New:     newContinuationIndicator,
		Doc: `The second bottom of an LSTM or RNN whose sequences all begin with the pass: 0 in the first step, 1 in the others.

Top: time_step x batch_size.

continuation_indicator_param:
	time_step: number of steps
	batch_size: number of sequences

Source: github.com/xmfbit/warpctc-caffe and github.com/yalecyu/crnn.caffe, continuation_indicator_layer.cpp`,
	})
}

// continuationIndicator implements the layer type; its registration describes it.
type continuationIndicator struct {
	layers.NoBottoms
	spec             *layers.Spec
	steps, sequences int
}

var _ layers.Layer = (*continuationIndicator)(nil)

func newContinuationIndicator(s *layers.Spec) (layers.Layer, error) {
	var o struct {
		Steps     int `proto:"time_step"`
		Sequences int `proto:"batch_size"`
	}
	if err := s.Options(&o); err != nil {
		return nil, err
	}
	const field = "continuation_indicator_param"
	if o.Steps < 1 {
		return nil, s.Errorf(field+".time_step", "time_step is %d, want 1 or more", o.Steps)
	}
	if o.Sequences < 1 {
		return nil, s.Errorf(field+".batch_size", "batch_size is %d, want 1 or more", o.Sequences)
	}
	return &continuationIndicator{spec: s, steps: o.Steps, sequences: o.Sequences}, nil
}

// SetUp gives the top its shape.
func (l *continuationIndicator) SetUp(_, top []*blob.Blob) error {
	if err := top[0].Reshape(l.steps, l.sequences); err != nil {
		return l.spec.ErrorAt("continuation_indicator_param", 0, err)
	}
	return nil
}

// Forward sets the top.
func (l *continuationIndicator) Forward(_ context.Context, _, top []*blob.Blob) error {
	y := top[0].MutableData()
	clear(y[:l.sequences])
	for i := range y[l.sequences:] {
		y[l.sequences+i] = 1
	}
	return nil
}
