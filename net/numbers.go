package net

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// numbers reports options of a layer that are NaN, with which no layer can compute,
// and loss weights and multipliers that are infinite. Caffe trains with them until
// the weights are NaN too.
func (c *checker) numbers(layer *caffepb.LayerParameter) { c.numbersIn(layer, layer, "") }

// numbersIn looks at a message that is the field path of another, or that one itself.
func (c *checker) numbersIn(layer *caffepb.LayerParameter, message proto.Message, path string) {
	at := message.ProtoReflect()
	if path != "" {
		at = at.Get(at.Descriptor().Fields().ByName(protoreflect.Name(path))).Message()
	}
	at.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(field.Name())
		inner := name
		if path != "" {
			inner = path + "." + name
		}
		switch kind := field.Kind(); {
		case name == "blobs": // weights, of which loading warns
		case kind == protoreflect.MessageKind && field.IsList():
			for i := range v.List().Len() {
				c.numbersIn(layer, v.List().Get(i).Message().Interface(), "")
			}
		case kind == protoreflect.MessageKind && path == "" && !field.IsMap():
			c.numbersIn(layer, message, name)
		case kind == protoreflect.MessageKind && !field.IsMap(): // a filler, say, of which Positions knows the fields itself
			c.numbersIn(layer, v.Message().Interface(), "")
		case kind != protoreflect.FloatKind && kind != protoreflect.DoubleKind:
		case field.IsList():
			for i := range v.List().Len() {
				c.number(layer, message, inner, name, i, v.List().Get(i).Float())
			}
		default:
			c.number(layer, message, inner, name, 0, v.Float())
		}
		return true
	})
}

// number reports a value that makes no sense.
func (c *checker) number(layer *caffepb.LayerParameter, message proto.Message, path, name string, i int, v float64) {
	finite := name == "loss_weight" || name == "lr_mult" || name == "decay_mult"
	if !math.IsNaN(v) && !(finite && math.IsInf(v, 0)) {
		return
	}
	pos := c.file.Positions.Of(message, path, i)
	if !pos.IsValid() {
		pos = position(c.file, layer, "", 0)
	}
	c.errs = append(c.errs, &prototxt.Error{Pos: pos, Layer: layer.GetName(), Err: fmt.Errorf("%s is %v, want a number", path, v)})
}
