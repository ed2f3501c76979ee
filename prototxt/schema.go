package prototxt

import (
	"cmp"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A schema lists the fields of messages and the values of enums: those of caffe.proto,
// a field of LayerParameter for each plugin, and the additions of a fork's proto. It is
// used to look up every field of a file, and is immutable.
//
// Messages have the Go types of caffepb, which lack the additional fields. The values of
// these fields are stored as bytes, as protobuf stores unknown fields, and so survive
// copies and files.
type schema struct {
	extras map[protoreflect.FullName][]protoreflect.FieldDescriptor // by message
	enums  map[protoreflect.FullName][]enumValue                    // by enum
	fork   protoreflect.FileDescriptor                              // nil if there is none

	meanings map[string][]*meaning // by layer type
	dialects map[string]*dialect
	harmless map[protoreflect.FieldDescriptor]*dialect // fields that are ignored, and whose they are
	v1Types  map[protoreflect.EnumNumber]string        // the dialects' values of V1LayerParameter.LayerType
	dialect  string                                    // in use, "" for none
	lenient  bool                                      // unknown fields are ignored
}

// add adds fields, each once.
func (s *schema) add(fields []extra) {
	for _, e := range fields {
		if !slices.Contains(s.extras[e.of], e.field) {
			s.extras[e.of] = append(s.extras[e.of], e.field)
		}
	}
}

// addValues adds values of enums, each once, with numbers of their own.
func (s *schema) addValues(values []extraValue) {
	for _, v := range values {
		if _, known := s.enumNumber(v.of, v.name); !known {
			s.enums[v.of.FullName()] = append(s.enums[v.of.FullName()],
				enumValue{v.name, protoreflect.EnumNumber(3*forkNumbers + len(s.enums[v.of.FullName()]))})
		}
	}
}

// addDialects adds the fields and the V1 types of the dialects.
func (s *schema) addDialects() {
	number := protoreflect.EnumNumber(2 * forkNumbers)
	for _, name := range slices.Sorted(maps.Keys(s.dialects)) {
		d := s.dialects[name]
		s.add(d.harmless)
		s.addValues(d.values)
		for _, e := range d.harmless {
			s.harmless[e.field] = d
		}
		enum := v1LayerParameter.Fields().ByName("type").Enum()
		for _, v1 := range slices.Sorted(maps.Keys(d.V1Types)) {
			if _, known := s.enumNumber(enum, protoreflect.Name(v1)); known {
				continue
			}
			s.enums[enum.FullName()] = append(s.enums[enum.FullName()], enumValue{protoreflect.Name(v1), number})
			s.v1Types[number] = d.V1Types[v1]
			number++
		}
	}
}

// An enumValue is a value that a fork adds to an enum.
type enumValue struct {
	name   protoreflect.Name
	number protoreflect.EnumNumber
}

// fieldFor is field for a layer of a type: of additional fields of one name, that of
// the type is meant, or else a harmless one.
func (s *schema) fieldFor(typ *meaning, m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if field := typ.field(m, name); field != nil {
		return field
	}
	field := s.field(m, name)
	if field != nil && field.ContainingMessage() != m {
		for _, other := range s.extras[extendedName(m)] {
			if other.TextName() == name && s.harmless[other] != nil {
				return other
			}
		}
	}
	return field
}

// field returns the field of a message by its name in text, or nil.
func (s *schema) field(m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if field := m.Fields().ByTextName(name); field != nil {
		return field
	}
	for _, field := range s.extras[extendedName(m)] {
		if field.TextName() == name {
			return field
		}
	}
	return nil
}

// extraByNumber returns the field with a number that is not in caffe.proto, or nil.
func (s *schema) extraByNumber(m protoreflect.MessageDescriptor, number protoreflect.FieldNumber) protoreflect.FieldDescriptor {
	for _, field := range s.extras[extendedName(m)] {
		if field.Number() == number {
			return field
		}
	}
	return nil
}

// names returns the names of all fields of a message.
func (s *schema) names(m protoreflect.MessageDescriptor) []string {
	fields := m.Fields()
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = fields.Get(i).TextName()
	}
	for _, field := range s.extras[extendedName(m)] {
		names = append(names, field.TextName())
	}
	return names
}

// enumNumber returns the value of an enum by its name.
func (s *schema) enumNumber(e protoreflect.EnumDescriptor, name protoreflect.Name) (n protoreflect.EnumNumber, ok bool) {
	if v := e.Values().ByName(name); v != nil {
		return v.Number(), true
	}
	for _, v := range s.enums[e.FullName()] {
		if v.name == name {
			return v.number, true
		}
	}
	return 0, false
}

// enumName returns the name of a value of an enum, or "".
func (s *schema) enumName(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber) protoreflect.Name {
	if v := e.Values().ByNumber(n); v != nil {
		return v.Name()
	}
	for _, v := range s.enums[e.FullName()] {
		if v.number == n {
			return v.name
		}
	}
	return ""
}

// enumNames returns the names of all values of an enum.
func (s *schema) enumNames(e protoreflect.EnumDescriptor) []string {
	names := make([]string, e.Values().Len())
	for i := range names {
		names[i] = string(e.Values().Get(i).Name())
	}
	for _, v := range s.enums[e.FullName()] {
		names = append(names, string(v.name))
	}
	return names
}

// A fieldValue is a field of a message and its value.
type fieldValue struct {
	field protoreflect.FieldDescriptor
	v     protoreflect.Value
}

// values returns the fields of m that are set, including those that m stores as bytes,
// and the remaining bytes.
func (s *schema) values(m protoreflect.Message) (values []fieldValue, unknown []byte) {
	add := func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		values = append(values, fieldValue{field, v})
		return true
	}
	m.Range(add)
	var holders []*dynamicpb.Message
	for rest := []byte(m.GetUnknown()); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return values, append(unknown, rest...)
		}
		raw := rest[:n]
		rest = rest[n:]
		if number == dialectNumber && m.Descriptor() == layerParameter {
			continue // no field of the file
		}
		field := s.extraByNumber(m.Descriptor(), number)
		if field == nil {
			unknown = append(unknown, raw...)
			continue
		}
		at := slices.IndexFunc(holders, func(h *dynamicpb.Message) bool { return h.Descriptor() == field.ContainingMessage() })
		if at < 0 {
			at = len(holders)
			holders = append(holders, dynamicpb.NewMessage(field.ContainingMessage()))
		}
		// A fork may use the number for something else.
		if mergeInto(holders[at], raw) != nil {
			unknown = append(unknown, raw...)
		}
	}
	for _, h := range holders {
		h.Range(add)
		unknown = append(unknown, h.GetUnknown()...)
	}
	return values, unknown
}

// mergeInto decodes raw into m. If that fails, m is unchanged.
func mergeInto(m proto.Message, raw []byte) error {
	options := proto.UnmarshalOptions{AllowPartial: true, Merge: true}
	if err := options.Unmarshal(raw, m.ProtoReflect().New().Interface()); err != nil {
		return err
	}
	return options.Unmarshal(raw, m)
}

// appendExtras appends the fields of the extras to m, as bytes.
func appendExtras(m protoreflect.Message, extras []protoreflect.Message) {
	if len(extras) == 0 {
		return
	}
	type part struct {
		number protoreflect.FieldNumber
		raw    []byte
	}
	var parts []part
	for _, extra := range extras {
		// Missing required fields are reported elsewhere; nothing else can fail.
		raw, _ := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(extra.Interface())
		for len(raw) > 0 {
			number, _, n := protowire.ConsumeField(raw)
			parts = append(parts, part{number, raw[:n]})
			raw = raw[n:]
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.number, b.number) })
	unknown := slices.Clone(m.GetUnknown())
	for _, p := range parts {
		unknown = append(unknown, p.raw...)
	}
	m.SetUnknown(unknown)
}
