package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/png"
	"math"
)

// pngHeader is what the chunks of a PNG file before its pixels say.
type pngHeader struct {
	width, height int
	depth, color  byte // bits of a channel; 0 grey, 2 RGB, 3 palette, with alpha 4 and 6
	transparency  bool // there is a chunk tRNS
	gamma         int  // 100000 times the exponent from linear to stored, 0 if unknown
	exif          []byte
}

// bits returns the size of a pixel.
func (h *pngHeader) bits() int64 {
	channels := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[h.color]
	return channels * int64(h.depth)
}

// readPNGHeader reads the chunks of a PNG file up to its pixels.
func readPNGHeader(file []byte) (h pngHeader, err error) {
	const magic, chunk = 8, 12 // length, type and checksum
	if len(file) < magic+chunk+13 || string(file[12:16]) != "IHDR" {
		return h, errors.New("it has no header")
	}
	head := file[16:]
	h.width, h.height = int(binary.BigEndian.Uint32(head)), int(binary.BigEndian.Uint32(head[4:]))
	h.depth, h.color = head[8], head[9]
	srgb := false
	for at := magic; at+chunk <= len(file); {
		size := int64(binary.BigEndian.Uint32(file[at:]))
		if size > int64(len(file)-at-chunk) {
			break
		}
		body := file[at+8 : at+8+int(size)]
		switch string(file[at+4 : at+8]) {
		case "IDAT":
			return h, nil
		case "tRNS":
			h.transparency = true
		case "sRGB":
			srgb, h.gamma = true, 45455
		case "gAMA":
			if len(body) == 4 && !srgb {
				if g := binary.BigEndian.Uint32(body); g >= 16 && g <= 625000000 { // libpng's limits
					h.gamma = int(g)
				}
			}
		case "eXIf":
			h.exif = body
		}
		at += chunk + int(size)
	}
	return h, nil
}

// decodePNG reads a PNG file.
func (im *Image) decodePNG(file []byte, mode Mode) error {
	h, err := readPNGHeader(file)
	if err != nil {
		return err
	}
	// deflate packs at most 1032 bytes into one
	if err := checkContent(h.width, h.height, int64(h.height)*((int64(h.width)*h.bits()+7)/8), 1032, len(file)); err != nil {
		return err
	}
	if err := checkSize(h.width, h.height, len(file)); err != nil {
		return err
	}
	decoded, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		return err
	}
	native := 3
	switch {
	case h.color == 0:
		native = 1
	case h.color > 3 || h.transparency:
		native = 4
	}
	if mode == Gray && h.color != 0 && h.color != 4 {
		if h.depth == 16 {
			im.deepGray(decoded, h.gamma)
			im.turn(tag(h.exif, orientationTag, 1))
			return nil
		}
		err = im.fromGo(decoded, mode, native, pngGray(h.gamma))
	} else {
		err = im.fromGo(decoded, mode, native, nil)
	}
	if mode != Native {
		im.turn(tag(h.exif, orientationTag, 1))
	}
	return err
}

// Weights of red and green in libpng, of 2¹⁵, with OpenCV's 0.299 and 0.587. Blue has
// the rest.
const (
	pngRed   = 29900 * 32768 / 100000
	pngGreen = 58700 * 32768 / 100000
	pngBlue  = 32768 - pngRed - pngGreen
)

// gammaMatters reports whether libpng converts to grey with linear values.
func gammaMatters(gamma int) bool { return gamma != 0 && (gamma < 95000 || gamma > 105000) }

// pngGray returns the conversion from colour to grey of png_do_rgb_to_gray in libpng's
// pngrtran.c. It cuts off, but if the file says its gamma, it converts linear values and
// rounds.
func pngGray(gamma int) func(r, g, b byte) byte {
	if !gammaMatters(gamma) {
		return func(r, g, b byte) byte {
			if r == g && g == b {
				return r
			}
			return byte((pngRed*uint32(r) + pngGreen*uint32(g) + pngBlue*uint32(b)) >> 15)
		}
	}
	var linear, stored [256]byte // png_build_8bit_table
	inverse := math.Floor(1e10/float64(gamma) + 0.5)
	for i := range 256 {
		linear[i], stored[i] = power(i, inverse), power(i, float64(gamma))
	}
	return func(r, g, b byte) byte {
		if r == g && g == b {
			return r
		}
		return stored[(pngRed*uint32(linear[r])+pngGreen*uint32(linear[g])+pngBlue*uint32(linear[b])+1<<14)>>15]
	}
}

// power returns a byte to a power, which is 100000 times the exponent:
// png_gamma_8bit_correct, and png_build_8bit_table's exception.
func power(i int, exponent float64) byte {
	if exponent >= 95000 && exponent <= 105000 {
		return byte(i)
	}
	return byte(math.Floor(255*math.Pow(float64(i)/255, exponent*0.00001) + 0.5))
}

// deepGray converts 16 bits for each channel to 8 bits of grey: libpng computes with 16
// bits, of which it then keeps the high byte. If the file says its gamma, the tables
// have 11 bits.
func (im *Image) deepGray(src image.Image, gamma int) {
	r := src.Bounds()
	im.reset(1, r.Dx(), r.Dy())
	to, from := func(v uint32) uint32 { return v }, func(v uint32) uint32 { return v }
	same := to
	if gammaMatters(gamma) {
		to, from = deepPower(math.Floor(1e10/float64(gamma)+0.5)), deepPower(float64(gamma))
		var rounded [2048]uint32 // png_build_16to8_table: to multiples of 257
		for v, out := uint32(0), uint32(0); v < 2048; v++ {
			for out < 255 && v >= ((out*257+128)*2047+32768)/65535+1 {
				out++
			}
			rounded[v] = out * 257
		}
		same = func(v uint32) uint32 { return rounded[v>>5] }
	}
	i := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			r, g, b := deepAt(src, x, y)
			v := same(r)
			if r != g || g != b {
				v = from((pngRed*to(r) + pngGreen*to(g) + pngBlue*to(b) + 1<<14) >> 15)
			}
			im.Pix[i] = byte(v >> 8)
			i++
		}
	}
}

// deepPower returns png_build_16bit_table's function, 100000 times whose exponent is
// given.
func deepPower(exponent float64) func(uint32) uint32 {
	var table [2048]uint32
	for i := range table {
		if exponent >= 95000 && exponent <= 105000 {
			table[i] = (uint32(i)*65535 + 1024) / 2047
		} else {
			table[i] = uint32(math.Floor(65535*math.Pow(float64(i)/2047, exponent*0.00001) + 0.5))
		}
	}
	return func(v uint32) uint32 { return table[v>>5] }
}

// deepAt returns a pixel of an image with 16 bits for each channel, not multiplied with
// its alpha.
func deepAt(src image.Image, x, y int) (r, g, b uint32) {
	if s, ok := src.(*image.NRGBA64); ok {
		p := s.NRGBA64At(x, y)
		return uint32(p.R), uint32(p.G), uint32(p.B)
	}
	r, g, b, _ = src.At(x, y).RGBA()
	return r, g, b
}
