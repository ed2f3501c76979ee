package gocaffecmd

import (
	"strings"
	"testing"
	"text/template"
)

// TestExpand compares expand with text/template.
func TestExpand(t *testing.T) {
	values := map[string]string{"Name": "Loss", "Kind": "vision", "Yes": "true", "No": ""}
	for _, text := range []string{
		"", "plain", "a [[.Name]] b", `[["["]]x[["["]][["["]]`, "[[if .Yes]]a[[else]]b[[end]]", "[[if .No]]a[[else]]b[[end]]c",
		"a\n[[- if .Yes]]\nb\n[[- end]]\nc", "a\n[[- if .No]]\nb\n[[- end]]\nc", "[[if .Yes -]]\n\tb [[end -]]\n c",
		`[[if eq .Kind "loss"]]1[[else if eq .Kind "vision"]]2[[else if .Yes]]3[[else]]4[[end]]`,
		`[[if eq .Kind "loss"]]1[[else if .No]]2[[else]]3 [[.Kind]][[end]]`,
		"[[if .No]][[if .Yes]]a[[else]]b[[end]]c[[end]]d", "[[if .Yes]][[if .No]]a[[else]]b[[end]]c[[end]]d",
		`[[if .Yes]]1[[else if .Yes]]2[[else]]3[[end]]`,
	} {
		got, err := expand(text, values)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var want strings.Builder
		if err := template.Must(template.New("").Delims("[[", "]]").Parse(text)).Execute(&want, values); err != nil {
			t.Fatal(err)
		}
		if got != want.String() {
			t.Errorf("%s: got %q, want %q", text, got, want.String())
		}
	}
	for text, want := range map[string]string{
		"a [[.Name":                          "line 1: [[ without ]]",
		"a\n[[.Other]]":                      `line 2: [[.Other]]: ".Other" is no value`,
		"[[Name]]":                           `line 1: [[Name]]: "Name" is no value`,
		"[[end]]":                            "line 1: [[end]]: there is no [[if]]",
		"[[if .Yes]]a":                       "there are 1 [[if]] without [[end]]",
		"[[if .Other]]":                      `line 1: [[if .Other]]: ".Other" is no value`,
		"[[if .Yes]][[else if eq .Z \"a\"]]": `line 1: [[else if eq .Z "a"]]: ".Z" is no value`,
	} {
		if _, err := expand(text, values); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}
