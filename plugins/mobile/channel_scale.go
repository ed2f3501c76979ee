package mobile

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "ChannelScale",
		Group: "utility",
		Plugin: &layers.Plugin{
			Field:   "channel_scale_param",
			Proto:   layers.Schema(schemas, "channel_scale.proto"),
			Message: "ChannelScaleParameter",
		},
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(1),
		New:     newChannelScale,
		Kernels: mobileKernels,
		Doc: `Scale all channels at a place by one number, such as a norm that was divided out before:

	y[n,c,s] = a[n,s] x[n,c,s]

Bottoms: x, N x C x any further axes; a, one element for each item and place of x. Both have a gradient.
Top: y, of the shape of x.

channel_scale_param:
	do_forward (true): whether the forward pass scales; false: y is x
	do_backward_feature (true): whether the gradient of x is that of y times a; false: that of y
	do_backward_scale (true): whether a gets its gradient; false: 0

Source: github.com/happynear/AMSoftmax and caffe-windows, channel_scale_layer.cpp. Differs from it: the
options hold on a GPU too, and global_scale, which only its CPU code has, is not supported.`,
	})
}

// channelScale implements the layer type; its registration describes it.
type channelScale struct {
	layers.OnRecordableDevice
	spec    *layers.Spec
	options channelScaleOptions

	n, c, s int
}

type channelScaleOptions struct {
	Forward         bool `proto:"do_forward"`
	BackwardFeature bool `proto:"do_backward_feature"`
	BackwardScale   bool `proto:"do_backward_scale"`
}

var _ layers.Layer = (*channelScale)(nil)

func newChannelScale(s *layers.Spec) (layers.Layer, error) {
	l := &channelScale{spec: s}
	return l, s.Options(&l.options)
}

// SetUp does nothing.
func (l *channelScale) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of the first bottom.
func (l *channelScale) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, a := bottom[0], bottom[1]
	if x.Axes() < 2 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("the bottom has shape %v, want two axes or more", x.Shape()))
	}
	l.n, l.c, l.s = x.Dim(0), x.Dim(1), x.CountFrom(2)
	if a.Num() != l.n || a.Count() != l.n*l.s {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("got bottoms of shapes %v and %v, want one scale for each item and place", x.Shape(), a.Shape()))
	}
	return top[0].ReshapeLike(x)
}

// Forward computes the top.
func (l *channelScale) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if !l.options.Forward {
		kernel.Copy(l.spec.Env.Workers, bottom[0].Data(), top[0].MutableData())
		return nil
	}
	l.scale(bottom[0].Data(), bottom[1].Data(), top[0].MutableData())
	return nil
}

// scale sets y to x a.
func (l *channelScale) scale(x, a, y []float32) {
	scalePlanes.Run(l.spec.Env.Workers, l.n*l.c, parallel.Step(l.s), scaleArgs{l, x, a, y})
}

type scaleArgs struct {
	*channelScale
	x, a, y []float32
}

var scalePlanes = parallel.Loop[scaleArgs]{Body: func(l *scaleArgs, _, from, to int) {
	for i := from; i < to; i++ {
		n := i / l.c
		kernel.Mul(nil, l.x[i*l.s:(i+1)*l.s], l.a[n*l.s:(n+1)*l.s], l.y[i*l.s:(i+1)*l.s])
	}
}}

// Backward computes the diffs of the bottoms.
func (l *channelScale) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	dy := top[0].Diff()
	if propagateDown[0] {
		dx := bottom[0].MutableDiff()
		if l.options.BackwardFeature {
			l.scale(dy, bottom[1].Data(), dx)
		} else {
			kernel.Copy(l.spec.Env.Workers, dy, dx)
		}
	}
	if propagateDown[1] {
		x, da := bottom[0].Data(), bottom[1].MutableDiff()
		clear(da)
		for i := 0; l.options.BackwardScale && i < l.n*l.c; i++ {
			row := da[i/l.c*l.s:][:l.s]
			for k := range row {
				row[k] += x[i*l.s+k] * dy[i*l.s+k]
			}
		}
	}
	return nil
}
