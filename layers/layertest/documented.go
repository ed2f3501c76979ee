package layertest

import (
	"regexp"
	"strings"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// undocumented returns the options of a type that its Doc does not describe. Doc has a
// paragraph for them, whose first line is the field of LayerParameter with a colon.
// The other lines begin with a tab and the names of options, before a colon if there
// is one; or an option is named in the description of another one, with its default in
// parentheses after it.
func undocumented(info *layers.Info) []string {
	if info.Param == "" {
		return nil
	}
	field := prototxt.FieldOfLayer(info.Param)
	if field == nil {
		return []string{info.Param}
	}
	text := optionText(info.Doc, info.Param)
	var names []string
	for i := range field.Message().Fields().Len() {
		name := field.Message().Fields().Get(i).TextName()
		head := regexp.MustCompile(`(?m)^\t[^\t:][^:]*\b` + name + `\b|^\t` + name + `\b|\b` + name + ` \(`)
		if !head.MatchString(text) {
			names = append(names, info.Param+"."+name)
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
