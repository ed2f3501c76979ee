package prototxt

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/protofile"
)

// forkNumbers is added to the number of a fork's field or enum value if the number means
// something else here.
const forkNumbers = 100_000

// A forkReader finds the additions of a fork to the schema.
type forkReader struct {
	schema *schema
	paired map[[2]protoreflect.FullName]bool
	extras []forkField
	moved  map[protoreflect.FullName]map[protoreflect.Name]bool // fields that get another number, by the fork's message
}

// A forkField is a field that a fork adds to one of our messages.
type forkField struct {
	ours   protoreflect.FullName
	theirs protoreflect.FullName
	field  protoreflect.Name
}

// addFork adds the additions of a fork to the schema.
func (s *schema) addFork(file *descriptorpb.FileDescriptorProto) error {
	file = proto.Clone(file).(*descriptorpb.FileDescriptorProto)
	fork, err := protofile.Link(file)
	if err != nil {
		return err
	}
	r := &forkReader{
		schema: s,
		paired: make(map[[2]protoreflect.FullName]bool),
		moved:  make(map[protoreflect.FullName]map[protoreflect.Name]bool),
	}
	messages := caffepb.File_caffe_proto.Messages()
	for i := range messages.Len() {
		if theirs := fork.Messages().ByName(messages.Get(i).Name()); theirs != nil {
			r.pair(messages.Get(i), theirs)
		}
	}
	if len(r.paired) == 0 {
		return fmt.Errorf("%s: has none of the messages of Caffe's own proto, such as LayerParameter", file.GetName())
	}
	for _, m := range file.MessageType {
		r.renumber(fork.Package().Append(protoreflect.Name(m.GetName())), m)
	}
	if fork, err = protofile.Link(file); err != nil {
		return err
	}
	for _, e := range r.extras {
		if e.ours == v1LayerParameter.FullName() {
			// The old form of a layer has the fields of the present one.
			if slices.Contains(r.extras, forkField{layerParameter.FullName(), e.theirs.Parent().Append(layerParameter.Name()), e.field}) {
				continue
			}
			e.ours = layerParameter.FullName()
		}
		s.add([]extra{{e.ours, findMessage(fork, e.theirs).Fields().ByName(e.field)}})
	}
	s.fork = fork
	return nil
}

// pair compares a message of ours with the fork's message of the same meaning.
func (r *forkReader) pair(ours, theirs protoreflect.MessageDescriptor) {
	key := [2]protoreflect.FullName{ours.FullName(), theirs.FullName()}
	if r.paired[key] {
		return
	}
	r.paired[key] = true
	for i := range theirs.Fields().Len() {
		field := theirs.Fields().Get(i)
		same := r.schema.field(ours, field.TextName())
		switch {
		case same == nil:
			r.extras = append(r.extras, forkField{ours.FullName(), theirs.FullName(), field.Name()})
			if ours == v1LayerParameter || ours.Fields().ByNumber(field.Number()) != nil || r.schema.extraByNumber(ours, field.Number()) != nil {
				if r.moved[theirs.FullName()] == nil {
					r.moved[theirs.FullName()] = make(map[protoreflect.Name]bool)
				}
				r.moved[theirs.FullName()][field.Name()] = true
			}
		case same.Message() != nil && field.Message() != nil:
			r.pair(same.Message(), field.Message())
			for _, other := range r.schema.extras[extendedName(ours)] { // another type's field of that name
				if other.TextName() == field.TextName() && other.Message() != nil {
					r.pair(other.Message(), field.Message())
				}
			}
		case same.Enum() != nil && field.Enum() != nil:
			r.pairEnum(same.Enum(), field.Enum())
		}
	}
}

func (r *forkReader) pairEnum(ours, theirs protoreflect.EnumDescriptor) {
	for i := range theirs.Values().Len() {
		v := theirs.Values().Get(i)
		if _, known := r.schema.enumNumber(ours, v.Name()); known {
			continue
		}
		number := v.Number()
		if r.schema.enumName(ours, number) != "" {
			number += forkNumbers
		}
		r.schema.enums[ours.FullName()] = append(r.schema.enums[ours.FullName()], enumValue{v.Name(), number})
	}
}

// renumber changes the numbers of the moved fields in a message and the messages in it.
func (r *forkReader) renumber(name protoreflect.FullName, m *descriptorpb.DescriptorProto) {
	for _, f := range m.Field {
		if r.moved[name][protoreflect.Name(f.GetName())] {
			f.Number = proto.Int32(f.GetNumber() + forkNumbers)
		}
	}
	for _, inner := range m.NestedType {
		r.renumber(name.Append(protoreflect.Name(inner.GetName())), inner)
	}
}

// findMessage returns the message in the file with a full name.
func findMessage(file protoreflect.FileDescriptor, name protoreflect.FullName) protoreflect.MessageDescriptor {
	if name.Parent() == file.Package() {
		return file.Messages().ByName(name.Name())
	}
	return findMessage(file, name.Parent()).Messages().ByName(name.Name())
}
