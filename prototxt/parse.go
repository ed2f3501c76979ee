package prototxt

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gocaffe/gocaffe/event"
)

const (
	maxDepth  = 100 // messages in messages; Caffe's own files have five
	maxErrors = 100 // a file with more is probably not of the assumed kind
)

// Parse reads text into m, which should be empty, and records the positions of all
// values in pos, which may be nil. It accepts the same text as C++ TextFormat, except
// for fields in brackets (extensions) and map fields, which Caffe's files do not use.
// The error is an ErrorList with all mistakes in the text.
func Parse(file string, text []byte, m proto.Message, pos *Positions) error {
	_, err := parse(file, text, m, pos, "")
	return err
}

// parse is Parse in a dialect, that of the file or the one in use if it is "". The
// notes say what was guessed or ignored.
func parse(file string, text []byte, m proto.Message, pos *Positions, dialect string) ([]Note, error) {
	p := &parser{file: file, src: text, pos: pos, schema: current(), dialect: dialect}
	if pos == nil {
		p.pos = NewPositions()
	}
	err := p.parse(m)
	var notes []Note
	for _, r := range p.remarks {
		notes = append(notes, Note{Level: r.level, Source: event.Caller(0), Text: r.Error.Error()})
	}
	return notes, err
}

func (p *parser) parse(m proto.Message) error {
	file, text := p.file, p.src
	if len(text) > math.MaxInt32 {
		return ErrorList{{Pos: Pos{File: file}, Err: fmt.Errorf("text of %d bytes, want at most %d", len(text), math.MaxInt32)}}
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return ErrorList{{Pos: Pos{file, 1, 1}, Err: errors.New("text in UTF-16, want UTF-8")}}
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		at := Pos{File: file, Line: 1 + bytes.Count(text[:i], []byte("\n")), Col: i - bytes.LastIndexByte(text[:i], '\n')}
		return ErrorList{{Pos: at, Err: errors.New("NUL byte: this is a binary file, want text")}}
	}
	if p.dialect == "" {
		name, err := p.schema.dialectOf(file, text)
		if err != nil {
			return err
		}
		p.dialect = cmp.Or(name, p.schema.dialect)
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
	p.pos.SetMessage(m, Pos{file, 1, 1})
	p.message(&scope{m: top, begin: token{line: 1, col: 1}, given: make(map[protoreflect.FieldNumber]token)})
	p.errs = append(p.errs, p.lexErrs...)
	p.errs.Sort()
	return p.errs.Err()
}

// A parser reads tokens into messages. After an error it continues where a field seems to
// begin, to find all errors in one pass.
type parser struct {
	file     string
	src      []byte
	tokens   []token
	at       int // index of the next token
	schema   *schema
	pos      *Positions
	errs     ErrorList
	lexErrs  ErrorList
	unclosed int // number of opening minus closing braces in the whole file
	stopped  bool

	dialect  string // of the file, "" if it is not known
	remarks  []remark
	evidence *evidence       // of the file's dialect, nil until it is needed
	told     map[string]bool // what was said about types
}

// A scope is a message being read.
type scope struct {
	around *scope // nil for the file's own message
	m      protoreflect.Message
	layer  *meaning // of the type of the layer that m is or is in, nil if that adds no fields
	field  string   // by which it is written
	begin  token    // the field's name, or the brace if the message is in a list
	closer byte
	depth  int
	given  map[protoreflect.FieldNumber]token // first place of each field that was written, right or wrong
	extras []protoreflect.Message             // hold the fields that m's own type does not have

	errs, remarks int // how many there were before it
}

// holder returns the message that holds the values of a field: the scope's, or a
// separate one for a field that is not in caffe.proto.
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

// known returns the message under which positions are recorded for a value in m.
func (s *scope) known(m protoreflect.Message) proto.Message {
	if slices.Contains(s.extras, m) {
		m = s.m
	}
	return m.Interface()
}

func (p *parser) peek() token         { return p.tokens[p.at] }
func (p *parser) str(t token) string  { return string(p.src[t.off:t.end]) }
func (p *parser) show(t token) string { return t.show(p.src) }

// next consumes and returns the next token. It never consumes the end of the file.
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

// accept consumes the symbol c if it is next.
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

// message reads the fields of s and its closing brace.
func (p *parser) message(s *scope) {
	for p.fields(s) {
	}
	appendExtras(s.m, s.extras)
	if !p.stopped {
		p.checkRequired(s)
	}
	if label, is := layerName(s.m); is {
		for _, e := range p.errs[min(s.errs, len(p.errs)):] {
			if e.Layer == "" {
				e.Layer = label
			}
		}
		for _, r := range p.remarks[s.remarks:] {
			r.Layer = label
		}
	}
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

// fieldOf reads a field of s; its name is the next token. It returns false, and reads
// nothing, if s seems to end because the field belongs to an enclosing message.
func (p *parser) fieldOf(s *scope) bool {
	t := p.peek()
	field := p.schema.fieldFor(s.layer, s.m.Descriptor(), p.str(t))
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
		into = into.New() // read only to find errors
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

// value reads one value of a field and stores it in m. It returns false if there is none.
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
	inner := &scope{around: s, layer: s.layer, field: field.TextName(), begin: at, closer: '}', depth: s.depth + 1,
		given: make(map[protoreflect.FieldNumber]token), errs: len(p.errs), remarks: len(p.remarks)}
	dialect := ""
	if md := field.Message(); md == layerParameter || md == v1LayerParameter {
		inner.layer, dialect = p.layerType()
	}
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
	if dialect != "" {
		setDialect(inner.m, dialect)
	}
}
