package jpeg

import "errors"

// lookBits is the number of bits that are looked up at once.
const lookBits = 9

// A huffman decodes the symbols of a Huffman code.
type huffman struct {
	// look has for the next lookBits bits the length of the code and its symbol,
	// length<<8 | symbol, or 0 for a longer code.
	look [1 << lookBits]uint16

	// Of the codes of each length: the largest, aligned to 16 bits, -1 for none, and the
	// index of the first symbol minus the smallest code.
	largest [18]int32
	offset  [17]int32
	symbols [256]byte
}

// huffmanTables reads tables.
func (d *Decoder) huffmanTables(s []byte) error {
	for len(s) > 0 {
		if len(s) < 17 {
			return errTooShort
		}
		class, id := s[0]>>4, s[0]&15
		n := 0
		for _, count := range s[1:17] {
			n += int(count)
		}
		if class > 1 || id > 3 || n > 256 || len(s) < 17+n {
			return errBadCode
		}
		h, err := newHuffman(s[1:17], s[17:17+n], class == 0)
		if err != nil {
			return err
		}
		if class == 0 {
			d.dc[id] = h
		} else {
			d.ac[id] = h
		}
		s = s[17+n:]
	}
	return nil
}

var errBadCode = errors.New("a Huffman table is wrong")

// newHuffman returns the code with the given number of codes of each length from 1 to 16
// and the given symbols: annex C of the standard.
func newHuffman(counts, symbols []byte, isDC bool) (*huffman, error) {
	h := new(huffman)
	copy(h.symbols[:], symbols)
	code, k := int32(0), int32(0)
	for length := int32(1); length <= 16; length++ {
		count := int32(counts[length-1])
		h.offset[length] = k - code
		h.largest[length] = -1
		for range count {
			if code >= 1<<length {
				return nil, errBadCode
			}
			symbol := h.symbols[k]
			if isDC && symbol > 15 {
				return nil, errBadCode
			}
			if length <= lookBits {
				for i := range int32(1) << (lookBits - length) {
					h.look[code<<(lookBits-length)|i] = uint16(length)<<8 | uint16(symbol)
				}
			}
			code++
			k++
		}
		if count > 0 {
			h.largest[length] = code<<(16-length) - 1
		}
		code <<= 1
	}
	h.largest[17] = 1 << 20
	return h, nil
}

// symbol returns the next symbol. After it there are at least 16 bits, unless the data
// have ended.
func (d *Decoder) symbol(h *huffman) int {
	if d.n < 32 {
		d.fill()
	}
	if e := h.look[d.bits>>(64-lookBits)]; e != 0 {
		d.drop(int(e >> 8))
		return int(e & 0xff)
	}
	next := int32(d.bits >> 48)
	length := lookBits + 1
	for next > h.largest[length] {
		length++
	}
	if length > 16 {
		d.drop(17)
		d.warn("its data are damaged")
		return 0
	}
	d.drop(length)
	return int(h.symbols[(next>>(16-length)+h.offset[length])&0xff])
}

// The tables of annex K of the standard, by count and symbol. Files of video cameras
// omit them.
var (
	standardDC = [2][2]string{
		{"\x00\x01\x05\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
		{"\x00\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\x00\x00\x00\x00\x00", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
	}
	standardAC = [2][2]string{
		{"\x00\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\x00\x00\x01\x7d",
			"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\x23\x42\xb1\xc1\x15\x52\xd1\xf0" +
				"\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49" +
				"\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
				"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5" +
				"\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
				"\xf9\xfa"},
		{"\x00\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\x00\x01\x02\x77",
			"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xa1\xb1\xc1\x09\x23\x33\x52\xf0" +
				"\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48" +
				"\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
				"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3" +
				"\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8" +
				"\xf9\xfa"},
	}
)

// standard returns the standard table with a number.
func standard(tables [2][2]string, id byte, isDC bool) *huffman {
	if id > 1 {
		return nil
	}
	h, err := newHuffman([]byte(tables[id][0]), []byte(tables[id][1]), isDC)
	if err != nil {
		return nil // they are right
	}
	return h
}
