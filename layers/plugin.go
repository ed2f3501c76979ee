package layers

import (
	"embed"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
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

	// Number is the field's number in the binary files of the fork that the layer
	// is from. New ones may take one of 10000 and up, or 0. A number that another
	// field has already is not used: weights are found without it.
	Number int32

	// Proto is the text of a .proto file of syntax proto2 with the message. It
	// may use the messages of caffe.proto, such as FillerParameter, without an
	// import. Several types may have fields of one name and different messages.
	Proto string

	// Message is the name of the message: "EMSoftmaxParameter". One of caffe.proto
	// needs no Proto.
	Message string
}

// Schema returns the text of a .proto file that a package embeds, for Plugin.Proto. It is
// called from init, and panics if there is no such file.
func Schema(files embed.FS, name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic("layers: Schema: " + err.Error())
	}
	return string(text)
}

// addType makes the type and its fields known to the schema.
func (i *Info) addType() error {
	t := prototxt.LayerType{Type: i.Type, Dialects: i.Dialects, Extends: i.Extends, Allows: i.allows}
	for _, p := range i.plugins() {
		if p.Field == "" || p.Number < 0 || p.Message == "" {
			return fmt.Errorf("Plugin has Field %q, Number %d and Message %q, want a field and a message", p.Field, p.Number, p.Message)
		}
		t.Fields = append(t.Fields, prototxt.LayerField{Name: p.Field, Number: p.Number, Proto: p.Proto, Message: p.Message})
	}
	return prototxt.AddLayerType(t)
}

// plugins returns all fields of LayerParameter that the type adds.
func (i *Info) plugins() []Plugin {
	if i.Plugin == nil {
		return i.MoreFields
	}
	return append([]Plugin{*i.Plugin}, i.MoreFields...)
}

// allows reports whether a layer of the type may have so many bottoms, tops and
// fields param.
func (i *Info) allows(bottoms, tops, params int) bool {
	return i.Bottoms.Allows(bottoms) && (i.Tops.Allows(tops) || i.Loss && tops < i.Tops.Min) &&
		(i.Weights == Count{} || params <= i.Weights.Max)
}

// claim checks that no other type has the name in the same dialects, and that the
// fields are not Caffe's.
func (i *Info) claim() error {
	for _, other := range types[i.Type] {
		if i.Dialects == nil && other.Dialects == nil {
			return fmt.Errorf("layer type %q is registered twice: by %s and by %s", i.Type, other.origin(), i.origin())
		}
		for _, d := range i.Dialects {
			if slices.Contains(other.Dialects, d) {
				return fmt.Errorf("layer type %q of dialect %q is registered twice: by %s and by %s", i.Type, d, other.origin(), i.origin())
			}
		}
	}
	fields := (*caffepb.LayerParameter)(nil).ProtoReflect().Descriptor().Fields()
	for _, p := range i.plugins() {
		if field := fields.ByTextName(p.Field); field != nil {
			return fmt.Errorf("field %q of LayerParameter is claimed for type %q by %s, but Caffe has a field of that name, number %d",
				p.Field, i.Type, i.origin(), field.Number())
		}
	}
	return nil
}
