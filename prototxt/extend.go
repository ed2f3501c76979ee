package prototxt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/protofile"
	"github.com/gocaffe/gocaffe/internal/readfile"
)

// extensions holds what the schema has beyond caffe.proto.
var extensions struct {
	sync.Mutex
	types    []*meaning
	fields   map[LayerField]extra // of the types
	numbers  map[numberKey]bool   // that additional fields have
	dialects map[string]*dialect
	dialect  string // in use
	lenient  bool   // unknown fields are ignored
	fork     *descriptorpb.FileDescriptorProto
}

var theSchema atomic.Pointer[schema]

// current returns the current schema.
func current() *schema {
	if s := theSchema.Load(); s != nil {
		return s
	}
	return new(schema)
}

// UseProto reads the caffe.proto of a Caffe fork. Afterwards files of the fork
// can be read: fields and enum values that neither Caffe nor a plugin has are
// added to the schema; what they have in common stays. A field whose number is
// taken gets another number, since weights are found by name anyway. Calling
// done undoes it.
func UseProto(path string) (done func(), err error) {
	text, err := readfile.Text(context.Background(), path)
	if err != nil {
		return nil, err
	}
	file, err := protofile.Parse(path, text)
	if err != nil {
		return nil, err
	}
	extensions.Lock()
	defer extensions.Unlock()
	before := extensions.fork
	restore := func() {
		extensions.fork = before
		rebuild()
	}
	extensions.fork = file
	if err := rebuild(); err != nil {
		restore()
		return nil, err
	}
	return func() {
		extensions.Lock()
		defer extensions.Unlock()
		restore()
	}, nil
}

// IgnoreUnknownFields makes fields that nothing reads warnings where they are
// errors otherwise. Calling done undoes it.
func IgnoreUnknownFields() (done func()) {
	set := func(lenient bool) {
		extensions.Lock()
		defer extensions.Unlock()
		extensions.lenient = lenient
		rebuild()
	}
	set(true)
	return func() { set(false) }
}

// rebuild makes the schema again.
func rebuild() error {
	s := &schema{
		extras:   make(map[protoreflect.FullName][]protoreflect.FieldDescriptor),
		enums:    make(map[protoreflect.FullName][]enumValue),
		meanings: make(map[string][]*meaning),
		dialects: make(map[string]*dialect, len(extensions.dialects)),
		harmless: make(map[protoreflect.FieldDescriptor]*dialect),
		v1Types:  make(map[protoreflect.EnumNumber]string),
		dialect:  extensions.dialect,
		lenient:  extensions.lenient,
	}
	for _, m := range extensions.types {
		s.meanings[m.Type] = append(s.meanings[m.Type], m)
		s.add(m.fields)
		s.addValues(m.values)
	}
	for name, d := range extensions.dialects {
		s.dialects[name] = d
	}
	s.addDialects()
	if extensions.fork != nil {
		if err := s.addFork(extensions.fork); err != nil {
			return err
		}
	}
	theSchema.Store(s)
	return nil
}

// FieldOfLayer returns the field of LayerParameter of that name: Caffe's own, a
// plugin's, or one of the fork's in use. Of several it is that of the first type. It
// returns nil if there is none.
func FieldOfLayer(name string) protoreflect.FieldDescriptor {
	return current().field(layerParameter, name)
}

// An AddedField is a field that a layer type adds to a message of caffe.proto.
type AddedField struct {
	Message protoreflect.Name // "LayerParameter" for the type's own options
	Field   protoreflect.FieldDescriptor
}

// AddedFields returns the fields that a layer type adds in its dialects.
func AddedFields(typ string, dialects []string) []AddedField {
	var added []AddedField
	for _, m := range current().meanings[typ] {
		if slices.Equal(m.Dialects, dialects) {
			for _, e := range m.fields {
				added = append(added, AddedField{e.of.Name(), e.field})
			}
		}
	}
	return added
}

// LayerMessage returns the message that a layer has in a field of that name, which
// need not be in caffe.proto; without values, and not ok, if it has none.
func LayerMessage(l *caffepb.LayerParameter, name string) (m protoreflect.Message, ok bool, err error) {
	s := current()
	field := s.fieldFor(s.meaningOf(l), layerParameter, name)
	if field == nil || field.Message() == nil {
		return nil, false, fmt.Errorf("no plugin has a field %q of LayerParameter", name)
	}
	holder, err := Holder(l.ProtoReflect(), field)
	if err != nil {
		return nil, false, err
	}
	return holder.Get(field).Message(), holder.Has(field), nil
}

// FieldOfMessage returns the field of that name that a message of a layer has: a
// field of caffe.proto, or one that the layer's type has added; nil if there is none.
func FieldOfMessage(l *caffepb.LayerParameter, md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	s := current()
	return s.fieldFor(s.meaningOf(l), md, name)
}

// EnumName returns the name of an enum's value, which a fork may have added, or "".
func EnumName(enum protoreflect.EnumDescriptor, number protoreflect.EnumNumber) string {
	return string(current().enumName(enum, number))
}

// Holder returns the message that has the value of a field of m: m itself, or another
// one for a field that is not in caffe.proto and that m keeps as bytes.
func Holder(m protoreflect.Message, field protoreflect.FieldDescriptor) (protoreflect.Message, error) {
	if field.ContainingMessage() == m.Descriptor() {
		return m, nil
	}
	holder := dynamicpb.NewMessage(field.ContainingMessage())
	for rest := []byte(m.GetUnknown()); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, errors.New("the bytes of its unknown fields are damaged")
		}
		if number == field.Number() {
			if err := mergeInto(holder, rest[:n]); err != nil {
				what := protoreflect.Name(field.TextName())
				if field.Message() != nil {
					what = field.Message().Name()
				}
				return nil, fmt.Errorf("field %d is no %s: %w", number, what, err)
			}
		}
		rest = rest[n:]
	}
	return holder, nil
}
