package prototxt

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/internal/near"
)

// scalar reads the value of a field that is not a message, by the rules of C++
// TextFormat. If the value is not valid for the field, it returns false, possibly after
// consuming a part of it.
func (p *parser) scalar(field protoreflect.FieldDescriptor) (v protoreflect.Value, ok bool) {
	t := p.peek()
	if kind := field.Kind(); kind == protoreflect.StringKind || kind == protoreflect.BytesKind {
		var s []byte
		for ; p.peek().kind == stringToken; p.next() {
			s = unquote(s, p.src[p.peek().off:p.peek().end])
		}
		if kind == protoreflect.BytesKind {
			return protoreflect.ValueOfBytes(s), t.kind == stringToken
		}
		return protoreflect.ValueOfString(string(s)), t.kind == stringToken
	}
	negative := p.accept('-')
	t = p.next()
	switch field.Kind() {
	case protoreflect.BoolKind:
		b, ok := p.boolean(t)
		return protoreflect.ValueOfBool(b), ok && !negative
	case protoreflect.EnumKind:
		n, ok := p.enum(t, negative, field.Enum())
		return protoreflect.ValueOfEnum(n), ok
	case protoreflect.FloatKind:
		f, ok := p.float(t, negative)
		return protoreflect.ValueOfFloat32(float32(f)), ok
	case protoreflect.DoubleKind:
		f, ok := p.float(t, negative)
		return protoreflect.ValueOfFloat64(f), ok
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, ok := p.magnitude(t, math.MaxUint32)
		return protoreflect.ValueOfUint32(uint32(n)), ok && !negative
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, ok := p.magnitude(t, math.MaxUint64)
		return protoreflect.ValueOfUint64(n), ok && !negative
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n, ok := p.signed(t, negative, math.MaxInt64)
		return protoreflect.ValueOfInt64(n), ok
	default:
		n, ok := p.signed(t, negative, math.MaxInt32)
		return protoreflect.ValueOfInt32(int32(n)), ok
	}
}

// magnitude returns a whole number, written in decimal, octal or hexadecimal.
func (p *parser) magnitude(t token, most uint64) (n uint64, ok bool) {
	if t.kind != intToken {
		return 0, false
	}
	s, base := p.str(t), 10
	switch {
	case len(s) > 1 && s[1]|0x20 == 'x':
		s, base = s[2:], 16
	case s[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(s, base, 64)
	return n, err == nil && n <= most
}

func (p *parser) signed(t token, negative bool, most int64) (n int64, ok bool) {
	if negative {
		u, ok := p.magnitude(t, uint64(most)+1)
		return -int64(u), ok
	}
	u, ok := p.magnitude(t, uint64(most))
	return int64(u), ok
}

// float returns a decimal number, inf or nan. Numbers beyond float64 are
// infinite; rounding to float32 comes afterwards, as in C++.
func (p *parser) float(t token, negative bool) (f float64, ok bool) {
	s := p.str(t)
	switch t.kind {
	case intToken:
		if len(s) > 1 && s[0] == '0' {
			return 0, false // octal or hexadecimal
		}
		f, _ = strconv.ParseFloat(s, 64)
	case floatToken:
		f, _ = strconv.ParseFloat(strings.TrimRight(s, "fF"), 64)
	case nameToken:
		switch strings.ToLower(s) {
		case "inf", "infinity":
			f = math.Inf(1)
		case "nan":
			f = math.NaN()
		default:
			return 0, false
		}
	default:
		return 0, false
	}
	if negative {
		f = -f
	}
	return f, true
}

func (p *parser) boolean(t token) (b, ok bool) {
	if t.kind == intToken {
		n, ok := p.magnitude(t, 1)
		return n == 1, ok
	}
	switch p.str(t) {
	case "true", "True", "t":
		return true, true
	case "false", "False", "f":
		return false, true
	}
	return false, false
}

func (p *parser) enum(t token, negative bool, enum protoreflect.EnumDescriptor) (n protoreflect.EnumNumber, ok bool) {
	if t.kind == nameToken && !negative {
		return p.schema.enumNumber(enum, protoreflect.Name(p.str(t)))
	}
	number, ok := p.signed(t, negative, math.MaxInt32)
	n = protoreflect.EnumNumber(number)
	return n, ok && p.schema.enumName(enum, n) != ""
}

// badValue describes the mistake in a value that scalar has rejected, and skips it.
func (p *parser) badValue(field protoreflect.FieldDescriptor) error {
	t := p.peek()
	if field.Kind() == protoreflect.EnumKind && t.kind == nameToken {
		p.next()
		values := p.schema.enumNames(field.Enum())
		if meant := near.Name(p.str(t), values); meant != "" {
			return fmt.Errorf("unknown value %s of %s, did you mean %s?", p.str(t), field.Enum().Name(), meant)
		}
		return fmt.Errorf("unknown value %s of %s, want %s", p.str(t), field.Enum().Name(), anyOf(values))
	}
	got := p.show(t)
	switch {
	case p.opens(t):
		got = "a message in braces"
	case p.is(t, '['):
		got = "a list in brackets"
	case p.is(t, '-'):
		got = "-" + p.show(p.tokens[p.at+1])
	}
	p.skipValue()
	return fmt.Errorf("got %s, want %s", got, p.wanted(field))
}

// wanted describes the values of a field.
func (p *parser) wanted(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return "a string in quotes"
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		return anyOf(p.schema.enumNames(field.Enum()))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "a decimal number"
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "a whole number from 0 to 4294967295"
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "a whole number from 0 to 18446744073709551615"
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return "a whole number from -9223372036854775808 to 9223372036854775807"
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "a message in braces"
	default:
		return "a whole number from -2147483648 to 2147483647"
	}
}

// anyOf returns "A, B or C".
func anyOf(names []string) string {
	const most = 8
	last := len(names) - 1
	switch {
	case last == 0:
		return names[0]
	case last >= most:
		return fmt.Sprintf("%s or %d others", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
