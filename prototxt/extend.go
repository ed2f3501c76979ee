package prototxt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/near"
	"github.com/gocaffe/gocaffe/internal/protofile"
	"github.com/gocaffe/gocaffe/internal/readfile"
)

// A LayerField is an additional field of LayerParameter, not in caffe.proto.
type LayerField struct {
	Name    string // "em_softmax_param"
	Number  int32  // field number in binary files
	Proto   string // text of a .proto file; it may use the messages of caffe.proto
	Message string // the message in Proto that is the field's type
}

// extensions holds the additions to caffe.proto.
var extensions struct {
	sync.Mutex
	fields []protoreflect.FieldDescriptor // of the plugins
	fork   *descriptorpb.FileDescriptorProto
}

var theSchema atomic.Pointer[schema]

// current returns the current schema.
func current() *schema {
	if s := theSchema.Load(); s != nil {
		return s
	}
	return new(schema)
}

var layerParameter = (*caffepb.LayerParameter)(nil).ProtoReflect().Descriptor()

// AddLayerField adds a field of LayerParameter to the schema for all later reading and
// writing. Name and number must be unused. The error describes mistakes in the .proto
// text.
func AddLayerField(f LayerField) error {
	file, err := protofile.Parse(f.Name+".proto", []byte(f.Proto))
	if err != nil {
		return err
	}
	var names []string
	for _, m := range file.MessageType {
		names = append(names, m.GetName())
	}
	if !slices.Contains(names, f.Message) {
		hint := ""
		if meant := near.Name(f.Message, names); meant != "" {
			hint = fmt.Sprintf(", did you mean %s?", meant)
		}
		return fmt.Errorf("%s: there is no message %s%s", file.GetName(), f.Message, hint)
	}
	// In its own package, a message can have the same name as another plugin's.
	if pkg := file.GetPackage(); pkg == "" || pkg == "caffe" {
		file.Package = proto.String("caffe." + f.Name)
	}
	file.MessageType = append(file.MessageType, &descriptorpb.DescriptorProto{
		Name: proto.String("FieldOfLayer"),
		Field: []*descriptorpb.FieldDescriptorProto{{
			Name:     &f.Name,
			Number:   &f.Number,
			Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			TypeName: &f.Message,
		}},
	})
	linked, err := protofile.Link(file, caffepb.File_caffe_proto)
	if err != nil {
		return err
	}
	extensions.Lock()
	defer extensions.Unlock()
	extensions.fields = append(extensions.fields, linked.Messages().ByName("FieldOfLayer").Fields().Get(0))
	return rebuild()
}

// UseProto reads the caffe.proto of a Caffe fork, so that files of the fork can be read.
// It adds the fields and enum values that neither Caffe nor a plugin has to the schema
// and leaves the others unchanged. A field whose number is taken gets another one, since
// weights are found by name anyway. Call done to undo it.
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

// rebuild builds the schema again.
func rebuild() error {
	s := &schema{
		extras: make(map[protoreflect.FullName][]protoreflect.FieldDescriptor),
		enums:  make(map[protoreflect.FullName][]enumValue),
	}
	s.extras[layerParameter.FullName()] = slices.Clone(extensions.fields)
	if extensions.fork != nil {
		if err := s.addFork(extensions.fork); err != nil {
			return err
		}
	}
	theSchema.Store(s)
	return nil
}

// FieldOfLayer returns the field of LayerParameter with the given name, from Caffe, a
// plugin or the fork in use. It returns nil if there is none.
func FieldOfLayer(name string) protoreflect.FieldDescriptor {
	return current().field(layerParameter, name)
}

// LayerMessage returns a layer's message in a field that is not in caffe.proto. If the
// layer does not set the field, the message is empty and ok is false.
func LayerMessage(l *caffepb.LayerParameter, name string) (m protoreflect.Message, ok bool, err error) {
	field := FieldOfLayer(name)
	if field == nil || field.Message() == nil {
		return nil, false, fmt.Errorf("no plugin has a field %q of LayerParameter", name)
	}
	if field.ContainingMessage() == layerParameter {
		return l.ProtoReflect().Get(field).Message(), l.ProtoReflect().Has(field), nil
	}
	holder := dynamicpb.NewMessage(field.ContainingMessage())
	for rest := []byte(l.ProtoReflect().GetUnknown()); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, false, errors.New("the bytes of its unknown fields are damaged")
		}
		if number == field.Number() {
			if err := mergeInto(holder, rest[:n]); err != nil {
				return nil, false, fmt.Errorf("field %d is not a valid %s: %w", number, field.Message().Name(), err)
			}
		}
		rest = rest[n:]
	}
	return holder.Get(field).Message(), holder.Has(field), nil
}
