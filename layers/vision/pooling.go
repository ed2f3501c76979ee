package vision

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Pooling",
		Group: "vision",
		Param: "pooling_param",
		Doc: `The maximum or the mean of each window of an image.

The size of y along an axis is (size + 2 pad - kernel_size) / stride + 1, rounded up or down; with padding, a last
window that would start in the padding after the image is left out. Windows are clipped at the end of the padded
image. The mean is over the part of a window in the padded image, where the padding counts as 0. The maximum is
over the part in the image; the first of equal maxima gets the gradient.

In training, STOCHASTIC samples an element of the window with a probability proportional to the element, which
gets the gradient. In TEST it computes the mean of the elements weighted by themselves. They should not be
negative. The samples depend only on the seed, the layer's name and the number of the pass.

Bottom: x: items x channels x height x width.
Tops: y; optionally, for MAX, the index of each maximum in its image, row by row from 0, which has no gradient.

pooling_param:
	pool (MAX): MAX, AVE or STOCHASTIC; STOCHASTIC does not support padding
	kernel_size, or kernel_h and kernel_w
	pad (0), or pad_h and pad_w
	stride (1), or stride_h and stride_w
	global_pooling (false): use the whole image as the only window, without the options above
	round_mode (CEIL): CEIL or FLOOR
	ceil_mode (true), of forks: false is round_mode FLOOR
	engine: accepted and ignored

Caffe: pooling_layer.cpp; STOCHASTIC after pooling_layer.cu and Zeiler and Fergus, "Stochastic Pooling" (2013).
Differs from Caffe: a window outside the image, which a stride larger than kernel_size can cause, has mean 0 and no
gradient; STOCHASTIC runs on the CPU too, and its gradient in TEST is correct.`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Between(1, 2),
		New:     newPooling,
		Kernels: poolingKernels,
		Extends: "message PoolingParameter { optional bool ceil_mode = 1 [default = true]; }",
	})
}

// pooling implements the layer type; its registration describes it.
type pooling struct {
	layers.OnRecordableDevice
	pooler
	global bool
}

var (
	_ layers.Layer          = (*pooling)(nil)
	_ layers.BackwardReader = (*pooling)(nil)
	_ layers.DeferredReader = (*pooling)(nil)
)

func newPooling(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetPoolingParam()
	if p == nil {
		p = new(caffepb.PoolingParameter)
	}
	l := &pooling{pooler: newPooler(s, p.GetPool(), "pooling"), global: p.GetGlobalPooling()}
	var fork struct {
		CeilMode bool `proto:"ceil_mode"`
	}
	if _, err := s.OptionsIn("pooling_param", &fork); err != nil {
		return nil, err
	}
	l.floor = p.GetRoundMode() == caffepb.PoolingParameter_FLOOR || !fork.CeilMode
	if p.RoundMode != nil && !fork.CeilMode && p.GetRoundMode() == caffepb.PoolingParameter_CEIL {
		return nil, s.Errorf("pooling_param.ceil_mode", "round_mode is CEIL and ceil_mode false, want one of them")
	}
	switch l.method {
	case caffepb.PoolingParameter_MAX:
	case caffepb.PoolingParameter_AVE, caffepb.PoolingParameter_STOCHASTIC:
		if len(s.Param.GetTop()) > 1 {
			return nil, s.Errorf("top", "%v pooling has 2 tops, want 1: only MAX has a mask", l.method)
		}
	default:
		return nil, s.Errorf("pooling_param.pool", "got pool %v, want MAX, AVE or STOCHASTIC", l.method)
	}
	var err error
	size := func(field string, both, h, w *uint32, absent, least uint32) (int, int) {
		y, x, e := l.option(field, both, h, w, absent, least)
		if err == nil {
			err = e
		}
		return y, x
	}
	if l.global {
		if p.KernelSize != nil || p.KernelH != nil || p.KernelW != nil {
			return nil, s.Errorf("pooling_param.global_pooling", "global_pooling and a kernel size are set, want one of them")
		}
	} else {
		l.g.KernelH, l.g.KernelW = size("kernel_size", p.KernelSize, p.KernelH, p.KernelW, 0, 1)
	}
	l.g.PadH, l.g.PadW = size("pad", p.Pad, p.PadH, p.PadW, 0, 0)
	l.g.StrideH, l.g.StrideW = size("stride", p.Stride, p.StrideH, p.StrideW, 1, 1)
	if err != nil {
		return nil, err
	}
	if l.global && (l.g.PadH != 0 || l.g.PadW != 0 || l.g.StrideH != 1 || l.g.StrideW != 1) {
		return nil, s.Errorf("pooling_param.global_pooling", "global_pooling with pad %d, %d and stride %d, %d, want pad 0 and stride 1",
			l.g.PadH, l.g.PadW, l.g.StrideH, l.g.StrideW)
	}
	if l.method == caffepb.PoolingParameter_STOCHASTIC && (l.g.PadH != 0 || l.g.PadW != 0) {
		return nil, s.Errorf("pooling_param.pad", "STOCHASTIC pooling with pad %d, %d, want 0", l.g.PadH, l.g.PadW)
	}
	if !l.global && (l.g.PadH >= l.g.KernelH || l.g.PadW >= l.g.KernelW) {
		return nil, s.Errorf("pooling_param.pad", "pad %d, %d is not below the kernel size %d, %d", l.g.PadH, l.g.PadW, l.g.KernelH, l.g.KernelW)
	}
	return l, nil
}

// option returns the sizes along the height and the width, from one field for both or
// from one field each.
func (l *pooling) option(field string, both, h, w *uint32, absent, least uint32) (int, int, error) {
	short := field
	if field == "kernel_size" {
		short = "kernel"
	}
	if both != nil && (h != nil || w != nil) {
		return 0, 0, l.spec.Errorf("pooling_param."+field, "%s and %s_h or %s_w are both set, want one form", field, short, short)
	}
	if (h == nil) != (w == nil) {
		at := "pooling_param." + short + "_h"
		if h == nil {
			at = "pooling_param." + short + "_w"
		}
		return 0, 0, l.spec.Errorf(at, "%s_h and %s_w belong together, want both", short, short)
	}
	y, x := absent, absent
	switch {
	case both != nil:
		y, x = *both, *both
	case h != nil:
		field, y, x = short+"_h", *h, *w
	case absent < least:
		return 0, 0, l.spec.Errorf("pooling_param", "%s is not given", field)
	}
	if min(y, x) < least || max(y, x) > math.MaxInt16 {
		return 0, 0, l.spec.Errorf("pooling_param."+field, "%s %d, %d is out of range, want %d to %d", short, y, x, least, math.MaxInt16)
	}
	return int(y), int(x), nil
}

// SetUp does nothing.
func (l *pooling) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape computes the sizes and sets the shapes of the tops.
func (l *pooling) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if l.global && x.Axes() == 4 {
		l.g.KernelH, l.g.KernelW = x.Dim(2), x.Dim(3)
	}
	if err := l.measure(x); err != nil {
		return err
	}
	for _, y := range top {
		if err := y.Reshape(x.Dim(0), x.Dim(1), l.g.OutH, l.g.OutW); err != nil {
			return l.spec.ErrorAt("top", 0, err)
		}
	}
	return nil
}

// ReadDeferred sets the layer whose map Forward computes, unless the method is STOCHASTIC.
func (l *pooling) ReadDeferred(before layers.Deferrer) bool {
	if before != nil && l.method == caffepb.PoolingParameter_STOCHASTIC {
		return false
	}
	l.before = before
	return true
}

// Forward computes the tops.
func (l *pooling) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.forward(bottom[0].Data(), top[0].MutableData())
	if len(top) > 1 {
		mask := top[1].MutableData()
		for i, place := range l.mask {
			mask[i] = float32(place)
		}
	}
	return nil
}

// BackwardReads reports that Backward reads data only if the pooler weighs.
func (l *pooling) BackwardReads() (bottom, top bool) { return l.weighs(), l.weighs() }

// Backward computes the diff of the bottom.
func (l *pooling) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.backward(bottom[0], top[0], bottom[0].MutableDiff())
	}
	return nil
}
