package vision

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Deconvolution",
		Group: "vision",
		Param: "convolution_param",
		Doc: `Transposed convolution, also called deconvolution, with learned kernels: the operation that computes the
		gradient of Convolution's bottom. Each element of x adds the kernels, multiplied by that element, to y:

	y[n,o,stride p - pad + dilation k] = b[o] + sum of W[c,o,k] x[n,c,p]

over channels c and all pairs of position p in x and kernel position k that map to the same position in y.
The size of y along a spatial axis is stride (size - 1) + dilation (kernel_size - 1) + 1 - 2 pad.
Bilinear upsampling by f: kernel_size 2 f - f mod 2, stride f, pad (f - 1) / 2 rounded up, group and num_output
the number of channels, weight_filler bilinear, bias_term false, lr_mult 0.

Bottoms: one or more x of equal shape: items, channels, spatial axes.
Tops: one y for each x, computed with the same weights.
The layer also computes what follows it, as Convolution does.
Weights: W, channels x num_output / group x kernel; b, num_output elements, if bias_term is set.

convolution_param:
	num_output: the number of channels of y
	kernel_size, pad (0), stride (1), dilation (1): once, or once for each spatial axis
	kernel_h, kernel_w, pad_h, pad_w, stride_h, stride_w: the same for two spatial axes, instead of the above
	group (1): number of independent groups that the channels and the outputs are split into
	bias_term (true): add b
	weight_filler, bias_filler (constant 0)
	axis (1): the axis of the channels; a negative one counts from the last
	engine: CAFFE computes all products directly; DEFAULT and CUDNN use Winograd's algorithm in the same cases as for
	Convolution. --engine caffe means CAFFE in all layers
	force_nd_im2col: accepted and ignored

Caffe: base_conv_layer.cpp, deconv_layer.cpp`,
		Bottoms:   layers.AtLeast(1),
		Tops:      layers.AtLeast(1),
		SameCount: true,
		New:       newDeconvolution,
		Kernels:   convKernels,
	})
}

// deconvolution implements the layer type; its registration describes it. Its forward
// pass is the data gradient of the convolution from its top to its bottom, and vice
// versa.
type deconvolution struct {
	*convBase
	sum []float32 // over each channel of a top's diff
}

var (
	_ layers.Layer           = (*deconvolution)(nil)
	_ layers.Parameterized   = (*deconvolution)(nil)
	_ layers.ParamPropagator = (*deconvolution)(nil)
	_ layers.Counter         = (*deconvolution)(nil)
	_ layers.Rounder         = (*deconvolution)(nil)
	_ layers.BackwardReader  = (*deconvolution)(nil)
	_ layers.Fuser           = (*deconvolution)(nil)
)

func newDeconvolution(s *layers.Spec) (layers.Layer, error) {
	base, err := newConvBase(s, true)
	return &deconvolution{convBase: base}, err
}

// planeSize returns the number of elements of a channel of a top.
func (l *deconvolution) planeSize() int {
	n := 1
	for _, size := range l.geometry.In {
		n *= size
	}
	return n
}

// Forward computes the tops.
func (l *deconvolution) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w := l.spec.Env.Workers
	then := l.epilogue(bottom)
	for i := range top {
		y := top[i].MutableData()
		l.conv.BackwardData(w, l.Blobs[0].Data(), bottom[i].Data(), y)
		if l.param.GetBiasTerm() {
			kernel.ChannelScaleShift(w, l.geometry.Batch, l.geometry.Channels, l.planeSize(), y, nil, l.Blobs[1].Data(), y)
		}
		if then != nil {
			then.Run(w, l.geometry.Batch, l.geometry.Channels, l.planeSize(), y)
		}
	}
	return nil
}

// Backward computes the diffs of the bottoms and adds to those of the weights.
func (l *deconvolution) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w := l.spec.Env.Workers
	for i, x := range bottom {
		dy := l.dy(top[i])
		if l.Needs(1) {
			if l.sum == nil {
				l.sum = make([]float32, l.geometry.Channels)
			}
			kernel.ChannelSum(w, l.geometry.Batch, l.geometry.Channels, l.planeSize(), dy, l.sum)
			kernel.Axpy(nil, 1, l.sum, l.Blobs[1].MutableDiff())
		}
		if l.Needs(0) {
			l.conv.BackwardWeights(w, dy, x.Data(), l.Blobs[0].MutableDiff(), nil)
		}
		if propagateDown[i] {
			l.conv.Forward(w, dy, l.Blobs[0].Data(), nil, x.MutableDiff())
		}
	}
	return nil
}
