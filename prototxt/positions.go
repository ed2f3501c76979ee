package prototxt

import (
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Positions records where the fields of messages were written. It identifies
// messages by address, so positions survive changes around them; Copied makes a
// copy of a message known. A nil *Positions is empty.
type Positions struct {
	messages map[proto.Message]*place
}

// A place records where one message and its fields were written.
type place struct {
	pos    Pos
	fields map[protoreflect.Name][]Pos // one for each value, in the order of the file

	// extra has the messages in fields that are not in caffe.proto. The message
	// around them keeps only their bytes, but copies of the bytes have the same
	// positions.
	extra map[protoreflect.Name]proto.Message
}

// NewPositions returns empty Positions.
func NewPositions() *Positions {
	return &Positions{messages: make(map[proto.Message]*place)}
}

// SetMessage records where a message begins.
func (p *Positions) SetMessage(m proto.Message, at Pos) { p.place(m).pos = at }

// AddField records where a value of a field was written. The values of a
// repeated field are added in their order.
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

// Of returns where a field of m was written. A path such as
// "convolution_param.kernel_size" names the field; the empty path is the
// message itself. index selects among the values of a repeated field. For a
// field that was not written, Of returns the position of the nearest message
// around it.
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

// Copied gives the copy to, and the messages in it, the positions of from.
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

// setExtra records the message that was read into a field that is not in
// caffe.proto.
func (p *Positions) setExtra(m proto.Message, field protoreflect.Name, value proto.Message) {
	at := p.place(m)
	if at.extra == nil {
		at.extra = make(map[protoreflect.Name]proto.Message)
	}
	at.extra[field] = value
}

// moveField moves the positions of a field of one message to a field of
// another.
func (p *Positions) moveField(from proto.Message, source protoreflect.Name, to proto.Message, target protoreflect.Name) {
	if at := p.values(from, source); len(at) > 0 {
		p.setValues(to, target, at)
	}
}

// values returns where the values of a field were written.
func (p *Positions) values(m proto.Message, field protoreflect.Name) []Pos {
	if at := p.messages[m]; at != nil {
		return at.fields[field]
	}
	return nil
}

// setValues records all places of the values of a field at once.
func (p *Positions) setValues(m proto.Message, field protoreflect.Name, at []Pos) {
	p.place(m).fields[field] = at
}
