package gocaffecmd

import (
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"

	_ "github.com/gocaffe/gocaffe/plugins/all"
)

func TestLayersList(t *testing.T) {
	stdout, _ := mustRun(t, "layers")
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	if len(lines) != len(layers.Types())+1 {
		t.Errorf("%d lines, want a heading and one for each of %d types", len(lines), len(layers.Types()))
	}
	found := false
	for _, line := range lines {
		found = found || strings.Join(strings.Fields(line), " ") == "Convolution vision CPU, CUDA github.com/gocaffe/gocaffe"
	}
	if !found {
		t.Errorf("no line about Convolution in\n%s", stdout)
	}
}

// TestLayersDescribe checks the description of every type, and that its sample
// is a layer that can be made.
func TestLayersDescribe(t *testing.T) {
	for _, typ := range layers.Types() {
		info := layers.Lookup(typ)
		stdout, _ := mustRun(t, "layers", typ)
		description, sample, ok := strings.Cut(stdout, "\nSample:\n\n")
		if !ok || !strings.HasPrefix(description, typ+"\n\n"+strings.TrimSpace(info.Doc)) {
			t.Errorf("%s: got\n%s", typ, stdout)
			continue
		}
		if field := optionsField(info); field != nil {
			for i := range field.Message().Fields().Len() {
				if name := field.Message().Fields().Get(i).TextName(); !strings.Contains(description, "\n  "+name+" ") {
					t.Errorf("%s: no line about %s.%s", typ, info.Param, name)
				}
			}
		}
		file, err := prototxt.ParseNet("sample.prototxt", []byte(sample))
		if err != nil || len(file.Param.Layer) != 1 {
			t.Errorf("%s: the sample does not parse: %v\n%s", typ, err, sample)
			continue
		}
		param := file.Param.Layer[0]
		if !info.Bottoms.Allows(len(param.Bottom)) || !info.Tops.Allows(len(param.Top)) || info.SameCount && len(param.Bottom) != len(param.Top) {
			t.Errorf("%s: the sample has %d bottoms and %d tops", typ, len(param.Bottom), len(param.Top))
		}
		if _, err := info.New(layers.NewSpec(param, new(layers.Env), file.Positions)); err != nil {
			t.Errorf("%s: the sample is refused: %v\n%s", typ, err, sample)
		}
	}
}

func TestLayersFields(t *testing.T) {
	stdout, _ := mustRun(t, "layers", "Pooling")
	for _, want := range []string{
		"bottoms:  1\n", "tops:     1 to 2\n", "\npooling_param, field 121 of a layer:\n",
		"\n  pool            MAX | AVE | STOCHASTIC   default MAX\n", "\n  kernel_h        uint32\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
}

func TestLayersUnknown(t *testing.T) {
	for typ, want := range map[string]string{
		"Convolutoin": "gocaffe: gocaffe has no layer type \"Convolutoin\", did you mean \"Convolution\"?\n",
		"Zzz":         "gocaffe: gocaffe has no layer type \"Zzz\" (`gocaffe layers` lists those it has, `gocaffe build --with MODULE` adds a plugin's)\n",
	} {
		if code, _, stderr := run("layers", typ); code != 1 || stderr != want {
			t.Errorf("exit code %d, %q, want 1, %q", code, stderr, want)
		}
	}
}

func TestLayersPage(t *testing.T) {
	page, _ := mustRun(t, "layers", "--markdown")
	for _, typ := range layers.Types() {
		if !strings.Contains(page, "\n### "+typ+"\n\n```text\n") {
			t.Errorf("the page has no heading for %s", typ)
		}
	}
	if strings.Count(page, "\nSample:\n") != len(layers.Types()) {
		t.Errorf("the page has %d samples for %d types", strings.Count(page, "\nSample:\n"), len(layers.Types()))
	}
	want := "gocaffe: layers: --markdown describes all types and takes no TYPE\n"
	if code, _, stderr := run("layers", "--markdown", "ReLU"); code != 1 || stderr != want {
		t.Errorf("exit code %d, %q, want 1, %q", code, stderr, want)
	}
}
