package vision

import (
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

// A window is the geometry of a convolution's kernel: sizes for each spatial axis.
type window struct{ kernel, stride, pad, dilation []int }

// newWindow reads the sizes from convolution_param.
func newWindow(s *layers.Spec, p *caffepb.ConvolutionParameter, axes int) (w window, err error) {
	if w.kernel, err = windowOption(s, "kernel_size", axes, p.GetKernelSize(), p.KernelH, p.KernelW, -1); err != nil {
		return w, err
	}
	if w.stride, err = windowOption(s, "stride", axes, p.GetStride(), p.StrideH, p.StrideW, 1); err != nil {
		return w, err
	}
	if w.pad, err = windowOption(s, "pad", axes, p.GetPad(), p.PadH, p.PadW, 0); err != nil {
		return w, err
	}
	w.dilation, err = windowOption(s, "dilation", axes, p.GetDilation(), nil, nil, 1)
	return w, err
}

// windowOption returns the sizes for each spatial axis, from the repeated field or from
// the fields for two axes.
func windowOption(s *layers.Spec, field string, axes int, repeated []uint32, h, w *uint32, absent int) ([]int, error) {
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
			return nil, s.Errorf(at, "%s and %s_h or %s_w are both set, want one form", field, short, short)
		case axes != 2:
			return nil, s.Errorf(at, "%s_h and %s_w are for 2 spatial axes, bottom has %d", short, short, axes)
		case (h == nil || w == nil) && absent != 0:
			return nil, s.Errorf(at, "%s_h and %s_w belong together, want both", short, short)
		}
		for i, size := range []*uint32{h, w} {
			if size != nil { // pad_h or pad_w alone: the other is 0, as in Caffe
				sizes[i] = int(*size)
			}
		}
		return sizes, nil
	}
	switch n := len(repeated); {
	case n == 0 && absent < 0 && axes > 0:
		return nil, s.Errorf("convolution_param", "%s is not given", field)
	case n > 1 && n != axes:
		return nil, s.Errorf(name, "%s is given %d times, want once or once for each of the %d spatial axes", field, n, axes)
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
