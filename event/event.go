// Package event carries what solvers, nets and layers report while they work.
//
// The library never prints. An Observer in solver.Options, net.Options or
// layers.Env receives typed events: those of packages solver, net and layers,
// those that plugins define, and Notes in plain words. A solver's observer also
// receives the events of its nets, and a net's observer those of its layers.
// Package caffelog is the observer that writes Caffe's log.
package event

import (
	"fmt"
	"path"
	"runtime"
)

// An Observer receives events.
//
// Observe runs on the goroutine that does the work, which waits for it. An
// event is a pointer to a struct, such as *solver.Iteration or *net.Initialized,
// which the observer may keep. Slices and other pointers in it belong to the
// sender: copy what must outlast the call, and change nothing.
type Observer interface {
	Observe(event any)
}

// Func turns a function into an Observer.
type Func func(event any)

// Observe calls f.
func (f Func) Observe(event any) { f(event) }

// Multi returns an Observer that passes each event on to all observers that are
// not nil, in their order. It is nil if there are none.
func Multi(observers ...Observer) Observer {
	var some multi
	for _, o := range observers {
		if o != nil {
			some = append(some, o)
		}
	}
	switch len(some) {
	case 0:
		return nil
	case 1:
		return some[0]
	}
	return some
}

type multi []Observer

func (m multi) Observe(event any) {
	for _, o := range m {
		o.Observe(event)
	}
}

// Send sends an event to o. If o is nil, it does nothing and allocates nothing.
func Send[E any](o Observer, event E) {
	if o == nil {
		return
	}
	e := new(E)
	*e = event
	o.Observe(e)
}

// A Note is an event in plain words, for which no type of its own is worth
// having. A layer sends one with layers.Spec.Notef.
type Note struct {
	Level Level
	Layer string // name of the layer that sends it; "" if it is not about a layer
	Text  string

	// Source is the source file and line that the note comes from, such as
	// "bn.go:42". The notes of package prototxt repeat Caffe's own lines and have
	// Caffe's places: "upgrade_proto.cpp:28".
	Source string
}

// Caller returns the source file and line of the code that calls it, for
// Note.Source; with a skip above 0, of one further up the stack, as
// runtime.Caller does.
func Caller(skip int) string {
	_, file, line, ok := runtime.Caller(skip + 1)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s:%d", path.Base(file), line)
}

// Level is the severity of a Note.
type Level byte

// The levels, each the letter that begins a line of its level in Caffe's log.
const (
	Info    Level = 'I'
	Warning Level = 'W'
	Error   Level = 'E'
)
