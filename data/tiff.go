package data

import (
	"bytes"
	"errors"
	"image"

	"golang.org/x/image/tiff"
)

func isTIFF(file []byte) bool { return begins("II*\x00")(file) || begins("MM\x00*")(file) }

// decodeTIFF reads the first image of a TIFF file. Colours that are not multiplied with
// alpha become so, as in libtiff.
func (im *Image) decodeTIFF(file []byte, mode Mode) error {
	c, err := tiff.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return err
	}
	if tag(file, planarTag, 1) != 1 {
		return errors.New("its channels lie one after the other (planar configuration), which is not supported")
	}
	if err := checkSize(c.Width, c.Height, len(file)); err != nil {
		return err
	}
	if err := checkContent(c.Width, c.Height, int64(c.Width)*int64(c.Height), 1<<12, len(file)); err != nil {
		return err
	}
	decoded, err := tiff.Decode(bytes.NewReader(file))
	if err != nil {
		return err
	}
	native := 3
	switch src := decoded.(type) {
	case *image.Gray:
		native = 1
		// Of fax codes with black as 0, libtiff takes white runs for 0, x/image for 1.
		if fax := tag(file, compressionTag, 1); (fax == 3 || fax == 4) && tag(file, photometricTag, 0) == 1 {
			for i := range src.Pix {
				src.Pix[i] ^= 0xff
			}
		}
	case *image.NRGBA:
		native = 4
		multiply(src.Pix)
	case *image.RGBA64:
		if mode != Native {
			decoded = &image.RGBA{Pix: round16(src.Pix), Stride: src.Stride / 2, Rect: src.Rect}
		}
	case *image.NRGBA64:
		if mode != Native {
			pix := round16(src.Pix)
			multiply(pix)
			decoded = &image.RGBA{Pix: pix, Stride: src.Stride / 2, Rect: src.Rect}
		}
	case *image.RGBA:
		if tag(file, samplesTag, 3) == 4 {
			native = 4
		}
	}
	if err := im.fromGo(decoded, mode, native, opencvGray); err != nil {
		return err
	}
	im.turn(tag(file, orientationTag, 1))
	return nil
}

// multiply multiplies the colours of pixels with their alpha: libtiff's tif_getimage.c.
func multiply(pix []byte) {
	for i := 0; i+3 < len(pix); i += 4 {
		a := uint32(pix[i+3])
		for k := range 3 {
			pix[i+k] = byte((uint32(pix[i+k])*a + 127) / 255)
		}
	}
}

// round16 reduces 16 bits to 8 as libtiff does for colours.
func round16(deep []byte) []byte {
	pix := make([]byte, len(deep)/2)
	for i := range pix {
		pix[i] = byte((uint32(deep[2*i])<<8 | uint32(deep[2*i+1]) + 128) / 257)
	}
	return pix
}
