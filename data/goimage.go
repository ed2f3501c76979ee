package data

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"slices"
)

// fromGo converts what a decoder of Go has read. native is the number of channels for
// Native. gray converts colours to grey; nil says that there are none.
func (im *Image) fromGo(src image.Image, mode Mode, native int, gray func(r, g, b byte) byte) error {
	channels := native
	switch src.(type) {
	case *image.Gray16, *image.RGBA64, *image.NRGBA64:
		if mode == Native {
			return errDeep
		}
	}
	switch mode {
	case Color:
		channels = 3
	case Gray:
		channels = 1
	}
	r := src.Bounds()
	im.reset(channels, r.Dx(), r.Dy())
	row := make([]byte, 4*r.Dx())
	palette := paletteOf(src)
	for y := range r.Dy() {
		if err := readRow(row, src, palette, r.Min.Y+y); err != nil {
			return err
		}
		out := im.Pix[y*r.Dx()*channels:][:r.Dx()*channels]
		switch channels {
		case 4:
			for x := 0; x < len(row); x += 4 {
				out[x], out[x+1], out[x+2], out[x+3] = row[x+2], row[x+1], row[x], row[x+3]
			}
		case 3:
			for x, i := 0, 0; i < len(out); x, i = x+4, i+3 {
				out[i], out[i+1], out[i+2] = row[x+2], row[x+1], row[x]
			}
		default:
			for i := range out {
				out[i] = row[4*i]
				if gray != nil {
					out[i] = gray(row[4*i], row[4*i+1], row[4*i+2])
				}
			}
		}
	}
	return nil
}

// errDeep is the error of images that cannot be given as they are.
var errDeep = errors.New("the image has 16 bits per channel, want 8 (force_color and force_gray reduce them)")

// paletteOf returns the colours of an image with a palette, not multiplied with alpha.
func paletteOf(src image.Image) []color.NRGBA {
	p, ok := src.(*image.Paletted)
	if !ok {
		return nil
	}
	palette := make([]color.NRGBA, 256) // a damaged file has indices without a colour
	for i, c := range p.Palette {
		switch c := c.(type) {
		case color.NRGBA:
			palette[i] = c
		default:
			r, g, b, a := c.RGBA() // opaque
			palette[i] = color.NRGBA{byte(r >> 8), byte(g >> 8), byte(b >> 8), byte(a >> 8)}
		}
	}
	return palette
}

// readRow reads a row of an image, four bytes for each pixel: red, green, blue and
// alpha, not multiplied with it. Of 16 bits it takes the high byte.
func readRow(row []byte, src image.Image, palette []color.NRGBA, y int) error {
	width := len(row) / 4
	switch src := src.(type) {
	case *image.RGBA:
		copy(row, src.Pix[src.PixOffset(src.Rect.Min.X, y):])
	case *image.NRGBA:
		copy(row, src.Pix[src.PixOffset(src.Rect.Min.X, y):])
	case *image.Gray:
		for x, v := range src.Pix[src.PixOffset(src.Rect.Min.X, y):][:width] {
			grayPixel(row[4*x:], v)
		}
	case *image.Gray16:
		for x, line := 0, src.Pix[src.PixOffset(src.Rect.Min.X, y):]; x < width; x++ {
			grayPixel(row[4*x:], line[2*x])
		}
	case *image.Paletted:
		for x, v := range src.Pix[src.PixOffset(src.Rect.Min.X, y):][:width] {
			c := palette[v]
			p := row[4*x:][:4]
			p[0], p[1], p[2], p[3] = c.R, c.G, c.B, c.A
		}
	case *image.RGBA64:
		highBytes(row, src.Pix[src.PixOffset(src.Rect.Min.X, y):])
	case *image.NRGBA64:
		highBytes(row, src.Pix[src.PixOffset(src.Rect.Min.X, y):])
	default:
		return fmt.Errorf("its pixels are of type %T, which is not supported", src)
	}
	return nil
}

func grayPixel(p []byte, v byte) { p[0], p[1], p[2], p[3] = v, v, v, 255 }

func highBytes(row, deep []byte) {
	for i := range row {
		row[i] = deep[2*i]
	}
}

// opencvGray converts a colour to grey as icvCvt_BGR2Gray of OpenCV's utils.cpp does,
// with 14 bits of fraction.
func opencvGray(r, g, b byte) byte {
	const red, green = 4899, 9617 // 0.299 and 0.587
	return byte((red*uint32(r) + green*uint32(g) + (1<<14-red-green)*uint32(b) + 1<<13) >> 14)
}

// isGray reports whether a palette has no colours but greys.
func isGray(palette color.Palette) bool {
	return !slices.ContainsFunc(palette, func(c color.Color) bool {
		r, g, b, _ := c.RGBA()
		return r != g || g != b
	})
}
