package prototxt

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Positions records where the fields of messages are in their files. It identifies
// messages by address, so positions survive changes around them. Use Copied to transfer
// positions to a copy of a message. A nil *Positions is empty.
type Positions struct {
	messages map[proto.Message]*place
}

// A place records the positions of a message and its fields.
type place struct {
	pos    Pos
	fields map[protoreflect.Name][]Pos // one per value, in the order of the file

	// extra holds the messages in fields that are not in caffe.proto. The
	// enclosing message keeps only their bytes, but copies of the bytes have the
	// same positions.
	extra map[protoreflect.Name]proto.Message
}

// NewPositions returns empty Positions.
func NewPositions() *Positions {
	return &Positions{messages: make(map[proto.Message]*place)}
}

// SetMessage records the position at which a message begins.
func (p *Positions) SetMessage(m proto.Message, at Pos) { p.place(m).pos = at }

// AddField records the position of a value of a field. Add the values of a repeated
// field in order.
func (p *Positions) AddField(m proto.Message, field protoreflect.Name, at Pos) {
	f := p.place(m).fields
	f[field] = append(f[field], at)
}

func (p *Positions) place(m proto.Message) *place {
	at := p.messages[m]
	if at == nil {
		at = &place{fields: make(map[protoreflect.Name][]Pos)}
		p.messages[m] = at
	}
	return at
}

// Of returns the position of a field of m. A path such as
// "convolution_param.kernel_size" names the field; the empty path is the message itself.
// index selects a value of a repeated field. For a field that is not in the file, Of
// returns the position of the innermost enclosing message.
func (p *Positions) Of(m proto.Message, path string, index int) Pos {
	if p == nil || m == nil {
		return Pos{}
	}
	at := p.messages[m]
	if at == nil {
		return Pos{}
	}
	if path == "" {
		return at.pos
	}
	name, rest, nested := strings.Cut(path, ".")
	values := at.fields[protoreflect.Name(name)]
	if len(values) == 0 {
		return at.pos
	}
	if !nested {
		return values[min(max(index, 0), len(values)-1)]
	}
	inside := at.extra[protoreflect.Name(name)]
	if field := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name)); field != nil {
		if field.Message() == nil || field.IsList() || !m.ProtoReflect().Has(field) {
			return values[0]
		}
		inside = m.ProtoReflect().Get(field).Message().Interface()
	}
	if inner := p.Of(inside, rest, index); inner.IsValid() {
		return inner
	}
	return values[0]
}

// Copied gives to, a copy of from, and the messages in it the positions of from.
func (p *Positions) Copied(from, to proto.Message) {
	if p == nil {
		return
	}
	if at := p.messages[from]; at != nil {
		p.messages[to] = at
	}
	target := to.ProtoReflect()
	from.ProtoReflect().Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.Message() == nil || field.IsMap() || !target.Has(field):
		case field.IsList():
			list, other := v.List(), target.Get(field).List()
			for i := range min(list.Len(), other.Len()) {
				p.Copied(list.Get(i).Message().Interface(), other.Get(i).Message().Interface())
			}
		default:
			p.Copied(v.Message().Interface(), target.Get(field).Message().Interface())
		}
		return true
	})
}

// setExtra records the message read into a field that is not in caffe.proto.
func (p *Positions) setExtra(m proto.Message, field protoreflect.Name, value proto.Message) {
	at := p.place(m)
	if at.extra == nil {
		at.extra = make(map[protoreflect.Name]proto.Message)
	}
	at.extra[field] = value
}

// moveField moves the positions of a field to a field of another message.
func (p *Positions) moveField(from proto.Message, source protoreflect.Name, to proto.Message, target protoreflect.Name) {
	if at := p.values(from, source); len(at) > 0 {
		p.setValues(to, target, at)
	}
}

// values returns the positions of the values of a field.
func (p *Positions) values(m proto.Message, field protoreflect.Name) []Pos {
	if at := p.messages[m]; at != nil {
		return at.fields[field]
	}
	return nil
}

// setValues records the positions of all values of a field.
func (p *Positions) setValues(m proto.Message, field protoreflect.Name, at []Pos) {
	p.place(m).fields[field] = at
}
