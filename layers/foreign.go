package layers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
)

// UnknownType returns the error for a type that Lookup does not know. It names
// the owner of a type that public nets use, and otherwise the nearest known type.
func UnknownType(typ string) error {
	if typ == "" {
		return errors.New("has no type")
	}
	what := fmt.Sprintf("gocaffe has no layer type %q", typ)
	if Lookup("Split") == nil { // which every net may need
		return errors.New(what + `: this program links none of Caffe's layers, import _ "github.com/gocaffe/gocaffe/layers/all"`)
	}
	if name := foreignName(typ); name != "" {
		return fmt.Errorf("%s (%s is not implemented yet; `gocaffe layers` lists what is)", what, name)
	}
	known := slices.Concat(Types(), prototxt.ForeignTypes())
	switch nearest := prototxt.Nearest(typ, known); {
	case nearest == "":
		return errors.New(what + " (`gocaffe layers` lists those it has, `gocaffe build --with MODULE` adds a plugin's)")
	case Lookup(nearest) != nil:
		return fmt.Errorf("%s, did you mean %q?", what, nearest)
	default:
		return fmt.Errorf("%s, did you mean %q? (%s is not implemented yet)", what, nearest, foreignName(nearest))
	}
}

// UnknownTypeOf is UnknownType for a layer of which Of knows no type. The type may
// be known in other dialects than the layer's.
func UnknownTypeOf(l *caffepb.LayerParameter) error {
	typ := l.GetType()
	all := Meanings(typ)
	if len(all) == 0 {
		return UnknownType(typ)
	}
	var dialects []string
	for _, info := range all {
		dialects = append(dialects, info.Dialects...)
	}
	slices.Sort(dialects)
	if d := prototxt.DialectOf(l); d != "" {
		return fmt.Errorf("gocaffe has no layer type %q of dialect %s, it has that of %s", typ, d, strings.Join(dialects, ", "))
	}
	return fmt.Errorf("type %q is another layer in each of the dialects %s: say which (prototxt.SetDialect, --dialect)", typ, strings.Join(dialects, ", "))
}

// foreignName returns a fork's type that is not implemented with its owner, such as
// "PriorBox of SSD", or "" for an unknown type.
func foreignName(typ string) string {
	if whose := prototxt.WhoseType(typ); whose != "" {
		return typ + " of " + whose
	}
	return ""
}
