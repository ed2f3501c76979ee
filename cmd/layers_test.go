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
	n := 0
	for _, typ := range layers.Types() {
		n += len(layers.Meanings(typ))
	}
	if len(lines) != n+1 {
		t.Errorf("%d lines, want a heading and one for each of %d types", len(lines), n)
	}
	found := false
	for _, line := range lines {
		found = found || strings.Join(strings.Fields(line), " ") == "Convolution all vision CPU, CUDA github.com/gocaffe/gocaffe"
	}
	if !found {
		t.Errorf("no line about Convolution in\n%s", stdout)
	}
}

// TestLayersDescribe checks the description of every type, and that its sample
// is a layer that can be made.
func TestLayersDescribe(t *testing.T) {
	for _, info := range allTypes() {
		typ := info.Type
		stdout, _ := mustRun(t, "layers", typ)
		text := describeLayer(info)
		if !strings.Contains("\n"+stdout, "\n"+text) {
			t.Errorf("layers %s does not describe that of the dialects %q:\n%s", typ, info.Dialects, stdout)
		}
		description, sample, ok := strings.Cut(text, "\nSample:\n\n")
		doc := strings.TrimSpace(info.Doc)
		if info.AliasOf() != nil {
			doc = "Another name of "
		}
		if !ok || !strings.HasPrefix(description, typeTitle(info)+"\n\n"+doc) {
			t.Errorf("%s: got\n%s", typ, text)
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
	for _, info := range allTypes() {
		if !strings.Contains(page, "\n### "+typeTitle(info)+"\n\n```text\n") {
			t.Errorf("the page has no heading for %s", typeTitle(info))
		}
	}
	if strings.Count(page, "\nSample:\n") != len(allTypes()) {
		t.Errorf("the page has %d samples for %d types", strings.Count(page, "\nSample:\n"), len(allTypes()))
	}
	want := "gocaffe: layers: --markdown describes all types and takes no TYPE\n"
	if code, _, stderr := run("layers", "--markdown", "ReLU"); code != 1 || stderr != want {
		t.Errorf("exit code %d, %q, want 1, %q", code, stderr, want)
	}
}
