package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Silence",
		Kernels: cuda.Math,
		Group:   "utility",
		Bottoms: layers.AtLeast(1),
		Tops:    layers.Exactly(0),
		New:     func(spec *layers.Spec) (layers.Layer, error) { return &silence{spec: spec}, nil },
		Doc: `Takes blobs that no other layer uses, so that they do not become outputs of the net.

Bottoms: any blobs. Their gradient is 0.
Tops: none.

Caffe: silence_layer.cpp`,
	})
}

// silence implements the layer type; its registration describes it.
type silence struct {
	layers.OnRecordableDevice
	spec *layers.Spec
}

var (
	_ layers.Layer          = (*silence)(nil)
	_ layers.BackwardReader = (*silence)(nil)
)

func (l *silence) SetUp(bottom, top []*blob.Blob) error { return nil }

func (l *silence) Reshape(bottom, top []*blob.Blob) error { return nil }

func (l *silence) Forward(_ context.Context, bottom, top []*blob.Blob) error { return nil }

// BackwardReads returns that Backward reads no data.
func (l *silence) BackwardReads() (bottom, top bool) { return false, false }

func (l *silence) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i, b := range bottom {
		if propagateDown[i] {
			kernel.Fill(l.spec.Env.Workers, 0, b.MutableDiff())
		}
	}
	return nil
}
