// Package jpeg decodes JPEG files to the pixels that OpenCV computes by libjpeg-turbo:
// the integer cosine transform of jidctint.c, chroma interpolated as in jdsample.c, and
// the rest of a damaged or truncated file decoded as far as there are data. Go's
// image/jpeg rounds differently and rejects such files.
//
// It supports baseline, extended and progressive files with 8 bits and Huffman codes.
// Arithmetic coding (ITU-T T.81) and 12 bits give an error.
package jpeg

import (
	"errors"
	"fmt"
)

// A Decoder decodes files and reuses its storage. The zero value is ready to use.
type Decoder struct {
	source
	width, height int
	progressive   bool
	multiple      bool // several scans make the image
	components    []component
	maxH, maxV    int // sampling factors
	quant         [4]*[64]uint16
	dc, ac        [4]*huffman
	interval      int // restart interval in MCUs, 0 for none
	jfif, adobe   bool
	transform     byte // of the Adobe marker
	scans         int
	warning       string
	scan          scan

	// storage
	planes       [4][]byte
	coefficients [4][]int16
	rows         [4][]byte // a row of each component at full size
	sums         []int32
}

// A component is a colour plane.
type component struct {
	id, table     byte // of its quantization
	h, v          int  // sampling factors
	width, height int  // in samples
	across, down  int  // in blocks
	stride        int  // samples in a row of the plane, in whole MCUs
	quant         *[64]uint16
	plane         []byte
	coefficients  []int16 // if several scans make the image, in natural order
}

// A Config describes the image of a file.
type Config struct {
	Width, Height int
	Components    int // 1 for grey, 3 for colour, 4 for CMYK

	// Blocks is the number of blocks of 8 x 8 samples, and PerByte the maximum number
	// of blocks that a byte of a file can hold: a file with far fewer bytes is damaged.
	Blocks, PerByte int
}

// Markers are named as in table B.1 of the standard.
const (
	sof0  = 0xc0
	sof2  = 0xc2
	dht   = 0xc4
	rst0  = 0xd0
	rst7  = 0xd7
	soi   = 0xd8
	eoi   = 0xd9
	sos   = 0xda
	dqt   = 0xdb
	dri   = 0xdd
	app0  = 0xe0
	app14 = 0xee
	tem   = 0x01
)

// maxScans bounds the decoding time of a small file.
const maxScans = 500

var errTooShort = errors.New("a segment of the file is too short")

// Open reads the header of a file up to its first scan.
func (d *Decoder) Open(file []byte) (Config, error) {
	*d = Decoder{source: source{file: file}, components: d.components[:0],
		planes: d.planes, coefficients: d.coefficients, rows: d.rows, sums: d.sums}
	if len(file) < 2 || file[0] != 0xff || file[1] != soi {
		return Config{}, errors.New("not a JPEG file")
	}
	d.pos = 2
	found, err := d.markers()
	switch {
	case err != nil:
		return Config{}, err
	case !found:
		return Config{}, errors.New("there is no image in the file")
	}
	c := Config{Width: d.width, Height: d.height, Components: len(d.components), PerByte: 4}
	if d.progressive {
		c.PerByte = 8
	}
	for _, p := range d.components {
		c.Blocks += p.across * p.down
	}
	if n := c.Components; n != 1 && n != 3 && n != 4 {
		return c, fmt.Errorf("the JPEG image has %d colour components, want 1, 3 or 4", n)
	}
	return c, nil
}

// markers reads segments up to and including the header of the next scan, or to the end
// of the image.
func (d *Decoder) markers() (isScan bool, err error) {
	for {
		if d.marker == 0 {
			d.nextMarker()
		}
		m := d.marker
		d.marker = 0
		switch {
		case m == eoi:
			return false, nil
		case m == sos:
			return true, d.scanHeader()
		case m >= rst0 && m <= rst7 || m == tem:
			continue // they have no segment
		case m == soi:
			return false, errors.New("the file has two beginnings")
		case m < sof0:
			return false, fmt.Errorf("the file has an unknown marker %#x", m)
		}
		s, err := d.segment()
		if err != nil {
			return false, err
		}
		switch {
		case m == dht:
			err = d.huffmanTables(s)
		case m == dqt:
			err = d.quantTables(s)
		case m == dri:
			if len(s) != 2 {
				return false, errTooShort
			}
			d.interval = int(s[0])<<8 | int(s[1])
		case m <= sof2:
			err = d.frameHeader(s, m == sof2)
		case m > sof2 && m < 0xd0 && m != 0xcc:
			err = fmt.Errorf("the kind of JPEG file, marker %#x, is not supported: want baseline or progressive with Huffman codes", m)
		case m == app0:
			d.jfif = d.jfif || len(s) >= 14 && string(s[:5]) == "JFIF\x00"
		case m == app14 && len(s) >= 12 && string(s[:5]) == "Adobe":
			d.adobe, d.transform = true, s[11]
		}
		if err != nil {
			return false, err
		}
	}
}

// frameHeader reads the sizes and components.
func (d *Decoder) frameHeader(s []byte, progressive bool) error {
	if len(d.components) > 0 {
		return errors.New("the file has two frames")
	}
	if len(s) < 6 {
		return errTooShort
	}
	d.progressive = progressive
	d.height, d.width = int(s[1])<<8|int(s[2]), int(s[3])<<8|int(s[4])
	n := int(s[5])
	switch {
	case s[0] != 8:
		return fmt.Errorf("the JPEG image has %d bits per sample, want 8", s[0])
	case d.width == 0 || d.height == 0 || n == 0:
		return fmt.Errorf("the JPEG image has %d x %d pixels of %d components", d.width, d.height, n)
	case len(s) != 6+3*n || n > 4:
		return errTooShort
	}
	d.maxH, d.maxV = 1, 1
	for s = s[6:]; len(s) > 0; s = s[3:] {
		c := component{id: s[0], h: int(s[1] >> 4), v: int(s[1] & 15), table: s[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return fmt.Errorf("the sampling factors of a component are %d and %d, want 1 to 4", c.h, c.v)
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
		d.components = append(d.components, c)
	}
	for i := range d.components {
		c := &d.components[i]
		c.width, c.height = ceil(d.width*c.h, d.maxH), ceil(d.height*c.v, d.maxV)
		c.across, c.down = ceil(c.width, 8), ceil(c.height, 8)
		c.stride = ceil(d.width, 8*d.maxH) * c.h * 8
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return errors.New("the sampling factors of the components are not multiples of each other, which is not supported")
		}
	}
	return nil
}

// blockRows returns the number of rows of blocks of a plane, in whole MCUs.
func (d *Decoder) blockRows(c *component) int { return ceil(d.height, 8*d.maxV) * c.v }

func ceil(a, b int) int { return (a + b - 1) / b }

// quantTables reads tables of quantization.
func (d *Decoder) quantTables(s []byte) error {
	for len(s) > 0 {
		wide, id := s[0]>>4, s[0]&15
		size := 64 * (1 + int(wide&1))
		if wide > 1 || id > 3 || len(s) < 1+size {
			return errors.New("a quantization table is wrong")
		}
		t := new([64]uint16)
		for i := range 64 {
			v := uint16(s[1+i])
			if wide == 1 {
				v = uint16(s[1+2*i])<<8 | uint16(s[2+2*i])
			}
			t[natural[i]] = v
		}
		d.quant[id], s = t, s[1+size:]
	}
	return nil
}

// warn keeps the first warning.
func (d *Decoder) warn(text string) {
	if d.warning == "" {
		d.warning = text
	}
}

// natural maps coefficients in the order of the file to positions in a block, row by row
// (figure A.6 of the standard). A damaged file may count beyond 63.
var natural = [80]byte{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}
