package vision

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Convolution",
		Group: "vision",
		Param: "convolution_param",
		Doc: `Convolution of images, or of arrays with any number of spatial axes, with learned kernels:

	y[n,o,p] = b[o] + sum over channels c and kernel positions k of W[o,c,k] x[n,c, stride p - pad + dilation k]

where x is 0 in the padding. The size of y along a spatial axis is
(size + 2 pad - (dilation (kernel_size - 1) + 1)) / stride + 1, rounded down.

Bottoms: one or more x of equal shape: items, channels, spatial axes.
Tops: one y for each x, computed with the same weights.
The layer also computes a ReLU that follows it, if no other layer reads the blob between. In a net for inference it
computes more: BatchNorm with running statistics, Scale and Bias, then the Eltwise sum with a blob that exists already,
then ReLU or PReLU. With 3x3 or 5x5 kernels (see engine) or groups of one channel it also computes the BatchNorm, Scale
and ReLU before it, if no other layer reads the blob between.
Weights: W, num_output x channels / group x kernel; b, num_output elements, if bias_term is set.

convolution_param:
	num_output: the number of kernels
	kernel_size, pad (0), stride (1), dilation (1): once, or once for each spatial axis
	kernel_h, kernel_w, pad_h, pad_w, stride_h, stride_w: the same for two spatial axes, instead of the above
	group (1): number of independent groups that the channels and the outputs are split into
	bias_term (true): add b
	weight_filler, bias_filler (constant 0)
	axis (1): the axis of the channels; a negative one counts from the last
	engine: CAFFE sums every output directly, over channels, kernel rows and kernel columns in this order, and adds b last;
	DEFAULT and CUDNN compute images with 3x3 or 5x5 kernels, stride 1, dilation 1 and at least 16 channels and outputs
	per group, or pairs of groups of 8, by Winograd's algorithm or with Fourier transforms, which are faster and round
	differently. --engine caffe means CAFFE in all layers
	force_nd_im2col: accepted and ignored

Caffe: base_conv_layer.cpp, conv_layer.cpp`,
		Bottoms:   layers.AtLeast(1),
		Tops:      layers.AtLeast(1),
		SameCount: true,
		New:       newConvolution,
		Kernels:   convKernels,
	})
}

// convolution implements the layer type; its registration describes it.
type convolution struct {
	*convBase
	before layers.Deferrer   // whose map the layer computes of x; nil for none
	input  kernel.ChannelMap // that map, during a pass
	sums   *kernel.PlaneSums // of the top; nil for none
	keep   bool              // the weights in the form in which Forward uses them
	left   *kernel.ItemGrad  // of the gradient of the top; nil for nothing
}

var (
	_ layers.Layer           = (*convolution)(nil)
	_ layers.Parameterized   = (*convolution)(nil)
	_ layers.ParamPropagator = (*convolution)(nil)
	_ layers.Counter         = (*convolution)(nil)
	_ layers.Rounder         = (*convolution)(nil)
	_ layers.BackwardReader  = (*convolution)(nil)
	_ layers.Fuser           = (*convolution)(nil)
	_ layers.DeferredReader  = (*convolution)(nil)
	_ layers.PlaneSummer     = (*convolution)(nil)
	_ layers.LeftGradReader  = (*convolution)(nil)
	_ layers.WeightPacker    = (*convolution)(nil)
)

func newConvolution(s *layers.Spec) (layers.Layer, error) {
	base, err := newConvBase(s, false)
	return &convolution{convBase: base}, err
}

// ReadDeferred sets the layer whose map the passes compute, if the convolution supports that.
func (l *convolution) ReadDeferred(before layers.Deferrer) bool {
	if before != nil && (l.axis != 1 || !l.conv.MapsInput()) {
		return false
	}
	l.before = before
	return true
}

// mapInput has the convolution compute the map of the layer before, if there is one.
func (l *convolution) mapInput() {
	if l.before == nil {
		l.conv.MapInput(nil)
		return
	}
	l.input = l.before.DeferredMap()
	l.conv.MapInput(&l.input)
}

// SumPlanes sets where Forward puts the sums of the planes of the top.
func (l *convolution) SumPlanes(sums *kernel.PlaneSums) bool {
	if l.axis != 1 {
		return false
	}
	l.sums = sums
	return true
}

// ReadLeftGrad sets what the layer after leaves of the gradient of the top, if Backward computes it
// together with the gradients of the weights and of the bottom.
func (l *convolution) ReadLeftGrad(left *kernel.ItemGrad) bool {
	if left != nil && (l.axis != 1 || !l.Needs(0) || !l.conv.TakesGrad(l.spec.Env.Workers.Threads())) {
		return false
	}
	l.left = left
	return true
}

// BackwardReads reports that Backward also reads the top if a part of its gradient is left.
func (l *convolution) BackwardReads() (bottom, top bool) {
	bottom, top = l.convBase.BackwardReads()
	return bottom, top || l.left != nil
}

// PackedBytes returns the memory of the packed weights.
func (l *convolution) PackedBytes() int64 { return 4 * int64(l.conv.PackedSize()) }

// KeepPacked turns on or off that Forward keeps the packed weights.
func (l *convolution) KeepPacked(on bool) {
	l.keep = on
	l.keepPacked()
}

// keepPacked has the convolution keep the packed weights of the present ones, or none.
func (l *convolution) keepPacked() {
	if l.keep {
		l.conv.KeepPacked(l.Blobs[0].DataVersion())
	} else {
		l.conv.KeepPacked(0)
	}
}

// Forward computes the tops.
func (l *convolution) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var bias []float32
	if l.param.GetBiasTerm() {
		bias = l.Blobs[1].Data()
	}
	l.mapInput()
	l.keepPacked()
	if l.sums != nil {
		l.conv.ForwardSums(l.spec.Env.Workers, bottom[0].Data(), l.Blobs[0].Data(), bias, top[0].MutableData(), l.sums)
		return nil
	}
	then := l.epilogue(bottom)
	for i, y := range top {
		l.conv.ForwardThen(l.spec.Env.Workers, bottom[i].Data(), l.Blobs[0].Data(), bias, y.MutableData(), then)
	}
	return nil
}

// Backward computes the diffs of the bottoms and adds to those of the weights.
func (l *convolution) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w := l.spec.Env.Workers
	l.mapInput()
	l.conv.LeaveGrad(l.left)
	for i, x := range bottom {
		dy := l.dy(top[i])
		var dbias []float32
		if l.Needs(1) {
			dbias = l.Blobs[1].MutableDiff()
		}
		switch {
		case l.Needs(0) && propagateDown[i]:
			l.conv.Backward(w, x.Data(), l.Blobs[0].Data(), dy, l.Blobs[0].MutableDiff(), dbias, x.MutableDiff())
			continue
		case l.Needs(0):
			l.conv.BackwardWeights(w, x.Data(), dy, l.Blobs[0].MutableDiff(), dbias)
		case dbias != nil:
			l.conv.BackwardBias(w, dy, dbias)
		}
		if propagateDown[i] {
			l.conv.BackwardData(w, l.Blobs[0].Data(), dy, x.MutableDiff())
		}
	}
	return nil
}
