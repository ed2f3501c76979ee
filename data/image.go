package data

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // the formats that Decode knows
	_ "image/png"
	"slices"
)

// An Image has its pixels in OpenCV's layout: H x W x C bytes, with the channels
// blue, green, red and, if there are four, alpha.
type Image struct {
	Channels, Height, Width int
	Pix                     []byte
}

// Mode selects the channels that Decode returns.
type Mode byte

// The modes, with the corresponding flags of OpenCV.
const (
	Native Mode = iota // as the file has them: 1, 3 or 4 channels (IMREAD_UNCHANGED)
	Color              // 3 channels (IMREAD_COLOR)
	Gray               // 1 channel (IMREAD_GRAYSCALE)
)

// maxPixels is OpenCV's limit of the size of an image.
const maxPixels = 1 << 30

// Decode reads a PNG or JPEG file into im, whose storage it reuses. The pixels
// are those of OpenCV's imdecode, except that the cosine transform of JPEG may
// round differently.
//
// Differs from Caffe: the orientation in the EXIF data of a JPEG is ignored.
func (im *Image) Decode(file []byte, mode Mode) error {
	config, kind, err := image.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return fmt.Errorf("cannot decode the image of %d bytes (known formats: PNG, JPEG): %w", len(file), err)
	}
	// A file that claims many more pixels than it can hold is damaged: no format
	// packs more than 16384 pixels into a byte.
	if n := int64(config.Width) * int64(config.Height); n <= 0 || n > maxPixels || n > 16384*int64(len(file)) {
		return fmt.Errorf("the %s image of %d bytes claims to have %d x %d pixels", kind, len(file), config.Width, config.Height)
	}
	decoded, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return fmt.Errorf("cannot decode the %s image of %d bytes: %w", kind, len(file), err)
	}
	switch src := decoded.(type) {
	case *image.Gray:
		im.fromGray(src.Pix, src.Stride, src.Rect, mode)
		return nil
	case *image.YCbCr:
		if mode == Gray { // libjpeg gives the luma alone then
			im.fromGray(src.Y, src.YStride, src.Rect, mode)
		} else {
			im.fromYCbCr(src)
		}
		return nil
	}
	return im.fromColors(decoded, mode)
}

// reset gives the image a size. Its pixels are undefined.
func (im *Image) reset(channels int, r image.Rectangle) {
	im.Channels, im.Height, im.Width = channels, r.Dy(), r.Dx()
	n := channels * r.Dy() * r.Dx()
	im.Pix = slices.Grow(im.Pix[:0], n)[:n]
}

// fromGray converts an image of one channel.
func (im *Image) fromGray(pix []byte, stride int, r image.Rectangle, mode Mode) {
	channels := 1
	if mode == Color {
		channels = 3
	}
	im.reset(channels, r)
	out := im.Pix
	for y := range im.Height {
		for _, v := range pix[y*stride:][:im.Width] {
			for range channels {
				out[0], out = v, out[1:]
			}
		}
	}
}

// fromColors converts any other image.
func (im *Image) fromColors(src image.Image, mode Mode) error {
	channels := 3
	switch kind := src.(type) {
	case *image.Gray16, *image.RGBA64, *image.NRGBA64:
		if mode == Native {
			return fmt.Errorf("the image has 16 bits per channel, want 8 (force_color and force_gray reduce them)")
		}
	case *image.NRGBA:
		if mode == Native {
			channels = 4
		}
	case *image.Paletted:
		if mode == Native && !kind.Opaque() {
			channels = 4
		}
	}
	if mode == Gray {
		channels = 1
	}
	r := src.Bounds()
	im.reset(channels, r)
	out := im.Pix
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			p := nrgba(src, x, y)
			if mode == Gray {
				out[0] = luma(p)
			} else {
				out[0], out[1], out[2] = p.B, p.G, p.R
			}
			if channels == 4 {
				out[3] = p.A
			}
			out = out[channels:]
		}
	}
	return nil
}

// nrgba returns a pixel that is not premultiplied with its alpha, truncated to 8
// bits per channel, as libpng does for OpenCV.
func nrgba(src image.Image, x, y int) color.NRGBA {
	switch src := src.(type) {
	case *image.RGBA: // always opaque, from the decoders used here
		p := src.RGBAAt(x, y)
		return color.NRGBA(p)
	case *image.NRGBA:
		return src.NRGBAAt(x, y)
	case *image.NRGBA64:
		p := src.NRGBA64At(x, y)
		return color.NRGBA{R: uint8(p.R >> 8), G: uint8(p.G >> 8), B: uint8(p.B >> 8), A: uint8(p.A >> 8)}
	}
	return color.NRGBAModel.Convert(src.At(x, y)).(color.NRGBA)
}

// luma converts a colour to grey as libpng's png_do_rgb_to_gray does, in fixed
// point without rounding, with OpenCV's weights of 0.299 for red and 0.587 for
// green.
func luma(p color.NRGBA) byte {
	if p.R == p.G && p.G == p.B {
		return p.R
	}
	const red, green = 29900 * 32768 / 100000, 58700 * 32768 / 100000
	return byte((red*uint32(p.R) + green*uint32(p.G) + (32768-red-green)*uint32(p.B)) >> 15)
}

// pixels describes the image for a Transformer.
func (im *Image) pixels() pixels {
	return pixels{
		channels: im.Channels, height: im.Height, width: im.Width,
		perChannel: 1, perRow: im.Width * im.Channels, perPixel: im.Channels,
		bytes: im.Pix,
	}
}

// Planar returns the pixels in the layout of a Datum, C x H x W.
func (im *Image) Planar() []byte {
	out := make([]byte, len(im.Pix))
	plane := im.Height * im.Width
	for i, v := range im.Pix {
		out[i%im.Channels*plane+i/im.Channels] = v
	}
	return out
}

// NRGBA converts the image for Go's encoders, to an *image.Gray or *image.NRGBA.
func (im *Image) NRGBA() image.Image {
	r := image.Rect(0, 0, im.Width, im.Height)
	if im.Channels == 1 {
		return &image.Gray{Pix: im.Pix, Stride: im.Width, Rect: r}
	}
	out := image.NewNRGBA(r)
	for i := range im.Width * im.Height {
		p := im.Pix[i*im.Channels:]
		alpha := byte(255)
		if im.Channels == 4 {
			alpha = p[3]
		}
		copy(out.Pix[4*i:], []byte{p[2], p[1], p[0], alpha})
	}
	return out
}
