package jpeg

import "encoding/binary"

// A source reads a file byte by byte and bit by bit. Beyond the end it finds markers
// that end the image, as libjpeg's jdatasrc.c does.
type source struct {
	file   []byte
	pos    int
	marker byte // read but not yet used, 0 for none

	bits         uint64 // the next bits, from the highest down, with zeros behind them
	n            int    // number of bits
	insufficient bool   // the data of the scan have ended too early
}

// next returns the next byte.
func (s *source) next() byte {
	i := s.pos
	s.pos++
	switch {
	case i < len(s.file):
		return s.file[i]
	case (i-len(s.file))%2 == 0:
		return 0xff
	}
	return eoi
}

// nextMarker goes to the next marker.
func (s *source) nextMarker() {
	for {
		for s.next() != 0xff {
		}
		c := s.next()
		for c == 0xff {
			c = s.next()
		}
		if c != 0 {
			s.marker = c
			return
		}
	}
}

// segment returns the bytes of a marker's segment and skips it.
func (s *source) segment() ([]byte, error) {
	n := int(s.next())<<8 | int(s.next())
	if n < 2 {
		return nil, errTooShort
	}
	n -= 2
	from := s.pos
	s.pos += n
	if s.pos <= len(s.file) {
		return s.file[from:s.pos], nil
	}
	b := make([]byte, n)
	s.pos = from
	for i := range b {
		b[i] = s.next()
	}
	return b, nil
}

// fill reads bytes until there are more than 56 bits, or up to the next marker.
func (s *source) fill() {
	for s.n <= 56 && s.marker == 0 {
		if s.n <= 32 && s.pos+4 <= len(s.file) {
			if four := binary.BigEndian.Uint32(s.file[s.pos:]); (^four-0x01010101)&four&0x80808080 == 0 { // no byte is 0xff
				s.bits |= uint64(four) << (32 - s.n)
				s.n += 32
				s.pos += 4
				continue
			}
		}
		c := s.next()
		if c == 0xff {
			for c = 0xff; c == 0xff; c = s.next() {
			}
			if c != 0 {
				s.marker = c
				return
			}
			c = 0xff // a stuffed zero follows it
		}
		s.bits |= uint64(c) << (56 - s.n)
		s.n += 8
	}
}

// drop skips bits. Missing bits count as zeros.
func (s *source) drop(bits int) {
	s.bits <<= bits
	if s.n -= bits; s.n < 0 {
		s.insufficient = true
		s.bits, s.n = 0, 57
	}
}

// take returns the next bits, at most 16.
func (s *source) take(bits int) int {
	if s.n < bits {
		s.fill()
	}
	v := int(s.bits >> (64 - bits)) // 0 bits: a shift by 64, which gives 0
	s.drop(bits)
	return v
}

// extend returns the number encoded by the bits: table F.1 of the standard.
func extend(v, bits int) int {
	if bits > 0 && v < 1<<(bits-1) {
		v += -1<<bits + 1
	}
	return v
}

// restart starts a new interval. desired is the number of its marker, 0 to 7.
func (d *Decoder) restart(desired byte) {
	d.bits, d.n = 0, 0
	if d.marker == 0 {
		d.nextMarker()
	}
	if d.marker != rst0+desired {
		d.resync(desired)
	} else {
		d.marker = 0
	}
	if d.marker == 0 {
		d.insufficient = false
	}
}

// resync handles a marker other than the desired one, like jpeg_resync_to_restart in
// libjpeg's jdmarker.c: either the data continue after it, or those of this interval are
// missing.
func (d *Decoder) resync(desired byte) {
	d.warn("its restart markers are damaged")
	for {
		m := d.marker
		ahead := (m - rst0 - desired) & 7
		switch {
		case m < sof0, m >= rst0 && m <= rst7 && ahead >= 6: // invalid, or of before
			d.nextMarker()
		case m < rst0 || m > rst7 || ahead == 1 || ahead == 2: // the data are missing
			return
		default: // the desired one, or too far away
			d.marker = 0
			return
		}
	}
}
