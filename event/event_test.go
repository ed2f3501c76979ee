package event_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/event"
)

type finished struct{ iter int }

func TestMulti(t *testing.T) {
	var got []string
	named := func(name string) event.Observer {
		return event.Func(func(e any) { got = append(got, fmt.Sprint(name, e.(*finished).iter)) })
	}
	for _, test := range []struct {
		observers []event.Observer
		want      []string
	}{
		{nil, nil},
		{[]event.Observer{nil, nil}, nil},
		{[]event.Observer{nil, named("a")}, []string{"a7"}},
		{[]event.Observer{named("a"), nil, named("b")}, []string{"a7", "b7"}},
	} {
		got = nil
		o := event.Multi(test.observers...)
		if (o == nil) != (test.want == nil) {
			t.Errorf("Multi of %d observers is %v", len(test.observers), o)
		}
		event.Send(o, finished{iter: 7})
		if !slices.Equal(got, test.want) {
			t.Errorf("%d observers: the events are %q, want %q", len(test.observers), got, test.want)
		}
	}
}

// TestKept checks that an observer may keep an event, which Send does not use
// again.
func TestKept(t *testing.T) {
	var kept []*finished
	o := event.Func(func(e any) { kept = append(kept, e.(*finished)) })
	for i := range 3 {
		event.Send(o, finished{iter: i})
	}
	for i, e := range kept {
		if e.iter != i {
			t.Errorf("event %d has become %d", i, e.iter)
		}
	}
}

// TestNobody checks that an event that nobody receives costs no memory: the
// passes of nets send them.
func TestNobody(t *testing.T) {
	var o event.Observer
	if allocs := testing.AllocsPerRun(100, func() { event.Send(o, finished{iter: 1}) }); allocs != 0 {
		t.Errorf("%v allocations, want none", allocs)
	}
}

// TestCaller: a note names its own line.
func TestCaller(t *testing.T) {
	here := func() string { return event.Caller(1) }
	first := here()
	second := event.Caller(0)
	var a, b int
	if _, err := fmt.Sscanf(first+" "+second, "event_test.go:%d event_test.go:%d", &a, &b); err != nil || b != a+1 {
		t.Errorf("got %q and %q, want event_test.go and two lines that follow each other", first, second)
	}
}
