package net

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/prototxt"
)

func parse(t testing.TB, text string) *prototxt.Net {
	t.Helper()
	file, err := prototxt.ParseNet("net.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// build makes a net of a text.
func build(t testing.TB, text string, opts Options) *Net {
	t.Helper()
	n, err := New(parse(t, text), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func forward(t testing.TB, n *Net) float32 {
	t.Helper()
	loss, err := n.Forward(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return loss
}

func backward(t testing.TB, n *Net) {
	t.Helper()
	if err := n.Backward(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// set fills a blob with 1/4, -1/2, 3/4, ... so that every number differs.
func set(b *blob.Blob) {
	for i := range b.MutableData() {
		b.MutableData()[i] = float32(i+1) / 4 * float32(1-2*(i%2))
	}
}

// CaffeLog is caffelog.New, which the tests inside this package cannot import;
// those outside set it.
var CaffeLog func(write func(level event.Level, source, text string)) event.Observer

// recorder collects the lines of Caffe's log.
type recorder struct{ lines []string }

// observer returns the observer that writes to r.
func (r *recorder) observer() event.Observer { return CaffeLog(r.log) }

func (r *recorder) log(level event.Level, source, text string) {
	r.lines = append(r.lines, fmt.Sprintf("%c %s] %s", level, source, text))
}

// from returns the texts of the lines from some places.
func (r *recorder) from(sources ...string) []string {
	var found []string
	for _, line := range r.lines {
		for _, s := range sources {
			if _, text, ok := strings.Cut(line, s+"] "); ok {
				found = append(found, text)
			}
		}
	}
	return found
}

// state reads a NetState such as "TRAIN 3 deploy,fast": phase, level, stages.
func state(t testing.TB, s string) *caffepb.NetState {
	t.Helper()
	if s == "" {
		return nil
	}
	words := strings.Fields(s)
	phase, ok := caffepb.Phase_value[words[0]]
	if !ok {
		t.Fatalf("state %q has no phase", s)
	}
	st := &caffepb.NetState{Phase: caffepb.Phase(phase).Enum()}
	if len(words) > 1 {
		var level int32
		if _, err := fmt.Sscan(words[1], &level); err != nil {
			t.Fatal(err)
		}
		st.Level = &level
	}
	if len(words) > 2 {
		st.Stage = strings.Split(words[2], ",")
	}
	return st
}

func names(layers []*caffepb.LayerParameter) string {
	var all []string
	for _, l := range layers {
		all = append(all, l.GetName())
	}
	return strings.Join(all, " ")
}

// layerByName returns the first layer of a name, or nil.
func (n *Net) layerByName(name string) *Layer {
	for _, l := range n.layers {
		if l.Name == name {
			return l
		}
	}
	return nil
}
