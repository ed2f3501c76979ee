package prototxt

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
)

// A Kind is the kind of thing that a text file describes.
type Kind int

// The kinds of text files.
const (
	KindUnknown Kind = iota
	KindNet
	KindSolver
)

// String returns "net", "solver" or "unknown".
func (k Kind) String() string {
	switch k {
	case KindNet:
		return "net"
	case KindSolver:
		return "solver"
	}
	return "unknown"
}

// KindOf guesses from the outermost fields whether text is a net or a solver. It returns
// KindUnknown if they suggest neither or both. A file with a layer is a net.
func KindOf(text []byte) Kind {
	return outlineOf(text).kind
}

// An outline summarizes the outermost fields of a file.
type outline struct {
	kind   Kind
	layers int    // fields "layer" and "layers"
	net    string // the net that a solver names, or ""
	first  token  // the first field that only this kind has
}

func outlineOf(text []byte) outline {
	var o outline
	var firstOf [KindSolver + 1]token
	seen := func(kind Kind, t token) {
		if firstOf[kind].line == 0 {
			firstOf[kind] = t
		}
	}
	fields := func(m protoreflect.MessageDescriptor) func(string) bool {
		return func(name string) bool { return current().field(m, name) != nil }
	}
	inNet := fields((*caffepb.NetParameter)(nil).ProtoReflect().Descriptor())
	inSolver := fields((*caffepb.SolverParameter)(nil).ProtoReflect().Descriptor())

	tokens := lex(text, func(int, int, string, ...any) {})
	depth, balance := 0, 0
	for i, t := range tokens {
		if t.kind == symbolToken {
			switch text[t.off] {
			case '{', '<', '[':
				depth++
			case '}', '>', ']':
				depth = max(0, depth-1)
			}
		}
		if depth > 0 || t.kind != nameToken || i+1 == len(tokens) {
			continue
		}
		next := tokens[i+1]
		if next.kind != symbolToken || !strings.ContainsRune(":{<", rune(text[next.off])) {
			continue
		}
		name := string(text[t.off:t.end])
		if name == "layer" || name == "layers" {
			o.layers++
		}
		switch n, s := inNet(name), inSolver(name); {
		case n && !s:
			balance++
			seen(KindNet, t)
		case s && !n:
			balance--
			seen(KindSolver, t)
			named := name == "net" || name == "train_net"
			if named && o.net == "" && i+2 < len(tokens) && tokens[i+2].kind == stringToken {
				o.net = string(unquote(nil, text[tokens[i+2].off:tokens[i+2].end]))
			}
		}
	}
	switch {
	case o.layers > 0 || balance > 0:
		o.kind = KindNet
	case balance < 0:
		o.kind = KindSolver
	}
	o.first = firstOf[o.kind]
	return o
}

// wrongKind replaces err, the error from reading text as a file of kind want, if the
// file is of the other kind.
func wrongKind(file string, text []byte, want Kind, err error) error {
	o := outlineOf(text)
	what := ""
	switch {
	case o.kind == want || o.kind == KindUnknown:
		return err
	case o.kind == KindNet && o.layers > 0:
		what = fmt.Sprintf("this is a net with %d layers, want a solver", o.layers)
	case o.kind == KindNet:
		what = "this is a net, want a solver"
	case o.net != "":
		what = fmt.Sprintf("this is a solver, want a net; its net is %q", o.net)
	default:
		what = "this is a solver, want a net"
	}
	return ErrorList{{Pos: Pos{file, int(o.first.line), int(o.first.col)}, Err: errors.New(what)}}
}
