package prototxt

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
)

// UnreadFields returns an error for each field of a layer that changes what the
// layer computes in a fork, and that nothing reads here: fields that a fork's proto
// or another layer type has added, with values other than their defaults. It returns
// none after IgnoreUnknownFields: then they are warnings of the file.
func UnreadFields(l *caffepb.LayerParameter, pos *Positions) ErrorList {
	s := current()
	if s.lenient {
		return nil
	}
	w := &unreadWalk{schema: s, pos: pos}
	w.layer(l.ProtoReflect())
	return w.unread
}

// checkUnread looks for fields that nothing reads in a net or a solver: those outside
// of layers are errors, and those of layers too once the layers take part in a net
// (UnreadFields). After IgnoreUnknownFields all are warnings. Harmless ones are notes.
func checkUnread(file string, m proto.Message, pos *Positions) ([]Note, error) {
	s := current()
	w := &unreadWalk{schema: s, pos: pos}
	w.message(m.ProtoReflect(), nil, "", "", func(path string, index int) Pos { return pos.Of(m, path, index) })
	for _, e := range w.unread {
		if !e.Pos.IsValid() {
			e.Pos.File = file
		}
	}
	notes := w.harmless
	if !s.lenient {
		outside := slices.DeleteFunc(slices.Clone(w.unread), func(e *Error) bool { return w.ofLayer[e] })
		return notes, outside.Err()
	}
	for _, e := range w.unread {
		notes = append(notes, Note{Level: event.Warning, Source: event.Caller(0), Text: e.Error()})
	}
	return notes, nil
}

// An unreadWalk looks for fields that nothing reads.
type unreadWalk struct {
	schema   *schema
	pos      *Positions
	unread   ErrorList
	ofLayer  map[*Error]bool
	harmless []Note
}

func (w *unreadWalk) layer(m protoreflect.Message) {
	name, _ := layerName(m)
	var typ *meaning
	if l, ok := m.Interface().(*caffepb.LayerParameter); ok {
		typ = w.schema.meaningOf(l)
	}
	before := len(w.unread)
	w.message(m, typ, "", name, func(path string, index int) Pos { return w.pos.Of(m.Interface(), path, index) })
	if w.ofLayer == nil {
		w.ofLayer = make(map[*Error]bool)
	}
	for _, e := range w.unread[before:] {
		w.ofLayer[e] = true
	}
}

// message walks through m, which is at path of a layer of that type and name.
func (w *unreadWalk) message(m protoreflect.Message, typ *meaning, path, layer string, at func(path string, index int) Pos) {
	values, _ := w.schema.values(m)
	slices.SortFunc(values, func(a, b fieldValue) int { return cmp.Compare(a.field.Number(), b.field.Number()) })
	for _, v := range values {
		inner := join(path, string(v.field.Name()))
		switch d := w.schema.harmless[v.field]; {
		case d != nil:
			what := ", which needs nothing in its place"
			if advice := d.Advice[string(m.Descriptor().Name())+"."+string(v.field.Name())]; advice != "" {
				what = ": " + advice
			}
			w.harmless = append(w.harmless, Note{Level: event.Info, Source: event.Caller(0),
				Text: (&Error{Pos: at(inner, 0), Layer: layer, Err: fmt.Errorf("%s is a field of %s%s", inner, d.Whose, what)}).Error()})
			continue
		case w.isUnread(m.Descriptor(), typ, v):
			w.unread = append(w.unread, &Error{Pos: at(inner, 0), Layer: layer, Err: w.why(m.Descriptor(), inner, v.field)})
			continue
		case w.isUnreadValue(typ, v):
			w.unread = append(w.unread, &Error{Pos: at(inner, 0), Layer: layer, Err: fmt.Errorf("%s: the value %s is not implemented for this type%s",
				inner, w.schema.enumName(v.field.Enum(), v.v.Enum()), w.ignore())})
			continue
		case v.field.Message() == nil:
			continue
		case !v.field.IsList():
			w.message(v.v.Message(), typ, inner, layer, at)
			continue
		}
		for i := range v.v.List().Len() {
			if sub := v.v.List().Get(i).Message(); sub.Descriptor() == layerParameter || sub.Descriptor() == v1LayerParameter {
				w.layer(sub)
			} else {
				w.message(sub, typ, inner, layer, func(string, int) Pos { return at(inner, i) })
			}
		}
	}
}

// isUnread reports whether nothing reads a field of a message with descriptor md, and
// its value is not the default.
func (w *unreadWalk) isUnread(md protoreflect.MessageDescriptor, typ *meaning, v fieldValue) bool {
	switch {
	case v.field.ContainingMessage() == md: // Caffe's or a plugin's own
		return false
	case typ.field(md, v.field.TextName()) == v.field:
		return false
	case md == layerParameter && v.field.Message() != nil && w.schema.meant(md, v.field):
		return false // the options of another type, which Caffe ignores too
	}
	return !isDefault(v)
}

// isUnreadValue reports whether a field has a value of an enum that a fork or another
// type has added.
func (w *unreadWalk) isUnreadValue(typ *meaning, v fieldValue) bool {
	if v.field.Enum() == nil || v.field.IsList() || v.field.Enum().Values().ByNumber(v.v.Enum()) != nil {
		return false
	}
	value := extraValue{v.field.Enum(), w.schema.enumName(v.field.Enum(), v.v.Enum())}
	if typ != nil && slices.Contains(typ.values, value) {
		return false
	}
	for _, d := range w.schema.dialects {
		if slices.Contains(d.values, value) {
			return false
		}
	}
	return true
}

// isDefault reports whether a field has its default value.
func isDefault(v fieldValue) bool {
	switch {
	case v.field.IsList() || v.field.IsMap():
		return false
	case v.field.Message() != nil:
		all := true
		v.v.Message().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
			all = isDefault(fieldValue{field, value})
			return all
		})
		return all && len(v.v.Message().GetUnknown()) == 0
	}
	return v.v.Equal(v.field.Default())
}

// why says about a field that nothing reads it, and whose it is.
func (w *unreadWalk) why(md protoreflect.MessageDescriptor, path string, field protoreflect.FieldDescriptor) error {
	ignore := w.ignore()
	if about := w.schema.advice(string(md.Name())+"."+field.TextName(), w.schema.dialect); about != "" {
		return fmt.Errorf("%s is not implemented (%s)%s", path, about, ignore)
	}
	if field.ParentFile() == w.schema.fork {
		return fmt.Errorf("%s is a field of %s alone and not implemented%s", path, w.schema.fork.Path(), ignore)
	}
	return fmt.Errorf("%s is not implemented for this type%s", path, ignore)
}

// ignore is the end of what is said about a field.
func (w *unreadWalk) ignore() string {
	if w.schema.lenient {
		return "; it is ignored"
	}
	return ": --ignore-unknown-fields computes without it"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
