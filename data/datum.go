package data

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// A Datum is a record of Caffe's databases: a label with an array C x H x W of
// bytes or floats, or with an image file.
type Datum struct {
	Channels, Height, Width int
	Data                    []byte // part of the record that was read
	Float                   []float32
	Label                   int
	Encoded                 bool // Data is an image file; the sizes are not set
}

// Field numbers of the message.
const (
	datumChannels = 1
	datumHeight   = 2
	datumWidth    = 3
	datumData     = 4
	datumLabel    = 5
	datumFloat    = 6
	datumEncoded  = 7
)

// Unmarshal reads a serialized Datum. d.Data becomes part of b, and d.Float is
// reused: unlike the generated code, it neither copies the data nor allocates.
func (d *Datum) Unmarshal(b []byte) error {
	*d = Datum{Float: d.Float[:0]}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return badDatum(n)
		}
		if number > protowire.MaxValidNumber {
			return fmt.Errorf("not a Datum message: field number %d", number)
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return badDatum(n)
			}
			b = b[n:]
			switch number {
			case datumChannels:
				d.Channels = int(int32(v))
			case datumHeight:
				d.Height = int(int32(v))
			case datumWidth:
				d.Width = int(int32(v))
			case datumLabel:
				d.Label = int(int32(v))
			case datumEncoded:
				d.Encoded = v != 0
			}
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return badDatum(n)
			}
			b = b[n:]
			switch number {
			case datumData:
				d.Data = v
			case datumFloat: // packed
				if len(v)%4 != 0 {
					return fmt.Errorf("not a Datum message: %d bytes of packed floats", len(v))
				}
				for ; len(v) > 0; v = v[4:] {
					bits, _ := protowire.ConsumeFixed32(v)
					d.Float = append(d.Float, math.Float32frombits(bits))
				}
			}
		case protowire.Fixed32Type:
			v, n := protowire.ConsumeFixed32(b)
			if n < 0 {
				return badDatum(n)
			}
			b = b[n:]
			if number == datumFloat {
				d.Float = append(d.Float, math.Float32frombits(v))
			}
		default:
			n := protowire.ConsumeFieldValue(number, kind, b)
			if n < 0 {
				return badDatum(n)
			}
			b = b[n:]
		}
	}
	return nil
}

func badDatum(code int) error {
	return fmt.Errorf("not a Datum message: %w", protowire.ParseError(code))
}

// Check returns an error if the datum is not encoded and its array does not have
// the size of its shape.
func (d *Datum) Check() error {
	_, err := d.pixels()
	return err
}

// pixels returns the array of a datum that is not encoded.
func (d *Datum) pixels() (pixels, error) {
	c, h, w := d.Channels, d.Height, d.Width
	if c <= 0 || h <= 0 || w <= 0 || c > math.MaxInt32/h || c*h > math.MaxInt32/w {
		return pixels{}, fmt.Errorf("the datum has the shape %d x %d x %d", c, h, w)
	}
	p := pixels{channels: c, height: h, width: w, perChannel: h * w, perRow: w, perPixel: 1}
	got := len(d.Data)
	if got > 0 {
		p.bytes = d.Data
	} else {
		p.floats, got = d.Float, len(d.Float)
	}
	if got != c*h*w {
		return pixels{}, fmt.Errorf("the datum has %d values, its shape %d x %d x %d needs %d", got, c, h, w, c*h*w)
	}
	return p, nil
}
