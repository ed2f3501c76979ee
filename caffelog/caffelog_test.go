package caffelog_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/net"
)

// TestOrder sends events in gocaffe's order and wants the lines in Caffe's: a
// Data layer's database is opened before its connections are shown, and nothing
// is lost if it is not opened.
func TestOrder(t *testing.T) {
	data := &net.LayerAdded{Layer: &net.Layer{Name: "d", Type: "Data", TopNames: []string{"x"}}}
	loss := &net.LayerAdded{Layer: &net.Layer{Name: "l", Type: "SoftmaxWithLoss", BottomNames: []string{"x"}, TopNames: []string{"x"}}}
	opened := &layers.DatabaseOpened{Layer: "d", Backend: "lmdb", Path: "db"}
	for _, test := range []struct {
		events []any
		want   []string
	}{
		{[]any{data, opened, loss}, []string{
			"I layer_factory.hpp:77] Creating layer d",
			"I db_lmdb.cpp:35] Opened lmdb db",
			"I net.cpp:86] Creating Layer d",
			"I net.cpp:382] d -> x",
			"I layer_factory.hpp:77] Creating layer l",
			"I net.cpp:86] Creating Layer l",
			"I net.cpp:408] l <- x",
			"I net.cpp:369] l -> x (in-place)",
			"I layer_factory.hpp:77] Creating layer l",
		}},
		{[]any{data, &event.Note{Level: event.Warning, Layer: "d", Text: "text", Source: "d.go:1"}, opened}, []string{
			"I layer_factory.hpp:77] Creating layer d",
			"I net.cpp:86] Creating Layer d",
			"I net.cpp:382] d -> x",
			`W d.go:1] layer "d": text`,
			"I db_lmdb.cpp:35] Opened lmdb db",
		}},
		{[]any{&event.Note{Level: event.Info, Text: "text", Source: "upgrade_proto.cpp:28"}}, []string{"I upgrade_proto.cpp:28] text"}},
		{[]any{&struct{ of, another, kind int }{}}, nil},
	} {
		var got []string
		log := caffelog.New(func(level event.Level, source, text string) {
			got = append(got, fmt.Sprintf("%c %s] %s", level, source, text))
		})
		for _, e := range test.events {
			log.Observe(e)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}
