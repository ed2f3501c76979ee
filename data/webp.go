package data

import (
	"bytes"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

// decodeWebP reads a WebP file.
func (im *Image) decodeWebP(file []byte, mode Mode) error {
	c, err := webp.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return err
	}
	if err := checkContent(c.Width, c.Height, int64(c.Width)*int64(c.Height), 1<<14, len(file)); err != nil {
		return err
	}
	if err := checkSize(c.Width, c.Height, len(file)); err != nil {
		return err
	}
	decoded, err := webp.Decode(bytes.NewReader(file))
	if err != nil {
		return err
	}
	native := 3
	switch src := decoded.(type) {
	case *image.NRGBA: // without loss
		if webpAlpha(file) {
			native = 4
		}
		return im.fromGo(src, mode, native, webpGray)
	case *image.YCbCr:
		return im.fromGo(webpColors(src), mode, native, webpGray)
	case *image.NYCbCrA:
		colors := webpColors(&src.YCbCr)
		for y := range c.Height {
			for x, a := range src.A[y*src.AStride:][:c.Width] {
				colors.Pix[y*colors.Stride+4*x+3] = a
			}
		}
		return im.fromGo(colors, mode, 4, webpGray)
	}
	return fmt.Errorf("its pixels are of type %T, which is not supported", decoded)
}

// webpAlpha reports whether the header of a file without loss says that it has alpha.
func webpAlpha(file []byte) bool {
	switch {
	case len(file) < 25:
		return false
	case string(file[12:16]) == "VP8X":
		return file[20]&0x10 != 0
	}
	return file[24]&0x10 != 0
}

// webpGray converts a colour to grey as OpenCV's cvtColor does, with 15 bits of fraction.
func webpGray(r, g, b byte) byte {
	return byte((9798*uint32(r) + 19235*uint32(g) + 3735*uint32(b) + 1<<14) >> 15)
}

// webpColors converts the planes of a file with loss as libwebp does: chroma, which has
// half the size, is interpolated, and the range of the numbers is that of video.
func webpColors(src *image.YCbCr) *image.NRGBA {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	last := (h+1)/2 - 1
	for y := range h {
		// rows of chroma: the nearest, and the next to it
		near, far := y/2, min(max(y/2-1+y%2*2, 0), last)
		luma := src.Y[y*src.YStride:][:w]
		blue, red := src.Cb[near*src.CStride:][:(w+1)/2], src.Cr[near*src.CStride:][:(w+1)/2]
		farBlue, farRed := src.Cb[far*src.CStride:][:(w+1)/2], src.Cr[far*src.CStride:][:(w+1)/2]
		for x, v := range luma {
			u := webpChroma(blue, farBlue, x)
			r := webpChroma(red, farRed, x)
			webpPixel(out.Pix[y*out.Stride+4*x:], int32(v), u, r)
		}
	}
	return out
}

// webpChroma interpolates chroma at column x: libwebp's upsampling.c. 9/16 are of the
// nearest sample, 3/16 of each of its neighbours and 1/16 of the one across, rounded in
// two steps.
func webpChroma(near, far []byte, x int) int32 {
	i := x / 2
	side := i - 1
	if x%2 == 1 {
		side = i + 1
	}
	if side < 0 || side == len(near) {
		return (3*int32(near[i]) + int32(far[i]) + 2) >> 2
	}
	a, b, c, d := int32(near[i]), int32(near[side]), int32(far[i]), int32(far[side])
	diagonal := (a + b + c + d + 8 + 2*(b+c)) >> 3
	return (diagonal + a) >> 1
}

// webpPixel converts a pixel: libwebp's yuv.h, with 14 bits of fraction in two steps.
func webpPixel(p []byte, y, u, v int32) {
	high := func(v, factor int32) int32 { return v * factor >> 8 }
	clip := func(v int32) byte { return byte(max(0, min(v>>6, 255))) }
	p[0] = clip(high(y, 19077) + high(v, 26149) - 14234)
	p[1] = clip(high(y, 19077) - high(u, 6419) - high(v, 13320) + 8708)
	p[2] = clip(high(y, 19077) + high(u, 33050) - 17685)
	p[3] = 255
}
