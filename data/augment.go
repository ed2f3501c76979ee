package data

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// augmentation is the options of transform_param that change images at random to make
// more of them. They have the names and meanings of several forks of Caffe, and count
// in training only, but for min_side and rescale. The order of the steps is that of
// their names here:
//
//   - maxAngle (max_rotation_angle, caffe-augmentation): the image is turned around its
//     centre by a random whole number of degrees. With crop_size it becomes as large as
//     it must be to hold all of the turned image, otherwise it keeps its size. What is
//     outside of the image is 0.
//   - side (min_side; min_side_min and min_side_max): the shorter side is scaled to this
//     length, or to a random one of a range, and the longer in proportion.
//   - rescale (random_resize_param, Intel's Caffe; img_rand_resize_lower and others,
//     NVIDIA's): the image is scaled to a random size.
//   - aspect (random_aspect_ratio_param, Intel's Caffe): a random rectangle is scaled to
//     a square of crop_size, if there is no rescale.
//   - shift, contrast (max_color_shift, contrast_brightness_adjustment,
//     caffe-augmentation) and distort (distort_param, SSD's Caffe) change the colours.
//
// pad, crop_size, mirror, the mean and scale follow, and cutout_size comes last.
type augmentation struct {
	train    bool
	maxAngle int
	side     [2]int // shortest and longest length of the shorter side; 0 for as it is
	crop     int
	rescale  *rescaling                          // or nil
	aspect   *caffepb.RandomAspectRatioParameter // or nil
	colors   colors
	cutout   int
}

// The first number of an option of augmentation in TransformationParameter.
const firstAugmentation = 10002

// Augmentation returns the name of an option of augmentation that is set, or "".
func Augmentation(p *caffepb.TransformationParameter) (field string) {
	return augmentationWithout(p, nil)
}

// ofColors are the options of augmentation that change nothing but colours.
var ofColors = []string{
	"max_color_shift", "contrast_brightness_adjustment", "min_contrast", "max_contrast", "max_brightness_shift",
	"apply_probability", "distort_param",
}

// MovesPixels returns the name of an option of augmentation that is set and does more
// than change colours, or "". Such an option does not suit images with boxes or labels
// for their pixels.
func MovesPixels(p *caffepb.TransformationParameter) (field string) {
	return augmentationWithout(p, ofColors)
}

// augmentationWithout returns the name of an option of augmentation that is set and not
// among those left out.
func augmentationWithout(p *caffepb.TransformationParameter, leftOut []string) (field string) {
	p.ProtoReflect().Range(func(d protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if d.Number() >= firstAugmentation && !slices.Contains(leftOut, d.TextName()) {
			field = d.TextName()
		}
		return field == ""
	})
	return field
}

const (
	maxAttempts = 1000  // limit of max_attempt
	maxPixel    = 255.0 // the brightest
)

// newAugmentation reads the options, or returns nil if there are none. Its errors are
// of type *OptionError.
func newAugmentation(p *caffepb.TransformationParameter, train bool) (*augmentation, error) {
	if Augmentation(p) == "" {
		return nil, nil
	}
	bad := func(field, format string, args ...any) (*augmentation, error) {
		return nil, &OptionError{field, fmt.Errorf(format, args...)}
	}
	a := &augmentation{
		train: train, maxAngle: int(p.GetMaxRotationAngle()), crop: int(p.GetCropSize()),
		side: [2]int{int(p.GetMinSide()), int(p.GetMinSide())}, aspect: p.GetRandomAspectRatioParam(), cutout: int(p.GetCutoutSize()),
	}
	shortest, longest := p.GetMinSideMin(), p.GetMinSideMax()
	for _, side := range []struct {
		field string
		n     uint32
	}{{"min_side", p.GetMinSide()}, {"min_side_max", longest}, {"cutout_size", p.GetCutoutSize()}} {
		if side.n > maxCrop {
			return bad(side.field, "got %d, want at most %d", side.n, maxCrop)
		}
	}
	switch {
	case a.maxAngle > 180:
		return bad("max_rotation_angle", "got %d, want 0 to 180 degrees", a.maxAngle)
	case shortest > longest || (shortest == 0) != (longest == 0):
		return bad("min_side_min", "min_side_min is %d and min_side_max %d, want both, the first not above the second", shortest, longest)
	case shortest > 0 && a.side[0] > 0:
		return bad("min_side_min", "min_side and min_side_min cannot both be set")
	case shortest > 0 && (a.crop == 0 || int64(shortest)+2*int64(p.GetPad()) < int64(a.crop)):
		return bad("min_side_min", "min_side_min is %d and crop_size %d, want a crop_size and none above min_side_min and the padding", shortest, a.crop)
	case p.MeanFile != nil && p.RandomResizeParam != nil:
		return bad("mean_file", "a mean image does not fit images that are scaled: use mean_value")
	case p.MeanFile != nil && (a.maxAngle > 0 || a.side[0] > 0 || shortest > 0 || a.aspect != nil):
		return bad("mean_file", "a mean image does not fit images that are turned or scaled: use mean_value")
	}
	if shortest > 0 && train {
		a.side = [2]int{int(shortest), int(longest)}
	}
	if r := a.aspect; r != nil {
		field := "random_aspect_ratio_param"
		lo, hi, change := r.GetMinAreaRatio(), r.GetMaxAreaRatio(), r.GetAspectRatioChange()
		switch {
		case a.crop == 0:
			return bad(field, "crop_size is missing: the size of the result")
		case !(lo > 0 && lo <= hi && hi <= 1):
			return bad(field, "min_area_ratio is %g and max_area_ratio %g, want 0 < min_area_ratio <= max_area_ratio <= 1", lo, hi)
		case !(change > 0 && change <= 1):
			return bad(field, "aspect_ratio_change is %g, want more than 0, and at most 1", change)
		case r.GetMaxAttempt() < 1 || r.GetMaxAttempt() > maxAttempts:
			return bad(field, "max_attempt is %d, want 1 to %d", r.GetMaxAttempt(), maxAttempts)
		}
	}
	var err error
	if a.rescale, err = newRescaling(p); err != nil {
		return nil, err
	}
	if a.rescale != nil {
		a.aspect = nil // as in Intel's Caffe
	}
	if a.colors, err = newColors(p); err != nil {
		return nil, err
	}
	return a, nil
}

// changesPixels reports whether there is something to do before the crop.
func (a *augmentation) changesPixels() bool {
	return a != nil && (a.side[0] > 0 || a.rescale != nil || a.train && (a.maxAngle > 0 || a.aspect != nil || a.colors.any()))
}

// size returns the size of a p that the options have changed, without its crop. What is
// left to chance and crop_size is taken at its smallest.
func (a *augmentation) size(p *pixels) (height, width int, err error) {
	if !a.changesPixels() {
		return p.height, p.width, nil
	}
	if p.bytes == nil {
		return 0, 0, errors.New("the record has float numbers, whose pixels cannot be augmented: want bytes")
	}
	if a.train && a.colors.needColor() && p.channels != 3 {
		return 0, 0, fmt.Errorf("the image has %d channels, want 3 for the hue, saturation and order of distort_param", p.channels)
	}
	if p.height < 1 || p.width < 1 {
		return 0, 0, errors.New("the image has no pixels that could be augmented")
	}
	if err := CheckSize(scaledTo(a.side[1], p.height, p.width)); err != nil {
		return 0, 0, err
	}
	if a.train && a.aspect != nil {
		return a.crop, a.crop, nil
	}
	height, width = scaledTo(a.side[0], p.height, p.width)
	if a.rescale != nil {
		var maxH, maxW int
		if height, width, maxH, maxW = a.rescale.least(height, width); CheckSize(maxH, maxW) != nil {
			return 0, 0, CheckSize(maxH, maxW)
		}
	}
	return height, width, nil
}

// scaledTo returns the size of an image whose shorter side is scaled to a length.
func scaledTo(side, height, width int) (int, int) {
	long := func(short, long int) int {
		return int((int64(long)*int64(side) + int64(short) - 1) / int64(short))
	}
	switch {
	case side == 0:
	case height <= width:
		return side, long(height, width)
	default:
		return long(width, height), side
	}
	return height, width
}

// The places of the random numbers of an image in its stream. The first four are those
// of the crop and the mirror image.
const (
	atAngle = iota + 4
	atSide
	atColors // and after it
	atCutout = atColors + colorWords + iota - 3
	_
	augmentWords
	atAttempts = 64 // of random_aspect_ratio_param, 8 for each
	atRescale  = atAttempts + 8*maxAttempts
)

// augmenting is the storage of the augmentation of an image.
type augmenting struct {
	words   [augmentWords]uint32
	try     [8]uint32
	images  [2]Image
	resizer Resizer
}

// draw draws the random numbers for the record at a place.
func (t *Transformer) draw(w *augmenting, place uint64) {
	if t.augment != nil && t.augment.train {
		t.random.Uint32(nil, place, 0, w.words[:])
	}
}

// augmented returns the pixels as the options change them. The random numbers are
// drawn.
func (t *Transformer) augmented(p *pixels, w *augmenting, place uint64) pixels {
	a := t.augment
	im, other := &w.images[0], &w.images[1]
	im.copyOf(p)
	if a.train && a.maxAngle > 0 {
		if angle := below(w.words[atAngle], 2*a.maxAngle+1) - a.maxAngle; angle != 0 {
			turn(other, im, float64(angle)*math.Pi/180, a.crop > 0)
			im, other = other, im
		}
	}
	if lo, hi := a.side[0], a.side[1]; lo > 0 {
		if height, width := scaledTo(lo+below(w.words[atSide], hi-lo+1), im.Height, im.Width); height != im.Height || width != im.Width {
			w.resizer.Resize(other, im, height, width, Linear)
			im, other = other, im
		}
	}
	if a.rescale != nil {
		t.random.Uint32(nil, place, atRescale, w.try[:])
		if height, width, how := a.rescale.size(im.Height, im.Width, w.try[:]); height != im.Height || width != im.Width {
			w.resizer.Resize(other, im, height, width, how)
			im, other = other, im
		}
	}
	if a.train && a.aspect != nil {
		part := t.part(im, w, place)
		w.resizer.resize(other, im, part, a.crop, a.crop, interpolationOf(a.aspect.GetResizeParam(), w.try[5]))
		im = other
	}
	if a.train {
		a.colors.change(im, w.words[atColors:])
	}
	return im.pixels()
}

// ChangeColors changes the colours of an image in place, as Transform does for a record
// at that place before anything else: in training, as distort_param and the other
// options of colours say.
func (t *Transformer) ChangeColors(im *Image, p *Pixels, place uint64) error {
	if t.augment == nil || !t.augment.train {
		return nil
	}
	if t.augment.colors.needColor() && im.Channels != 3 {
		return fmt.Errorf("the image has %d channels, want 3 for the hue, saturation and order of distort_param", im.Channels)
	}
	t.draw(&p.augment, place)
	t.augment.colors.change(im, p.augment.words[atColors:])
	return nil
}

// part chooses the part of an image that random_aspect_ratio_param scales. Its area is
// a random share of the image's, and its height and width are the root of that area
// multiplied with and divided by a random number, or the other way round. If no part
// was found that fits, it is the largest square in the centre.
func (t *Transformer) part(im *Image, w *augmenting, place uint64) rect {
	r := t.augment.aspect
	lo, hi := r.GetMinAreaRatio(), r.GetMaxAreaRatio()
	least := r.GetAspectRatioChange()
	for attempt := range uint64(r.GetMaxAttempt()) {
		t.random.Uint32(nil, place, atAttempts+attempt*uint64(len(w.try)), w.try[:])
		root := math.Sqrt(float64(between(w.try[0], lo, hi)) * float64(im.Height) * float64(im.Width))
		change := float64(between(w.try[1], least, 1/least))
		height, width := int(root*change), int(root/change)
		if w.try[2]>>31 == 1 {
			height, width = width, height
		}
		if height >= 1 && width >= 1 && height <= im.Height && width <= im.Width {
			return rect{below(w.try[3], im.Height-height+1), below(w.try[4], im.Width-width+1), height, width}
		}
	}
	side := min(im.Height, im.Width)
	return rect{(im.Height - side) / 2, (im.Width - side) / 2, side, side}
}

// cut sets a square of dst, which is an image of channels x height x width, to 0. Its
// centre is a random pixel, so part of the square may be outside.
func (a *augmentation) cut(dst []float32, words []uint32, height, width int) {
	top, left := below(words[0], height)-a.cutout/2, below(words[1], width)-a.cutout/2
	y0, y1 := max(0, top), min(height, top+a.cutout)
	x0, x1 := max(0, left), min(width, left+a.cutout)
	for c := 0; c < len(dst); c += height * width {
		for y := y0; y < y1; y++ {
			clear(dst[c+y*width:][x0:x1])
		}
	}
}

// between maps a random word to a number from lo on, and below hi unless they are equal.
func between(word uint32, lo, hi float32) float32 {
	return lo + (hi-lo)*(float32(word>>8)*0x1p-24)
}

// happens reports whether an event of a probability from 0 to 1 happens.
func happens(word uint32, probability float32) bool {
	return float64(word)*0x1p-32 < float64(probability)
}

// copyOf makes im a copy of p, which has bytes.
func (im *Image) copyOf(p *pixels) {
	im.reset(p.channels, p.width, p.height)
	n := p.width * p.channels
	for y := range p.height {
		out := im.Pix[y*n:][:n]
		if p.perPixel == p.channels && p.perChannel == 1 {
			copy(out, p.bytes[y*p.perRow:])
			continue
		}
		for c := range p.channels {
			row := p.bytes[c*p.perChannel+y*p.perRow:]
			for x := range p.width {
				out[x*p.channels+c] = row[x*p.perPixel]
			}
		}
	}
}
