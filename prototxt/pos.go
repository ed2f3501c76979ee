// Package prototxt reads and writes Caffe's text files, nets and solvers, and
// upgrades old ones to the current format. It also reads and writes binary
// files of the same messages.
//
// The parser is our own, because no library meets the requirements. The Go
// prototext package stops at the first error and does not record the positions of
// values. The syntax tree of github.com/protocolbuffers/txtpbfmt, designed for
// formatting, has no positions of values, reports a field at the start of the blank
// lines and comments before it, and accepts broken text: unclosed braces, "a: -",
// "a: 1.2.3", "a: @", a NUL byte in a name, and "/* x */" as fields.
package prototxt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Pos is a position in a text file. Line and Col count from 1; Col counts
// bytes.
type Pos struct {
	File      string
	Line, Col int
}

// IsValid reports whether the position is known.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String returns "file:line:col", only the file if the line is unknown, or ""
// if nothing is known.
func (p Pos) String() string {
	if !p.IsValid() {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// An Error is a mistake at a position of a file, described in one line.
type Error struct {
	Pos   Pos
	Layer string // name of the faulty layer, if any
	Err   error
}

// Error returns "file:line:col: layer "name": what", without the unknown parts.
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

// shorten omits the middle of a text longer than about n bytes. Messages quote tokens
// of files, which may have any length.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	const gap = " [...] "
	return strings.ToValidUTF8(text[:n/2], "") + gap + strings.ToValidUTF8(text[len(text)-n/2+len(gap):], "")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// An ErrorList lists all mistakes in a file.
type ErrorList []*Error

// Error returns the errors, one per line.
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

// Sort orders the errors by position and removes duplicates.
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
