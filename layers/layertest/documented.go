package layertest

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// undocumented returns the options of a type that its Doc does not describe. Doc has a
// paragraph for them, whose first line is the field of LayerParameter with a colon.
// The other lines begin with a tab and the names of options, before a colon if there
// is one; or an option is named in the description of another one, with its default in
// parentheses after it.
//
// What a type adds to messages of Caffe's (layers.Info.Extends) is in the paragraph of
// a field that holds one, such as pooling_param.
func undocumented(info *layers.Info) []string {
	var names []string
	check := func(param, name string) {
		head := regexp.MustCompile(`(?m)^\t[^\t:][^:]*\b` + name + `\b|^\t` + name + `\b|\b` + name + ` \(`)
		if !head.MatchString(optionText(info.Doc, param)) {
			names = append(names, param+"."+name)
		}
	}
	checkAll := func(field protoreflect.FieldDescriptor) {
		for i := range field.Message().Fields().Len() {
			check(field.TextName(), field.Message().Fields().Get(i).TextName())
		}
	}
	own := (*caffepb.LayerParameter)(nil).ProtoReflect().Descriptor()
	if field := own.Fields().ByTextName(info.Param); field != nil {
		checkAll(field)
	} else if info.Param != "" && info.Plugin == nil {
		names = append(names, info.Param)
	}
	for _, added := range prototxt.AddedFields(info.Type, info.Dialects) {
		if added.Message == own.Name() {
			checkAll(added.Field)
			continue
		}
		for i := range own.Fields().Len() {
			if holder := own.Fields().Get(i); holder.Message() != nil && holder.Message().Name() == added.Message {
				check(holder.TextName(), added.Field.TextName())
			}
		}
	}
	return names
}

// optionText returns the lines of doc that describe the options in a field.
func optionText(doc, field string) string {
	_, after, _ := strings.Cut("\n"+doc, "\n"+field+":\n")
	var b strings.Builder
	for line := range strings.Lines(after) {
		if !strings.HasPrefix(line, "\t") {
			break
		}
		b.WriteString(line)
	}
	return b.String()
}
