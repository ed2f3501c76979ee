package prototxt

import (
	"fmt"
	"strings"
	"testing"
)

func TestKindOf(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Kind
	}{
		{"", KindUnknown},
		{"net: \"x\" base_lr: 1", KindSolver},
		{"net_param { layer { name: \"x\" } } base_lr: 1", KindSolver},
		{"name: \"x\" input: \"data\" input_dim: 1", KindNet},
		{"layer { botom: \"x\" topp: \"y\" }", KindNet},
		{"layers { type: RELU } base_lr: 1 momentum: 1 net: \"x\"", KindNet}, // a solver's settings in the wrong place
		{"base_lrr: 1 momentun: 2 max_iter: 10", KindSolver},
		{"debug_info: true", KindUnknown},
		{"layer {", KindNet},
		{"# layer { }\nmax_iter: 1", KindSolver},
		{"}}} max_iter: 1", KindSolver},
		{"layer", KindUnknown},
		{"\x01\xff{\"", KindUnknown},
	} {
		if got := KindOf([]byte(tt.text)); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestWrongKind(t *testing.T) {
	_, err := ParseNet("s.prototxt", []byte("net: \"dir/n.prototxt\"\nbase_lr: 1"))
	if want := `s.prototxt:1:1: this is a solver, want a net; its net is "dir/n.prototxt"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, err = ParseSolver("n.prototxt", []byte("layer { name: \"a\" }\nlayer { name: \"b\" }"))
	if want := `n.prototxt:1:1: this is a net with 2 layers, want a solver`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// An error may quote the file, but not a megabyte of it.
func TestLongToken(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, text := range []string{
		"layer { name: \"" + long + "\" typ: 1 }",
		"layer { relu_param { engine: " + long + " } }",
		"layer { " + long + ": 1 }",
	} {
		_, err := ParseNet("n", []byte(text))
		if err == nil || len(err.Error()) > 10_000 {
			t.Errorf("%.30s...: got a message of %d bytes", text, len(fmt.Sprint(err)))
		}
	}
}

// Errors for fields of forks name the fork and the replacement.
func TestForeignFields(t *testing.T) {
	for text, want := range map[string]string{
		"layer { transform_param { resize_param { } } }":  "a field of SSD (weiliu89/caffe): it is not implemented; docs/data.md",
		"layer { transform_param { multi_scale: true } }": "a field of forks with more augmentation",
	} {
		if _, err := ParseNet("n", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	n, err := ParseNet("n", []byte("layer { data_param { threads: 4 } }"))
	if err != nil || len(n.Notes) != 1 || !strings.Contains(n.Notes[0].Text, "needs nothing in its place") {
		t.Errorf("threads: error %v, want a note that it needs nothing in its place", err)
	}
	n, err = ParseNet("n", []byte("layer { name: 'c' quantization_param { bw_params: 8 scale_in: 3 } }"))
	if err != nil || len(n.Notes) != 1 || !strings.Contains(n.Notes[0].Text, "quantization_param is a field of Intel's Caffe (intel/caffe): the layer computes in float32") {
		t.Errorf("quantization_param: error %v and notes %v, want a note that the layer computes in float32", err, n.Notes)
	}
}
