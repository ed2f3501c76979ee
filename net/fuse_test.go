package net

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

func init() {
	layers.Register(layers.Info{
		Type: "ForeignAffine", Group: "test", Doc: "An affine map of each channel.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) { return &foreignAffine{spec: s}, nil },
	})
	layers.Register(layers.Info{
		Type: "ForeignOneItem", Group: "test", Doc: "ForeignAffine, which no other layer can compute for several items.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) { return &foreignOneItem{foreignAffine{spec: s}}, nil },
	})
	layers.Register(layers.Info{
		Type: "ForeignActivation", Group: "test", Doc: "A leaky rectifier of slope 1/4.",
		Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) { return &foreignActivation{spec: s}, nil },
	})
}

// foreignAffine is an affine map as a plugin could have it: it has the ability,
// and no layer that could take it in knows its type.
type foreignAffine struct {
	layers.Weights
	spec    *layers.Spec
	n, c, s int
	scratch []float32
	x       []float32 // the bottom, which a pass in place overwrites
}

var _ layers.ChannelAffine = (*foreignAffine)(nil)

func (l *foreignAffine) SetUp(bottom, _ []*blob.Blob) error {
	l.c = bottom[0].Dim(1)
	for i := range 2 {
		filler := &caffepb.FillerParameter{Type: proto.String("gaussian"), Mean: proto.Float32(1), Std: proto.Float32(1)}
		b, err := l.spec.NewParam(i, "", "", filler, l.c)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, b)
	}
	l.scratch = make([]float32, l.c)
	return nil
}

func (l *foreignAffine) Reshape(bottom, top []*blob.Blob) error {
	l.n, l.s = bottom[0].Num(), bottom[0].CountFrom(2)
	return top[0].ReshapeLike(bottom[0])
}

func (l *foreignAffine) ChannelAffine(n, c int) (layers.Affine, bool) {
	return layers.Affine{
		Factor: l.Blobs[0], FactorDiff: l.Needs(0),
		Shift: l.Blobs[1], ShiftDiff: l.Needs(1),
	}, n == l.n && c == l.c
}

func (l *foreignAffine) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.x = append(l.x[:0], bottom[0].Data()...)
	kernel.ChannelScaleShift(nil, l.n, l.c, l.s, l.x, l.Blobs[0].Data(), l.Blobs[1].Data(), top[0].MutableData())
	return nil
}

func (l *foreignAffine) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	dy := top[0].Diff()
	if l.Needs(0) {
		kernel.ChannelDot(nil, l.n, l.c, l.s, dy, l.x, l.scratch)
		kernel.Axpy(nil, 1, l.scratch, l.Blobs[0].MutableDiff())
	}
	if l.Needs(1) {
		kernel.ChannelSum(nil, l.n, l.c, l.s, dy, l.scratch)
		kernel.Axpy(nil, 1, l.scratch, l.Blobs[1].MutableDiff())
	}
	if propagateDown[0] {
		kernel.ChannelScaleShift(nil, l.n, l.c, l.s, dy, l.Blobs[0].Data(), nil, bottom[0].MutableDiff())
	}
	return nil
}

// foreignOneItem is a foreignAffine that is an affine map for other layers only while there is
// one item.
type foreignOneItem struct{ foreignAffine }

func (l *foreignOneItem) ChannelAffine(n, c int) (layers.Affine, bool) {
	a, ok := l.foreignAffine.ChannelAffine(n, c)
	return a, ok && n == 1
}

// foreignActivation is an activation as a plugin could have it.
type foreignActivation struct{ spec *layers.Spec }

var _ layers.Rectifier = (*foreignActivation)(nil)

func (l *foreignActivation) NegativeSlope() float32          { return 0.25 }
func (l *foreignActivation) SetUp(_, _ []*blob.Blob) error   { return nil }
func (l *foreignActivation) Reshape(b, t []*blob.Blob) error { return t[0].ReshapeLike(b[0]) }

func (l *foreignActivation) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	kernel.ReLU(nil, l.NegativeSlope(), bottom[0].Data(), top[0].MutableData())
	return nil
}

func (l *foreignActivation) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		kernel.ReLUBackward(nil, l.NegativeSlope(), bottom[0].Data(), top[0].Diff(), bottom[0].MutableDiff())
	}
	return nil
}
