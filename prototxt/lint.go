package prototxt

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
)

// Lint returns warnings about things in a net that are allowed but rarely intended.
func Lint(n *Net) ErrorList {
	var found ErrorList
	warn := func(l *caffepb.LayerParameter, path, format string, args ...any) {
		found = append(found, &Error{Pos: n.Positions.Of(l, path, 0), Layer: l.GetName(), Err: fmt.Errorf(format, args...)})
	}
	scaled := make(map[string]bool) // blobs that go into a Scale or Bias layer
	for _, l := range n.Param.Layer {
		if (l.GetType() == "Scale" || l.GetType() == "Bias") && len(l.Bottom) > 0 {
			scaled[l.Bottom[0]] = true
		}
	}
	makers := make(map[string]*caffepb.LayerParameter) // by blob, the layer above that wrote it last
	for _, l := range n.Param.Layer {
		for _, field := range strayParams(l) {
			warn(l, string(field), "%s has no effect on a layer of type %s", field, l.GetType())
		}
		switch l.GetType() {
		case "BatchNorm":
			if len(l.Top) > 0 && !scaled[l.Top[0]] {
				warn(l, "type", "BatchNorm has no learned scale and shift, and no Scale layer follows")
			}
		case "SoftmaxWithLoss":
			if len(l.Bottom) == 0 {
				break
			}
			if maker := makers[l.Bottom[0]]; maker != nil && maker.GetType() == "Softmax" {
				warn(l, "bottom", "%q went through Softmax in layer %q already, and SoftmaxWithLoss does it again", l.Bottom[0], maker.GetName())
			}
		}
		for _, top := range l.Top {
			makers[top] = l
		}
	}
	found.Sort()
	return found
}

// strayParams returns the parameter messages of a layer that belong to other types. It
// returns none if the layer's type has no message of its own, and leaves out messages
// that several types use.
func strayParams(l *caffepb.LayerParameter) []protoreflect.Name {
	// Type InnerProduct has its parameters in inner_product_param.
	own := protoreflect.Name("")
	schema := current()
	for _, name := range schema.names(layerParameter) {
		stem, is := strings.CutSuffix(name, "_param")
		if is && strings.EqualFold(strings.ReplaceAll(stem, "_", ""), l.GetType()) {
			own = protoreflect.Name(name)
		}
	}
	if own == "" {
		return nil
	}
	shared := []protoreflect.Name{own, "transform_param", "loss_param"}
	if l.GetType() == "InfogainLoss" {
		shared = append(shared, "softmax_param")
	}
	var stray []protoreflect.Name
	meaning := schema.meaningOf(l)
	values, _ := schema.values(l.ProtoReflect())
	for _, v := range values {
		if meaning.extends(v.field.Message()) || meaning.field(layerParameter, v.field.TextName()) != nil {
			continue // the type reads it: ConvolutionParameter of Convolution3D, bbox_reg_param of DecodeBBox
		}
		if name := v.field.Name(); strings.HasSuffix(string(name), "_param") && !slices.Contains(shared, name) {
			stray = append(stray, name)
		}
	}
	return stray
}

// extends reports whether a type, which may be nil, has added fields to a message.
func (m *meaning) extends(message protoreflect.MessageDescriptor) bool {
	return m != nil && message != nil && slices.ContainsFunc(m.fields, func(e extra) bool {
		return e.of == extendedName(message)
	})
}
