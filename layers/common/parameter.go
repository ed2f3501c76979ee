package common

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Parameter",
		Group: "common",
		Param: "parameter_param",
		Doc: `Makes a blob of weights a top, for layers that take their weights from a bottom.

Bottoms: none.
Top: the weights.
Weights: one blob.

parameter_param:
	shape: shape of the blob
	blob_filler (constant 0): initial weights (from NormFace; in Caffe they are always zeros at first)

Caffe: parameter_layer.hpp`,
		Bottoms: layers.Exactly(0),
		Tops:    layers.Exactly(1),
		New:     newParameter,
		Kernels: cuda.Math,
	})
}

// parameter implements the layer type; its registration describes it.
//
// Differs from Caffe: the gradients of the passes of iter_size are added up. In Caffe,
// weights and top share the diff, so each pass overwrites the previous one.
type parameter struct {
	layers.OnRecordableDevice
	layers.Weights
	spec  *layers.Spec
	shape []int
}

var (
	_ layers.Layer           = (*parameter)(nil)
	_ layers.Parameterized   = (*parameter)(nil)
	_ layers.ParamPropagator = (*parameter)(nil)
)

func newParameter(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetParameterParam()
	if p.GetShape() == nil {
		return nil, s.Errorf("parameter_param", "shape is missing, want that of the weights")
	}
	l := &parameter{spec: s}
	for _, n := range p.Shape.Dim {
		if n < 1 || n > math.MaxInt32 {
			return nil, s.Errorf("parameter_param.shape", "got shape %v, want sizes from 1 to %d", p.Shape.Dim, math.MaxInt32)
		}
		l.shape = append(l.shape, int(n))
	}
	return l, s.CheckFiller("parameter_param.blob_filler", p.GetBlobFiller())
}

// SetUp makes the weights.
func (l *parameter) SetUp(_, _ []*blob.Blob) error {
	w, err := l.spec.NewParam(0, "parameter_param.shape", "parameter_param.blob_filler", l.spec.Param.GetParameterParam().GetBlobFiller(), l.shape...)
	if err != nil {
		return err
	}
	l.Blobs = append(l.Blobs, w)
	return nil
}

// Reshape gives the top the shape of the weights.
func (l *parameter) Reshape(_, top []*blob.Blob) error { return top[0].Reshape(l.shape...) }

// Forward makes the weights the data of the top.
func (l *parameter) Forward(_ context.Context, _, top []*blob.Blob) error {
	return top[0].ShareData(l.Blobs[0])
}

// Backward adds the gradient of the top to that of the weights.
func (l *parameter) Backward(_ context.Context, top []*blob.Blob, _ []bool, _ []*blob.Blob) error {
	if l.Needs(0) {
		kernel.Axpy(l.spec.Env.Workers, 1, top[0].Diff(), l.Blobs[0].MutableDiff())
	}
	return nil
}
