package kernel

import (
	"github.com/gocaffe/gocaffe/internal/kernel/conv"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/parallel"
)

// ConvParams is the geometry of a convolution, as in Caffe's
// base_conv_layer.cpp. The slices have one element for each spatial axis.
type ConvParams struct {
	Batch    int   // number of images
	Channels int   // of the input
	Outputs  int   // channels of the output, Caffe's num_output
	Group    int   // groups that Channels and Outputs are divided into
	In       []int // spatial shape of the input
	Kernel   []int // spatial shape of the kernel
	Pad      []int // zeros on both sides of the input
	Stride   []int
	Dilation []int
	Direct   bool // sum y directly, over channels, then over taps row by row, and then add bias
}

// A Conv computes a convolution of one geometry and its gradients. It has any
// number of spatial axes. The arrays are
//
//	x       (Batch, Channels, In...)
//	weight  (Outputs, Channels/Group, Kernel...)
//	bias    (Outputs)
//	y       (Batch, Outputs, OutShape...)
//
// and their gradients have the same shapes. A Conv has work space of its own, so
// two goroutines must not use it at the same time.
type Conv struct{ conv *conv.Conv }

// NewConv returns the convolution of the given geometry, or an error that says
// which of its values is impossible.
func NewConv(g ConvParams) (*Conv, error) {
	c, err := conv.New(conv.Params(g))
	if err != nil {
		return nil, err
	}
	return &Conv{c}, nil
}

// OutShape returns the spatial shape of y.
func (c *Conv) OutShape() []int { return c.conv.OutShape() }

// MACs returns the number of multiply-adds of Forward, computed directly.
func (c *Conv) MACs() int64 { return c.conv.MACs() }

// Rounds reports whether the factors of the products are rounded (Precision.NewConv).
func (c *Conv) Rounds() bool { return c.conv.Rounds() }

// MapsInput reports whether the convolution can compute a map of each channel of x as it reads
// x (MapInput): if it turns x into vectors of channels, in Winograd's algorithm and with groups
// of one channel. It depends on the geometry, the precision and the processor.
func (c *Conv) MapsInput() bool { return c.conv.MapsInput() }

// MapInput has Forward, ForwardThen, Backward and BackwardWeights compute m as they read x: they
// are given the input of m and convolve its output. The results are the same, to the last bit, as
// if it were computed before. nil ends that. MapInput panics unless MapsInput returns true.
func (c *Conv) MapInput(m *ChannelMap) { c.conv.MapInput((*norm.ChannelMap)(m)) }

// PackedSize returns the number of elements of the packed weights that Forward can keep
// (KeepPacked), or 0 if keeping them would save no time. It depends on the geometry, the precision
// and the processor.
func (c *Conv) PackedSize() int { return c.conv.PackedSize() }

// KeepPacked has the next runs of Forward, ForwardThen and ForwardSums keep the weights in the form
// in which they are used, PackedSize elements. version is that of the weights (blob.Blob's
// DataVersion): the caller promises that they are the same while it is. From the second run with
// the same version on they are kept. 0, the initial state, keeps none. The results are the same to the last bit.
func (c *Conv) KeepPacked(version uint64) { c.conv.KeepPacked(version) }

// Forward sets y to the convolution of x with weight, plus bias. A nil bias
// counts as zeros.
func (c *Conv) Forward(p *parallel.Pool, x, weight, bias, y []float32) {
	c.conv.Forward(p, x, weight, bias, y)
}

// ForwardThen is Forward followed by an epilogue, which is computed of each part of y
// while that is in the cache. A nil epilogue does nothing.
func (c *Conv) ForwardThen(p *parallel.Pool, x, weight, bias, y []float32, then *Epilogue) {
	c.conv.ForwardThen(p, x, weight, bias, y, (*norm.Epilogue)(then))
}

// ForwardSums is Forward, and also takes the sums of each plane of y, and of the squares, while
// that is in the cache. It takes none if y stays in the caches: that would save no time.
func (c *Conv) ForwardSums(p *parallel.Pool, x, weight, bias, y []float32, sums *PlaneSums) {
	c.conv.ForwardSums(p, x, weight, bias, y, &sums.sums)
}

// Backward is BackwardWeights and BackwardData in one call. With groups of one channel and strides
// of 1 it is faster, and sums the gradient of weight in another order.
func (c *Conv) Backward(p *parallel.Pool, x, weight, dy, dweight, dbias, dx []float32) {
	c.conv.Backward(p, x, weight, dy, dweight, dbias, dx)
}

// TakesGrad reports whether Backward, on so many threads, computes what a normalization has left of
// dy (LeaveGrad) when it reads that, and so reads it from memory once. It does so in Winograd's
// algorithm if dy is larger than the caches.
func (c *Conv) TakesGrad(threads int) bool { return c.conv.TakesGrad(threads) }

// LeaveGrad sets what a normalization leaves of dy, nil for nothing: the methods that read dy
// compute it before, whether or not TakesGrad returns true. The results are the same to the last
// bit.
func (c *Conv) LeaveGrad(g *ItemGrad) {
	if g == nil {
		c.conv.LeaveGrad(nil)
		return
	}
	c.conv.LeaveGrad(&g.grad)
}

// BackwardData sets dx to the gradient of x, given the gradient dy of y.
func (c *Conv) BackwardData(p *parallel.Pool, weight, dy, dx []float32) {
	c.conv.BackwardData(p, weight, dy, dx)
}

// BackwardWeights adds the gradient of weight to dweight and, unless dbias is
// nil, the gradient of bias to dbias.
func (c *Conv) BackwardWeights(p *parallel.Pool, x, dy, dweight, dbias []float32) {
	c.conv.BackwardWeights(p, x, dy, dweight, dbias)
}

// BackwardBias adds the gradient of bias to dbias.
func (c *Conv) BackwardBias(p *parallel.Pool, dy, dbias []float32) {
	c.conv.BackwardBias(p, dy, dbias)
}
