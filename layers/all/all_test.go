package all

import (
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestInfo checks that every type says what people and nets need to know.
func TestInfo(t *testing.T) {
	groups := []string{"activation", "common", "data", "loss", "recurrent", "utility", "vision"}
	fields := new(caffepb.LayerParameter).ProtoReflect().Descriptor().Fields()
	for _, typ := range layers.Types() {
		info := layers.Lookup(typ)
		if !slices.Contains(groups, info.Group) {
			t.Errorf("%s: group %q, want one of %v", typ, info.Group, groups)
		}
		if !strings.Contains(info.Doc, "\n\nCaffe: ") {
			t.Errorf("%s: Doc does not name the file of Caffe that it follows", typ)
		}
		if info.Param == "" {
			continue
		}
		field := fields.ByName(protoreflect.Name(info.Param))
		if field == nil {
			t.Errorf("%s: LayerParameter has no field %s", typ, info.Param)
			continue
		}
		options := field.Message().Fields()
		for i := range options.Len() {
			if name := string(options.Get(i).Name()); !strings.Contains(info.Doc, name) {
				t.Errorf("%s: Doc does not mention %s.%s", typ, info.Param, name)
			}
		}
	}
}
