package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"slices"

	"github.com/gocaffe/gocaffe/internal/jpeg"
)

// An Image has its pixels in OpenCV's layout: H x W x C bytes, with the channels
// blue, green, red and, if there are four, alpha.
type Image struct {
	Channels, Height, Width int
	Pix                     []byte

	// Warning says what is wrong with the file that was decoded, "" if nothing is. A
	// JPEG file that is cut short or damaged is decoded as far as it goes.
	Warning string

	decoder *jpeg.Decoder
}

// Mode selects the channels that Decode returns.
type Mode byte

// The modes, with the corresponding flags of OpenCV.
const (
	Native Mode = iota // as the file has them: 1, 3 or 4 channels (IMREAD_UNCHANGED)
	Color              // 3 channels (IMREAD_COLOR)
	Gray               // 1 channel (IMREAD_GRAYSCALE)
)

// A format is a kind of image file.
type format struct {
	name   string
	is     func(file []byte) bool
	decode func(im *Image, file []byte, mode Mode) error
}

var formats = []format{
	{"JPEG", begins("\xff\xd8"), (*Image).decodeJPEG},
	{"PNG", begins("\x89PNG\r\n\x1a\n"), (*Image).decodePNG},
	{"BMP", begins("BM"), (*Image).decodeBMP},
	{"TIFF", isTIFF, (*Image).decodeTIFF},
	{"WebP", func(f []byte) bool { return len(f) >= 12 && string(f[:4]) == "RIFF" && string(f[8:12]) == "WEBP" }, (*Image).decodeWebP},
	{"PNM", isPNM, (*Image).decodePNM},
}

func begins(magic string) func([]byte) bool {
	return func(file []byte) bool { return bytes.HasPrefix(file, []byte(magic)) }
}

// Decode reads a JPEG, PNG, BMP, TIFF, WebP or PNM file (PBM, PGM or PPM) into im, whose
// storage it reuses. The pixels are those of OpenCV's imread: for Color and Gray, images
// are turned as the Exif data of a JPEG or PNG file say, and those of TIFF files always.
func (im *Image) Decode(file []byte, mode Mode) error {
	im.Warning = ""
	for _, f := range formats {
		if !f.is(file) {
			continue
		}
		if err := f.decode(im, file, mode); err != nil {
			return fmt.Errorf("cannot decode the %s image of %d bytes: %w", f.name, len(file), err)
		}
		return nil
	}
	switch {
	case len(file) == 0:
		return errors.New("the image file is empty")
	case begins("GIF8")(file):
		return fmt.Errorf("cannot decode the GIF image of %d bytes: as in Caffe, animations are not read", len(file))
	}
	return fmt.Errorf("cannot decode the image of %d bytes: want JPEG, PNG, BMP, TIFF, WebP or PNM", len(file))
}

// decodeJPEG reads a JPEG file.
func (im *Image) decodeJPEG(file []byte, mode Mode) error {
	if im.decoder == nil {
		im.decoder = new(jpeg.Decoder)
	}
	c, err := im.decoder.Open(file)
	if err != nil {
		return err
	}
	if err := checkContent(c.Width, c.Height, int64(c.Blocks), int64(c.PerByte), len(file)); err != nil {
		return err
	}
	if err := checkSize(c.Width, c.Height, len(file)); err != nil {
		return err
	}
	gray := mode == Gray || mode == Native && c.Components == 1
	channels := 3
	if gray {
		channels = 1
	}
	im.reset(channels, c.Width, c.Height)
	warning, err := im.decoder.Decode(gray, im.Pix)
	if err != nil {
		return err
	}
	if warning != "" {
		im.Warning = "the JPEG file is damaged: " + warning
	}
	if mode != Native {
		im.turn(jpegOrientation(file))
	}
	return nil
}

// reset gives the image a size. Its pixels are undefined.
func (im *Image) reset(channels, width, height int) {
	im.Channels, im.Height, im.Width = channels, height, width
	n := channels * height * width
	im.Pix = slices.Grow(im.Pix[:0], n)[:n]
}

// Cut makes im a part of src, which is another image. Where the part is outside of src,
// the pixels are fill.
func (im *Image) Cut(src *Image, part Crop, fill byte) {
	im.reset(src.Channels, part.Width, part.Height)
	n := src.Channels
	x0, x1 := max(0, -part.Left), min(part.Width, src.Width-part.Left)
	y0, y1 := max(0, -part.Top), min(part.Height, src.Height-part.Top)
	if x0 > 0 || y0 > 0 || x1 < part.Width || y1 < part.Height {
		for i := range im.Pix {
			im.Pix[i] = fill
		}
	}
	for y := y0; y < y1 && x0 < x1; y++ {
		from := src.Pix[((part.Top+y)*src.Width+part.Left+x0)*n:][:(x1-x0)*n]
		to := im.Pix[y*part.Width*n:][:part.Width*n]
		if !part.Mirrored {
			copy(to[x0*n:], from)
			continue
		}
		for x := range x1 - x0 {
			copy(to[(part.Width-1-x0-x)*n:][:n], from[x*n:])
		}
	}
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
