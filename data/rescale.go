package data

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/caffepb"
)

// rescaling are the options that scale images to a random size, in both phases: those of
// Intel's Caffe, random_resize_param, or those of NVIDIA's, img_rand_resize_lower and
// others. A crop follows.
type rescaling struct {
	intel  *caffepb.RandomResizeParameter // or nil
	nvidia *caffepb.TransformationParameter
	crop   int
}

// nvidiaFields are the options of NVIDIA's Caffe that scale images.
var nvidiaFields = []string{
	"img_rand_resize_lower", "img_rand_resize_upper", "rand_resize_ratio_lower", "rand_resize_ratio_upper",
	"vertical_stretch_lower", "vertical_stretch_upper", "horizontal_stretch_lower", "horizontal_stretch_upper",
}

// newRescaling reads the options, or returns nil if there are none.
func newRescaling(p *caffepb.TransformationParameter) (*rescaling, error) {
	r := &rescaling{intel: p.GetRandomResizeParam(), crop: int(p.GetCropSize())}
	field, m := "", p.ProtoReflect()
	for _, name := range nvidiaFields {
		if m.Has(m.Descriptor().Fields().ByTextName(name)) && field == "" {
			field, r.nvidia = name, p
		}
	}
	bad := func(format string, args ...any) (*rescaling, error) {
		return nil, &OptionError{field, fmt.Errorf(format, args...)}
	}
	if field == "" && r.intel == nil {
		return nil, nil
	}
	if r.intel != nil {
		if field != "" {
			return bad("random_resize_param and %s cannot both be set", field)
		}
		field = "random_resize_param"
		lo, hi := r.intel.GetMinSize(), r.intel.GetMaxSize()
		switch {
		case hi > maxCrop || lo > maxCrop:
			return bad("min_size is %d and max_size %d, want at most %d", lo, hi, maxCrop)
		case lo > hi && hi > 0:
			return bad("min_size is %d and max_size %d, want the first not above the second", lo, hi)
		case lo > 0 && int(lo) < r.crop:
			return bad("min_size is %d and crop_size %d, want none above min_size", lo, r.crop)
		case p.GetPad() > 0:
			return bad("there is a pad of %d, which Intel's Caffe adds after the crop and gocaffe before it: remove it", p.GetPad())
		}
	}
	if r.crop == 0 {
		return bad("crop_size is missing, without which images have different sizes")
	}
	if r.nvidia == nil {
		return r, nil
	}
	switch lo, hi := p.GetImgRandResizeLower(), p.GetImgRandResizeUpper(); {
	case lo > hi || (lo == 0) != (hi == 0):
		return bad("img_rand_resize_lower is %d and img_rand_resize_upper %d, want both, the first not above the second", lo, hi)
	case hi > maxCrop:
		return bad("img_rand_resize_upper is %d, want at most %d", hi, maxCrop)
	}
	for _, v := range []float32{
		p.GetRandResizeRatioLower(), p.GetRandResizeRatioUpper(), p.GetVerticalStretchLower(), p.GetVerticalStretchUpper(),
		p.GetHorizontalStretchLower(), p.GetHorizontalStretchUpper(),
	} {
		if !(v >= 0 && v <= maxStretch) {
			return bad("a limit of a ratio or stretch is %g, want 0 to %d", v, maxStretch)
		}
	}
	return r, nil
}

// maxStretch is the limit of rand_resize_ratio_upper and the stretches.
const maxStretch = 1000

// least returns the size of an image at least, when it is scaled, and at most.
func (r *rescaling) least(height, width int) (h, w, maxH, maxW int) {
	if r.intel != nil {
		lo, hi := r.shorter(height, width)
		h, w = inProportion(lo, height, width)
		maxH, maxW = inProportion(hi, height, width)
		return h, w, maxH, maxW
	}
	p := r.nvidia
	if !p.GetAllowUpscale() {
		return min(height, r.crop), min(width, r.crop), height, width
	}
	stretch := max(1, p.GetRandResizeRatioUpper(), float32(max(height, width))/float32(min(height, width)))
	most := stretch * max(float32(min(height, width)), float32(p.GetImgRandResizeUpper()))
	maxH = int(min(max(most*max(1, p.GetVerticalStretchUpper()), float32(r.crop)), 1<<30))
	maxW = int(min(max(most*max(1, p.GetHorizontalStretchUpper()), float32(r.crop)), 1<<30))
	return r.crop, r.crop, maxH, maxW
}

// shorter returns the limits of the shorter side of random_resize_param.
func (r *rescaling) shorter(height, width int) (lo, hi int) {
	lo, hi = int(r.intel.GetMinSize()), int(r.intel.GetMaxSize())
	if lo == 0 {
		lo = min(height, width)
	}
	if hi == 0 {
		hi = max(height, width)
	}
	return lo, max(lo, hi)
}

// inProportion returns the size of an image whose shorter side is scaled to a length.
// The longer one is cut to a whole number.
func inProportion(side, height, width int) (int, int) {
	if height < width {
		return side, int(float32(width) / float32(height) * float32(side))
	}
	return int(float32(height) / float32(width) * float32(side)), side
}

// size returns the size to which an image is scaled, and how. words are random.
func (r *rescaling) size(height, width int, words []uint32) (h, w int, how Interpolation) {
	if r.intel != nil {
		lo, hi := r.shorter(height, width)
		h, w = inProportion(lo+below(words[0], hi-lo+1), height, width)
		return h, w, interpolationOf(r.intel.GetResizeParam(), words[1])
	}
	p := r.nvidia
	side := min(height, width)
	if lo, hi := int(p.GetImgRandResizeLower()), int(p.GetImgRandResizeUpper()); lo > 0 && hi > 0 {
		side = lo + below(words[0], hi-lo+1)
	}
	scale := float32(side) / float32(min(height, width))
	fh, fw := float32(scale*float32(height)), float32(scale*float32(width))
	if lo, hi := p.GetRandResizeRatioLower(), p.GetRandResizeRatioUpper(); lo >= 1 && hi > 1 {
		ratio := within(words[1], lo, hi)
		if fw > fh || fw == fh && words[2]>>31 == 1 {
			fw = fh * ratio
		} else {
			fh = fw * ratio
		}
	}
	if lo, hi := p.GetVerticalStretchLower(), p.GetVerticalStretchUpper(); lo > 0 && hi > 0 {
		fh *= within(words[3], lo, hi)
	}
	if lo, hi := p.GetHorizontalStretchLower(), p.GetHorizontalStretchUpper(); lo > 0 && hi > 0 {
		fw *= within(words[4], lo, hi)
	}
	h, w = max(r.crop, int(math.Round(float64(fh)))), max(r.crop, int(math.Round(float64(fw))))
	if !p.GetAllowUpscale() {
		h, w = min(h, height), min(w, width)
	}
	algorithm := p.GetInterpolationAlgoUp()
	if h <= height && w <= width {
		algorithm = p.GetInterpolationAlgoDown()
	}
	return h, w, nvidiaInterpolations[algorithm]
}

// within is between, for limits in any order.
func within(word uint32, a, b float32) float32 { return between(word, min(a, b), max(a, b)) }

var nvidiaInterpolations = map[caffepb.TransformationParameter_InterpolationAlgo]Interpolation{
	caffepb.TransformationParameter_INTER_NEAREST: Nearest,
	caffepb.TransformationParameter_INTER_LINEAR:  Linear,
	caffepb.TransformationParameter_INTER_CUBIC:   Cubic,
	caffepb.TransformationParameter_INTER_AREA:    Area,
}

// interpolationOf chooses one of the interpolations of an option.
func interpolationOf(p *caffepb.InterpolationParameter, word uint32) Interpolation {
	modes := p.GetInterpMode()
	if len(modes) == 0 {
		return Linear
	}
	switch modes[below(word, len(modes))] {
	case caffepb.InterpolationParameter_AREA:
		return Area
	case caffepb.InterpolationParameter_NEAREST:
		return Nearest
	case caffepb.InterpolationParameter_CUBIC:
		return Cubic
	case caffepb.InterpolationParameter_LANCZOS4:
		return Lanczos4
	}
	return Linear
}
