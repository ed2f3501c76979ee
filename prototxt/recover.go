package prototxt

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/near"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The methods in this file report mistakes in a text and find where to continue.

// separator consumes the "," or ";" that may follow a field.
func (p *parser) separator() {
	if !p.accept(';') {
		p.accept(',')
	}
}

// runOn reports whether the token before t, which makes no sense, is a string of several
// lines. After a forgotten quote, such a string extends to the next quote, and then all
// quoted text is outside of quotes. So this is the last error reported.
func (p *parser) runOn(t token) bool {
	if p.at == 0 {
		return false
	}
	before := p.tokens[p.at-1]
	if before.kind != stringToken || bytes.IndexByte(p.src[before.off:before.end], '\n') < 0 {
		return false
	}
	p.errorAt(before, "string that runs on to line %d, is its closing quote missing?", t.line)
	p.at = len(p.tokens) - 1
	p.stopped = true
	p.lexErrs = slices.DeleteFunc(p.lexErrs, func(e *Error) bool { return e.Pos.Line >= int(before.line) })
	return true
}

// unexpected reports t, where something else is wanted.
func (p *parser) unexpected(t token, want string) {
	if t.kind == brokenToken || p.runOn(t) {
		return
	}
	hint := ""
	if p.is(t, '/') && p.at+1 < len(p.tokens) && (p.is(p.tokens[p.at+1], '/') || p.is(p.tokens[p.at+1], '*')) {
		hint = ` (comments begin with "#")`
	}
	p.errorAt(t, "got %s, want %s%s", p.show(t), want, hint)
}

// missing reports whether t, which is not a value, belongs to the next field: the value
// was forgotten.
func (p *parser) missing(t token) bool {
	return t.kind == endToken || p.closes(t) || p.is(t, ']') || p.beginsField()
}

// beginsField reports whether the next tokens begin a field.
func (p *parser) beginsField() bool {
	after := p.tokens[min(p.at+1, len(p.tokens)-1)]
	return p.peek().kind == nameToken && (p.is(after, ':') || p.opens(after))
}

// endsInString reports whether the file ends in a string without a closing quote.
func (p *parser) endsInString() bool {
	if len(p.tokens) < 2 {
		return false
	}
	last := p.tokens[len(p.tokens)-2]
	return last.kind == brokenToken && (p.src[last.off] == '"' || p.src[last.off] == '\'')
}

// resync skips tokens after an error, up to a field at the start of a line, the end of
// the message, or the end of the file.
func (p *parser) resync() {
	for {
		t := p.peek()
		switch {
		case t.kind == endToken, p.closes(t):
			return
		case t.firstOnLine && p.beginsField():
			return
		case p.is(t, '{'):
			p.skipValue()
		default:
			p.next()
		}
	}
}

// skipValue skips any value of an unknown field.
func (p *parser) skipValue() {
	p.accept(':')
	t := p.peek()
	switch {
	case p.opens(t) || p.is(t, '['):
		depth := 0
		for {
			t := p.next()
			switch {
			case p.opens(t) || p.is(t, '['):
				depth++
			case p.closes(t) || p.is(t, ']'):
				depth--
			}
			if depth == 0 || t.kind == endToken {
				return
			}
		}
	case t.kind == stringToken:
		for p.peek().kind == stringToken {
			p.next()
		}
	case p.missing(t):
	default:
		p.accept('-')
		if t := p.peek(); !p.missing(t) {
			p.next()
		}
	}
}

// owner returns the innermost enclosing scope that has a field with the given name.
func (p *parser) owner(s *scope, field string) *scope {
	for ; s != nil; s = s.around {
		if p.schema.field(s.m.Descriptor(), field) != nil {
			return s
		}
	}
	return nil
}

// nearest returns the field of a message that an unknown name was probably meant to be,
// or "". It ignores the ending _param, which most fields of layers have.
func (p *parser) nearest(field string, m protoreflect.MessageDescriptor) string {
	known := p.schema.names(m)
	stem, hasEnding := strings.CutSuffix(field, "_param")
	if !hasEnding {
		return near.Name(field, known)
	}
	var stems []string
	for _, name := range known {
		if s, has := strings.CutSuffix(name, "_param"); has {
			stems = append(stems, s)
		}
	}
	if meant := near.Name(stem, stems); meant != "" {
		return meant + "_param"
	}
	return ""
}

func (p *parser) unknownField(t token, s *scope, owner *scope) {
	hint := ""
	if about := p.schema.advice(string(s.m.Descriptor().Name())+"."+p.str(t), p.dialect); about != "" {
		hint = ": " + about
	} else if meant := p.nearest(p.str(t), s.m.Descriptor()); meant != "" {
		hint = fmt.Sprintf(", did you mean %q?", meant)
	} else if owner != nil {
		hint = fmt.Sprintf(", %s has one", owner.m.Descriptor().Name())
	} else if s.m.Descriptor() == layerParameter && strings.HasSuffix(p.str(t), "_param") {
		hint = ": no plugin of this program has it (gocaffe build --with MODULE adds one; --proto FILE reads the caffe.proto of a fork)"
	}
	err := fmt.Errorf("unknown field %q of %s%s", p.show(t), s.m.Descriptor().Name(), hint)
	if p.schema.lenient {
		p.note(t, event.Warning, "%w; it is ignored", err)
		return
	}
	p.errorAt(t, "%w", err)
}

// checkRequired reports the required fields that are missing in s.
func (p *parser) checkRequired(s *scope) {
	numbers := s.m.Descriptor().RequiredNumbers()
	for i := range numbers.Len() {
		if _, given := s.given[numbers.Get(i)]; !given {
			p.errorAt(s.begin, "%s needs %q", s.m.Descriptor().Name(), s.m.Descriptor().Fields().ByNumber(numbers.Get(i)).Name())
		}
	}
}
