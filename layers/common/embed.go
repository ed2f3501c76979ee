package common

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Embed",
		Group: "common",
		Param: "embed_param",
		Doc: `A learned vector for each whole number, such as that of a word: what InnerProduct computes of vectors that are
1 in one place and 0 elsewhere, without these.

	y[i] = W[x[i]] + b

Bottom: x, whole numbers from 0 to input_dim-1, in any shape. They have no gradient.
Top: y, of the shape of x with one more axis of num_output numbers.
Weights: W, input_dim x num_output; b, of num_output numbers, if bias_term is set.

embed_param:
	num_output: how many numbers a vector has
	input_dim: how many vectors there are
	bias_term (true): whether there is a b
	weight_filler, bias_filler (constant 0)

Caffe: embed_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newEmbed,
		Kernels: cuda.Math,
	})
}

// embed implements the layer type; its registration describes it. In its matrices, as in Caffe's code, x is
// (m), y is (m,n) and W is (k,n).
type embed struct {
	layers.OnRecordableDevice
	layers.Weights
	spec    *layers.Spec
	param   *caffepb.EmbedParameter
	indices *layers.Indices

	m, n, k int
	index   []int32   // x of the last Forward
	sum     []float32 // over the rows of dy
}

var (
	_ layers.Layer           = (*embed)(nil)
	_ layers.Parameterized   = (*embed)(nil)
	_ layers.ParamPropagator = (*embed)(nil)
	_ layers.BackwardForcer  = (*embed)(nil)
	_ layers.BackwardReader  = (*embed)(nil)
)

func newEmbed(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetEmbedParam()
	for _, size := range []struct {
		field string
		n     uint32
	}{{"num_output", p.GetNumOutput()}, {"input_dim", p.GetInputDim()}} {
		if size.n < 1 || size.n > math.MaxInt32 {
			return nil, s.Errorf("embed_param."+size.field, "%s is %d, want 1 to %d", size.field, size.n, math.MaxInt32)
		}
	}
	if err := s.CheckFiller("embed_param.weight_filler", p.GetWeightFiller()); err != nil {
		return nil, err
	}
	if err := s.CheckFiller("embed_param.bias_filler", p.GetBiasFiller()); err != nil {
		return nil, err
	}
	return &embed{
		spec: s, param: p, indices: layers.NewIndices(s, 0, "a vector"),
		n: int(p.GetNumOutput()), k: int(p.GetInputDim()),
	}, nil
}

// AllowForceBackward returns false.
func (l *embed) AllowForceBackward(int) bool { return false }

// SetUp makes the weights.
func (l *embed) SetUp(_, _ []*blob.Blob) error {
	weight, err := l.spec.NewParam(0, "embed_param.input_dim", "embed_param.weight_filler", l.param.GetWeightFiller(), l.k, l.n)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{weight}
	if l.param.GetBiasTerm() {
		bias, err := l.spec.NewParam(1, "embed_param.num_output", "embed_param.bias_filler", l.param.GetBiasFiller(), l.n)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, bias)
	}
	return nil
}

// Reshape adds an axis to the shape of the bottom.
func (l *embed) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	l.m = bottom[0].Count()
	if err := l.indices.Reshape(l.m, l.k); err != nil {
		return err
	}
	var shape [33]int // a blob has 32 axes at most
	axes := copy(shape[:], bottom[0].Shape())
	shape[axes] = l.n
	if err := top[0].Reshape(shape[:axes+1]...); err != nil {
		return l.spec.ErrorAt("embed_param.num_output", 0, err)
	}
	return nil
}

// Forward computes the top.
func (l *embed) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var err error
	if l.index, _, err = l.indices.Read(bottom[0]); err != nil {
		return err
	}
	w, y := l.spec.Env.Workers, top[0].MutableData()
	kernel.GatherRows(w, l.m, l.n, l.Blobs[0].Data(), l.index, y)
	if l.param.GetBiasTerm() {
		kernel.ChannelScaleShift(w, l.m, l.n, 1, y, nil, l.Blobs[1].Data(), y)
	}
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *embed) BackwardReads() (bottom, top bool) { return false, false }

// Backward adds to the diffs of the weights.
func (l *embed) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	if err := l.spec.NoGradient(propagateDown, 0); err != nil {
		return err
	}
	w, dy := l.spec.Env.Workers, top[0].Diff()
	if l.Needs(0) {
		kernel.ScatterAddRows(w, l.m, l.n, dy, l.index, l.Blobs[0].MutableDiff())
	}
	if l.Needs(1) {
		l.sum = layers.Resize(l.sum, l.n)
		kernel.ChannelSum(w, l.m, l.n, 1, dy, l.sum)
		kernel.Axpy(nil, 1, l.sum, l.Blobs[1].MutableDiff())
	}
	return nil
}
