package common

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Bias",
		Group: "common",
		Param: "bias_param",
		Doc: `Adds a blob, repeated over the other axes, to another one:

	y = x + b

The axes of b are those of x from axis on.

Bottoms: x. Optionally b; then num_axes and filler are not used.
Top: y, of the shape of x. It may be x itself.
Weights: b, if there is one bottom.

bias_param:
	axis (1): the axis of x to which the first axis of b corresponds; a negative one counts from the last
	num_axes (1): number of axes of b; 0 makes it a scalar, -1 takes all axes to the last
	filler (constant 0): initial b

Caffe: bias_layer.cpp`,
		Bottoms: layers.Between(1, 2),
		Tops:    layers.Exactly(1),
		New:     newBias,
		Kernels: cuda.Math,
	})
}

// bias implements the layer type; its registration describes it.
type bias struct {
	layers.OnRecordableDevice
	layers.Weights
	broadcast
	param *caffepb.BiasParameter
}

var (
	_ layers.Layer           = (*bias)(nil)
	_ layers.Parameterized   = (*bias)(nil)
	_ layers.ParamPropagator = (*bias)(nil)
	_ layers.BackwardReader  = (*bias)(nil)
	_ layers.ChannelAffine   = (*bias)(nil)
)

func newBias(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetBiasParam()
	l := &bias{param: p, broadcast: broadcast{spec: s, field: "bias_param", axis: int(p.GetAxis())}}
	if err := l.check(p.GetNumAxes()); err != nil {
		return nil, err
	}
	if err := s.CheckFiller("bias_param.filler", p.GetFiller()); err != nil {
		return nil, err
	}
	return l, nil
}

// SetUp makes a learned b.
func (l *bias) SetUp(bottom, _ []*blob.Blob) error {
	if len(bottom) > 1 {
		return nil
	}
	shape, err := l.shape(bottom[0], int(l.param.GetNumAxes()))
	if err != nil {
		return err
	}
	b, err := l.spec.NewParam(0, "bottom", "bias_param.filler", l.param.GetFiller(), shape...)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{b}
	return nil
}

// b returns the blob that is added.
func (l *bias) b(bottom []*blob.Blob) *blob.Blob {
	if len(bottom) > 1 {
		return bottom[1]
	}
	return l.Blobs[0]
}

// ChannelAffine returns b as the shift, if it has one element for each channel.
func (l *bias) ChannelAffine(n, c int) (layers.Affine, bool) {
	if len(l.Blobs) == 0 || !l.perChannel(n, c) {
		return layers.Affine{}, false // b is a bottom, or has another shape
	}
	return layers.Affine{Shift: l.Blobs[0], ShiftDiff: l.Needs(0)}, true
}

// BackwardReads returns that Backward reads no data.
func (l *bias) BackwardReads() (bottom, top bool) { return false, false }

// Reshape gives the top the shape of the bottom.
func (l *bias) Reshape(bottom, top []*blob.Blob) error {
	if err := l.fit(bottom[0], l.b(bottom)); err != nil {
		return err
	}
	return top[0].ReshapeLike(bottom[0])
}

// Forward computes the top.
func (l *bias) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	kernel.ChannelScaleShift(l.spec.Env.Workers, l.outer, l.dim, l.inner, bottom[0].Data(), nil, l.b(bottom).Data(), top[0].MutableData())
	return nil
}

// Backward computes the diffs of the bottoms or adds to that of the weights.
func (l *bias) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, dy := l.spec.Env.Workers, top[0].Diff()
	switch {
	case len(bottom) > 1 && propagateDown[1]:
		kernel.ChannelSum(w, l.outer, l.dim, l.inner, dy, bottom[1].MutableDiff())
	case len(bottom) == 1 && l.Needs(0):
		kernel.ChannelSum(w, l.outer, l.dim, l.inner, dy, l.sum)
		kernel.Axpy(nil, 1, l.sum, l.Blobs[0].MutableDiff())
	}
	if propagateDown[0] && bottom[0] != top[0] {
		kernel.Copy(w, dy, bottom[0].MutableDiff())
	}
	return nil
}
