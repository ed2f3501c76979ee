package jpeg

import (
	"errors"
	"fmt"
)

// A scan is the part of the data between two headers.
type scan struct {
	parts        []part
	first, last  int // coefficients, in the order of the file
	high, low    int // successive approximation of progressive files
	endOfBand    int // blocks that have no more coefficients in this band
	untilRestart int
	nextRestart  byte
}

// part is a component of a scan.
type part struct {
	*component
	dc, ac    *huffman
	predicted int // the last DC coefficient
}

var errScan = errors.New("the header of a scan is wrong")

// scanHeader reads the header of a scan.
func (d *Decoder) scanHeader() error {
	s, err := d.segment()
	if err != nil {
		return err
	}
	if len(d.components) == 0 {
		return errors.New("the file has a scan before its frame")
	}
	if len(s) < 1 || s[0] < 1 || s[0] > 4 || len(s) != 4+2*int(s[0]) {
		return errScan
	}
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("the file has more than %d scans", maxScans)
	}
	n := int(s[0])
	end := s[1+2*n:]
	d.scan = scan{parts: d.scan.parts[:0], first: int(end[0]), last: int(end[1]), high: int(end[2] >> 4), low: int(end[2] & 15)}
	if !d.progressive {
		d.scan.first, d.scan.last, d.scan.high, d.scan.low = 0, 63, 0, 0
	}
	blocks := 0
	for s = s[1 : 1+2*n]; len(s) > 0; s = s[2:] {
		var c *component
		for i := range d.components {
			if d.components[i].id == s[0] {
				c = &d.components[i]
				break
			}
		}
		if c == nil || s[1]>>4 > 3 || s[1]&15 > 3 {
			return errScan
		}
		for _, p := range d.scan.parts {
			if p.component == c {
				return errScan
			}
		}
		blocks += c.h * c.v
		part := part{component: c, dc: d.dc[s[1]>>4], ac: d.ac[s[1]&15]}
		if part.dc == nil {
			part.dc = standard(standardDC, s[1]>>4, true)
		}
		if part.ac == nil {
			part.ac = standard(standardAC, s[1]&15, false)
		}
		d.scan.parts = append(d.scan.parts, part)
	}
	if n > 1 && blocks > 10 {
		return errScan
	}
	d.multiple = d.multiple || d.progressive || n < len(d.components)
	return d.prepareScan()
}

// prepareScan checks the scan and its tables.
func (d *Decoder) prepareScan() error {
	sc := &d.scan
	if d.progressive {
		switch {
		case sc.last < sc.first || sc.last > 63,
			sc.first == 0 && sc.last != 0, // DC and AC are apart
			sc.first > 0 && len(sc.parts) != 1,
			sc.high != 0 && sc.low != sc.high-1,
			sc.low > 13:
			return errScan
		}
	}
	needsDC, needsAC := sc.first == 0 && sc.high == 0, sc.last > 0
	for i := range sc.parts {
		p := &sc.parts[i]
		if needsDC && p.dc == nil || needsAC && p.ac == nil {
			return errors.New("a Huffman table is missing")
		}
		if p.quant == nil {
			if p.table > 3 || d.quant[p.table] == nil {
				return errors.New("a quantization table is missing")
			}
			t := *d.quant[p.table] // the file may change it later
			p.quant = &t
		}
	}
	d.bits, d.n, d.insufficient = 0, 0, false
	sc.untilRestart = d.interval
	return nil
}

// runScan decodes the data of a scan.
func (d *Decoder) runScan() error {
	sc := &d.scan
	single := len(sc.parts) == 1
	across, down := ceil(d.width, 8*d.maxH), ceil(d.height, 8*d.maxV)
	if single { // blocks beyond the image are not in the data
		across, down = sc.parts[0].across, sc.parts[0].down
	}
	for y := range down {
		for x := range across {
			if d.interval > 0 {
				if sc.untilRestart == 0 {
					d.restart(sc.nextRestart)
					sc.nextRestart = (sc.nextRestart + 1) & 7
					sc.untilRestart, sc.endOfBand = d.interval, 0
					for i := range sc.parts {
						sc.parts[i].predicted = 0
					}
				}
				sc.untilRestart--
			}
			if d.insufficient {
				if d.interval == 0 || d.marker != 0 && (d.marker < rst0 || d.marker > rst7) {
					d.warn("it ends too early")
					return nil // no data will come
				}
				continue
			}
			for i := range sc.parts {
				p := &sc.parts[i]
				if single {
					if err := d.block(p, x, y); err != nil {
						return err
					}
					continue
				}
				for v := range p.v {
					for h := range p.h {
						if err := d.block(p, x*p.h+h, y*p.v+v); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	if d.insufficient {
		d.warn("it ends too early")
	}
	return nil
}

// block decodes the data of a block.
func (d *Decoder) block(p *part, x, y int) error {
	if !d.multiple {
		var b [64]int16
		if err := d.sequential(p, &b); err != nil {
			return err
		}
		inverse(&b, p.quant, p.plane[8*(y*p.stride+x):], p.stride)
		return nil
	}
	b := (*[64]int16)(p.coefficients[(y*p.stride/8+x)*64:])
	switch sc := &d.scan; {
	case !d.progressive:
		clear(b[:])
		return d.sequential(p, b)
	case sc.first == 0 && sc.high == 0:
		diff, err := d.difference(p)
		b[0] = int16(diff << sc.low)
		return err
	case sc.first == 0:
		if d.take(1) == 1 {
			b[0] |= 1 << sc.low
		}
	case sc.high == 0:
		d.firstAC(p, b)
	default:
		d.refineAC(p, b)
	}
	return nil
}

// difference decodes the difference to the last DC coefficient and returns the new one.
func (d *Decoder) difference(p *part) (int, error) {
	size := d.symbol(p.dc)
	p.predicted += extend(d.take(size), size)
	if p.predicted != int(int32(p.predicted)) {
		return 0, errors.New("the DC coefficients are out of range")
	}
	return p.predicted, nil
}

// sequential decodes a block of a file that is not progressive: F.2.2 of the standard.
func (d *Decoder) sequential(p *part, b *[64]int16) error {
	dc, err := d.difference(p)
	if err != nil {
		return err
	}
	b[0] = int16(dc)
	for k := 1; k < 64; k++ {
		s := d.symbol(p.ac)
		run, size := s>>4, s&15
		if size == 0 {
			if run != 15 {
				break
			}
			k += 15
			continue
		}
		k += run
		b[natural[k]] = int16(extend(d.take(size), size))
	}
	return nil
}

// firstAC decodes a band of AC coefficients for the first time: G.1.2.2 of the standard.
func (d *Decoder) firstAC(p *part, b *[64]int16) {
	sc := &d.scan
	if sc.endOfBand > 0 {
		sc.endOfBand--
		return
	}
	for k := sc.first; k <= sc.last; k++ {
		s := d.symbol(p.ac)
		run, size := s>>4, s&15
		switch {
		case size > 0:
			k += run
			b[natural[k]] = int16(extend(d.take(size), size) << sc.low)
		case run == 15:
			k += 15
		default:
			sc.endOfBand = 1<<run + d.take(run) - 1
			return
		}
	}
}

// refineAC decodes one more bit of a band of AC coefficients: G.1.2.3 of the standard.
func (d *Decoder) refineAC(p *part, b *[64]int16) {
	sc := &d.scan
	k := sc.first
	if sc.endOfBand == 0 {
	band:
		for ; k <= sc.last; k++ {
			s := d.symbol(p.ac)
			run, size := s>>4, s&15
			value := int16(0)
			switch {
			case size > 0:
				if size != 1 {
					d.warn("its data are damaged")
				}
				if value = -1 << sc.low; d.take(1) == 1 {
					value = 1 << sc.low
				}
			case run < 15:
				sc.endOfBand = 1<<run + d.take(run)
				break band
			}
			for ; k <= sc.last; k++ { // over run coefficients that are 0
				c := &b[natural[k]]
				if *c != 0 {
					d.refine(c)
				} else if run--; run < 0 {
					break
				}
			}
			if value != 0 {
				b[natural[k]] = value
			}
		}
	}
	if sc.endOfBand > 0 {
		for ; k <= sc.last; k++ {
			if c := &b[natural[k]]; *c != 0 {
				d.refine(c)
			}
		}
		sc.endOfBand--
	}
}

// refine adds a bit to a coefficient.
func (d *Decoder) refine(c *int16) {
	bit := int16(1) << d.scan.low
	if d.take(1) == 1 && *c&bit == 0 {
		if *c < 0 {
			bit = -bit
		}
		*c += bit
	}
}
