package vision

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Convolution",
		Group: "vision",
		Param: "convolution_param",
		Doc: `Convolution of images, or of arrays with any number of spatial axes, with learned kernels:

	y[n,o,p] = b[o] + sum over channels c and kernel places k of W[o,c,k] x[n,c, stride p - pad + dilation k]

where x is 0 in the padding. The size of y along a spatial axis is
(size + 2 pad - (dilation (kernel_size - 1) + 1)) / stride + 1, rounded down.

Bottoms: one or more x of equal shape: items, channels, spatial axes.
Tops: one y for each x, made with the same weights.
Weights: W, num_output x channels / group x kernel; b, of num_output numbers, if bias_term is set.

convolution_param:
	num_output: the number of kernels
	kernel_size, pad (0), stride (1), dilation (1): once, or once for each spatial axis
	kernel_h, kernel_w, pad_h, pad_w, stride_h, stride_w: the same for two spatial axes, instead of the above
	group (1): the channels and the outputs are cut into so many groups, which do not see each other
	bias_term (true): whether there is a b
	weight_filler, bias_filler (constant 0)
	axis (1): the axis of the channels; a negative one counts from the last
	engine: CAFFE computes every convolution directly; otherwise those of images with 3x3 or 5x5 kernels, stride 1, dilation 1
		and 16 or more channels and outputs of each group go by Winograd's algorithm, which is faster and rounds differently
	force_nd_im2col: accepted and ignored

Caffe: base_conv_layer.cpp, conv_layer.cpp`,
		Bottoms:   layers.AtLeast(1),
		Tops:      layers.AtLeast(1),
		SameCount: true,
		New:       newConvolution,
		Kernels:   convKernels,
	})
}

// convolution is described by its registration.
type convolution struct {
	layers.Weights
	spec  *layers.Spec
	param *caffepb.ConvolutionParameter

	geometry kernel.ConvParams
	axis     int   // of the channels
	shape    []int // of the bottoms at the last Reshape
	topShape []int
	conv     *kernel.Conv
	pairs    int // of bottoms and tops
	device   convDevice
}

var (
	_ layers.Layer           = (*convolution)(nil)
	_ layers.Parameterized   = (*convolution)(nil)
	_ layers.ParamPropagator = (*convolution)(nil)
	_ layers.Counter         = (*convolution)(nil)
	_ layers.BackwardReader  = (*convolution)(nil)
)

func newConvolution(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetConvolutionParam()
	if n := p.GetNumOutput(); n < 1 || n > math.MaxInt32 {
		return nil, s.Errorf("convolution_param.num_output", "num_output is %d, want 1 to %d", n, math.MaxInt32)
	}
	if p.GetGroup() < 1 || p.GetNumOutput()%p.GetGroup() != 0 {
		return nil, s.Errorf("convolution_param.group", "num_output %d cannot be cut into %d groups", p.GetNumOutput(), p.GetGroup())
	}
	if err := s.CheckFiller("convolution_param.weight_filler", p.GetWeightFiller()); err != nil {
		return nil, err
	}
	if err := s.CheckFiller("convolution_param.bias_filler", p.GetBiasFiller()); err != nil {
		return nil, err
	}
	return &convolution{spec: s, param: p}, nil
}

// option returns the sizes that the options give for each spatial axis: those
// of the field that may be repeated, or those of the fields for two axes.
func (l *convolution) option(field string, axes int, repeated []uint32, h, w *uint32, absent int) ([]int, error) {
	name := "convolution_param." + field
	sizes := make([]int, axes)
	if h != nil || w != nil {
		short := strings.TrimSuffix(field, "_size")
		at := "convolution_param." + short + "_h"
		if h == nil {
			at = "convolution_param." + short + "_w"
		}
		switch {
		case len(repeated) > 0:
			return nil, l.spec.Errorf(at, "%s is given and %s_h or %s_w too, want one form", field, short, short)
		case axes != 2:
			return nil, l.spec.Errorf(at, "%s_h and %s_w are for 2 spatial axes, bottom has %d", short, short, axes)
		case h == nil || w == nil:
			return nil, l.spec.Errorf(at, "%s_h and %s_w belong together, want both", short, short)
		}
		sizes[0], sizes[1] = int(*h), int(*w)
		return sizes, nil
	}
	switch n := len(repeated); {
	case n == 0 && absent < 0 && axes > 0:
		return nil, l.spec.Errorf("convolution_param", "%s is not given", field)
	case n > 1 && n != axes:
		return nil, l.spec.Errorf(name, "%s is given %d times, want once or once for each of the %d spatial axes", field, n, axes)
	}
	for i := range sizes {
		switch len(repeated) {
		case 0:
			sizes[i] = absent
		case 1:
			sizes[i] = int(repeated[0])
		default:
			sizes[i] = int(repeated[i])
		}
	}
	return sizes, nil
}

// SetUp finds the geometry and makes the weights.
func (l *convolution) SetUp(bottom, _ []*blob.Blob) error {
	x, p := bottom[0], l.param
	var err error
	if l.axis, err = x.Axis(int(p.GetAxis())); err != nil {
		return l.spec.ErrorAt("convolution_param.axis", 0, err)
	}
	axes, channels := x.Axes()-l.axis-1, x.Dim(l.axis)
	g := &l.geometry
	g.Channels, g.Outputs, g.Group = channels, int(p.GetNumOutput()), int(p.GetGroup())
	g.Direct = p.GetEngine() == caffepb.ConvolutionParameter_CAFFE
	if channels%g.Group != 0 {
		return l.spec.Errorf("convolution_param.group", "the %d channels of bottom cannot be cut into %d groups", channels, g.Group)
	}
	if g.Kernel, err = l.option("kernel_size", axes, p.GetKernelSize(), p.KernelH, p.KernelW, -1); err != nil {
		return err
	}
	if g.Stride, err = l.option("stride", axes, p.GetStride(), p.StrideH, p.StrideW, 1); err != nil {
		return err
	}
	if g.Pad, err = l.option("pad", axes, p.GetPad(), p.PadH, p.PadW, 0); err != nil {
		return err
	}
	if g.Dilation, err = l.option("dilation", axes, p.GetDilation(), nil, nil, 1); err != nil {
		return err
	}
	if err := l.plan(x.Shape()); err != nil {
		return err
	}
	weight, err := l.spec.NewParam(0, "convolution_param.num_output", "convolution_param.weight_filler", p.GetWeightFiller(),
		append([]int{g.Outputs, channels / g.Group}, g.Kernel...)...)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{weight}
	if p.GetBiasTerm() {
		bias, err := l.spec.NewParam(1, "convolution_param.num_output", "convolution_param.bias_filler", p.GetBiasFiller(), g.Outputs)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, bias)
	}
	return nil
}

// plan makes the convolution for bottoms of the given shape.
func (l *convolution) plan(shape []int) error {
	g := &l.geometry
	g.Batch, g.In = 1, shape[l.axis+1:]
	for _, n := range shape[:l.axis] {
		g.Batch *= n
	}
	// First the blobs, so that a number of outputs out of range is called so.
	if _, err := blob.New(append([]int{g.Outputs, g.Channels / g.Group}, g.Kernel...)...); err != nil {
		return l.spec.ErrorAt("convolution_param.num_output", 0, fmt.Errorf("weights: %w", err))
	}
	topShape := append(slices.Clone(shape[:l.axis]), g.Outputs)
	for i, in := range g.In {
		topShape = append(topShape, max(0, in+2*g.Pad[i]-g.Dilation[i]*(g.Kernel[i]-1)-1)/max(1, g.Stride[i])+1)
	}
	if _, err := blob.New(topShape...); err != nil {
		return l.spec.ErrorAt("convolution_param.num_output", 0, fmt.Errorf("top: %w", err))
	}
	conv, err := kernel.NewConv(*g)
	if err != nil {
		return l.spec.ErrorAt("convolution_param", 0, err)
	}
	l.conv, l.topShape, l.shape = conv, topShape, slices.Clone(shape)
	return nil
}

// Reshape gives the tops their shape.
func (l *convolution) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != len(l.shape) || x.Dim(l.axis) != l.geometry.Channels {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d axes with %d channels on axis %d, as the weights have",
			x.Shape(), len(l.shape), l.geometry.Channels, l.axis)
	}
	for i, other := range bottom[1:] {
		if !other.ShapeEqual(x.Shape()) {
			return l.spec.ErrorAt("bottom", i+1, fmt.Errorf("bottom %d has shape %v, want %v as the first", i+1, other.Shape(), x.Shape()))
		}
	}
	if !x.ShapeEqual(l.shape) {
		if err := l.plan(x.Shape()); err != nil {
			return err
		}
	}
	for _, y := range top {
		if err := y.Reshape(l.topShape...); err != nil {
			return l.spec.ErrorAt("convolution_param.num_output", 0, err)
		}
	}
	l.pairs = len(bottom)
	return nil
}

// MACs returns the number of multiply-adds of Forward.
func (l *convolution) MACs() int64 { return int64(l.pairs) * l.conv.MACs() }

// Forward computes the tops.
func (l *convolution) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	var bias []float32
	if l.param.GetBiasTerm() {
		bias = l.Blobs[1].Data()
	}
	for i, x := range bottom {
		l.conv.Forward(l.spec.Env.Workers, x.Data(), l.Blobs[0].Data(), bias, top[i].MutableData())
	}
	return nil
}

// BackwardReads returns that Backward reads the bottoms, for the gradient of the
// kernels.
func (l *convolution) BackwardReads() (bottom, top bool) { return l.Needs(0), false }

// Backward computes the diffs of the bottoms and adds to those of the weights.
func (l *convolution) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	w := l.spec.Env.Workers
	for i, x := range bottom {
		dy := top[i].Diff()
		var dbias []float32
		if l.Needs(1) {
			dbias = l.Blobs[1].MutableDiff()
		}
		switch {
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
