package prototxt

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
)

// Marshal returns m as text, byte for byte as C++ TextFormat prints it: fields in the
// order of their numbers, one value per line, indented by two spaces per level. Fields
// that are not in the schema are printed by number, after the others.
func Marshal(m proto.Message) []byte {
	p := &printer{schema: current()}
	p.message(m.ProtoReflect(), "")
	return p.b
}

// MarshalNet returns a net as text that begins with a comment line about the dialect
// of most of its layers, unless all types are the same in all dialects.
func MarshalNet(net *caffepb.NetParameter) []byte {
	count := make(map[string]int)
	most := ""
	for _, l := range net.GetLayer() {
		if d := DialectOf(l); d != "" {
			if count[d]++; count[d] > count[most] {
				most = d
			}
		}
	}
	if most == "" {
		return Marshal(net)
	}
	return append([]byte("# gocaffe: dialect "+most+"\n"), Marshal(net)...)
}

// A printer writes messages as text.
type printer struct {
	schema *schema
	b      []byte
}

func (p *printer) message(m protoreflect.Message, indent string) {
	values, unknown := p.schema.values(m)
	slices.SortFunc(values, func(a, b fieldValue) int { return cmp.Compare(a.field.Number(), b.field.Number()) })
	for _, v := range values {
		if !v.field.IsList() {
			p.field(v.field, v.v, indent)
			continue
		}
		for i := range v.v.List().Len() {
			p.field(v.field, v.v.List().Get(i), indent)
		}
	}
	p.b = appendUnknown(p.b, unknown, indent, maxUnknownDepth)
}

func (p *printer) field(field protoreflect.FieldDescriptor, v protoreflect.Value, indent string) {
	b := append(p.b, indent...)
	b = append(b, field.TextName()...)
	if field.Message() != nil {
		p.b = append(b, " {\n"...)
		p.message(v.Message(), indent+"  ")
		p.b = append(append(p.b, indent...), "}\n"...)
		return
	}
	b = append(b, ": "...)
	switch field.Kind() {
	case protoreflect.StringKind:
		b = appendQuoted(b, v.String())
	case protoreflect.BytesKind:
		b = appendQuoted(b, string(v.Bytes()))
	case protoreflect.FloatKind:
		b = appendFloat(b, v.Float(), 32)
	case protoreflect.DoubleKind:
		b = appendFloat(b, v.Float(), 64)
	case protoreflect.EnumKind:
		if name := p.schema.enumName(field.Enum(), v.Enum()); name != "" {
			b = append(b, name...)
		} else {
			b = strconv.AppendInt(b, int64(v.Enum()), 10)
		}
	default:
		b = fmt.Append(b, v.Interface())
	}
	p.b = append(b, '\n')
}

// appendFloat writes as many digits as C++ SimpleFtoa and SimpleDtoa do: six or
// fifteen if they are enough to read the number back, or else nine or seventeen.
func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	short, long := 6, 9
	if bits == 64 {
		short, long = 15, 17
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', short, 64)
	back, _ := strconv.ParseFloat(string(b[start:]), bits)
	// C++ checks the short form with C's strtof, which reports subnormals as out of range.
	subnormal := bits == 32 && f != 0 && math.Abs(f) < 0x1p-126
	if back != f || subnormal {
		b = strconv.AppendFloat(b[:start], f, 'g', long, 64)
	}
	return b
}

// appendQuoted writes a string like C++ CEscape: bytes that are not printable ASCII as
// three octal digits.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '"' || c == '\'' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// maxUnknownDepth is the depth to which C++ looks for messages in unknown fields.
const maxUnknownDepth = 10

// appendUnknown writes fields from their binary form. Bytes that happen to be a valid
// message are printed as one.
func appendUnknown(b, fields []byte, indent string, depth int) []byte {
	for len(fields) > 0 {
		number, kind, n := protowire.ConsumeTag(fields)
		if n < 0 {
			return b
		}
		fields = fields[n:]
		b = append(b, indent...)
		b = strconv.AppendInt(b, int64(number), 10)
		switch kind {
		case protowire.VarintType:
			var v uint64
			v, n = protowire.ConsumeVarint(fields)
			b = fmt.Appendf(b, ": %d\n", v)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(fields)
			b = fmt.Appendf(b, ": 0x%08x\n", v)
		case protowire.Fixed64Type:
			var v uint64
			v, n = protowire.ConsumeFixed64(fields)
			b = fmt.Appendf(b, ": 0x%016x\n", v)
		case protowire.BytesType:
			var v []byte
			v, n = protowire.ConsumeBytes(fields)
			if len(v) > 0 && depth > 0 && isMessage(v) {
				b = appendUnknownMessage(b, v, indent, depth-1)
			} else {
				b = append(b, ": "...)
				b = appendQuoted(b, string(v))
				b = append(b, '\n')
			}
		case protowire.StartGroupType:
			var v []byte
			v, n = protowire.ConsumeGroup(number, fields)
			b = appendUnknownMessage(b, v, indent, depth)
		}
		if n < 0 {
			return b
		}
		fields = fields[n:]
	}
	return b
}

func appendUnknownMessage(b, fields []byte, indent string, depth int) []byte {
	b = append(b, " {\n"...)
	b = appendUnknown(b, fields, indent+"  ", depth)
	b = append(b, indent...)
	return append(b, "}\n"...)
}

func isMessage(b []byte) bool {
	for len(b) > 0 {
		_, _, n := protowire.ConsumeField(b)
		if n < 0 {
			return false
		}
		b = b[n:]
	}
	return true
}
