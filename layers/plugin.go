package layers

import (
	"fmt"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Plugin declares a field of LayerParameter, for the options of a layer that
// Caffe does not have. Files name the field as any other:
//
//	layer { type: "EMSoftmaxLoss"  em_softmax_param { m: 1 lambda: 0.1 V: 2 } }
//
// The layer reads it with Spec.Options.
type Plugin struct {
	// Field is the name of the field: "em_softmax_param".
	Field string

	// Number is the field's number in binary files. A layer that exists in a
	// fork of Caffe has the fork's; new ones take 10000 and up.
	Number int32

	// Proto is the text of a .proto file of syntax proto2 with the message. It
	// may use the messages of caffe.proto, such as FillerParameter, without an
	// import.
	Proto string

	// Message is the name of the message: "EMSoftmaxParameter".
	Message string
}

func (p *Plugin) addField() error {
	if p.Field == "" || p.Number <= 0 || p.Message == "" {
		return fmt.Errorf("Plugin has Field %q, Number %d and Message %q, all are required", p.Field, p.Number, p.Message)
	}
	return prototxt.AddLayerField(prototxt.LayerField{Name: p.Field, Number: p.Number, Proto: p.Proto, Message: p.Message})
}

// claim checks that the field of a type's plugin has a name and a number that
// no other has. Types of one package may have a field in common; then it is
// added already.
func (i *Info) claim() (added bool, err error) {
	p := i.Plugin
	for _, other := range types {
		if other.Plugin == nil {
			continue
		}
		same := other.pkg == i.pkg && *other.Plugin == *p
		switch {
		case same:
			added = true
		case other.Plugin.Field == p.Field:
			return false, fmt.Errorf("field %q of LayerParameter is claimed twice: for type %q by %s and for type %q by %s",
				p.Field, other.Type, other.origin(), i.Type, i.origin())
		case other.Plugin.Number == p.Number:
			return false, fmt.Errorf("number %d of LayerParameter is claimed twice: as %q for type %q by %s and as %q for type %q by %s",
				p.Number, other.Plugin.Field, other.Type, other.origin(), p.Field, i.Type, i.origin())
		}
	}
	fields := (*caffepb.LayerParameter)(nil).ProtoReflect().Descriptor().Fields()
	if field := fields.ByTextName(p.Field); field != nil {
		return false, fmt.Errorf("field %q of LayerParameter is claimed for type %q by %s, but Caffe has a field of that name, number %d",
			p.Field, i.Type, i.origin(), field.Number())
	}
	if field := fields.ByNumber(protoreflect.FieldNumber(p.Number)); field != nil {
		return false, fmt.Errorf("number %d of LayerParameter is claimed as %q for type %q by %s, but it is Caffe's own %s",
			p.Number, p.Field, i.Type, i.origin(), field.Name())
	}
	return added, nil
}
