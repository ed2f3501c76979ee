package predict

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadClasses(t *testing.T) {
	const labelMap = `item { name: "none_of_the_above" label: 0 display_name: "background" }
item { name: "cat" label: 2 display_name: "" }
item { name: "n01" label: 1 display_name: "dog" }`
	for _, tt := range []struct {
		file, text string
		classes    int
		want       []string
		err        string
	}{
		{"map.prototxt", labelMap, 0, []string{"background", "dog", "cat"}, ""},
		{"map.txt", "\ufeff# VOC\n" + labelMap, 7, []string{"background", "dog", "cat"}, ""},
		{"map.prototxt", "item { name: \"x\" label: 2 }", 0, []string{"", "", "x"}, ""},
		{"map.prototxt", "itm { }", 0, nil, `map.prototxt:1:1: unknown field "itm"`},
		{"map.prototxt", "", 0, nil, "map.prototxt: the file has no item"},
		{"map.prototxt", `item { name: "x" label: -1 }`, 0, nil, `label -1 of "x", want 0 to`},
		{"list.txt", "item a\nitem b\n", 3, []string{"", "item a", "item b"}, ""},
		{"list.txt", "a\r\nb\r\nc\r\n", 3, []string{"a", "b", "c"}, ""},
		{"list.txt", "__background__\na\n", 0, []string{"__background__", "a"}, ""},
		{"list.txt", "Background\na\n", 0, []string{"Background", "a"}, ""},
		{"list.txt", "a\nb\n", 0, []string{"", "a", "b"}, ""},
		{"list.txt", "a\n", 3, nil, "list.txt: the file has 1 labels, the net 3 classes with the background"},
	} {
		path := filepath.Join(t.TempDir(), tt.file)
		if err := os.WriteFile(path, []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		got, err := ReadClasses(t.Context(), path, tt.classes)
		if tt.err == "" && (err != nil || !slices.Equal(got, tt.want)) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s %q, %d classes: %q, error %v; want %q %s", tt.file, tt.text, tt.classes, got, err, tt.want, tt.err)
		}
	}
}
