package data

import "image"

// fromYCbCr converts the colour image of a JPEG file as libjpeg does: chroma
// stored at half size is interpolated, where Go's image package repeats it.
func (im *Image) fromYCbCr(src *image.YCbCr) {
	im.reset(3, src.Rect)
	cb, cr := upsample(src, src.Cb), upsample(src, src.Cr)
	out := im.Pix
	for y := range im.Height {
		luma := src.Y[y*src.YStride:][:im.Width]
		blue, red := cb[y*im.Width:][:im.Width], cr[y*im.Width:][:im.Width]
		for x, v := range luma {
			b, r := int32(blue[x])-128, int32(red[x])-128
			// libjpeg's jdcolor.c, in 16 bits of fraction
			out[3*x] = clamp(int32(v) + (116130*b+1<<15)>>16)
			out[3*x+1] = clamp(int32(v) + (-22554*b-46802*r+1<<15)>>16)
			out[3*x+2] = clamp(int32(v) + (91881*r+1<<15)>>16)
		}
		out = out[3*im.Width:]
	}
}

func clamp(v int32) byte { return byte(max(0, min(v, 255))) }

// upsample returns a chroma plane of src at full size.
func upsample(src *image.YCbCr, plane []byte) []byte {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	out := make([]byte, w*h)
	cw := (w + 1) / 2 // width of the plane if halved
	row := func(y, last int) []byte {
		return plane[max(0, min(y, last))*src.CStride:][:cw]
	}
	// libjpeg interpolates planes wider than two only: jdsample.c
	switch ratio := src.SubsampleRatio; {
	case ratio == image.YCbCrSubsampleRatio420 && cw > 2:
		sums := make([]int32, cw)
		for y := range h {
			near, far := y/2, y/2-1+y%2*2
			a, b := row(near, (h+1)/2-1), row(far, (h+1)/2-1)
			for i := range sums {
				sums[i] = 3*int32(a[i]) + int32(b[i])
			}
			interpolate(out[y*w:][:w], sums, 4, 8, 7)
		}
	case ratio == image.YCbCrSubsampleRatio422 && cw > 2:
		sums := make([]int32, cw)
		for y := range h {
			for i, v := range row(y, h-1) {
				sums[i] = int32(v)
			}
			interpolate(out[y*w:][:w], sums, 2, 1, 2)
		}
	case ratio == image.YCbCrSubsampleRatio440:
		cw = w
		for y := range h {
			a, b := row(y/2, (h+1)/2-1), row(y/2-1+y%2*2, (h+1)/2-1)
			for x := range w {
				out[y*w+x] = byte((3*int32(a[x]) + int32(b[x]) + 1 + int32(y%2)) >> 2)
			}
		}
	default:
		for y := range h {
			for x := range w {
				out[y*w+x] = plane[src.COffset(src.Rect.Min.X+x, src.Rect.Min.Y+y)]
			}
		}
	}
	return out
}

// interpolate doubles a row. Each value becomes two: three quarters of it plus one
// quarter of the neighbour on that side. The sums have shift-2 bits of fraction;
// left and right are added before these are shifted out.
func interpolate(out []byte, sums []int32, shift uint, left, right int32) {
	for x := range out {
		i, neighbour, round := x/2, x/2-1, left
		if x%2 == 1 {
			neighbour, round = i+1, right
		}
		if neighbour < 0 || neighbour == len(sums) {
			neighbour = i
		}
		out[x] = byte((3*sums[i] + sums[neighbour] + round) >> shift)
	}
}
