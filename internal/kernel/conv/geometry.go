package conv

import (
	"fmt"
	"math"
	"slices"
)

// Params is the geometry of a convolution, as in Caffe's base_conv_layer.cpp. The
// slices have one element for each spatial axis.
type Params struct {
	Batch, Channels, Outputs, Group   int
	In, Kernel, Pad, Stride, Dilation []int
	Direct                            bool // sum directly, over channels and then taps, and add the bias last
}

// maxExtent bounds the values of a geometry, so that sums of some of them are
// representable on every machine.
const maxExtent = 1 << 27

// A geometry is Params with at least one spatial axis, and derived sizes.
type geometry struct {
	Params
	out                   []int // spatial shape of y
	inSize, outSize, taps int   // of a channel of x, of y, and of a kernel
}

func newGeometry(p Params) (*geometry, error) {
	axes := len(p.In)
	if len(p.Kernel) != axes || len(p.Pad) != axes || len(p.Stride) != axes || len(p.Dilation) != axes {
		return nil, fmt.Errorf("convolution of %d spatial axes with %d kernel sizes, %d pads, %d strides, %d dilations",
			axes, len(p.Kernel), len(p.Pad), len(p.Stride), len(p.Dilation))
	}
	if p.Batch < 0 || p.Channels < 1 || p.Outputs < 1 || p.Group < 1 {
		return nil, fmt.Errorf("convolution with batch %d, channels %d, num_output %d, group %d", p.Batch, p.Channels, p.Outputs, p.Group)
	}
	if p.Channels%p.Group != 0 {
		return nil, fmt.Errorf("channels %d are not divisible by group %d", p.Channels, p.Group)
	}
	if p.Outputs%p.Group != 0 {
		return nil, fmt.Errorf("num_output %d is not divisible by group %d", p.Outputs, p.Group)
	}
	for _, s := range []*[]int{&p.In, &p.Kernel, &p.Pad, &p.Stride, &p.Dilation} {
		*s = slices.Clone(*s)
	}
	if axes == 0 {
		// No spatial axis: one pixel and one tap.
		p.In, p.Kernel, p.Pad, p.Stride, p.Dilation = []int{1}, []int{1}, []int{0}, []int{1}, []int{1}
	}
	g := &geometry{Params: p}
	for i := range p.In {
		if err := g.addAxis(i); err != nil {
			return nil, err
		}
	}
	var err error
	count := func(name string, sizes ...int) int {
		n := 1
		for _, s := range sizes {
			if s > 0 && n > math.MaxInt/8/s && err == nil {
				err = fmt.Errorf("convolution: %s has too many elements", name)
			}
			n *= s
		}
		return n
	}
	g.inSize, g.outSize, g.taps = count("the input", p.In...), count("the output", g.out...), count("the kernel", p.Kernel...)
	if err == nil {
		count("the input", p.Batch, p.Channels, g.inSize)
		count("the output", p.Batch, p.Outputs, g.outSize)
		count("the weight", p.Outputs, p.Channels, g.taps)
	}
	return g, err
}

// addAxis checks spatial axis i and appends its extent in the output.
func (g *geometry) addAxis(i int) error {
	in, k, pad, stride, dil := g.In[i], g.Kernel[i], g.Pad[i], g.Stride[i], g.Dilation[i]
	if in < 1 || k < 1 || pad < 0 || stride < 1 || dil < 1 {
		return fmt.Errorf("spatial axis %d: input %d, kernel_size %d, pad %d, stride %d, dilation %d", i, in, k, pad, stride, dil)
	}
	if max(in, k, pad, stride, dil) > maxExtent || int64(dil)*int64(k-1) > maxExtent {
		return fmt.Errorf("spatial axis %d: input %d, kernel_size %d, pad %d, stride %d, dilation %d: too large", i, in, k, pad, stride, dil)
	}
	reach := dil*(k-1) + 1
	if reach > in+2*pad {
		return fmt.Errorf("spatial axis %d: kernel of extent %d is larger than the padded input of %d", i, reach, in+2*pad)
	}
	g.out = append(g.out, (in+2*pad-reach)/stride+1)
	return nil
}

// groupChannels and groupOutputs return the channels and the outputs of a group.
func (g *geometry) groupChannels() int { return g.Channels / g.Group }
func (g *geometry) groupOutputs() int  { return g.Outputs / g.Group }

// macs returns the number of multiply-adds of the forward pass, computed directly.
func (g *geometry) macs() int64 {
	return int64(g.Batch) * int64(g.outSize) * int64(g.Outputs) * int64(g.groupChannels()) * int64(g.taps)
}

// rowStarts returns where the rows of pixels that a kernel of one pixel meets begin in a
// channel of x.
func (g *geometry) rowStarts() []int {
	axis := len(g.out) - 1
	starts := []int{0}
	for a := range axis {
		starts = extend(starts, g.In[a], g.out[a], func(i int) int { return i * g.Stride[a] })
	}
	for i := range starts {
		starts[i] *= g.In[axis]
	}
	return starts
}

// size returns the number of elements of a shape.
func size(shape []int) int {
	n := 1
	for _, v := range shape {
		n *= v
	}
	return n
}

// extend returns the indices of the n positions at(i) along a new last axis of the
// given extent, for each of the given indices along the axes before it. With an extent of 1
// it returns their sums.
func extend[T int | int32](indices []T, extent, n int, at func(i int) int) []T {
	list := make([]T, 0, len(indices)*n)
	for _, p := range indices {
		for i := range n {
			list = append(list, p*T(extent)+T(at(i)))
		}
	}
	return list
}
