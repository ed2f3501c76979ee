package prototxt

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gocaffe/gocaffe/internal/near"
)

const (
	maxDepth  = 100 // messages in messages; Caffe's own files have five
	maxErrors = 100 // a file with more is not what it is taken for
)

// Parse reads text into m, which should be empty, and records in pos where
// everything was written; pos may be nil. It accepts what C++ TextFormat
// accepts, except for fields in brackets (extensions) and map fields, which
// Caffe's files do not have. The error is an ErrorList with everything that is
// wrong with the text.
func Parse(file string, text []byte, m proto.Message, pos *Positions) error {
	if pos == nil {
		pos = NewPositions()
	}
	p := &parser{file: file, src: text, pos: pos, schema: current()}
	if len(text) > math.MaxInt32 {
		return ErrorList{{Pos: Pos{File: file}, Err: fmt.Errorf("text of %d bytes, want at most %d", len(text), math.MaxInt32)}}
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return ErrorList{{Pos: Pos{file, 1, 1}, Err: errors.New("text in UTF-16, want UTF-8")}}
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		at := Pos{File: file, Line: 1 + bytes.Count(text[:i], []byte("\n")), Col: i - bytes.LastIndexByte(text[:i], '\n')}
		return ErrorList{{Pos: at, Err: errors.New("NUL byte: a binary file, where text is wanted")}}
	}
	p.tokens = lex(text, func(line, col int, format string, args ...any) {
		if len(p.lexErrs) < maxErrors {
			p.lexErrs = append(p.lexErrs, &Error{Pos: Pos{file, line, col}, Err: fmt.Errorf(format, args...)})
		}
	})
	for _, t := range p.tokens {
		if t.kind == symbolToken {
			switch text[t.off] {
			case '{', '<':
				p.unclosed++
			case '}', '>':
				p.unclosed--
			}
		}
	}
	top := m.ProtoReflect()
	pos.SetMessage(m, Pos{file, 1, 1})
	p.message(&scope{m: top, begin: token{line: 1, col: 1}, given: make(map[protoreflect.FieldNumber]token)})
	p.errs = append(p.errs, p.lexErrs...)
	p.errs.Sort()
	return p.errs.Err()
}

// A parser reads tokens into messages. After an error it goes on where a field
// seems to begin, so that one reading finds all errors.
type parser struct {
	file     string
	src      []byte
	tokens   []token
	at       int // index of the next token
	schema   *schema
	pos      *Positions
	errs     ErrorList
	lexErrs  ErrorList
	unclosed int // how many more braces are opened than closed in the whole file
	stopped  bool
}

// A scope is a message that is being read.
type scope struct {
	around *scope // nil for the file's own message
	m      protoreflect.Message
	field  string // by which it is written
	begin  token  // the field's name, or the brace if the message is in a list
	closer byte
	depth  int
	given  map[protoreflect.FieldNumber]token // first place of each field that was written, right or wrong
	extras []protoreflect.Message             // hold the fields that m's own type does not have
}

// holder returns the message that keeps the values of a field: that of the
// scope, or one beside it for a field that is not in caffe.proto.
func (s *scope) holder(field protoreflect.FieldDescriptor) protoreflect.Message {
	if field.ContainingMessage() == s.m.Descriptor() {
		return s.m
	}
	for _, m := range s.extras {
		if field.ContainingMessage() == m.Descriptor() {
			return m
		}
	}
	m := dynamicpb.NewMessage(field.ContainingMessage())
	s.extras = append(s.extras, m)
	return m
}

// known returns the message by which positions know a value in m.
func (s *scope) known(m protoreflect.Message) proto.Message {
	if slices.Contains(s.extras, m) {
		m = s.m
	}
	return m.Interface()
}

func (p *parser) peek() token         { return p.tokens[p.at] }
func (p *parser) str(t token) string  { return string(p.src[t.off:t.end]) }
func (p *parser) show(t token) string { return t.show(p.src) }

// next returns the next token and goes past it; the end of the file stays.
func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != endToken {
		p.at++
	}
	return t
}

// is reports whether t is the symbol c.
func (p *parser) is(t token, c byte) bool { return t.kind == symbolToken && p.src[t.off] == c }

func (p *parser) opens(t token) bool  { return p.is(t, '{') || p.is(t, '<') }
func (p *parser) closes(t token) bool { return p.is(t, '}') || p.is(t, '>') }

// accept goes past the symbol c if it is next.
func (p *parser) accept(c byte) bool {
	if p.is(p.peek(), c) {
		p.at++
		return true
	}
	return false
}

func (p *parser) place(t token) Pos { return Pos{p.file, int(t.line), int(t.col)} }

func (p *parser) report(at Pos, format string, args ...any) {
	switch {
	case p.stopped:
	case len(p.errs) < maxErrors:
		p.errs = append(p.errs, &Error{Pos: at, Err: fmt.Errorf(format, args...)})
	default:
		p.errs = append(p.errs, &Error{Pos: at, Err: errors.New("too many errors, reading no further")})
		p.stopped = true
	}
}

func (p *parser) errorAt(t token, format string, args ...any) { p.report(p.place(t), format, args...) }

// message reads the fields of s up to its closing brace and past it.
func (p *parser) message(s *scope) {
	firstError := len(p.errs)
	for p.fields(s) {
	}
	appendExtras(s.m, s.extras)
	if !p.stopped {
		p.checkRequired(s)
	}
	if label, is := layerName(s.m); is {
		for _, e := range p.errs[min(firstError, len(p.errs)):] {
			if e.Layer == "" {
				e.Layer = label
			}
		}
	}
}

// layerName reports whether m is a layer of a net, in any of its forms, and its name.
func layerName(m protoreflect.Message) (name string, is bool) {
	switch d := m.Descriptor(); d.FullName() {
	case "caffe.V1LayerParameter":
		if v0 := d.Fields().ByName("layer"); m.Has(v0) {
			m = m.Get(v0).Message()
		}
		fallthrough
	case "caffe.LayerParameter":
		return m.Get(m.Descriptor().Fields().ByName("name")).String(), true
	}
	return "", false
}

// fields reads one field of s, or its end, and reports whether there may be more.
func (p *parser) fields(s *scope) bool {
	t := p.peek()
	switch {
	case p.stopped:
		return false
	case t.kind == endToken:
		if s.around != nil && !p.endsInString() {
			p.errorAt(s.begin, "%q is not closed, %q is missing", s.field, string(s.closer))
		}
		return false
	case p.closes(t):
		p.at++
		if s.around == nil {
			p.errorAt(t, "%s closes nothing", p.show(t))
			return true
		}
		if !p.is(t, s.closer) {
			p.errorAt(t, "got %s, want %q to close the %q of line %d", p.show(t), string(s.closer), s.field, s.begin.line)
		}
		return false
	case t.kind == brokenToken:
		p.resync()
	case t.kind != nameToken:
		p.unexpected(t, "the name of a field")
		p.resync()
	default:
		return p.fieldOf(s)
	}
	return true
}

// fieldOf reads a field of s, whose name is next. It returns false, and reads
// nothing, where s seems to end because the field is one of a message around it.
func (p *parser) fieldOf(s *scope) bool {
	t := p.peek()
	field := p.schema.field(s.m.Descriptor(), p.str(t))
	if field == nil {
		if p.runOn(t) {
			return false
		}
		owner := p.owner(s.around, p.str(t))
		if owner != nil && p.unclosed > 0 && t.firstOnLine {
			p.unclosed--
			p.errorAt(s.begin, "%q is not closed before the %q of line %d, %q is missing", s.field, p.str(t), t.line, string(s.closer))
			return false
		}
		p.unknownField(t, s, owner)
		p.next()
		p.skipValue()
		p.separator()
		return true
	}
	p.next()
	into := s.holder(field)
	if first, again := s.given[field.Number()]; again && !field.IsList() {
		p.errorAt(t, "%q of %s is given again, first in line %d", field.Name(), s.m.Descriptor().Name(), first.line)
		into = into.New() // read for its errors only
	} else if !again {
		s.given[field.Number()] = t
	}
	switch {
	case field.IsMap():
		p.errorAt(t, "%q of %s: map fields are not supported", field.Name(), s.m.Descriptor().Name())
		p.skipValue()
	case field.Message() != nil:
		p.accept(':')
		p.values(s, into, field, t)
	case p.accept(':'):
		p.values(s, into, field, t)
	default:
		p.unexpected(p.peek(), `":" after `+p.str(t))
		if next := p.peek(); next.kind == symbolToken && !p.opens(next) || next.kind == nameToken && p.beginsField() {
			p.resync()
		} else {
			p.skipValue()
		}
	}
	p.separator()
	return true
}

// owner returns the nearest of the scopes around which has a field of that name.
func (p *parser) owner(s *scope, field string) *scope {
	for ; s != nil; s = s.around {
		if p.schema.field(s.m.Descriptor(), field) != nil {
			return s
		}
	}
	return nil
}

// nearest returns the field of a message that was meant by an unknown name, or
// "". The ending _param, which most fields of layers have, is no likeness.
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
	if meant := p.nearest(p.str(t), s.m.Descriptor()); meant != "" {
		hint = fmt.Sprintf(", did you mean %q?", meant)
	} else if owner != nil {
		hint = fmt.Sprintf(", %s has one", owner.m.Descriptor().Name())
	} else if s.m.Descriptor() == layerParameter && strings.HasSuffix(p.str(t), "_param") {
		hint = ": no plugin of this program has it (gocaffe build --with MODULE adds one; --proto FILE reads the caffe.proto of a fork)"
	}
	p.errorAt(t, "unknown field %q of %s%s", p.show(t), s.m.Descriptor().Name(), hint)
}

// values reads the value of a field, or a list of values in brackets, into m.
// s is the scope of the field and at is its name.
func (p *parser) values(s *scope, m protoreflect.Message, field protoreflect.FieldDescriptor, at token) {
	if field.IsList() && p.accept('[') {
		if p.accept(']') {
			return
		}
		for {
			if !p.value(s, m, field, p.peek()) {
				p.resync()
				return
			}
			if p.accept(']') {
				return
			}
			if !p.accept(',') {
				if p.peek().kind != brokenToken {
					p.unexpected(p.peek(), `"," or "]"`)
				}
				p.resync()
				return
			}
		}
	}
	p.value(s, m, field, at)
}

// value reads one value of a field and puts it into m. It returns false if
// there is none.
func (p *parser) value(s *scope, m protoreflect.Message, field protoreflect.FieldDescriptor, at token) bool {
	t := p.peek()
	switch {
	case t.kind == brokenToken:
		p.skipValue()
		return true
	case p.missing(t):
		p.errorAt(t, "%s: got %s, want %s", field.TextName(), p.show(t), p.wanted(field))
		return false
	case field.Message() != nil:
		p.messageValue(s, m, field, at)
		return true
	}
	start := p.at
	v, ok := p.scalar(field)
	if !ok {
		p.at = start
		p.errorAt(t, "%s: %w", field.TextName(), p.badValue(field))
		return true
	}
	if field.IsList() {
		m.Mutable(field).List().Append(v)
	} else {
		m.Set(field, v)
	}
	p.pos.AddField(s.known(m), field.Name(), p.place(t))
	return true
}

// messageValue reads a message in braces into a field of m.
func (p *parser) messageValue(s *scope, m protoreflect.Message, field protoreflect.FieldDescriptor, at token) {
	open := p.peek()
	if !p.opens(open) {
		p.errorAt(open, "%s: %w", field.TextName(), p.badValue(field))
		return
	}
	if s.depth == maxDepth {
		p.errorAt(open, "more than %d messages in each other", maxDepth)
		p.skipValue()
		return
	}
	p.next()
	inner := &scope{around: s, field: field.TextName(), begin: at, closer: '}', depth: s.depth + 1,
		given: make(map[protoreflect.FieldNumber]token)}
	if p.is(open, '<') {
		inner.closer = '>'
	}
	if field.IsList() {
		inner.m = m.Mutable(field).List().AppendMutable().Message()
	} else {
		inner.m = m.Mutable(field).Message()
	}
	p.pos.SetMessage(inner.m.Interface(), p.place(at))
	p.pos.AddField(s.known(m), field.Name(), p.place(at))
	if s.known(m) != m.Interface() && !field.IsList() {
		p.pos.setExtra(s.m.Interface(), field.Name(), inner.m.Interface())
	}
	p.message(inner)
}

// checkRequired reports the required fields that s was not given.
func (p *parser) checkRequired(s *scope) {
	numbers := s.m.Descriptor().RequiredNumbers()
	for i := range numbers.Len() {
		if _, given := s.given[numbers.Get(i)]; !given {
			p.errorAt(s.begin, "%s needs %q", s.m.Descriptor().Name(), s.m.Descriptor().Fields().ByNumber(numbers.Get(i)).Name())
		}
	}
}

// separator goes past the one "," or ";" that may follow a field.
func (p *parser) separator() {
	if !p.accept(';') {
		p.accept(',')
	}
}

// runOn reports whether the token before t, which makes no sense, is a string of
// several lines. A forgotten quote makes such a string of all up to the next
// quote, and then all that was in quotes is outside of them; so this is the only
// error reported from here on.
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

// unexpected reports t where something else is wanted.
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

// missing reports whether t, which is no value, belongs to what follows: the
// value was forgotten.
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

// resync goes past what cannot be understood: up to a field at the start of a
// line, the end of the message, or the end of the file.
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

// skipValue goes past the value of an unknown field, whatever it is.
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
