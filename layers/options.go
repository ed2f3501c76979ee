package layers

import (
	"fmt"
	"math"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/prototxt"
)

// Options reads the layer's own field, which its type has registered with
// Info.Plugin, into the struct that into points to. Its fields are tagged with
// the names in the .proto text:
//
//	var o struct {
//		NumOutput    int                      `proto:"num_output"`
//		M            float32                  `proto:"m"`
//		Normalize    string                   `proto:"normalize"` // an enum, by name
//		WeightFiller *caffepb.FillerParameter `proto:"weight_filler"`
//	}
//	err := spec.Options(&o)
//
// Numbers go into any Go type of their kind, enums into a string or an
// integer, messages into a pointer to caffepb's type or to a tagged struct,
// repeated fields into slices. What the file leaves out has the default of the
// .proto text, and a message that is left out is nil. The error has a place: a
// required field is missing, or a number does not fit. A tag that the message
// does not have, or a type that cannot hold the field, is a bug of the layer
// and panics.
func (s *Spec) Options(into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("layers: Options(%T): want a pointer to a struct", into))
	}
	field, m, _, err := s.options()
	if err != nil {
		return err
	}
	d := optionDecoder{spec: s}
	return d.message(target.Elem(), m, field)
}

// OptionsIn is Options for another field of the layer that holds a message: one of
// Caffe's, such as "pooling_param", with the fields that the type has added to it
// with Info.Extends, or one of Info.MoreFields. given reports whether the file has
// it.
func (s *Spec) OptionsIn(field string, into any) (given bool, err error) {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("layers: OptionsIn(%T): want a pointer to a struct", into))
	}
	m, given, err := prototxt.LayerMessage(s.Param, field)
	if err != nil {
		return false, s.Errorf(field, "%s: %w", field, err)
	}
	d := optionDecoder{spec: s}
	return given, d.message(target.Elem(), m, field)
}

// HasOption reports whether the file has a value for a field of the layer's own
// message, such as "num_output"; or the message at all, for an empty name.
func (s *Spec) HasOption(name string) bool {
	_, m, given, err := s.options()
	if err != nil || !given || name == "" {
		return given
	}
	field := m.Descriptor().Fields().ByTextName(name)
	if field == nil {
		panic(fmt.Sprintf("layers: HasOption(%q): %s has no such field", name, m.Descriptor().Name()))
	}
	return m.Has(field)
}

// options returns the layer's own message and the field it is in.
func (s *Spec) options() (field string, m protoreflect.Message, given bool, err error) {
	info := Of(s.Param)
	if info == nil || info.Plugin == nil {
		panic(fmt.Sprintf("layers: type %q is not registered with a Plugin, it has no options of its own", s.Param.GetType()))
	}
	field = info.Plugin.Field
	m, given, err = prototxt.LayerMessage(s.Param, field)
	if err != nil {
		err = s.Errorf(field, "%s: %w", field, err)
	}
	return field, m, given, err
}

// An optionDecoder copies messages into structs.
type optionDecoder struct{ spec *Spec }

// message copies m, which is at path in the layer, into the tagged fields of a
// struct.
func (d *optionDecoder) message(into reflect.Value, m protoreflect.Message, path string) error {
	fields := m.Descriptor().Fields()
	required := m.Descriptor().RequiredNumbers()
	for i := range required.Len() {
		if f := fields.ByNumber(required.Get(i)); !m.Has(f) {
			return d.spec.Errorf(path, "%s needs %q", path, f.Name())
		}
	}
	for i := range into.NumField() {
		tag, tagged := into.Type().Field(i).Tag.Lookup("proto")
		if !tagged {
			continue
		}
		f := prototxt.FieldOfMessage(d.spec.Param, m.Descriptor(), tag)
		if f == nil {
			panic(fmt.Sprintf("layers: Options: %v is tagged %q, but %s has no such field", into.Type(), tag, m.Descriptor().Name()))
		}
		holder, err := prototxt.Holder(m, f)
		if err != nil {
			return d.spec.Errorf(path, "%s: %w", path, err)
		}
		if err := d.field(into.Field(i), holder, f, path+"."+tag); err != nil {
			return err
		}
	}
	return nil
}

func (d *optionDecoder) field(into reflect.Value, m protoreflect.Message, f protoreflect.FieldDescriptor, path string) error {
	if !f.IsList() {
		if f.Message() != nil && !m.Has(f) {
			into.SetZero()
			return nil
		}
		return d.value(into, f, m.Get(f), path, 0)
	}
	if into.Kind() != reflect.Slice {
		mismatch(into, f)
	}
	list := m.Get(f).List()
	values := reflect.MakeSlice(into.Type(), list.Len(), list.Len())
	for i := range list.Len() {
		if err := d.value(values.Index(i), f, list.Get(i), path, i); err != nil {
			return err
		}
	}
	into.Set(values)
	return nil
}

// value copies one value, the one of that index if the field is repeated.
func (d *optionDecoder) value(into reflect.Value, f protoreflect.FieldDescriptor, v protoreflect.Value, path string, index int) error {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return d.inner(into, f, v.Message(), path)
	case protoreflect.EnumKind:
		if into.Kind() == reflect.String {
			name := prototxt.EnumName(f.Enum(), v.Enum())
			if name == "" {
				return d.spec.ErrorAt(path, index, fmt.Errorf("%s: %s has no value %d", path, f.Enum().Name(), v.Enum()))
			}
			into.SetString(name)
			return nil
		}
		return d.integer(into, f, int64(v.Enum()), path, index)
	case protoreflect.BoolKind:
		if into.Kind() != reflect.Bool {
			mismatch(into, f)
		}
		into.SetBool(v.Bool())
	case protoreflect.StringKind:
		if into.Kind() != reflect.String {
			mismatch(into, f)
		}
		into.SetString(v.String())
	case protoreflect.BytesKind:
		if into.Kind() != reflect.Slice || into.Type().Elem().Kind() != reflect.Uint8 {
			mismatch(into, f)
		}
		into.SetBytes(v.Bytes())
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if !into.CanFloat() {
			mismatch(into, f)
		}
		into.SetFloat(v.Float())
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n := v.Uint()
		if into.CanUint() && !into.OverflowUint(n) {
			into.SetUint(n)
			return nil
		}
		if into.CanUint() || n > math.MaxInt64 {
			return d.tooLarge(into, n, path, index)
		}
		return d.integer(into, f, int64(n), path, index)
	default:
		return d.integer(into, f, v.Int(), path, index)
	}
	return nil
}

func (d *optionDecoder) integer(into reflect.Value, f protoreflect.FieldDescriptor, n int64, path string, index int) error {
	switch {
	case !into.CanInt():
		mismatch(into, f)
	case into.OverflowInt(n):
		return d.tooLarge(into, n, path, index)
	}
	into.SetInt(n)
	return nil
}

func (d *optionDecoder) tooLarge(into reflect.Value, n any, path string, index int) error {
	return d.spec.ErrorAt(path, index, fmt.Errorf("%s is %d, beyond the %d bits it is kept in", path, n, into.Type().Bits()))
}

// inner copies a message into a message of caffepb or into a struct.
func (d *optionDecoder) inner(into reflect.Value, f protoreflect.FieldDescriptor, m protoreflect.Message, path string) error {
	target := into
	if into.Kind() == reflect.Pointer {
		target = reflect.New(into.Type().Elem()).Elem()
	}
	if target.Kind() != reflect.Struct {
		mismatch(into, f)
	}
	if known, ok := target.Addr().Interface().(proto.Message); ok {
		if known.ProtoReflect().Descriptor().FullName() != m.Descriptor().FullName() {
			mismatch(into, f)
		}
		raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m.Interface())
		if err == nil {
			err = proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(raw, known)
		}
		if err != nil {
			return d.spec.Errorf(path, "%s: %w", path, err)
		}
	} else if err := d.message(target, m, path); err != nil {
		return err
	}
	if into.Kind() == reflect.Pointer {
		into.Set(target.Addr())
	}
	return nil
}

// mismatch panics because a field of the struct cannot hold the option.
func mismatch(into reflect.Value, f protoreflect.FieldDescriptor) {
	kind := f.Kind().String()
	if f.IsList() {
		kind = "repeated " + kind
	}
	panic(fmt.Sprintf("layers: Options: %q of %s is %s, which %v cannot hold", f.Name(), f.ContainingMessage().Name(), kind, into.Type()))
}
