package data

import (
	"errors"
	"fmt"
)

// isPNM reports whether a file begins as a portable bitmap, graymap or pixmap.
func isPNM(file []byte) bool {
	return len(file) > 3 && file[0] == 'P' && file[1] >= '1' && file[1] <= '6' && isSpace(file[2])
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// pnm reads the numbers of a file.
type pnm struct {
	file []byte
	at   int
}

var errPNM = errors.New("it ends too early, or a number is wrong")

// number reads a decimal number of at most digits digits. Comments begin with #.
func (p *pnm) number(digits int) (int, error) {
	for p.at < len(p.file) {
		switch c := p.file[p.at]; {
		case c == '#':
			for p.at < len(p.file) && p.file[p.at] != '\n' {
				p.at++
			}
		case isSpace(c):
			p.at++
		default:
			n, start := 0, p.at
			for p.at < len(p.file) && p.at-start < digits && p.file[p.at] >= '0' && p.file[p.at] <= '9' {
				n = 10*n + int(p.file[p.at]-'0')
				p.at++
			}
			if p.at == start || n > maxSide {
				return 0, errPNM
			}
			return n, nil
		}
	}
	return 0, errPNM
}

// decodePNM reads a PBM, PGM or PPM file, of the binary or the plain kind, as OpenCV's
// grfmt_pxm.cpp does: numbers up to 255 of plain files are scaled to 255 and others are
// not; of larger ones the high byte is taken.
func (im *Image) decodePNM(file []byte, mode Mode) error {
	kind := file[1] - '0'
	plain := kind <= 3
	bitmap, native := kind%3 == 1, 1
	if kind%3 == 0 {
		native = 3
	}
	p := &pnm{file, 2}
	var sizes [3]int // the last is the largest value
	for i := range sizes {
		if i == 2 && bitmap {
			sizes[2] = 1
			break
		}
		n, err := p.number(8)
		if err != nil {
			return err
		}
		sizes[i] = n
	}
	width, height, most := sizes[0], sizes[1], sizes[2]
	if most < 1 || most > 65535 {
		return fmt.Errorf("its largest value is %d, want 1 to 65535", most)
	}
	if err := checkContent(width, height, int64(width)*int64(height), 8, len(file)); err != nil {
		return err
	}
	if err := checkSize(width, height, len(file)); err != nil {
		return err
	}
	if most > 255 && mode == Native {
		return errDeep
	}
	p.at++ // the space behind the header
	values := make([]byte, width*height*native)
	if err := p.read(values, width*native, plain, bitmap, most); err != nil {
		return err
	}
	channels := native
	switch mode {
	case Color:
		channels = 3
	case Gray:
		channels = 1
	}
	im.reset(channels, width, height)
	for i := range width * height {
		v := values[i*native:][:native]
		switch out := im.Pix[i*channels:][:channels]; {
		case native == 1:
			for k := range out {
				out[k] = v[0]
			}
		case channels == 1:
			out[0] = opencvGray(v[0], v[1], v[2])
		default:
			out[0], out[1], out[2] = v[2], v[1], v[0]
		}
	}
	return nil
}

// read reads the values of all pixels, in rows of so many.
func (p *pnm) read(values []byte, row int, plain, bitmap bool, most int) error {
	for i := range values {
		v, err := 0, error(nil)
		switch {
		case plain && bitmap:
			v, err = p.number(1)
		case plain:
			v, err = p.number(8)
		case bitmap:
			x := i % row
			if x == 0 && i > 0 {
				p.at += (row + 7) / 8
			}
			if p.at+x/8 >= len(p.file) {
				return errPNM
			}
			v = int(p.file[p.at+x/8] >> (7 - x%8) & 1)
		default:
			bytes := 1
			if most > 255 {
				bytes = 2
			}
			if p.at+bytes > len(p.file) {
				return errPNM
			}
			for _, b := range p.file[p.at:][:bytes] {
				v = v<<8 | int(b)
			}
			p.at += bytes
		}
		if err != nil {
			return err
		}
		if plain {
			v = min(v, most)
		}
		switch {
		case bitmap:
			v = 255 * (1 - min(v, 1))
		case most > 255:
			v >>= 8
		case plain:
			v = v * 255 / most
		}
		values[i] = byte(v)
	}
	return nil
}
