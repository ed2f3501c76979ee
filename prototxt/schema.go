package prototxt

import "google.golang.org/protobuf/reflect/protoreflect"

// A schema says which fields a message has. It is asked for every field of a
// file, and so is the place where fields that are not in caffe.proto come in.
type schema struct{}

// field returns the field of a message by its name in text, or nil.
func (schema) field(m protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	return m.Fields().ByTextName(name)
}

// names returns the names of all fields of a message.
func (schema) names(m protoreflect.MessageDescriptor) []string {
	fields := m.Fields()
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = fields.Get(i).TextName()
	}
	return names
}
