// Package protofile reads the text of .proto files at run time: those of plugins, and
// the caffe.proto of Caffe's forks. It supports the parts that such files use, messages
// and enums of proto2, and rejects the rest.
package protofile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/scanner"

	"github.com/emicklei/proto"
	pb "google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gocaffe/gocaffe/internal/near"
)

// Parse reads the text of a .proto file. It is as lenient as emicklei/proto: the
// semicolon at the end of a field is optional. Errors are single lines with the position
// in name. Types of fields stay as written; Link resolves them. Comments become source
// locations, for use in help texts.
func Parse(name string, text []byte) (*descriptorpb.FileDescriptorProto, error) {
	if line := tooDeep(text); line > 0 {
		return nil, fmt.Errorf("%s:%d: more than %d messages in each other", name, line, maxNesting)
	}
	parser := proto.NewParser(bytes.NewReader(doubleQuoted(text)))
	parser.Filename(name)
	file, err := parser.Parse()
	if err != nil {
		return nil, fmt.Errorf("%s", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	}
	c := &converter{name: name, file: &descriptorpb.FileDescriptorProto{Name: &name, SourceCodeInfo: new(descriptorpb.SourceCodeInfo)}}
	for _, e := range file.Elements {
		switch e := e.(type) {
		case *proto.Syntax:
			if e.Value != "proto2" {
				c.fail(e.Position, "syntax is %q, want \"proto2\" as in caffe.proto", e.Value)
			}
		case *proto.Package:
			c.file.Package = &e.Name
		case *proto.Message:
			if e.IsExtend {
				c.fail(e.Position, "extensions (%q) are not supported", "extend "+e.Name)
				continue
			}
			path := []int32{4, int32(len(c.file.MessageType))}
			c.file.MessageType = append(c.file.MessageType, c.message(e, path))
		case *proto.Enum:
			path := []int32{5, int32(len(c.file.EnumType))}
			c.file.EnumType = append(c.file.EnumType, c.enum(e, path))
		case *proto.Import, *proto.Option, *proto.Comment, *proto.Service:
			// Caffe's messages are available without an import, and the others do not
			// affect messages.
		default:
			c.fail(scanner.Position{Filename: name}, "%T is not supported", e)
		}
	}
	return c.file, errors.Join(c.errs...)
}

// A converter creates the descriptor of a file.
type converter struct {
	name string
	file *descriptorpb.FileDescriptorProto
	errs []error
}

// maxErrors is the maximum number of reported errors per file.
const maxErrors = 20

func (c *converter) fail(at scanner.Position, format string, args ...any) {
	if len(c.errs) < maxErrors {
		c.errs = append(c.errs, fmt.Errorf("%s: %s", place(c.name, at.Line, at.Column), fmt.Sprintf(format, args...)))
	}
}

func place(name string, line, col int) string {
	if line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d:%d", name, line, col)
}

// locate records the position of an element and its comments.
func (c *converter) locate(path []int32, at scanner.Position, before, behind *proto.Comment) {
	l := &descriptorpb.SourceCodeInfo_Location{
		Path: slices.Clone(path),
		Span: []int32{int32(at.Line - 1), int32(at.Column - 1), int32(at.Column)},
	}
	if before != nil {
		l.LeadingComments = pb.String(strings.Join(before.Lines, "\n"))
	}
	if behind != nil {
		l.TrailingComments = pb.String(strings.Join(behind.Lines, "\n"))
	}
	c.file.SourceCodeInfo.Location = append(c.file.SourceCodeInfo.Location, l)
}

// message converts a message; path is its path in the file's descriptor.
func (c *converter) message(m *proto.Message, path []int32) *descriptorpb.DescriptorProto {
	d := &descriptorpb.DescriptorProto{Name: &m.Name}
	c.locate(path, m.Position, m.Comment, nil)
	for _, e := range m.Elements {
		switch e := e.(type) {
		case *proto.NormalField:
			c.field(d, e, append(path, 2, int32(len(d.Field))))
		case *proto.Message:
			if e.IsExtend {
				c.fail(e.Position, "extensions (%q) are not supported", "extend "+e.Name)
				continue
			}
			d.NestedType = append(d.NestedType, c.message(e, append(path, 3, int32(len(d.NestedType)))))
		case *proto.Enum:
			d.EnumType = append(d.EnumType, c.enum(e, append(path, 4, int32(len(d.EnumType)))))
		case *proto.MapField:
			c.fail(e.Position, "map field %q is not supported", e.Name)
		case *proto.Group:
			c.fail(e.Position, "group %q is not supported, want a message", e.Name)
		case *proto.Oneof:
			c.fail(e.Position, "oneof %q is not supported, want optional fields", e.Name)
		case *proto.Comment, *proto.Option, *proto.Reserved, *proto.Extensions:
		default:
			c.fail(m.Position, "%T in message %q is not supported", e, m.Name)
		}
	}
	return d
}

// scalars are the names of the types that are not messages or enums.
var scalars = map[string]descriptorpb.FieldDescriptorProto_Type{
	"double":   descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
	"float":    descriptorpb.FieldDescriptorProto_TYPE_FLOAT,
	"int64":    descriptorpb.FieldDescriptorProto_TYPE_INT64,
	"uint64":   descriptorpb.FieldDescriptorProto_TYPE_UINT64,
	"int32":    descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"fixed64":  descriptorpb.FieldDescriptorProto_TYPE_FIXED64,
	"fixed32":  descriptorpb.FieldDescriptorProto_TYPE_FIXED32,
	"bool":     descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	"string":   descriptorpb.FieldDescriptorProto_TYPE_STRING,
	"bytes":    descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	"uint32":   descriptorpb.FieldDescriptorProto_TYPE_UINT32,
	"sfixed32": descriptorpb.FieldDescriptorProto_TYPE_SFIXED32,
	"sfixed64": descriptorpb.FieldDescriptorProto_TYPE_SFIXED64,
	"sint32":   descriptorpb.FieldDescriptorProto_TYPE_SINT32,
	"sint64":   descriptorpb.FieldDescriptorProto_TYPE_SINT64,
}

func (c *converter) field(d *descriptorpb.DescriptorProto, f *proto.NormalField, path []int32) {
	label := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
	switch {
	case f.Repeated:
		label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	case f.Required:
		label = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED
	case !f.Optional:
		c.fail(f.Position, "field %q of %s is not marked optional, required or repeated", f.Name, d.GetName())
	}
	if f.Sequence < 1 || f.Sequence > maxNumber {
		c.fail(f.Position, "field %q of %s has number %d, want 1 to %d", f.Name, d.GetName(), f.Sequence, maxNumber)
		return
	}
	for _, other := range d.Field {
		if other.GetName() == f.Name {
			c.fail(f.Position, "field %q of %s is defined twice", f.Name, d.GetName())
			return
		}
		if other.GetNumber() == int32(f.Sequence) {
			c.fail(f.Position, "fields %q and %q of %s have the same number %d", other.GetName(), f.Name, d.GetName(), f.Sequence)
			return
		}
	}
	fd := &descriptorpb.FieldDescriptorProto{Name: &f.Name, Number: pb.Int32(int32(f.Sequence)), Label: &label}
	if kind, ok := scalars[f.Type]; ok {
		fd.Type = kind.Enum()
	} else {
		fd.TypeName = &f.Type
	}
	for _, o := range f.Options {
		switch o.Name {
		case "default":
			fd.DefaultValue = pb.String(defaultText(o.Constant, fd.GetType()))
		case "packed":
			fd.Options = &descriptorpb.FieldOptions{Packed: pb.Bool(o.Constant.Source == "true")}
		}
	}
	c.locate(path, f.Position, f.Comment, f.InlineComment)
	d.Field = append(d.Field, fd)
}

// maxNumber is the largest number of a field.
const maxNumber = 1<<29 - 1

// defaultText returns a default value in the format of descriptors: numbers in decimal,
// strings without quotes and escapes.
func defaultText(v proto.Literal, kind descriptorpb.FieldDescriptorProto_Type) string {
	switch {
	case v.IsString && kind == descriptorpb.FieldDescriptorProto_TYPE_STRING:
		if s, err := strconv.Unquote(`"` + strings.ReplaceAll(v.Source, `\'`, `'`) + `"`); err == nil {
			return s
		}
	case !v.IsString:
		if n, err := strconv.ParseInt(v.Source, 0, 64); err == nil && kind != descriptorpb.FieldDescriptorProto_TYPE_FLOAT {
			return strconv.FormatInt(n, 10)
		}
	}
	return v.Source
}

func (c *converter) enum(e *proto.Enum, path []int32) *descriptorpb.EnumDescriptorProto {
	d := &descriptorpb.EnumDescriptorProto{Name: &e.Name}
	c.locate(path, e.Position, e.Comment, nil)
	for _, v := range e.Elements {
		switch v := v.(type) {
		case *proto.EnumField:
			c.locate(append(path, 2, int32(len(d.Value))), v.Position, v.Comment, v.InlineComment)
			d.Value = append(d.Value, &descriptorpb.EnumValueDescriptorProto{Name: &v.Name, Number: pb.Int32(int32(v.Integer))})
		case *proto.Option:
			if v.Name == "allow_alias" && v.Constant.Source == "true" {
				d.Options = &descriptorpb.EnumOptions{AllowAlias: pb.Bool(true)}
			}
		}
	}
	if len(d.Value) == 0 {
		c.fail(e.Position, "enum %q has no values", e.Name)
	}
	return d
}

// Link creates the descriptor of a file read by Parse. Types of fields may be in the
// file or in imports, with or without their package.
func Link(file *descriptorpb.FileDescriptorProto, imports ...protoreflect.FileDescriptor) (protoreflect.FileDescriptor, error) {
	l := &linker{file: file, local: make(map[string]bool), foreign: make(map[string]bool)}
	files := new(protoregistry.Files)
	for _, f := range imports {
		if err := files.RegisterFile(f); err != nil {
			return nil, err
		}
		file.Dependency = append(file.Dependency, f.Path())
		l.packages = append(l.packages, string(f.Package()))
		l.addForeign(f)
	}
	pkg := file.GetPackage()
	for _, m := range file.MessageType {
		l.addMessage(pkg, m)
	}
	for _, e := range file.EnumType {
		l.local[join(pkg, e.GetName())] = true
	}
	for i, m := range file.MessageType {
		l.message(pkg, m, []int32{4, int32(i)})
	}
	if err := errors.Join(l.errs...); err != nil {
		return nil, err
	}
	d, err := protodesc.NewFile(file, files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.GetName(), err)
	}
	return d, nil
}

// A linker finds the types of fields.
type linker struct {
	file           *descriptorpb.FileDescriptorProto
	packages       []string
	local, foreign map[string]bool // full names of types
	errs           []error
}

func join(scope, name string) string {
	if scope == "" {
		return name
	}
	return scope + "." + name
}

func (l *linker) addMessage(scope string, m *descriptorpb.DescriptorProto) {
	name := join(scope, m.GetName())
	l.local[name] = true
	for _, inner := range m.NestedType {
		l.addMessage(name, inner)
	}
	for _, e := range m.EnumType {
		l.local[join(name, e.GetName())] = true
	}
}

// addForeign adds the types of an imported file, or of a message.
func (l *linker) addForeign(d interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
}) {
	for i := range d.Messages().Len() {
		m := d.Messages().Get(i)
		l.foreign[string(m.FullName())] = true
		l.addForeign(m)
	}
	for i := range d.Enums().Len() {
		l.foreign[string(d.Enums().Get(i).FullName())] = true
	}
}

func (l *linker) message(scope string, m *descriptorpb.DescriptorProto, path []int32) {
	name := join(scope, m.GetName())
	for i, f := range m.Field {
		if f.TypeName == nil {
			continue
		}
		full := l.find(name, f.GetTypeName())
		if full == "" {
			l.unknown(m, f, append(path, 2, int32(i)))
			continue
		}
		f.TypeName = pb.String("." + full)
	}
	for i, inner := range m.NestedType {
		l.message(name, inner, append(path, 3, int32(i)))
	}
}

// find returns the full name of the type that a name refers to in a scope, or "". As in
// C++, the innermost scope wins; the packages of the imports come last.
func (l *linker) find(scope, ref string) string {
	known := func(name string) bool { return l.local[name] || l.foreign[name] }
	if full, absolute := strings.CutPrefix(ref, "."); absolute {
		if known(full) {
			return full
		}
		return ""
	}
	for {
		if full := join(scope, ref); known(full) {
			return full
		}
		if scope == "" {
			break
		}
		scope = scope[:max(strings.LastIndexByte(scope, '.'), 0)]
	}
	for _, pkg := range l.packages {
		if known(join(pkg, ref)) {
			return join(pkg, ref)
		}
		// A file moved to its own package may name its types by the package of the
		// imports, for which it was written.
		if rest, ok := strings.CutPrefix(ref, pkg+"."); ok && known(join(l.file.GetPackage(), rest)) {
			return join(l.file.GetPackage(), rest)
		}
	}
	return ""
}

func (l *linker) unknown(m *descriptorpb.DescriptorProto, f *descriptorpb.FieldDescriptorProto, path []int32) {
	var names []string
	for _, known := range []map[string]bool{l.local, l.foreign} {
		for name := range known {
			names = append(names, name[strings.LastIndexByte(name, '.')+1:])
		}
	}
	for name := range scalars {
		names = append(names, name)
	}
	slices.Sort(names)
	hint := ""
	ref := f.GetTypeName()
	if meant := near.Name(ref[strings.LastIndexByte(ref, '.')+1:], names); meant != "" {
		hint = fmt.Sprintf(", did you mean %s?", meant)
	}
	at := l.file.GetName()
	for _, loc := range l.file.SourceCodeInfo.GetLocation() {
		if slices.Equal(loc.Path, path) {
			at = place(at, int(loc.Span[0])+1, int(loc.Span[1])+1)
		}
	}
	if len(l.errs) < maxErrors {
		l.errs = append(l.errs, fmt.Errorf("%s: field %q of %s: there is no type %s%s", at, f.GetName(), m.GetName(), ref, hint))
	}
}
