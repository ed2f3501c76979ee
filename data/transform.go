package data

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// Random supplies the random numbers for records, a stream for each. layers.Rand
// implements it.
type Random interface {
	// Uint32 sets y to the words offset, offset+1, ... of a stream.
	Uint32(p *parallel.Pool, stream, offset uint64, y []uint32)
}

// A Transformer crops and mirrors images and computes a net's input from their
// pixels, as Caffe's data_transformer.cpp does:
//
//	value = (pixel - mean) * scale
//
// Before that, it may change the pixels at random, as forks of Caffe do.
//
// Its methods may be called from several goroutines.
//
// Differs from Caffe: pad surrounds the image with zeros after the mean is
// subtracted. Crops and mirror images are a function of the seed and the place of
// the record in the sequence.
type Transformer struct {
	mode     Mode
	mirror   bool
	crop     int  // side of the square that is cropped, 0 for none
	anywhere bool // the square is at a random place, otherwise in the centre
	pad      int
	scale    float32
	mean     *Mean     // of the image before padding, or nil
	values   []float32 // mean of each channel, or one for all
	random   Random
	augment  *augmentation // nil for none
}

// An OptionError is an error in a field of transform_param.
type OptionError struct {
	Field string
	Err   error
}

// Error returns the error after the name of the field.
func (e *OptionError) Error() string { return "transform_param." + e.Field + ": " + e.Err.Error() }

// Unwrap returns the error without the field.
func (e *OptionError) Unwrap() error { return e.Err }

// maxCrop is the limit of crop_size and pad.
const maxCrop = 1 << 20

// NewTransformer returns a transformer for a phase. It does not read the mean file:
// see SetMean. Its errors are of type *OptionError.
func NewTransformer(p *caffepb.TransformationParameter, phase caffepb.Phase, random Random) (*Transformer, error) {
	bad := func(field, format string, args ...any) error {
		return &OptionError{field, fmt.Errorf(format, args...)}
	}
	switch {
	case p.MeanFile != nil && len(p.MeanValue) > 0:
		return nil, bad("mean_value", "mean_file and mean_value cannot both be set")
	case p.GetForceColor() && p.GetForceGray():
		return nil, bad("force_gray", "force_color and force_gray cannot both be set")
	case p.GetCropSize() > maxCrop:
		return nil, bad("crop_size", "got %d, want at most %d", p.GetCropSize(), maxCrop)
	case p.GetPad() > maxCrop:
		return nil, bad("pad", "got %d, want at most %d", p.GetPad(), maxCrop)
	}
	t := &Transformer{
		mirror:   p.GetMirror(),
		crop:     int(p.GetCropSize()),
		anywhere: phase == caffepb.Phase_TRAIN,
		pad:      int(p.GetPad()),
		scale:    p.GetScale(),
		values:   p.MeanValue,
		random:   random,
	}
	var err error
	if t.augment, err = newAugmentation(p, t.anywhere); err != nil {
		return nil, err
	}
	switch {
	case p.GetForceColor():
		t.mode = Color
	case p.GetForceGray():
		t.mode = Gray
	}
	return t, nil
}

// SetMean sets the mean image to subtract. If images are scaled to random sizes as in
// NVIDIA's Caffe, the centre of the mean is subtracted from any crop.
func (t *Transformer) SetMean(m *Mean) {
	t.mean = m
	if !t.meanOfCrop() || m.Height < t.crop || m.Width < t.crop {
		return // in the latter case Shape fails
	}
	center := &Mean{Channels: m.Channels, Height: t.crop, Width: t.crop}
	top, left := (m.Height-t.crop)/2, (m.Width-t.crop)/2
	for row := range m.Channels * t.crop {
		at := (row/t.crop*m.Height+top+row%t.crop)*m.Width + left
		center.Data = append(center.Data, m.Data[at:][:t.crop]...)
	}
	t.mean = center
}

// SetDatum makes p the content of a record, decoded if it is an image file. p is
// valid as long as the datum's data.
func (t *Transformer) SetDatum(p *Pixels, d *Datum) (err error) {
	if !d.Encoded {
		p.pixels, err = d.pixels()
		return err
	}
	if err := p.image.Decode(d.Data, t.mode); err != nil {
		return err
	}
	p.pixels = p.image.pixels()
	return nil
}

// SetImage makes im the content of a record, decoded if it is an image file, and
// otherwise a copy of its bytes.
func (t *Transformer) SetImage(im *Image, d *Datum) error {
	if d.Encoded {
		return im.Decode(d.Data, t.mode)
	}
	p, err := d.pixels()
	if err != nil {
		return err
	}
	if p.bytes == nil {
		return errors.New("the record has float numbers, want bytes")
	}
	im.Warning = ""
	im.copyOf(&p)
	return nil
}

// meanOfCrop reports whether the centre of the mean image is subtracted from any crop.
func (t *Transformer) meanOfCrop() bool {
	return t.augment != nil && t.augment.rescale != nil && t.augment.rescale.nvidia != nil
}

// Shape returns the shape C x H x W that the pixels have when they are
// transformed, Caffe's InferBlobShape, or an error if their size does not suit
// the options.
func (t *Transformer) Shape(pixels *Pixels) (c, h, w int, err error) {
	p := &pixels.pixels
	switch {
	case t.mean != nil && t.meanOfCrop():
		if t.mean.Channels != p.channels || t.mean.Height != t.crop || t.mean.Width != t.crop {
			return 0, 0, 0, fmt.Errorf("the image has %d channels and crop_size is %d, the mean_file is %d x %d x %d (channels x height x width)",
				p.channels, t.crop, t.mean.Channels, t.mean.Height, t.mean.Width)
		}
	case t.mean != nil && (t.mean.Channels != p.channels || t.mean.Height != p.height || t.mean.Width != p.width):
		return 0, 0, 0, fmt.Errorf("the image is %d x %d x %d (channels x height x width), the mean_file %d x %d x %d",
			p.channels, p.height, p.width, t.mean.Channels, t.mean.Height, t.mean.Width)
	case len(t.values) > 1 && len(t.values) != p.channels:
		return 0, 0, 0, fmt.Errorf("the image has %d channels, and there are %d mean_value, want 1 or %d", p.channels, len(t.values), p.channels)
	}
	if h, w, err = t.augment.size(p); err != nil {
		return 0, 0, 0, err
	}
	h, w = h+2*t.pad, w+2*t.pad
	if t.crop > 0 {
		if t.crop > h || t.crop > w {
			padded := ""
			if t.pad > 0 {
				padded = " with padding"
			}
			return 0, 0, 0, fmt.Errorf("the image is %d x %d%s (height x width), less than crop_size %d", h, w, padded, t.crop)
		}
		h, w = t.crop, t.crop
	}
	return p.channels, h, w, nil
}

// Transform writes the transformed pixels to dst, which has as many elements as
// their Shape says. Random numbers are drawn from the stream place, which is the
// record's place in the sequence.
func (t *Transformer) Transform(dst []float32, pixels *Pixels, place uint64) error {
	p := &pixels.pixels
	channels, height, width, err := t.Shape(pixels)
	if err != nil {
		return err
	}
	if len(dst) != channels*height*width {
		panic(fmt.Sprintf("data: Transform to %d values, want %d x %d x %d", len(dst), channels, height, width))
	}
	if t.augment != nil {
		t.draw(&pixels.augment, place)
		if t.augment.changesPixels() {
			changed := t.augmented(p, &pixels.augment, place)
			p = &changed
		}
	}
	top, left, mirrored := t.choose(pixels, p, height, width, place)
	t.write(dst, p, Crop{top, left, height, width, mirrored}, &pixels.row)
	if t.augment != nil && t.augment.train && t.augment.cutout > 0 {
		t.augment.cut(dst, pixels.augment.words[atCutout:], height, width)
	}
	return nil
}

// A Crop is a part of an image. Its top left corner, which counts from that of the
// image, may be outside: what is there becomes zero.
type Crop struct {
	Top, Left, Height, Width int
	Mirrored                 bool // left and right change places
}

// TransformCrop is Transform for a part of the image that the caller chooses, in place
// of the one that the options and the phase say. Options of augmentation do not count.
func (t *Transformer) TransformCrop(dst []float32, pixels *Pixels, c Crop) error {
	p := &pixels.pixels
	if _, _, _, err := t.Shape(pixels); err != nil {
		return err
	}
	if c.Height < 0 || c.Width < 0 || len(dst) != p.channels*c.Height*c.Width {
		panic(fmt.Sprintf("data: TransformCrop to %d values, want %d x %d x %d", len(dst), p.channels, c.Height, c.Width))
	}
	t.write(dst, p, c, &pixels.row)
	return nil
}

// write writes a part of the image to dst, transformed. row is storage.
func (t *Transformer) write(dst []float32, p *pixels, crop Crop, row *[]byte) {
	channels, height, width := p.channels, crop.Height, crop.Width
	top, left, mirrored := crop.Top, crop.Left, crop.Mirrored
	// rows and columns of the result that are in the image; the rest is padding
	y0, y1 := max(0, -top), min(height, p.height-top)
	x0, x1 := max(0, -left), min(width, p.width-left)
	if y0 > 0 || x0 > 0 || y1 < height || x1 < width {
		clear(dst)
	}
	for c := range channels {
		mean := float32(0)
		if len(t.values) > 0 {
			mean = t.values[min(c, len(t.values)-1)]
		}
		// rows that are contiguous in the image and in the result are done as one
		rows, columns := y1-y0, x1-x0
		if columns == width && width == p.width && p.perPixel == 1 && p.perRow == width && !mirrored {
			rows, columns = 1, rows*columns
		}
		for y := y0; y < y0+rows && columns > 0; y++ {
			first := x0 // of the row written
			if mirrored {
				first = width - x1
			}
			out := dst[(c*height+y)*width+first:][:columns]
			at := c*p.perChannel + (top+y)*p.perRow + (left+x0)*p.perPixel
			var means []float32
			switch {
			case t.mean != nil && t.meanOfCrop():
				means = t.mean.Data[(c*height+y)*width+x0:][:columns]
			case t.mean != nil:
				means = t.mean.Data[(c*p.height+top+y)*p.width+left+x0:][:columns]
			}
			switch {
			case p.bytes == nil: // their pixels are adjacent
				subtract(out, p.floats[at:], means, mean, t.scale, mirrored)
			case p.perPixel == 1:
				kernel.Pixels(nil, mirrored, mean, t.scale, p.bytes[at:], means, out)
			default:
				*row = slices.Grow((*row)[:0], columns)[:columns]
				gather(*row, p.bytes[at:], p.perPixel)
				kernel.Pixels(nil, mirrored, mean, t.scale, *row, means, out)
			}
		}
	}
}

// choose returns the top left corner of the crop in the image, with negative
// coordinates in the padding, and whether to mirror it. p is what pixels have become.
func (t *Transformer) choose(pixels *Pixels, p *pixels, height, width int, place uint64) (top, left int, mirrored bool) {
	top, left = p.height+2*t.pad-height, p.width+2*t.pad-width
	random := t.anywhere && t.crop > 0
	if random || t.mirror {
		t.random.Uint32(nil, place, 0, pixels.words[:])
		mirrored = t.mirror && pixels.words[0]>>31 == 1
	}
	if random {
		top, left = below(pixels.words[1], top+1), below(pixels.words[2], left+1)
	} else {
		top, left = top/2, left/2
	}
	return top - t.pad, left - t.pad, mirrored
}

// below maps a random word to a number less than n.
func below(word uint32, n int) int { return int(uint64(word) * uint64(n) >> 32) }

// gather sets row to every step'th byte of in.
func gather(row, in []byte, step int) {
	in = in[:(len(row)-1)*step+1]
	for i, at := 0, 0; i < len(row) && at < len(in); i, at = i+1, at+step {
		row[i] = in[at]
	}
}

// subtract does what kernel.Pixels does, with floats.
func subtract(out, in, means []float32, mean, scale float32, mirrored bool) {
	to, step := 0, 1
	if mirrored {
		to, step = len(out)-1, -1
	}
	for i := range out {
		if means != nil {
			mean = means[i]
		}
		out[to] = (in[i] - mean) * scale
		to += step
	}
}
