package layers

import (
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"google.golang.org/protobuf/proto"
)

// TestNotef sends a note with and without an observer.
func TestNotef(t *testing.T) {
	var got []*event.Note
	env := new(Env)
	s := NewSpec(&caffepb.LayerParameter{Name: proto.String("ip")}, env, nil)
	s.Notef(event.Warning, "nobody hears %s", "this")
	env.Observer = event.Func(func(e any) { got = append(got, e.(*event.Note)) })
	s.Notef(event.Warning, "%d rows are all zero", 3)
	if len(got) != 1 {
		t.Fatalf("%d notes, want 1", len(got))
	}
	source := got[0].Source
	if !strings.HasPrefix(source, "events_test.go:") {
		t.Errorf("the note is from %q, want this file", source)
	}
	if want := (event.Note{Level: event.Warning, Layer: "ip", Text: "3 rows are all zero", Source: source}); *got[0] != want {
		t.Errorf("got %+v, want %+v", *got[0], want)
	}
}
