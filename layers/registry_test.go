package layers

import (
	"fmt"
	"strings"
	"testing"
)

func unmade(*Spec) (Layer, error) { return nil, fmt.Errorf("is made for the test only") }

// TestClaims registers types that claim what others have. The first claim
// holds, and Check names both.
func TestClaims(t *testing.T) {
	defer func() { conflicts = nil }()
	plugin := func(field string, number int32) *Plugin {
		return &Plugin{Field: field, Number: number, Proto: "message ClaimParameter { }", Message: "ClaimParameter"}
	}
	Register(Info{Type: "Claim", New: unmade, Plugin: plugin("claim_param", 20101)})
	for _, tt := range []struct {
		info Info
		want string // "" if there is no conflict
	}{
		{Info{Type: "Claim", New: unmade}, `layer type "Claim" is registered twice: by package github.com/gocaffe/gocaffe/layers (`},
		{Info{Type: "Claim", Dialects: []string{"ssd", "rcnn"}, New: unmade}, ""},
		{Info{Type: "Claim", Dialects: []string{"rfcn", "rcnn"}, New: unmade}, `layer type "Claim" of dialect "rcnn" is registered twice: by package`},
		{Info{Type: "ClaimDialect", Dialects: []string{"nobodys"}, New: unmade}, `layer type "ClaimDialect" is registered for dialect "nobodys" by package`},
		{Info{Type: "ClaimCaffe", New: unmade, Plugin: plugin("swish_param", 20103)},
			`field "swish_param" of LayerParameter is claimed for type "ClaimCaffe" by package`},
		// Types may have a field in common, or one of the same name or number.
		{Info{Type: "ClaimToo", New: unmade, Plugin: plugin("claim_param", 20101)}, ""},
		{Info{Type: "ClaimName", New: unmade, Plugin: plugin("claim_param", 20102)}, ""},
		{Info{Type: "ClaimNumber", New: unmade, Plugin: plugin("claim2_param", 20101)}, ""},
		{Info{Type: "ClaimCaffes", New: unmade, Plugin: plugin("margin_inner_product_param", 147)}, ""},
	} {
		conflicts = nil
		Register(tt.info)
		err := Check()
		if tt.want == "" {
			if err != nil || Lookup(tt.info.Type) == nil {
				t.Errorf("%s: %v", tt.info.Type, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !strings.Contains(err.Error(), "registry_test.go:") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", tt.info.Type, err, tt.want)
		}
		if tt.info.Type == "ClaimDialect" {
			delete(types, tt.info.Type)
		}
		if tt.info.Type != "Claim" && Lookup(tt.info.Type) != nil {
			t.Errorf("%s is registered in spite of the conflict", tt.info.Type)
		}
	}
	if info := Lookup("Claim"); info.Param != "claim_param" || info.Plugin == nil {
		t.Errorf("the first claim of Claim has not held: %+v", info)
	}
}

// TestRegisterPanics registers what no program can mean.
func TestRegisterPanics(t *testing.T) {
	for _, tt := range []struct {
		info Info
		want string
	}{
		{Info{New: unmade}, `layers: Register(""): Type and New are required`},
		{Info{Type: "NoNew"}, `layers: Register("NoNew"): Type and New are required`},
		{Info{Type: "NoField", New: unmade, Plugin: &Plugin{Number: 20110, Message: "M"}},
			`Plugin has Field "", Number 20110 and Message "M", want a field and a message`},
		{Info{Type: "BadProto", New: unmade, Plugin: &Plugin{Field: "bad_param", Number: 20111, Message: "M", Proto: "message M { optional in32 x = 1; }"}},
			`bad_param.proto:1:22: field "x" of M: there is no type in32, did you mean int32?`},
	} {
		func() {
			defer func() {
				got := fmt.Sprint(recover())
				if !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q in it", got, tt.want)
				}
				if tt.info.Plugin != nil && !strings.Contains(got, "registry_test.go:") {
					t.Errorf("panic %q does not say where", got)
				}
			}()
			Register(tt.info)
		}()
		if tt.info.Type != "" && Lookup(tt.info.Type) != nil {
			t.Errorf("%s is registered", tt.info.Type)
		}
	}
	if err := Check(); err != nil { // and the registry is not left locked
		t.Error(err)
	}
}

func TestInfoOrigin(t *testing.T) {
	Register(Info{Type: "Origin", New: unmade})
	info := Lookup("Origin")
	if got := info.Package(); got != "github.com/gocaffe/gocaffe/layers" {
		t.Errorf("the package is %q", got)
	}
	if got := info.RegisteredAt(); !strings.Contains(got, "registry_test.go:") {
		t.Errorf("registered at %q", got)
	}
	if path, _ := info.Module(); path != "github.com/gocaffe/gocaffe" {
		t.Errorf("the module is %q", path)
	}
}

func TestPackageOf(t *testing.T) {
	for function, want := range map[string]string{
		"example.com/me/mylayer.init.0":              "example.com/me/mylayer",
		"gopkg.in/my%2elayer.init":                   "gopkg.in/my.layer",
		"main.init.1":                                "main",
		"example.com/me/mylayer.init.0.func1":        "example.com/me/mylayer",
		"example.com/v2.(*T).register":               "example.com/v2",
		"github.com/gocaffe/gocaffe/layers.Xyz[...]": "github.com/gocaffe/gocaffe/layers",
	} {
		if got := packageOf(function); got != want {
			t.Errorf("packageOf(%q) = %q, want %q", function, got, want)
		}
	}
}
