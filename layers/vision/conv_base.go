package vision

import (
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// convBase is the common part of Convolution and Deconvolution, like Caffe's
// BaseConvolutionLayer: the options, the weights and the geometry. A deconvolution
// is the gradient of a convolution with respect to its data, so its geometry is that
// of the convolution from the top to the bottom.
type convBase struct {
	layers.Weights
	spec       *layers.Spec
	param      *caffepb.ConvolutionParameter
	transposed bool // Deconvolution

	geometry kernel.ConvParams
	axis     int   // of the channels
	channels int   // of the bottoms
	shape    []int // of the bottoms at the last Reshape
	topShape []int
	conv     *kernel.Conv
	pairs    int // of bottoms and tops
	chain    layers.Chain
	slope    float32 // of a rectifier taken in while the net trains; 1 for none
	device   convDevice
}

func newConvBase(s *layers.Spec, transposed bool) (*convBase, error) {
	p := s.Param.GetConvolutionParam()
	if n := p.GetNumOutput(); n < 1 || n > math.MaxInt32 {
		return nil, s.Errorf("convolution_param.num_output", "num_output is %d, want 1 to %d", n, math.MaxInt32)
	}
	if p.GetGroup() < 1 || p.GetNumOutput()%p.GetGroup() != 0 {
		return nil, s.Errorf("convolution_param.group", "num_output %d cannot be split into %d groups", p.GetNumOutput(), p.GetGroup())
	}
	if err := s.CheckFiller("convolution_param.weight_filler", p.GetWeightFiller()); err != nil {
		return nil, err
	}
	if err := s.CheckFiller("convolution_param.bias_filler", p.GetBiasFiller()); err != nil {
		return nil, err
	}
	return &convBase{spec: s, param: p, transposed: transposed, slope: 1}, nil
}

// SetUp determines the geometry and creates the weights.
func (l *convBase) SetUp(bottom, _ []*blob.Blob) error {
	x, p := bottom[0], l.param
	var err error
	if l.axis, err = x.Axis(int(p.GetAxis())); err != nil {
		return l.spec.ErrorAt("convolution_param.axis", 0, err)
	}
	axes := x.Axes() - l.axis - 1
	l.channels = x.Dim(l.axis)
	g, outputs := &l.geometry, int(p.GetNumOutput())
	g.Channels, g.Outputs, g.Group = l.channels, outputs, int(p.GetGroup())
	if l.transposed {
		g.Channels, g.Outputs = g.Outputs, g.Channels
	}
	g.Direct = p.GetEngine() == caffepb.ConvolutionParameter_CAFFE || l.spec.Env.Engine == layers.CaffeEngine
	if l.channels%g.Group != 0 {
		return l.spec.Errorf("convolution_param.group", "the %d channels of bottom cannot be split into %d groups", l.channels, g.Group)
	}
	w, err := newWindow(l.spec, p, axes)
	if err != nil {
		return err
	}
	g.Kernel, g.Stride, g.Pad, g.Dilation = w.kernel, w.stride, w.pad, w.dilation
	if err := l.plan(x.Shape()); err != nil {
		return err
	}
	weight, err := l.spec.NewParam(0, "convolution_param.num_output", "convolution_param.weight_filler", p.GetWeightFiller(),
		append([]int{g.Outputs, g.Channels / g.Group}, g.Kernel...)...)
	if err != nil {
		return err
	}
	l.Blobs = []*blob.Blob{weight}
	if p.GetBiasTerm() {
		bias, err := l.spec.NewParam(1, "convolution_param.num_output", "convolution_param.bias_filler", p.GetBiasFiller(), outputs)
		if err != nil {
			return err
		}
		l.Blobs = append(l.Blobs, bias)
	}
	return nil
}

// plan prepares the convolution for bottoms of the given shape.
func (l *convBase) plan(shape []int) error {
	g, spatial := &l.geometry, shape[l.axis+1:]
	g.Batch = 1
	for _, n := range shape[:l.axis] {
		g.Batch *= n
	}
	// Blobs first, so that the error names num_output if it is out of range.
	if _, err := blob.New(append([]int{g.Outputs, g.Channels / g.Group}, g.Kernel...)...); err != nil {
		return l.spec.ErrorAt("convolution_param.num_output", 0, fmt.Errorf("weights: %w", err))
	}
	topShape := append(slices.Clone(shape[:l.axis]), int(l.param.GetNumOutput()))
	for i, size := range spatial {
		size, err := l.topSize(i, size)
		if err != nil {
			return err
		}
		topShape = append(topShape, size)
	}
	if _, err := blob.New(topShape...); err != nil {
		return l.spec.ErrorAt("convolution_param.num_output", 0, fmt.Errorf("top: %w", err))
	}
	g.In = spatial
	if l.transposed {
		g.In = topShape[l.axis+1:]
	}
	conv, err := l.spec.Env.Precision.NewConv(*g)
	if err != nil {
		return l.spec.ErrorAt("convolution_param", 0, err)
	}
	l.conv, l.topShape, l.shape = conv, topShape, slices.Clone(shape)
	return nil
}

// topSize returns the size of the tops along spatial axis i for bottoms of the given
// size. NewConv checks the rest.
func (l *convBase) topSize(i, size int) (int, error) {
	g := &l.geometry
	extent := g.Dilation[i]*(g.Kernel[i]-1) + 1
	if !l.transposed {
		return max(0, size+2*g.Pad[i]-extent)/max(1, g.Stride[i]) + 1, nil
	}
	top := g.Stride[i]*(size-1) + extent - 2*g.Pad[i]
	if g.Stride[i] < 1 || top < 1 {
		return 0, l.spec.Errorf("convolution_param",
			"spatial axis %d: the top has size %d, want at least 1: input %d, kernel_size %d, pad %d, stride %d, dilation %d",
			i, top, size, g.Kernel[i], g.Pad[i], g.Stride[i], g.Dilation[i])
	}
	return top, nil
}

// Reshape sets the shape of the tops.
func (l *convBase) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != len(l.shape) || x.Dim(l.axis) != l.channels {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d axes with %d channels on axis %d, as the weights have",
			x.Shape(), len(l.shape), l.channels, l.axis)
	}
	for i, other := range bottom[1:] {
		if !other.ShapeEqual(x.Shape()) {
			return l.spec.ErrorAt("bottom", i+1, fmt.Errorf("bottom %d has shape %v, want %v like the first", i+1, other.Shape(), x.Shape()))
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

// Fuse takes in what an epilogue can compute in a net for inference, and in others a rectifier
// whose sign Backward finds in the top.
func (l *convBase) Fuse(next []layers.Layer) int {
	l.slope = 1
	switch {
	case l.axis != 1 || l.pairs != 1 || len(next) == 0:
		next = nil
	case !l.spec.Env.Inference:
		r, ok := next[0].(layers.Rectifier)
		if !ok || r.NegativeSlope() < 0 {
			next = nil
			break
		}
		next, l.slope = next[:1], r.NegativeSlope()
	}
	return l.chain.Take(next, l.geometry.Batch, int(l.param.GetNumOutput()))
}

// epilogue returns what the layers taken in compute.
func (l *convBase) epilogue(bottom []*blob.Blob) *kernel.Epilogue {
	return l.chain.Epilogue(bottom, l.geometry.Batch, int(l.param.GetNumOutput()))
}

// MACs returns the number of multiply-adds of Forward.
func (l *convBase) MACs() int64 { return int64(l.pairs) * l.conv.MACs() }

// Rounds reports whether the convolution rounds its factors.
func (l *convBase) Rounds() bool { return l.conv.Rounds() }

// dy returns the gradient of a top before the rectifier.
func (l *convBase) dy(top *blob.Blob) []float32 {
	if l.slope != 1 {
		dy := top.MutableDiff()
		kernel.ReLUBackward(l.spec.Env.Workers, l.slope, top.Data(), dy, dy)
	}
	return top.Diff()
}

// BackwardReads reports that Backward reads the bottoms, for the gradient of the
// weights, and the top for the sign of a rectifier.
func (l *convBase) BackwardReads() (bottom, top bool) { return l.Needs(0), l.slope != 1 }
