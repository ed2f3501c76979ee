package vision

import (
	"context"
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Pooling",
		Group: "vision",
		Param: "pooling_param",
		Doc: `The maximum or the mean of each window of an image.

The size of y along an axis is (size + 2 pad - kernel_size) / stride + 1, rounded up or down; with padding, a last
window that would begin in the padding behind the image is left out. Windows are cut off at the end of the
padded image. The mean is over a window's places in the padded image, of which the padding counts as 0;
the maximum is over those in the image, and of equal ones the first gets the gradient.

Bottom: x, of items x channels x height x width.
Tops: y. Optionally, for MAX, the place of each maximum in its image, row by row from 0; it has no gradient.

pooling_param:
	pool (MAX): MAX or AVE. STOCHASTIC is refused, as Caffe has it on the GPU only
	kernel_size, or kernel_h and kernel_w
	pad (0), or pad_h and pad_w
	stride (1), or stride_h and stride_w
	global_pooling (false): one window, the whole image; then the above are not given
	round_mode (CEIL): CEIL or FLOOR
	engine: accepted and ignored

Caffe: pooling_layer.cpp. Differs from Caffe: a window outside the image, which there is with a stride
beyond kernel_size, has mean 0 and no gradient.`,
		Bottoms: layers.Exactly(1),
		Tops:    layers.Between(1, 2),
		New:     newPooling,
		Kernels: poolingKernels,
	})
}

// pooling is described by its registration.
type pooling struct {
	layers.OnRecordableDevice
	spec   *layers.Spec
	max    bool
	global bool
	floor  bool

	g    kernel.PoolParams
	mask []int32 // the place of each maximum

	onDevice blob.Blob // the mask on a device, as ints
}

var (
	_ layers.Layer          = (*pooling)(nil)
	_ layers.BackwardReader = (*pooling)(nil)
)

func newPooling(s *layers.Spec) (layers.Layer, error) {
	p := s.Param.GetPoolingParam()
	if p == nil {
		p = new(caffepb.PoolingParameter)
	}
	l := &pooling{spec: s, global: p.GetGlobalPooling(), floor: p.GetRoundMode() == caffepb.PoolingParameter_FLOOR}
	switch p.GetPool() {
	case caffepb.PoolingParameter_MAX:
		l.max = true
	case caffepb.PoolingParameter_AVE:
		if len(s.Param.GetTop()) > 1 {
			return nil, s.Errorf("top", "AVE pooling has 2 tops, want 1: only MAX has a mask")
		}
	default:
		return nil, s.Errorf("pooling_param.pool", "%v pooling is not supported, want MAX or AVE", p.GetPool())
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
			return nil, s.Errorf("pooling_param.global_pooling", "global_pooling and a kernel size are given, want one of them")
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
	if !l.global && (l.g.PadH >= l.g.KernelH || l.g.PadW >= l.g.KernelW) {
		return nil, s.Errorf("pooling_param.pad", "pad %d, %d is not below the kernel size %d, %d", l.g.PadH, l.g.PadW, l.g.KernelH, l.g.KernelW)
	}
	return l, nil
}

// option returns the sizes along the height and the width, given in one field
// for both or in one each.
func (l *pooling) option(field string, both, h, w *uint32, absent, least uint32) (int, int, error) {
	short := field
	if field == "kernel_size" {
		short = "kernel"
	}
	if both != nil && (h != nil || w != nil) {
		return 0, 0, l.spec.Errorf("pooling_param."+field, "%s is given and %s_h or %s_w too, want one form", field, short, short)
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

// Reshape finds the sizes and gives the tops their shape.
func (l *pooling) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	x := bottom[0]
	if x.Axes() != 4 {
		return l.spec.Errorf("bottom", "bottom has shape %v, want 4 axes: items, channels, height, width", x.Shape())
	}
	l.g.Planes, l.g.H, l.g.W = x.CountRange(0, 2), x.Dim(2), x.Dim(3)
	if l.global {
		l.g.KernelH, l.g.KernelW = l.g.H, l.g.W
	}
	l.g.OutH = l.outSize(l.g.H, l.g.KernelH, l.g.PadH, l.g.StrideH)
	l.g.OutW = l.outSize(l.g.W, l.g.KernelW, l.g.PadW, l.g.StrideW)
	if l.g.OutH < 1 || l.g.OutW < 1 || l.g.H < 1 || l.g.W < 1 {
		return l.spec.Errorf("bottom", "bottom has shape %v, too small for windows of %d x %d with pad %d, %d",
			x.Shape(), l.g.KernelH, l.g.KernelW, l.g.PadH, l.g.PadW)
	}
	for _, y := range top {
		if err := y.Reshape(x.Dim(0), x.Dim(1), l.g.OutH, l.g.OutW); err != nil {
			return l.spec.ErrorAt("top", 0, err)
		}
	}
	if n := top[0].Count(); l.max && len(l.mask) < n {
		l.mask = make([]int32, n)
	}
	return nil
}

// outSize returns the number of windows along an axis.
func (l *pooling) outSize(size, kernel, pad, stride int) int {
	room := float64(size + 2*pad - kernel)
	n := int(math.Ceil(room/float64(stride))) + 1
	if l.floor {
		n = int(math.Floor(room/float64(stride))) + 1
	}
	if (l.g.PadH > 0 || l.g.PadW > 0) && (n-1)*stride >= size+pad {
		n--
	}
	return n
}

// Forward computes the tops.
func (l *pooling) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	w, x, y := l.spec.Env.Workers, bottom[0].Data(), top[0].MutableData()
	if !l.max {
		kernel.AvePoolForward(w, l.g, x, y)
		return nil
	}
	kernel.MaxPoolForward(w, l.g, x, y, l.mask)
	if len(top) > 1 {
		mask := top[1].MutableData()
		for i, place := range l.mask[:len(mask)] {
			mask[i] = float32(place)
		}
	}
	return nil
}

// BackwardReads returns that Backward reads no data.
func (l *pooling) BackwardReads() (bottom, top bool) { return false, false }

// Backward computes the diff of the bottom.
func (l *pooling) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if !propagateDown[0] {
		return nil
	}
	w, dy, dx := l.spec.Env.Workers, top[0].Diff(), bottom[0].MutableDiff()
	if l.max {
		kernel.MaxPoolBackward(w, l.g, l.mask, dy, dx)
	} else {
		kernel.AvePoolBackward(w, l.g, dy, dx)
	}
	return nil
}
