package common

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "InnerProduct",
		Group: "common",
		Param: "inner_product_param",
		Doc: `A fully connected layer, which computes inner products of the items with learned vectors:

	y = W x + b

The axes before axis number the M items; the axes from axis on hold the K elements of an item.

Bottoms: x; optionally W, instead of learned weights: then num_output is not needed.
Top: y, in which one axis of N = num_output elements replaces the axes from axis on.
If axis is 1, in a net for inference the layer computes what follows it, too, as Convolution does.
Weights: W, N x K, or K x N if transpose is set; b, N elements, if bias_term is set.

inner_product_param:
	num_output: N, the number of outputs for an item
	bias_term (true): whether to add b
	weight_filler, bias_filler (constant 0): initial W and b
	axis (1): the first axis of an item; a negative one counts from the last
	transpose (false): see above
	normalize (false): scale each vector to length 1 before each pass. The gradient does not go
		through the scaling.

Caffe: inner_product_layer.cpp. The second bottom and normalize come from NormFace.`,
		Bottoms: layers.Between(1, 2),
		Tops:    layers.Exactly(1),
		New:     newInnerProduct,
		Kernels: cuda.Math,
	})
}

// innerProduct implements the layer type; its registration describes it. With the sizes named as in Caffe's
// code, it computes
//
//	y (M,N) = x (M,K) · Wᵀ + b        dx = dy · W        dW (N,K) += dyᵀ · x
type innerProduct struct {
	layers.OnRecordableDevice
	layers.Weights
	spec      *layers.Spec
	param     *caffepb.InnerProductParameter
	items     layers.Items
	transpose bool
	learned   bool // W is no bottom

	m, n, k int
	sum     []float32 // over the items of dy
	chain   layers.Chain
}

var (
	_ layers.Layer           = (*innerProduct)(nil)
	_ layers.Parameterized   = (*innerProduct)(nil)
	_ layers.ParamPropagator = (*innerProduct)(nil)
	_ layers.Counter         = (*innerProduct)(nil)
	_ layers.Rounder         = (*innerProduct)(nil)
	_ layers.BackwardReader  = (*innerProduct)(nil)
	_ layers.Fuser           = (*innerProduct)(nil)
)

func newInnerProduct(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetInnerProductParam()
	given := len(s.Param.GetBottom()) > 1
	if n := p.GetNumOutput(); n > math.MaxInt32 || n == 0 && !given {
		return nil, s.Errorf("inner_product_param.num_output", "num_output is %d, want 1 to %d", n, math.MaxInt32)
	}
	if given && p.GetNormalize() {
		return nil, s.Errorf("inner_product_param.normalize", "normalize needs learned weights, but the weights are the second bottom")
	}
	if p.GetTranspose() && p.GetNormalize() {
		return nil, s.Errorf("inner_product_param.normalize", "normalize and transpose together are not supported")
	}
	if err := s.CheckFiller("inner_product_param.weight_filler", p.GetWeightFiller()); err != nil {
		return nil, err
	}
	if err := s.CheckFiller("inner_product_param.bias_filler", p.GetBiasFiller()); err != nil {
		return nil, err
	}
	items := layers.NewItems(s, "inner_product_param", int(p.GetAxis()))
	return &innerProduct{spec: s, param: p, items: items, transpose: p.GetTranspose()}, nil
}

// SetUp makes the weights.
func (l *innerProduct) SetUp(bottom, _ []*blob.Blob) error {
	var err error
	if l.k, err = l.items.Size(bottom[0]); err != nil {
		return err
	}
	l.n, l.learned = int(l.param.GetNumOutput()), len(bottom) == 1
	if l.learned {
		shape := []int{l.n, l.k}
		if l.transpose {
			shape = []int{l.k, l.n}
		}
		weight, err := l.spec.NewParam(0, "inner_product_param.num_output", "inner_product_param.weight_filler", l.param.GetWeightFiller(), shape...)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, weight)
	} else if l.n, err = l.given(bottom[1]); err != nil {
		return err
	}
	if l.param.GetBiasTerm() {
		bias, err := l.spec.NewParam(len(l.Blobs), "inner_product_param.num_output", "inner_product_param.bias_filler", l.param.GetBiasFiller(), l.n)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, bias)
	}
	return nil
}

// given returns N for weights that come from a bottom.
func (l *innerProduct) given(weight *blob.Blob) (int, error) {
	n, k := 0, 0
	if weight.Axes() > 0 {
		n, k = weight.Dim(0), weight.CountFrom(1)
		if l.transpose {
			n, k = weight.CountFrom(1), weight.Dim(0)
		}
	}
	if k != l.k || n < 1 {
		return 0, l.spec.Errorf("bottom", "the second bottom, the weights, has shape %v, which does not fit items of %d elements", weight.Shape(), l.k)
	}
	return n, nil
}

// Reshape finds the sizes of the matrices.
func (l *innerProduct) Reshape(bottom, top []*blob.Blob) error {
	err := l.spec.NotInPlace(bottom, top)
	if err != nil {
		return err
	}
	if l.m, err = l.items.Count(bottom[0], l.k); err != nil {
		return err
	}
	if len(bottom) > 1 {
		n, err := l.given(bottom[1])
		if err != nil {
			return err
		}
		if l.param.GetBiasTerm() && n != l.n {
			return l.spec.Errorf("bottom", "the second bottom, the weights, is for %d outputs, the bias for %d", n, l.n)
		}
		l.n = n
	}
	if err := l.items.ReshapeTop(bottom[0], l.n, top[0]); err != nil {
		return err
	}
	if l.param.GetBiasTerm() && len(l.sum) < l.n {
		l.sum = make([]float32, l.n)
	}
	return nil
}

// MACs returns the number of multiply-adds of Forward.
func (l *innerProduct) MACs() int64 { return int64(l.m) * int64(l.n) * int64(l.k) }

// Rounds reports whether the products round their factors. All have the same sizes in another
// order.
func (l *innerProduct) Rounds() bool { return l.spec.Env.Precision.Rounds(l.m, l.n, l.k) }

// weight returns the blob of W. Behind the layer's own bottoms there may be one of the chain.
func (l *innerProduct) weight(bottom []*blob.Blob) *blob.Blob {
	if l.learned {
		return l.Blobs[0]
	}
	return bottom[1]
}

// strideW is the distance between the rows of W as stored.
func (l *innerProduct) strideW() int {
	if l.transpose {
		return l.n
	}
	return l.k
}

// normalizeEps is added to the square of a row's length before it is normalized, as
// NormFace does.
const normalizeEps = 1e-6

// Forward computes the top.
func (l *innerProduct) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, precision, y := l.spec.Env.Workers, l.spec.Env.Precision, top[0].MutableData()
	if l.param.GetNormalize() {
		weight := l.Blobs[0].MutableData()
		kernel.NormalizeRows(w, l.n, l.k, normalizeEps, weight, weight)
	}
	precision.Gemm(w, false, !l.transpose, l.m, l.n, l.k, 1, bottom[0].Data(), l.k, l.weight(bottom).Data(), l.strideW(), 0, y, l.n)
	if l.param.GetBiasTerm() {
		kernel.ChannelScaleShift(w, l.m, l.n, 1, y, nil, l.Blobs[len(l.Blobs)-1].Data(), y)
	}
	if then := l.chain.Epilogue(bottom, l.m, l.n); then != nil {
		then.Run(w, l.m, l.n, 1, y)
	}
	return nil
}

// Fuse takes in what an epilogue can compute, in a net for inference, if the outputs are on
// axis 1.
func (l *innerProduct) Fuse(next []layers.Layer) int {
	if !l.spec.Env.Inference || l.param.GetAxis() != 1 {
		next = nil
	}
	return l.chain.Take(next, l.m, l.n)
}

// BackwardReads returns that Backward reads the bottoms, unless its own weights
// are not trained.
func (l *innerProduct) BackwardReads() (bottom, top bool) {
	return len(l.spec.Param.GetBottom()) > 1 || l.Needs(0), false
}

// Backward computes the diffs of the bottoms and adds to those of the weights.
func (l *innerProduct) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w, dy := l.spec.Env.Workers, top[0].Diff()
	switch {
	case len(bottom) > 1 && propagateDown[1]:
		l.backwardWeight(w, bottom[0].Data(), dy, 0, bottom[1].MutableDiff())
	case len(bottom) == 1 && l.Needs(0):
		l.backwardWeight(w, bottom[0].Data(), dy, 1, l.Blobs[0].MutableDiff())
	}
	if last := len(l.Blobs) - 1; l.param.GetBiasTerm() && l.Needs(last) {
		kernel.ChannelSum(w, l.m, l.n, 1, dy, l.sum)
		kernel.Axpy(nil, 1, l.sum, l.Blobs[last].MutableDiff())
	}
	if propagateDown[0] {
		l.spec.Env.Precision.Gemm(w, false, l.transpose, l.m, l.k, l.n, 1, dy, l.n, l.weight(bottom).Data(), l.strideW(), 0, bottom[0].MutableDiff(), l.k)
	}
	return nil
}

// backwardWeight computes dW = dyᵀ·x + beta·dW, or its transpose.
func (l *innerProduct) backwardWeight(w *parallel.Pool, x, dy []float32, beta float32, dw []float32) {
	precision := l.spec.Env.Precision
	if l.transpose {
		precision.Gemm(w, true, false, l.k, l.n, l.m, 1, x, l.k, dy, l.n, beta, dw, l.n)
	} else {
		precision.Gemm(w, true, false, l.n, l.k, l.m, 1, dy, l.n, x, l.k, beta, dw, l.k)
	}
}
