package net

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/prototxt"
)

const input = "layer { name: 'in' type: 'Input' top: 'data' top: 'label' input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }\n"

// TestErrors has the messages for everything that may be wrong with a file.
func TestErrors(t *testing.T) {
	tests := []struct {
		name, text string // after the line of the input
		want       []string
	}{
		{"misspelt type", "layer {\n  name: 'ip'\n  type: 'InerProduct'\n  bottom: 'data'\n  top: 'ip'\n}",
			[]string{`net.prototxt:4:9: layer "ip": gocaffe has no layer type "InerProduct", did you mean "InnerProduct"?`}},
		{"no type", "layer { name: 'ip' bottom: 'data' top: 'ip' }",
			[]string{`net.prototxt:2:1: layer "ip": has no type`}},
		{"misspelt bottom", "layer { name: 'relu' type: 'ReLU'\nbottom: 'dta' top: 'relu' }",
			[]string{`net.prototxt:3:9: layer "relu": bottom "dta" is not the top of any layer above, did you mean "data"?`}},
		{"unlike any bottom", "layer { name: 'relu' type: 'ReLU' bottom: 'fc7000' top: 'relu' }",
			[]string{`net.prototxt:2:43: layer "relu": bottom "fc7000" is not the top of any layer above`}},
		{"bottom comes later", "layer { name: 'r1' type: 'ReLU' bottom: 'r2' top: 'r1' }\nlayer { name: 'relu2' type: 'ReLU' bottom: 'data' top: 'r2' }",
			[]string{`net.prototxt:2:41: layer "r1": bottom "r2" is not the top of any layer above; layer "relu2", which produces it, comes later`}},
		{"bottom of another phase", "layer { name: 'd' type: 'DummyData' top: 'x' include { phase: TRAIN } }\nlayer { name: 'r1' type: 'ReLU' bottom: 'x' top: 'r1' }",
			[]string{`net.prototxt:3:41: layer "r1": bottom "x" is not the top of any layer above; layer "d", which produces it, is not part of this net (phase TEST, level 0, no stages)`}},
		{"too few bottoms", "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'data' top: 'loss' }",
			[]string{`net.prototxt:2:52: layer "loss": has 1 bottom, type EuclideanLoss takes 2`}},
		{"no bottom", "layer { name: 'relu' type: 'ReLU' top: 'relu' }",
			[]string{`net.prototxt:2:1: layer "relu": has no bottoms, type ReLU takes 1`}},
		{"too many tops", "layer { name: 'relu' type: 'ReLU' bottom: 'data' top: 'a' top: 'b' }",
			[]string{`net.prototxt:2:64: layer "relu": has 2 tops, type ReLU produces 1`}},
		{"top twice", "layer { name: 'r1' type: 'ReLU' bottom: 'data' top: 'label' }",
			[]string{`net.prototxt:2:53: layer "r1": top "label" is already a top of layer "in"`}},
		{"top twice in one layer", "layer { name: 's' type: 'Slice' bottom: 'data' top: 'a' top: 'a' }",
			[]string{`net.prototxt:2:62: layer "s": top "a" is listed twice`}},
		{"in place, but read elsewhere", "layer { name: 'r1' type: 'ReLU' bottom: 'data' top: 'x' }\nlayer { name: 'r2' type: 'ReLU' bottom: 'data' top: 'data' }",
			[]string{`net.prototxt:3:53: layer "r2": top "data" is computed in place, but layer "r1" also reads it; give the top another name`}},
		{"in place, but a loss", "layer { name: 'p' type: 'Power' bottom: 'data' top: 'x' loss_weight: 1 }\nlayer { name: 'r' type: 'ReLU' bottom: 'x' top: 'x' }",
			[]string{`net.prototxt:3:49: layer "r": top "x" is computed in place, but it is also a loss of layer "p"; give the top another name`}},
		{"include and exclude", "layer { name: 'r1' type: 'ReLU' bottom: 'data' top: 'x' include { phase: TEST }\nexclude { phase: TRAIN } }",
			[]string{`net.prototxt:3:1: layer "r1": has include and exclude rules, want only one kind`}},
		{"propagate_down", "layer { name: 'loss' type: 'EuclideanLoss' bottom: 'data' bottom: 'label' propagate_down: true }",
			[]string{`net.prototxt:2:91: layer "loss": has 1 propagate_down value, want none or one for each of the 2 bottoms`}},
		{"loss_weight", "layer { name: 'r1' type: 'ReLU' bottom: 'data' top: 'x' loss_weight: 1 loss_weight: 2 }",
			[]string{`net.prototxt:2:85: layer "r1": has 2 loss_weight values, want none or one for each of the 1 top`}},
		{"numbers that are none", "layer { name: 'p' type: 'Power' bottom: 'data' top: 'x' loss_weight: inf\nparam { lr_mult: nan }\npower_param { power: nan } }",
			[]string{`net.prototxt:2:70: layer "p": loss_weight is +Inf, want a number`, `net.prototxt:3:18: layer "p": lr_mult is NaN, want a number`,
				`net.prototxt:4:22: layer "p": power_param.power is NaN, want a number`}},
		{"a filler's", "layer { name: 'i' type: 'InnerProduct' bottom: 'data' top: 'x' inner_product_param { num_output: 1\nbias_filler { value: nan } } }",
			[]string{`net.prototxt:3:22: layer "i": value is NaN, want a number`}},
		{"BatchNorm's", "layer { name: 'b' type: 'BatchNorm' bottom: 'data' top: 'x' batch_norm_param { eps: -1 } }\nlayer { name: 'c' type: 'BatchNorm' bottom: 'data' top: 'y' batch_norm_param { moving_average_fraction: 2 } }",
			[]string{`net.prototxt:2:85: layer "b": eps is -1, want 0 or more`, `net.prototxt:3:105: layer "c": moving_average_fraction is 2, want 0 to 1`}},
		{"too many params", "layer { name: 'r1' type: 'ReLU' bottom: 'data' top: 'x' param { lr_mult: 1 } }",
			[]string{`net.prototxt:2:57: layer "r1": has 1 param entry, the layer has no blobs of weights`}},
		{"shared shapes", shared("param { name: 'w' } inner_product_param { num_output: 4 bias_term: false }",
			"param { name: 'w' } inner_product_param { num_output: 5 bias_term: false }"),
			[]string{`net.prototxt:3:55: layer "b": cannot share param "w" owned by layer "a": its shape is 5 3 (15), the owner's is 4 3 (12)`}},
		{"shared counts", shared("param { name: 'w' } inner_product_param { num_output: 4 bias_term: false }",
			"param { name: 'w' share_mode: PERMISSIVE } inner_product_param { num_output: 5 bias_term: false }"),
			[]string{`net.prototxt:3:55: layer "b": cannot share param "w" owned by layer "a": its shape is 5 3 (15), the owner's is 4 3 (12); share_mode PERMISSIVE needs equal counts`}},
		{"shared lr_mult", shared("param { name: 'w' lr_mult: 2 } inner_product_param { num_output: 4 bias_term: false }",
			"param { name: 'w' lr_mult: 0.5 } inner_product_param { num_output: 4 bias_term: false }"),
			[]string{`net.prototxt:3:55: layer "b": shared param "w" has lr_mult 0.5, the layer "a" that owns it has 2`}},
		{"shared decay_mult", shared("param { name: 'w' decay_mult: 2 } inner_product_param { num_output: 4 bias_term: false }",
			"param { name: 'w' decay_mult: 0.5 } inner_product_param { num_output: 4 bias_term: false }"),
			[]string{`net.prototxt:3:55: layer "b": shared param "w" has decay_mult 0.5, the layer "a" that owns it has 2`}},
		{"several", "layer { name: 'a' type: 'Rellu' bottom: 'data' top: 'a' }\nlayer { name: 'b' type: 'ReLU' bottom: 'x' top: 'label' }",
			[]string{
				`net.prototxt:2:25: layer "a": gocaffe has no layer type "Rellu", did you mean "ReLU"?`,
				`net.prototxt:3:40: layer "b": bottom "x" is not the top of any layer above`,
				`net.prototxt:3:49: layer "b": top "label" is already a top of layer "in"`,
			}},
		// The layer between is left out, those after it are not.
		{"several shapes", `
layer { name: 'a' type: 'EuclideanLoss' bottom: 'data' bottom: 'label' top: 'a' }
layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'r' }
layer { name: 'c' type: 'Softmax' bottom: 'data' top: 'c' softmax_param { axis: 7 } }`,
			[]string{`net.prototxt:3:64: layer "a": `, `net.prototxt:5:81: layer "c": `}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n, err := New(parse(t, input+test.text), Options{})
			if err == nil {
				t.Fatalf("no error; the net has the layers %v", n.Layers())
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(test.want) {
				t.Fatalf("got %d errors, want %d:\n%v", len(got), len(test.want), err)
			}
			for i, want := range test.want {
				if got[i] != want && !(strings.HasSuffix(want, ": ") && strings.HasPrefix(got[i], want)) {
					t.Errorf("got  %s\nwant %s", got[i], want)
				}
			}
			var one *prototxt.Error
			if !errors.As(err, &one) || one.Layer == "" {
				t.Errorf("got %#v, want a *prototxt.Error with the layer", err)
			}
		})
	}
}

// shared returns two layers of inner products with options.
func shared(a, b string) string {
	return "layer { name: 'a' type: 'InnerProduct' bottom: 'data' " + a + " top: 'a' }\n" +
		"layer { name: 'b' type: 'InnerProduct' bottom: 'data' " + b + " top: 'b' }"
}

// An unknown type is named once, with all its places.
func TestUnknownTypeOnce(t *testing.T) {
	text := ""
	for i := range 12 {
		text += fmt.Sprintf("layer { name: 'x%d' type: 'Qqqqqqq' top: 'x%[1]d' }\n", i)
	}
	_, err := New(parse(t, text), Options{})
	want := "net.prototxt:1:26: layer \"x0\": gocaffe has no layer type \"Qqqqqqq\" (`gocaffe layers` lists those it has, " +
		"`gocaffe build --with MODULE` adds a plugin's); also in \"x1\" (line 2), \"x2\" (line 3), \"x3\" (line 4), \"x4\" (line 5), " +
		"\"x5\" (line 6), \"x6\" (line 7), \"x7\" (line 8), \"x8\" (line 9), line 10, line 11, line 12"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A file with unknown fields is searched for unknown types too.
func TestReadFindsTypesAndFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n.prototxt")
	text := "layer { name: 'a' type: 'Qqqqqqq' toop: 'a' }\nlayer { name: 'b' type: 'ReLU' bottom: 'nothing' }"
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	file, err := Read(path)
	if file != nil || err == nil || strings.Count(err.Error(), "\n") != 1 ||
		!strings.Contains(err.Error(), `unknown field "toop"`) || !strings.Contains(err.Error(), `no layer type "Qqqqqqq"`) {
		t.Errorf("got %v, want an unknown field and an unknown type", err)
	}
}

// Both kinds of errors name the file of a net that has no positions.
func TestErrorWithoutPositions(t *testing.T) {
	file := parse(t, "layer { name: 'x' type: 'Rellu' bottom: 'y' top: 'x' }")
	file.Positions = nil
	_, err := New(file, Options{})
	want := `net.prototxt: layer "x": gocaffe has no layer type "Rellu", did you mean "ReLU"?` + "\n" +
		`net.prototxt: layer "x": bottom "y" is not the top of any layer above`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestNoPrograms checks that a net without its programs is checked as far as it does not
// depend on them, and that none runs.
func TestNoPrograms(t *testing.T) {
	t.Setenv("GOCAFFE_PYTHON", "no_such_python") // an error if it were started
	_, err := New(parse(t, `
		layer { name: "a" type: "Python" top: "a" python_param { module: "m" layer: "L" } }
		layer { name: "relu" type: "ReLU" bottom: "a" top: "b" }
		layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 } } }
		layer { name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 1 kernel_size: 1 } }
		layer { name: "c" type: "Python" bottom: "x" top: "c" python_param { module: "m" layer: "L" } }`), Options{NoPrograms: true})
	var list prototxt.ErrorList
	if !errors.As(err, &list) || len(list) != 3 {
		t.Fatalf("got %v, want three errors", err)
	}
	var skipped *SkippedError
	for i, layer := range []string{"a", "conv", "c"} {
		if list[i].Layer != layer || errors.As(list[i], &skipped) != (layer != "conv") {
			t.Errorf("error %d is %v, want one about layer %s", i, list[i], layer)
		}
	}
}
