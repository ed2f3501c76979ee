package recurrent

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "LSTMUnit",
		Group: "recurrent",
		Doc: `One time step of an LSTM: gates and cell. The matrix products must be in x already. For each unit

	c = cont σ(f) c_prev + σ(i) tanh(g)
	h = σ(o) tanh(c)

where i, f, o and g are the values of the input, forget and output gates and of the input, and σ is the
logistic function. cont = 0 begins a new sequence.

Bottoms: c_prev, 1 x N x D, the cells of N streams; x, 1 x N x 4 D: i, f, o and g one after the other;
cont, 1 x N, which has no gradient.
Tops: c and h, 1 x N x D.

There are no options. The gradient is exact if cont is 0 or 1; in between, as in Caffe, that of f is not.

Caffe: lstm_unit_layer.cpp. Its tanh is 2 σ(2 x) - 1.`,
		Bottoms: layers.Exactly(3),
		Tops:    layers.Exactly(2),
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &lstmUnit{spec: s}, nil
		},
		Kernels: kernels,
	})
}

// lstmUnit implements the layer type; its registration describes it.
type lstmUnit struct {
	layers.OnRecordableDevice
	spec *layers.Spec
	cell cell
	acts blob.Blob // (n,4d), kept for Backward

	unwanted [2]blob.Blob // receive the diffs of bottoms that are not propagated to
}

var (
	_ layers.Layer          = (*lstmUnit)(nil)
	_ layers.BackwardForcer = (*lstmUnit)(nil)
)

// AllowForceBackward reports whether bottom i has a gradient: cont has none.
func (l *lstmUnit) AllowForceBackward(i int) bool { return i != 2 }

// SetUp does nothing: there are no weights.
func (l *lstmUnit) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape checks the shapes.
func (l *lstmUnit) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	prev := bottom[0]
	if prev.Axes() != 3 || prev.Dim(0) != 1 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("bottom 0, the cells, has shape %v, want [1 N D]: a single time step", prev.Shape()))
	}
	n, d := prev.Dim(1), prev.Dim(2)
	if x := bottom[1]; x.Axes() != 3 || x.Dim(0) != 1 || x.Dim(1) != n || x.Dim(2) != 4*d {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("bottom 1 has shape %v, want [1 %d %d], since the cells have shape %v", x.Shape(), n, 4*d, prev.Shape()))
	}
	if cont := bottom[2]; cont.Axes() != 2 || cont.Dim(0) != 1 || cont.Dim(1) != n {
		return l.spec.ErrorAt("bottom", 2, fmt.Errorf("bottom 2 has shape %v, want [1 %d], since the cells have shape %v", cont.Shape(), n, prev.Shape()))
	}
	l.cell.n, l.cell.d = n, d
	if err := l.acts.ReshapeLike(bottom[1]); err != nil {
		return err
	}
	for i := range l.unwanted {
		if err := l.unwanted[i].ReshapeLike(bottom[i]); err != nil {
			return err
		}
	}
	for _, y := range top {
		if err := y.ReshapeLike(prev); err != nil {
			return err
		}
	}
	return nil
}

// Forward computes the tops.
func (l *lstmUnit) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	a := l.cell
	a.prev, a.x, a.cont = bottom[0].Data(), bottom[1].Data(), bottom[2].Data()
	a.acts, a.c, a.h = l.acts.MutableData(), top[0].MutableData(), top[1].MutableData()
	a.forward(l.spec.Env.Workers)
	return nil
}

// Backward computes the diffs of the cells and of x, always both.
func (l *lstmUnit) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] && !propagateDown[1] {
		return nil
	}
	a := l.cell
	a.prev, a.acts, a.c, a.dc, a.dh = bottom[0].Data(), l.acts.Data(), top[0].Data(), top[0].Diff(), top[1].Diff()
	a.dprev, a.dx = l.diff(0, propagateDown, bottom).MutableDiff(), l.diff(1, propagateDown, bottom).MutableDiff()
	a.backward(l.spec.Env.Workers)
	return nil
}

// diff returns the blob that receives the diff of bottom i.
func (l *lstmUnit) diff(i int, propagateDown []bool, bottom []*blob.Blob) *blob.Blob {
	if propagateDown[i] {
		return bottom[i]
	}
	return &l.unwanted[i]
}
