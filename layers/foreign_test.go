package layers

import (
	"strings"
	"testing"
)

func TestUnknownType(t *testing.T) {
	split := types["Split"]
	delete(types, "Split")
	if got := UnknownType("ReLU").Error(); !strings.HasSuffix(got, `import _ "github.com/gocaffe/gocaffe/layers/all"`) {
		t.Errorf("a program without layers: got %s", got)
	}
	if split == nil {
		split = []*Info{{Type: "Split"}}
	}
	types["Split"] = split
	Register(Info{Type: "UnknownTypeTest", New: func(*Spec) (Layer, error) { return nil, nil }})
	for typ, want := range map[string]string{
		"":                "has no type",
		"UnknownTypeTst":  `gocaffe has no layer type "UnknownTypeTst", did you mean "UnknownTypeTest"?`,
		"PriorBox":        `gocaffe has no layer type "PriorBox" (PriorBox of SSD (weiliu89/caffe) is not implemented yet`,
		"PriorBocks":      `gocaffe has no layer type "PriorBocks", did you mean "PriorBox"? (PriorBox of SSD`,
		"NothingLikeThis": "gocaffe has no layer type \"NothingLikeThis\" (`gocaffe layers` lists those it has",
	} {
		if got := UnknownType(typ).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got %s\nwant %s...", typ, got, want)
		}
	}
	Register(Info{Type: "PriorBox", New: func(*Spec) (Layer, error) { return nil, nil }})
	defer delete(types, "PriorBox")
	if got := UnknownType("PriorBocks").Error(); !strings.HasSuffix(got, `did you mean "PriorBox"?`) {
		t.Errorf("a plugin has registered PriorBox: got %s", got)
	}
}
