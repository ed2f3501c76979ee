// Package senet implements the layer of Hu et al., "Squeeze-and-Excitation Networks" (2017).
// Linking the package is all it takes:
//
//	import _ "github.com/gocaffe/gocaffe/plugins/senet"
package senet

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Axpy",
		Group:   "utility",
		Bottoms: layers.Exactly(3),
		Tops:    layers.Exactly(1),
		New:     func(s *layers.Spec) (layers.Layer, error) { return &axpy{spec: s}, nil },
		Kernels: cuda.Math,
		Doc: `Scale the channels of a blob and add another, the end of a block of SENet:

	z[n,c,s] = a[n,c] x[n,c,s] + y[n,c,s]

Bottoms: a, N x C, further axes of size 1; x and y, both N x C x any further axes. All have a gradient.
Top: z, of the shape of x.

Source: github.com/hujie-frank/SENet, axpy_layer.cpp`,
	})
}

// axpy implements the layer type; its registration describes it.
type axpy struct {
	layers.OnRecordableDevice
	spec *layers.Spec

	channels, size int // of all items; elements in one
}

var _ layers.Layer = (*axpy)(nil)

// SetUp does nothing.
func (l *axpy) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the top the shape of x.
func (l *axpy) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	a, x, y := bottom[0], bottom[1], bottom[2]
	if x.Axes() < 2 {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("the bottom has shape %v, want two axes or more", x.Shape()))
	}
	if !x.ShapeEqual(y.Shape()) {
		return l.spec.ErrorAt("bottom", 2, fmt.Errorf("got shapes %v and %v, want equal ones", x.Shape(), y.Shape()))
	}
	l.channels, l.size = x.Dim(0)*x.Dim(1), x.CountFrom(2)
	if a.Axes() < 2 || a.Dim(0) != x.Dim(0) || a.Dim(1) != x.Dim(1) || a.CountFrom(2) != 1 {
		return l.spec.ErrorAt("bottom", 0, fmt.Errorf("got factors of shape %v for a bottom of shape %v, want one for each channel", a.Shape(), x.Shape()))
	}
	return top[0].ReshapeLike(x)
}

// Forward computes the top.
func (l *axpy) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, z := l.spec.Env.Workers, top[0].MutableData()
	kernel.ChannelScaleShift(w, 1, l.channels, l.size, bottom[1].Data(), bottom[0].Data(), nil, z)
	kernel.Add(w, z, bottom[2].Data(), z)
	return nil
}

// Backward computes the diffs of the bottoms.
func (l *axpy) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, dz := l.spec.Env.Workers, top[0].Diff()
	if propagateDown[0] {
		kernel.ChannelDot(w, 1, l.channels, l.size, bottom[1].Data(), dz, bottom[0].MutableDiff())
	}
	if propagateDown[1] {
		kernel.ChannelScaleShift(w, 1, l.channels, l.size, dz, bottom[0].Data(), nil, bottom[1].MutableDiff())
	}
	if propagateDown[2] {
		kernel.Copy(w, dz, bottom[2].MutableDiff())
	}
	return nil
}
