package vision

import (
	"context"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Im2col",
		Group: "vision",
		Param: "convolution_param",
		Doc: `Copies the elements under each position of a convolution's kernel to a channel of its own. The product of the
		weights' matrix and these channels is the convolution.

	y[n, c K + k, p] = x[n, c, stride p - pad + dilation k]

where k counts the K positions in the kernel and x is 0 in the padding. The size of y along a spatial axis is
(size + 2 pad - (dilation (kernel_size - 1) + 1)) / stride + 1, rounded down.

Bottom: x: items, channels, spatial axes.
Top: y, with K times as many channels.

convolution_param:
	kernel_size, pad (0), stride (1), dilation (1): once, or once for each spatial axis
	kernel_h, kernel_w, pad_h, pad_w, stride_h, stride_w: the same for two spatial axes, instead of the above
	axis (1): the axis of the channels; a negative one counts from the last
	num_output, group, bias_term, weight_filler, bias_filler, engine, force_nd_im2col: accepted and ignored

Caffe: im2col_layer.cpp`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New: func(s *layers.Spec) (layers.Layer, error) {
			return &im2col{spec: s, param: s.Param.GetConvolutionParam()}, nil
		},
		Kernels: im2colKernels,
	})
}

// im2col implements the layer type; its registration describes it.
type im2col struct {
	layers.OnRecordableDevice
	spec  *layers.Spec
	param *caffepb.ConvolutionParameter
	window

	channelAxis   int
	in, out       []int // spatial shapes of x and y
	planes, taps  int   // items times channels, and positions in the kernel
	size, outSize int   // elements of a plane of x and of one of y
	shape         []int // of the top
	table         blob.Blob
}

var (
	_ layers.Layer          = (*im2col)(nil)
	_ layers.BackwardReader = (*im2col)(nil)
)

// SetUp reads the kernel's sizes.
func (l *im2col) SetUp(bottom, _ []*blob.Blob) error {
	x := bottom[0]
	if l.param == nil {
		l.param = new(caffepb.ConvolutionParameter)
	}
	var err error
	if l.channelAxis, err = x.Axis(int(l.param.GetAxis())); err != nil {
		return l.spec.ErrorAt("convolution_param.axis", 0, err)
	}
	if l.channelAxis == x.Axes()-1 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want a spatial axis after the channels on axis %d", x.Shape(), l.channelAxis)
	}
	if l.window, err = newWindow(l.spec, l.param, x.Axes()-l.channelAxis-1); err != nil {
		return err
	}
	l.taps = 1
	for i, k := range l.kernel {
		for _, option := range []struct {
			name  string
			value int
		}{{"kernel_size", k}, {"stride", l.stride[i]}, {"dilation", l.dilation[i]}} {
			if option.value < 1 {
				return l.spec.Errorf("convolution_param."+option.name, "%s is %d, want at least 1", option.name, option.value)
			}
		}
		l.taps *= k
	}
	return nil
}

// Reshape sets the shape of the top.
func (l *im2col) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x, first := bottom[0], l.channelAxis+1
	if x.Axes() != first+len(l.kernel) {
		return l.spec.Errorf("bottom", "bottom has shape %v, want %d axes as before", x.Shape(), first+len(l.kernel))
	}
	l.shape = append(l.shape[:0], x.Shape()...)
	l.shape[l.channelAxis] *= l.taps
	for i, k := range l.kernel {
		padded, extent := x.Dim(first+i)+2*l.pad[i], l.dilation[i]*(k-1)+1
		if padded < extent {
			return l.spec.Errorf("bottom", "bottom has shape %v, which with padding is %d along axis %d, less than the %d of the kernel", x.Shape(), padded, first+i, extent)
		}
		l.shape[first+i] = (padded-extent)/l.stride[i] + 1
	}
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("convolution_param", 0, fmt.Errorf("top: %w", err))
	}
	l.in, l.out = append(l.in[:0], x.Shape()[first:]...), l.shape[first:]
	l.planes, l.size, l.outSize = x.CountRange(0, first), x.CountFrom(first), top[0].CountFrom(first)
	return l.fillTable()
}

// im2colArgs are the arguments of the loops: x and y are both data or both diffs.
type im2colArgs struct {
	l    *im2col
	x, y []float32
}

// offsets is a position in the kernel along each axis, minus the padding.
type offsets [32]int

// tap returns the offsets of position k in the kernel.
func (l *im2col) tap(k int) (o offsets) {
	for a := len(l.kernel) - 1; a >= 0; a-- {
		o[a] = k%l.kernel[a]*l.dilation[a] - l.pad[a]
		k /= l.kernel[a]
	}
	return o
}

// row returns the start in a plane of x of the elements at the offsets from row r of a
// plane of y, and the range of the row's columns that are not in the padding.
func (l *im2col) row(r int, o *offsets) (at, from, to int) {
	last := len(l.kernel) - 1
	step := l.in[last]
	for a := last - 1; a >= 0; a-- {
		place := r%l.out[a]*l.stride[a] + o[a]
		if place < 0 || place >= l.in[a] {
			return 0, 0, 0
		}
		r /= l.out[a]
		at += place * step
		step *= l.in[a]
	}
	stride := l.stride[last]
	from = max(0, -o[last]+stride-1) / stride
	to = min(l.out[last], max(0, l.in[last]-o[last]+stride-1)/stride)
	return at + o[last], min(from, to), to
}

// im2colLoop copies x to the planes of y.
var im2colLoop = parallel.Loop[im2colArgs]{Body: func(a *im2colArgs, _, first, end int) {
	l := a.l
	width, stride := l.out[len(l.out)-1], l.stride[len(l.stride)-1]
	for plane := first; plane < end; plane++ {
		x, y := a.x[plane/l.taps*l.size:], a.y[plane*l.outSize:(plane+1)*l.outSize]
		o := l.tap(plane % l.taps)
		for r := range len(y) / max(1, width) {
			at, from, to := l.row(r, &o)
			line := y[r*width : (r+1)*width]
			clear(line[:from])
			clear(line[to:])
			for c := from; c < to; c++ {
				line[c] = x[at+c*stride]
			}
		}
	}
}}

// col2imLoop sums, for the planes of x, the elements of y that are copies of them.
var col2imLoop = parallel.Loop[im2colArgs]{Body: func(a *im2colArgs, _, first, end int) {
	l := a.l
	width, stride := l.out[len(l.out)-1], l.stride[len(l.stride)-1]
	for plane := first; plane < end; plane++ {
		x := a.x[plane*l.size : (plane+1)*l.size]
		clear(x)
		for k := range l.taps {
			y, o := a.y[(plane*l.taps+k)*l.outSize:], l.tap(k)
			for r := range l.outSize / max(1, width) {
				at, from, to := l.row(r, &o)
				for c := from; c < to; c++ {
					x[at+c*stride] += y[r*width+c]
				}
			}
		}
	}
}}

// Forward computes the top.
func (l *im2col) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	im2colLoop.Run(l.spec.Env.Workers, l.planes*l.taps, max(1, 1<<14/max(1, l.outSize)), im2colArgs{l, bottom[0].Data(), top[0].MutableData()})
	return nil
}

// BackwardReads reports that Backward reads no data.
func (l *im2col) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diff of the bottom.
func (l *im2col) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		col2imLoop.Run(l.spec.Env.Workers, l.planes, max(1, 1<<14/max(1, l.outSize*l.taps)), im2colArgs{l, bottom[0].MutableDiff(), top[0].Diff()})
	}
	return nil
}
