// Package prototxt reads and writes Caffe's text files, nets and solvers, and
// brings old ones to the present form. It also reads and writes the binary
// files that hold the same messages.
//
// The reader is the package's own, because no other does what is needed.
// The Go prototext package stops at the first error and forgets where values
// were written. The syntax tree of github.com/protocolbuffers/txtpbfmt, which is
// made for formatting, has no places of values, puts a field at the start of the
// blank lines and comments before it, and takes much that is broken: braces
// that are not closed, "a: -", "a: 1.2.3", "a: @", a NUL byte in a name, and
// "/* x */" as fields.
package prototxt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Pos is a place in a text file. Line and Col count from 1; Col counts bytes.
type Pos struct {
	File      string
	Line, Col int
}

// IsValid reports whether the place is known.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String returns "file:line:col", the file alone where no line is known, or ""
// where nothing is.
func (p Pos) String() string {
	if !p.IsValid() {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// An Error says what is wrong at a place of a file, in one line.
type Error struct {
	Pos   Pos
	Layer string // name of the layer at fault; empty if none is
	Err   error
}

// Error returns "file:line:col: layer "name": what", without the parts that
// are not known.
func (e *Error) Error() string {
	msg := shorten(e.Err.Error(), 4000)
	if e.Layer != "" {
		msg = fmt.Sprintf("layer %q: %s", shorten(e.Layer, 200), msg)
	}
	if at := e.Pos.String(); at != "" {
		msg = at + ": " + msg
	}
	return msg
}

// shorten leaves out the middle of a text that is longer than about n bytes: a
// message shows what stands in a file, and that may be of any length.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	const gap = " [...] "
	return strings.ToValidUTF8(text[:n/2], "") + gap + strings.ToValidUTF8(text[len(text)-n/2+len(gap):], "")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// An ErrorList is everything that was found wrong with a file.
type ErrorList []*Error

// Error returns the errors, one in a line.
func (l ErrorList) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors, for errors.Is and errors.As.
func (l ErrorList) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}

// Sort orders the errors by place and removes repeated ones.
func (l *ErrorList) Sort() {
	slices.SortStableFunc(*l, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	*l = slices.CompactFunc(*l, func(a, b *Error) bool { return a.Error() == b.Error() })
}

// Err returns the list as an error, or nil if it is empty.
func (l ErrorList) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}
