package prototxt

import (
	"fmt"
	"hash/fnv"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/near"
	"github.com/gocaffe/gocaffe/internal/protofile"
)

// A LayerType is what a layer type means, in all dialects or in some: which fields
// it reads beyond those of caffe.proto. Types of one name and fields of one name
// are told apart by the dialects.
type LayerType struct {
	Type     string
	Dialects []string     // that give the type this meaning; nil for Caffe itself and all that have no other
	Fields   []LayerField // of LayerParameter

	// Extends is the text of a .proto file with messages of Caffe's names. The
	// fields in them are added to Caffe's, for this type, and the values of enums
	// that Caffe's message has too, for all types.
	Extends string

	// Allows reports whether the type may have so many bottoms, tops and
	// specifications of weights (the fields param); nil is any.
	Allows func(bottoms, tops, params int) bool
}

// A LayerField is a field of LayerParameter that caffe.proto does not have.
type LayerField struct {
	Name    string // "em_softmax_param"
	Number  int32  // in the fork's binary files; 0 if there is no fork
	Proto   string // text of a .proto file; it may use the messages of caffe.proto
	Message string // the message that the field holds, in the text or in caffe.proto
}

// A meaning is a LayerType that is known, with the descriptors of its fields.
type meaning struct {
	LayerType
	fields []extra
	values []extraValue
}

// An extra is a field that a message of caffe.proto has in addition.
type extra struct {
	of    protoreflect.FullName // the message
	field protoreflect.FieldDescriptor
}

// field returns the field of a message that a type adds, nil if there is none.
func (m *meaning) field(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if m != nil {
		for _, e := range m.fields {
			if e.of == extendedName(md) && e.field.TextName() == name {
				return e.field
			}
		}
	}
	return nil
}

// in reports whether a dialect of that name gives the type this meaning.
func (m *meaning) in(dialect string) bool { return slices.Contains(m.Dialects, dialect) }

// extendedName returns the name under which the fields are kept that a message has
// in addition. The old form of a layer has those of the present one.
func extendedName(md protoreflect.MessageDescriptor) protoreflect.FullName {
	if md == v1LayerParameter {
		return layerParameter.FullName()
	}
	return md.FullName()
}

var (
	layerParameter   = (*caffepb.LayerParameter)(nil).ProtoReflect().Descriptor()
	v1LayerParameter = (*caffepb.V1LayerParameter)(nil).ProtoReflect().Descriptor()
)

// AddLayerType makes a type known to all later reading and writing. The caller
// makes sure that no two types have one name in one dialect. The error says what
// is wrong with the texts.
func AddLayerType(t LayerType) error {
	extensions.Lock()
	defer extensions.Unlock()
	m := &meaning{LayerType: t}
	for _, f := range t.Fields {
		e, err := addField(f)
		if err != nil {
			return err
		}
		m.fields = append(m.fields, e)
	}
	fields, values, err := extend(t.Type, t.Extends)
	if err != nil {
		return err
	}
	m.fields, m.values = append(m.fields, fields...), values
	extensions.types = append(extensions.types, m)
	return rebuild()
}

// addField returns the descriptor of a field, the same for the same field.
func addField(f LayerField) (extra, error) {
	if e, ok := extensions.fields[f]; ok {
		return e, nil
	}
	file, err := protofile.Parse(f.Name+".proto", []byte(f.Proto))
	if err != nil {
		return extra{}, err
	}
	var names []string
	for _, m := range file.MessageType {
		names = append(names, m.GetName())
	}
	if !slices.Contains(names, f.Message) && caffepb.File_caffe_proto.Messages().ByName(protoreflect.Name(f.Message)) == nil {
		hint := ""
		if meant := near.Name(f.Message, names); meant != "" {
			hint = fmt.Sprintf(", did you mean %s?", meant)
		}
		return extra{}, fmt.Errorf("%s: there is no message %s%s", file.GetName(), f.Message, hint)
	}
	// In a package of its own, a message may have the name of another plugin's.
	if pkg := file.GetPackage(); pkg == "" || pkg == "caffe" {
		file.Package = proto.String("caffe." + f.Name)
	}
	number := takeNumber(layerParameter, f.Number, f.Name+"/"+f.Message)
	file.MessageType = append(file.MessageType, &descriptorpb.DescriptorProto{
		Name: proto.String("FieldOfLayer"),
		Field: []*descriptorpb.FieldDescriptorProto{{
			Name:     &f.Name,
			Number:   &number,
			Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			TypeName: &f.Message,
		}},
	})
	linked, err := protofile.Link(file, caffepb.File_caffe_proto)
	if err != nil {
		return extra{}, err
	}
	e := extra{layerParameter.FullName(), linked.Messages().ByName("FieldOfLayer").Fields().Get(0)}
	if extensions.fields == nil {
		extensions.fields = make(map[LayerField]extra)
	}
	extensions.fields[f] = e
	return e, nil
}

// An extraValue is a value that an enum of a message of caffe.proto has in addition.
type extraValue struct {
	of   protoreflect.EnumDescriptor
	name protoreflect.Name
}

// extend returns the fields that a text adds to Caffe's messages, and the values that it
// adds to enums in them.
func extend(name, text string) ([]extra, []extraValue, error) {
	if text == "" {
		return nil, nil, nil
	}
	name = "fields of " + name
	file, err := protofile.Parse(name, []byte(text))
	if err != nil {
		return nil, nil, err
	}
	if pkg := file.GetPackage(); pkg == "" || pkg == "caffe" {
		file.Package = proto.String("caffe.extends")
	}
	caffes := caffepb.File_caffe_proto.Messages()
	var extended []protoreflect.MessageDescriptor
	var values []extraValue
	for _, m := range file.MessageType {
		md := caffes.ByName(protoreflect.Name(m.GetName()))
		if md == nil {
			continue
		}
		extended = append(extended, md)
		m.EnumType = slices.DeleteFunc(m.EnumType, func(e *descriptorpb.EnumDescriptorProto) bool {
			enum := md.Enums().ByName(protoreflect.Name(e.GetName()))
			for _, v := range e.Value {
				if enum != nil && enum.Values().ByName(protoreflect.Name(v.GetName())) == nil {
					values = append(values, extraValue{enum, protoreflect.Name(v.GetName())})
				}
			}
			return enum != nil
		})
		m.Name = proto.String(m.GetName() + "Extra")
		for _, f := range m.Field {
			if md.Fields().ByTextName(f.GetName()) != nil {
				return nil, nil, fmt.Errorf("%s: Caffe's %s has a field %q", name, md.Name(), f.GetName())
			}
			f.Number = proto.Int32(takeNumber(md, 0, f.GetName()+"/"+text))
		}
	}
	if len(extended) == 0 {
		return nil, nil, fmt.Errorf("%s: has no message that Caffe's own proto has, such as LayerParameter", name)
	}
	linked, err := protofile.Link(file, caffepb.File_caffe_proto)
	if err != nil {
		return nil, nil, err
	}
	var fields []extra
	for _, md := range extended {
		added := linked.Messages().ByName(md.Name() + "Extra").Fields()
		for i := range added.Len() {
			fields = append(fields, extra{md.FullName(), added.Get(i)})
		}
	}
	return fields, values, nil
}

// dialectNumber is the number of the field of LayerParameter that keeps the
// dialect in which the layer's type was read. Text does not show it.
const dialectNumber = 1<<28 - 1

// takeNumber returns the number of an additional field of a message, which no other
// field has: the wanted one if it is free, otherwise one that follows from key, so
// that it is the same in every program.
func takeNumber(md protoreflect.MessageDescriptor, want int32, key string) int32 {
	free := func(n int32) bool {
		return n > 0 && md.Fields().ByNumber(protoreflect.FieldNumber(n)) == nil && !extensions.numbers[numberKey{md.FullName(), n}]
	}
	n := want
	if !free(n) {
		h := fnv.New32a()
		h.Write([]byte(key))
		for n = 1<<28 + int32(h.Sum32()>>4); !free(n); n = 1<<28 + (n+1)&(1<<28-1) {
		}
	}
	if extensions.numbers == nil {
		extensions.numbers = make(map[numberKey]bool)
	}
	extensions.numbers[numberKey{md.FullName(), n}] = true
	return n
}

// A numberKey is a number of a field of a message.
type numberKey struct {
	of     protoreflect.FullName
	number int32
}

// DialectOf returns the dialect in which the type of a layer was read, "" if its
// meaning is that of all dialects, or it was not read from text.
func DialectOf(l *caffepb.LayerParameter) string {
	for rest := []byte(l.ProtoReflect().GetUnknown()); len(rest) > 0; {
		number, kind, n := protowire.ConsumeField(rest)
		if n < 0 {
			return ""
		}
		if number == dialectNumber && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(rest)
			name, _ := protowire.ConsumeString(rest[tag:])
			return name
		}
		rest = rest[n:]
	}
	return ""
}

// SetDialect says in which dialect the type of a layer is to be understood.
func SetDialect(l *caffepb.LayerParameter, name string) { setDialect(l.ProtoReflect(), name) }

func setDialect(m protoreflect.Message, name string) {
	var kept []byte
	for rest := []byte(m.GetUnknown()); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			break
		}
		if number != dialectNumber {
			kept = append(kept, rest[:n]...)
		}
		rest = rest[n:]
	}
	if name != "" {
		kept = protowire.AppendTag(kept, dialectNumber, protowire.BytesType)
		kept = protowire.AppendString(kept, name)
	}
	m.SetUnknown(kept)
}

// meaningOf returns what the type of a layer means; nil if that is not known.
func (s *schema) meaningOf(l *caffepb.LayerParameter) *meaning {
	all := s.meanings[l.GetType()]
	if name := DialectOf(l); name != "" {
		for _, d := range s.family(name) {
			for _, m := range all {
				if m.in(d) {
					return m
				}
			}
		}
	}
	for _, m := range all {
		if m.Dialects == nil {
			return m
		}
	}
	switch {
	case DialectOf(l) != "":
		return nil
	case len(all) == 1:
		return all[0]
	}
	for _, m := range all {
		for _, e := range m.fields {
			if e.of == layerParameter.FullName() && hasNumber(l, e.field.Number()) {
				return m
			}
		}
	}
	return nil
}

// hasNumber reports whether a layer has a field that its own message does not have.
func hasNumber(l *caffepb.LayerParameter, number protoreflect.FieldNumber) bool {
	for rest := []byte(l.ProtoReflect().GetUnknown()); len(rest) > 0; {
		got, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return false
		}
		if got == number {
			return true
		}
		rest = rest[n:]
	}
	return false
}

// MeaningOf returns the dialects that give the type of a layer the meaning it has
// here, nil for Caffe's own meaning. ok is false if it is unknown, or one of several
// and nothing says which.
func MeaningOf(l *caffepb.LayerParameter) (dialects []string, ok bool) {
	m := current().meaningOf(l)
	if m == nil {
		return nil, false
	}
	return m.Dialects, true
}
