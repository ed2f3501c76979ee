package data

import "math"

// turn makes dst the image src, turned around its centre by an angle in radians,
// counter-clockwise. With grow, dst is as large as it must be to hold all of it,
// otherwise it has the size of src. A pixel is interpolated between the four around its
// place in src; what is outside of src is 0.
func turn(dst, src *Image, angle float64, grow bool) {
	sin, cos := math.Sincos(angle)
	height, width := src.Height, src.Width
	if grow {
		// 1e-9: a right angle must not need a pixel more because of rounding.
		across := func(a, b int) int {
			return int(math.Ceil(float64(float64(a)*math.Abs(cos)) + float64(float64(b)*math.Abs(sin)) - 1e-9))
		}
		height, width = across(src.Height, src.Width), across(src.Width, src.Height)
	}
	dst.reset(src.Channels, width, height)
	// Places are in 1/65536 of a pixel. The conversions keep products from being fused with
	// sums, as some processors do, so that all agree.
	const one = 1 << 16
	fixed := func(v float64) int64 { return int64(math.Round(v * one)) }
	stepX, stepY := fixed(cos), fixed(sin)
	middleX, middleY := float64(width-1)/2, float64(height-1)/2
	for y := range height {
		away := float64(y) - middleY
		x0 := fixed(float64(src.Width-1)/2 - float64(middleX*cos) - float64(away*sin))
		y0 := fixed(float64(src.Height-1)/2 - float64(middleX*sin) + float64(away*cos))
		out := dst.Pix[y*width*dst.Channels:][:width*dst.Channels]
		for range width {
			src.at(out[:dst.Channels], x0, y0)
			out = out[dst.Channels:]
			x0, y0 = x0+stepX, y0+stepY
		}
	}
}

// at sets out to the pixel at the place (x,y), in 1/65536 of a pixel.
func (im *Image) at(out []byte, x, y int64) {
	left, top := int(x>>16), int(y>>16)
	if left < -1 || top < -1 || left >= im.Width || top >= im.Height {
		clear(out)
		return
	}
	right, below := int32(x>>8&0xff), int32(y>>8&0xff) // weights, of 256
	weights := [4]int32{(256 - right) * (256 - below), right * (256 - below), (256 - right) * below, right * below}
	channels, row := im.Channels, im.Width*im.Channels
	at := top*row + left*channels
	if left >= 0 && top >= 0 && left+1 < im.Width && top+1 < im.Height {
		a, b := im.Pix[at:at+2*channels], im.Pix[at+row:at+row+2*channels]
		for c := range out {
			sum := int32(a[c])*weights[0] + int32(a[channels+c])*weights[1] + int32(b[c])*weights[2] + int32(b[channels+c])*weights[3]
			out[c] = byte((sum + 1<<15) >> 16)
		}
		return
	}
	for c := range out {
		var sum int32
		for i, weight := range weights {
			if x, y := left+i%2, top+i/2; x >= 0 && y >= 0 && x < im.Width && y < im.Height {
				sum += int32(im.Pix[y*row+x*channels+c]) * weight
			}
		}
		out[c] = byte((sum + 1<<15) >> 16)
	}
}
