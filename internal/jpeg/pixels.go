package jpeg

import "slices"

// Decode writes the pixels of the opened file to pix: Width x Height bytes if gray is
// set, otherwise three times as many, blue, green and red. A truncated or damaged file is
// decoded as far as possible, and the rest is gray; the warning then describes the damage.
func (d *Decoder) Decode(gray bool, pix []byte) (warning string, err error) {
	d.makePlanes()
	if err := d.runScan(); err != nil {
		return "", err
	}
	for d.multiple {
		isScan, err := d.markers()
		if err != nil {
			return "", err
		}
		if !isScan {
			break
		}
		if err := d.runScan(); err != nil {
			return "", err
		}
	}
	if d.multiple {
		d.transformAll()
	}
	if d.pos > len(d.file) {
		d.warn("it ends too early")
	}
	d.colors(gray, pix)
	return d.warning, nil
}

// makePlanes allocates storage for the samples and coefficients. Parts that are not
// decoded have coefficients of 0 and samples of 128.
func (d *Decoder) makePlanes() {
	for i := range d.components {
		c := &d.components[i]
		n := c.stride * d.blockRows(c) * 8
		d.planes[i] = slices.Grow(d.planes[i][:0], n)[:n]
		c.plane = d.planes[i]
		if d.multiple {
			d.coefficients[i] = slices.Grow(d.coefficients[i][:0], n)[:n]
			c.coefficients = d.coefficients[i]
			clear(c.coefficients)
			continue
		}
		for k := range c.plane {
			c.plane[k] = 128
		}
	}
}

// transformAll computes the samples of files with several scans.
func (d *Decoder) transformAll() {
	for i := range d.components {
		c := &d.components[i]
		if c.quant == nil { // no scan has it
			c.quant = new([64]uint16)
		}
		for y := range c.down {
			for x := range c.across {
				b := (*[64]int16)(c.coefficients[(y*c.stride/8+x)*64:])
				inverse(b, c.quant, c.plane[8*(y*c.stride+x):], c.stride)
			}
		}
	}
}

// A space is the colour space of the components.
type space byte

const (
	luminance space = iota // grey, or grey with blue and red chroma
	red                    // red, green, blue
	cmyk                   // as Adobe writes it, inverted
	ycck                   // the same with its first three as grey and chroma
)

// space determines the colour space of the components, like libjpeg's jdapimin.c.
func (d *Decoder) space() space {
	switch c := d.components; len(c) {
	case 3:
		switch {
		case d.jfif:
		case d.adobe && d.transform == 0, !d.adobe && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
			return red
		}
	case 4:
		if d.adobe && d.transform != 0 {
			return ycck
		}
		return cmyk
	}
	return luminance
}

// colors writes the pixels row by row.
func (d *Decoder) colors(gray bool, pix []byte) {
	w, kind := d.width, d.space()
	for y := range d.height {
		if gray && kind == luminance {
			d.row(0, y, pix[y*w:][:w])
			continue
		}
		var r [4][]byte
		for i := range d.components {
			d.rows[i] = slices.Grow(d.rows[i][:0], w)[:w]
			d.row(i, y, d.rows[i])
			r[i] = d.rows[i]
		}
		switch {
		case len(d.components) == 1:
			for x, v := range r[0] {
				p := pix[3*(y*w+x):][:3]
				p[0], p[1], p[2] = v, v, v
			}
		case gray && kind == red: // rgb_gray_convert of jdcolor.c
			for x := range w {
				pix[y*w+x] = byte((19595*int32(r[0][x]) + 38470*int32(r[1][x]) + 7471*int32(r[2][x]) + 1<<15) >> 16)
			}
		case kind == luminance:
			fromYCC(pix[3*y*w:][:3*w], r[0], r[1], r[2])
		case kind == red:
			for x := range w {
				p := pix[3*(y*w+x):][:3]
				p[0], p[1], p[2] = r[2][x], r[1][x], r[0][x]
			}
		default:
			if kind == ycck {
				toCMY(r[0], r[1], r[2])
			}
			fromCMYK(gray, pix, y*w, r)
		}
	}
}

// fromYCC converts a row of grey and chroma: ycc_rgb_convert of jdcolor.c, with 16 bits
// of fraction.
func fromYCC(out, luma, blue, red []byte) {
	blue, red = blue[:len(luma)], red[:len(luma)]
	for x, v := range luma {
		y, b, r := int32(v), int32(blue[x])-128, int32(red[x])-128
		p := out[3*x:][:3:3]
		p[0] = clamp(y + (116130*b+1<<15)>>16)
		p[1] = clamp(y + (-22554*b-46802*r+1<<15)>>16)
		p[2] = clamp(y + (91881*r+1<<15)>>16)
	}
}

// toCMY converts a row in place: ycck_cmyk_convert of jdcolor.c.
func toCMY(luma, blue, red []byte) {
	for x, v := range luma {
		y, b, r := int32(v), int32(blue[x])-128, int32(red[x])-128
		luma[x] = clamp(255 - (y + (91881*r+1<<15)>>16))
		blue[x] = clamp(255 - (y + (-22554*b-46802*r+1<<15)>>16))
		red[x] = clamp(255 - (y + (116130*b+1<<15)>>16))
	}
}

// fromCMYK converts a row to pixels, starting with pixel first, like icvCvt_CMYK2BGR and
// icvCvt_CMYK2Gray in OpenCV's utils.cpp.
func fromCMYK(gray bool, pix []byte, first int, r [4][]byte) {
	for x := range r[0] {
		k := int32(r[3][x])
		mix := func(v byte) int32 { return k - (255-int32(v))*k>>8 }
		c, m, y := mix(r[0][x]), mix(r[1][x]), mix(r[2][x])
		if gray {
			const red, green = 4899, 9617 // 0.299 and 0.587, with 14 bits of fraction
			pix[first+x] = byte((c*red + m*green + y*(1<<14-red-green) + 1<<13) >> 14)
			continue
		}
		p := pix[3*(first+x):][:3]
		p[0], p[1], p[2] = byte(y), byte(m), byte(c)
	}
}
