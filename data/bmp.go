package data

import (
	"bytes"
	"image"

	"golang.org/x/image/bmp"
)

// decodeBMP reads a BMP file.
func (im *Image) decodeBMP(file []byte, mode Mode) error {
	c, err := bmp.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return err
	}
	if err := checkContent(c.Width, c.Height, int64(c.Width)*int64(c.Height), 8, len(file)); err != nil { // 1 bit for each
		return err
	}
	if err := checkSize(c.Width, c.Height, len(file)); err != nil {
		return err
	}
	decoded, err := bmp.Decode(bytes.NewReader(file))
	if err != nil {
		return err
	}
	native := 3
	if p, ok := decoded.(*image.Paletted); ok && isGray(p.Palette) {
		native = 1
	}
	return im.fromGo(decoded, mode, native, opencvGray)
}
