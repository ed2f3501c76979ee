package parallel

import "fmt"

// A Panic is the value with which Run panics if a part has panicked, maybe on
// another goroutine: the part's value and call stack.
type Panic struct {
	Value   any
	Callers []uintptr // for runtime.CallersFrames
}

// Error returns the value as text.
func (p *Panic) Error() string { return fmt.Sprint(p.Value) }

// Unwrap returns the value if it is an error, and nil otherwise.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
