package kernel

import (
	"fmt"
	"math"
)

// ConvParams is the geometry of a convolution, as in Caffe's
// base_conv_layer.cpp. The slices have one number for each spatial axis.
type ConvParams struct {
	Batch, Channels, Outputs, Group   int
	In, Kernel, Pad, Stride, Dilation []int
	Direct                            bool // not by Winograd's algorithm
}

// maxExtent bounds the numbers of a geometry, so that sums of some of them are
// representable on every machine.
const maxExtent = 1 << 27

// Conv computes an N-dimensional convolution and its gradients. x is
// (Batch,Channels,In...), weight is (Outputs,Channels/Group,Kernel...), bias is
// (Outputs) and y is (Batch,Outputs,OutShape...).
//
// All three products are computed by the matrix micro-kernels straight from a
// zero-padded copy of a few images, through tables of offsets; the matrix that
// im2col makes never exists. A Conv must not be used by two goroutines at the
// same time.
type Conv struct {
	p   ConvParams
	out []int

	inSize, outSize, taps int // numbers of a channel of x, of y, of a kernel
	forward               convPlan
	backward              []convPlan // for each phase of the stride that some tap meets
	unseen                bool       // there are other phases, whose gradient is 0
	grad                  gradPlan
	bias                  biasTask

	// With these the plans above are not made.
	winograd, winogradBack *winograd
	winogradGrad           *winogradGrad
}

// NewConv returns the convolution of the given geometry.
func NewConv(p ConvParams) (*Conv, error) {
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
	c := &Conv{p: ConvParams{
		Batch: p.Batch, Channels: p.Channels, Outputs: p.Outputs, Group: p.Group,
		In: clone(p.In), Kernel: clone(p.Kernel), Pad: clone(p.Pad), Stride: clone(p.Stride), Dilation: clone(p.Dilation),
		Direct: p.Direct,
	}}
	if axes == 0 {
		// No spatial axis: one pixel and one tap.
		c.p.In, c.p.Kernel, c.p.Pad, c.p.Stride, c.p.Dilation = []int{1}, []int{1}, []int{0}, []int{1}, []int{1}
	}
	p = c.p
	for i, in := range p.In {
		k, pad, stride, dil := p.Kernel[i], p.Pad[i], p.Stride[i], p.Dilation[i]
		if in < 1 || k < 1 || pad < 0 || stride < 1 || dil < 1 {
			return nil, fmt.Errorf("spatial axis %d: input %d, kernel_size %d, pad %d, stride %d, dilation %d", i, in, k, pad, stride, dil)
		}
		if max(in, k, pad, stride, dil) > maxExtent || int64(dil)*int64(k-1) > maxExtent {
			return nil, fmt.Errorf("spatial axis %d: input %d, kernel_size %d, pad %d, stride %d, dilation %d: too large", i, in, k, pad, stride, dil)
		}
		reach := dil*(k-1) + 1
		if reach > in+2*pad {
			return nil, fmt.Errorf("spatial axis %d: kernel of extent %d is larger than the padded input of %d", i, reach, in+2*pad)
		}
		c.out = append(c.out, (in+2*pad-reach)/stride+1)
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
	c.inSize, c.outSize, c.taps = count("the input", p.In...), count("the output", c.out...), count("the kernel", p.Kernel...)
	if err == nil {
		count("the input", p.Batch, p.Channels, c.inSize)
		count("the output", p.Batch, p.Outputs, c.outSize)
		count("the weight", p.Outputs, p.Channels, c.taps)
	}
	if err != nil {
		return nil, err
	}
	if c.winograd = newWinograd(&c.p, c.out); c.winograd != nil {
		c.winogradBack = c.winograd.backward()
		c.winogradGrad = newWinogradGrad(c.winograd)
	} else if err := c.plan(); err != nil {
		return nil, err
	}
	if axes == 0 {
		c.out = nil
	}
	return c, nil
}

func clone(s []int) []int { return append([]int(nil), s...) }

// OutShape returns the spatial shape of y.
func (c *Conv) OutShape() []int { return clone(c.out) }

// MACs returns the number of multiply-adds of Forward.
func (c *Conv) MACs() int64 {
	return int64(c.p.Batch) * int64(c.outSize) * int64(c.p.Outputs) * int64(c.p.Channels/c.p.Group) * int64(c.taps)
}

func (c *Conv) check(name string, x []float32, want int) {
	if len(x) < want {
		panic(fmt.Sprintf("kernel: Conv: %s has %d elements, want %d", name, len(x), want))
	}
}

func (c *Conv) checkAll(x, weight, y []float32) {
	c.check("x", x, c.p.Batch*c.p.Channels*c.inSize)
	c.check("weight", weight, c.p.Outputs*c.p.Channels/c.p.Group*c.taps)
	c.check("y", y, c.p.Batch*c.p.Outputs*c.outSize)
}

// Forward computes y = x * weight + bias. A nil bias counts as zeros.
func (c *Conv) Forward(p *Pool, x, weight, bias, y []float32) {
	c.checkAll(x, weight, y)
	if bias != nil {
		c.check("bias", bias, c.p.Outputs)
	}
	op := p.Begin()
	defer op.End()
	if c.winograd != nil {
		c.winograd.run(op, x, weight, bias, y)
		return
	}
	c.forward.run(op, x, weight, bias, y)
}

// BackwardData computes dx, the gradient with respect to x, from dy.
func (c *Conv) BackwardData(p *Pool, dy, weight, dx []float32) {
	c.checkAll(dx, weight, dy)
	op := p.Begin()
	defer op.End()
	if c.winogradBack != nil {
		c.winogradBack.run(op, dy, weight, nil, dx)
		return
	}
	if c.unseen {
		clear(dx[:c.p.Batch*c.p.Channels*c.inSize])
	}
	for i := range c.backward {
		c.backward[i].run(op, dy, weight, nil, dx)
	}
}

// BackwardWeights adds the gradient with respect to weight to dweight and,
// unless it is nil, that with respect to bias to dbias.
func (c *Conv) BackwardWeights(p *Pool, x, dy, dweight, dbias []float32) {
	c.checkAll(x, dweight, dy)
	if dbias != nil {
		c.check("dbias", dbias, c.p.Outputs)
	}
	op := p.Begin()
	defer op.End()
	if c.winogradGrad != nil {
		c.winogradGrad.run(op, x, dy, dweight, dbias)
		return
	}
	c.grad.run(op, x, dy, dweight)
	if dbias != nil {
		c.BackwardBias(op.Pool(), dy, dbias)
	}
}

// BackwardBias adds the gradient with respect to bias to dbias.
func (c *Conv) BackwardBias(p *Pool, dy, dbias []float32) {
	c.check("y", dy, c.p.Batch*c.p.Outputs*c.outSize)
	c.check("dbias", dbias, c.p.Outputs)
	c.bias = biasTask{batch: c.p.Batch, outputs: c.p.Outputs, size: c.outSize, dy: dy, dbias: dbias}
	c.bias.step = max(1, biasWork/max(1, c.p.Batch*c.outSize))
	p.Run(ceilDiv(c.p.Outputs, c.bias.step), &c.bias)
	c.bias = biasTask{}
}

// biasWork is about how many numbers of dy a task of BackwardBias sums.
const biasWork = 1 << 16

// biasTask sums dy over some of the outputs.
type biasTask struct {
	batch, outputs, size, step int
	dy, dbias                  []float32
}

// Do sums part i of the outputs.
func (t *biasTask) Do(_, i int) {
	for o := i * t.step; o < min((i+1)*t.step, t.outputs); o++ {
		var sum float64
		for n := range t.batch {
			sum += Sum64(t.dy[(n*t.outputs+o)*t.size:][:t.size])
		}
		t.dbias[o] += float32(sum)
	}
}
