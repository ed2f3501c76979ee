// Package swishbeta is a sample of a plugin: a layer type for gocaffe in a Go
// module of its own, which uses nothing that a stranger cannot use.
package swishbeta

import (
	"context"
	_ "embed"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

//go:embed swishbeta.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:  "SwishBeta",
		Group: "activation",
		Plugin: &layers.Plugin{
			Field:   "swish_beta_param",
			Number:  424242,
			Proto:   schema,
			Message: "SwishBetaParameter",
		},
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newSwishBeta,
		Doc: `Swish, with a slope that is learned for each channel:

	s = 1/(1 + exp(-beta x))    y = x s
	dy/dx = s + y beta (1 - s)    dy/dbeta = x y (1 - s)

Bottom: x, of at least 2 axes; axis 1 is the channels.
Top: y, of the same shape, not the bottom itself.
Weights: beta, one for each channel.

swish_beta_param:
	filler (constant 1): fills beta

From: Ramachandran, Zoph, Le, "Searching for Activation Functions" (2017)`,
	})
}

// swishBeta is described by its registration.
type swishBeta struct {
	layers.Weights // Blobs[0] is beta

	spec    *layers.Spec
	filler  *caffepb.FillerParameter
	sigmoid []float32 // s, of the shape of x; Forward keeps it for Backward
}

var (
	_ layers.Layer         = (*swishBeta)(nil)
	_ layers.Parameterized = (*swishBeta)(nil)
)

func newSwishBeta(spec *layers.Spec) (layers.Layer, error) {
	var options struct {
		Filler *caffepb.FillerParameter `proto:"filler"`
	}
	if err := spec.Options(&options); err != nil {
		return nil, err
	}
	if options.Filler == nil {
		options.Filler = &caffepb.FillerParameter{Type: proto.String("constant"), Value: proto.Float32(1)}
	}
	if err := spec.CheckFiller("swish_beta_param.filler", options.Filler); err != nil {
		return nil, err
	}
	return &swishBeta{spec: spec, filler: options.Filler}, nil
}

// SetUp makes the slopes.
func (l *swishBeta) SetUp(bottom, top []*blob.Blob) error {
	if bottom[0].Axes() < 2 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want at least 2 axes", bottom[0].Shape())
	}
	beta, err := l.spec.NewParam(0, "bottom", "swish_beta_param.filler", l.filler, bottom[0].Dim(1))
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{beta}
	return nil
}

// Reshape gives the top the shape of the bottom.
func (l *swishBeta) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, channels := bottom[0], l.Blobs[0].Count()
	if x.Axes() < 2 || x.Dim(1) != channels {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d channels on axis 1", x.Shape(), channels)
	}
	if len(l.sigmoid) != x.Count() {
		l.sigmoid = make([]float32, x.Count())
	}
	return top[0].ReshapeLike(x)
}

// plane returns the channel of plane i of x, and where its numbers are.
func (l *swishBeta) plane(x *blob.Blob, i int) (channel, lo, hi int) {
	dim := x.CountFrom(2)
	return i % x.Dim(1), i * dim, (i + 1) * dim
}

// Forward computes the top.
func (l *swishBeta) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	x, beta := bottom[0].Data(), l.Blobs[0].Data()
	for i := range bottom[0].CountRange(0, 2) {
		channel, lo, hi := l.plane(bottom[0], i)
		kernel.Scale(nil, -beta[channel], x[lo:hi], l.sigmoid[lo:hi])
	}
	kernel.Exp(nil, l.sigmoid, l.sigmoid)
	for i, e := range l.sigmoid {
		l.sigmoid[i] = 1 / (1 + e)
	}
	kernel.Mul(nil, x, l.sigmoid, top[0].MutableData())
	return nil
}

// Backward adds to the diff of the slopes and computes that of the bottom.
func (l *swishBeta) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	x, y, dy, beta := bottom[0].Data(), top[0].Data(), top[0].Diff(), l.Blobs[0].Data()
	for i := range bottom[0].CountRange(0, 2) {
		channel, lo, hi := l.plane(bottom[0], i)
		if l.Needs(0) {
			var sum float64
			for k := lo; k < hi; k++ {
				sum += float64(dy[k]) * float64(x[k]*y[k]*(1-l.sigmoid[k]))
			}
			l.Blobs[0].MutableDiff()[channel] += float32(sum)
		}
		if propagateDown[0] {
			dx := bottom[0].MutableDiff()
			for k := lo; k < hi; k++ {
				dx[k] = dy[k] * (l.sigmoid[k] + beta[channel]*y[k]*(1-l.sigmoid[k]))
			}
		}
	}
	return nil
}
