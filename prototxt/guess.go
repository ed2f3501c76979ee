package prototxt

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
)

// A layerOutline is what a layer's text says about its type, before it is read.
type layerOutline struct {
	typ                   string
	at                    token    // of the type's value
	bottoms, tops, params int      // how many are written
	fields                []string // their paths: "pooling_param.pool"
}

// outlineLayer returns the outline of the layer whose opening brace was read last.
func (p *parser) outlineLayer() layerOutline {
	var o layerOutline
	var path []string
	for i := p.at; i < len(p.tokens); i++ {
		t := p.tokens[i]
		switch {
		case t.kind == endToken:
			return o
		case p.opens(t):
			path = append(path, "") // a message in a list
		case p.closes(t):
			if len(path) == 0 {
				return o
			}
			path = path[:len(path)-1]
		case t.kind == nameToken && i+1 < len(p.tokens):
			next := i + 1
			if p.is(p.tokens[next], ':') {
				next++
			} else if !p.opens(p.tokens[next]) {
				continue // a value
			}
			name := strings.TrimPrefix(strings.Join(append(slices.Clone(path), p.str(t)), "."), ".")
			o.fields = append(o.fields, name)
			if len(path) == 0 {
				o.count(p, name, next)
			}
			switch {
			case next >= len(p.tokens) || !p.opens(p.tokens[next]):
			case name == "blobs":
				i = p.closing(next)
			default:
				path = append(path, p.str(t))
				i = next
			}
		}
	}
	return o
}

// closing returns the index of the token that closes what token i opens: blobs may have
// millions of numbers between.
func (p *parser) closing(i int) int {
	for depth := 0; i < len(p.tokens)-1; i++ {
		switch {
		case p.opens(p.tokens[i]):
			depth++
		case p.closes(p.tokens[i]):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(p.tokens) - 1
}

// count takes in a field of the layer itself, whose value begins at token i.
func (o *layerOutline) count(p *parser, name string, i int) {
	if i >= len(p.tokens) {
		return
	}
	values := 1
	if p.is(p.tokens[i], '[') {
		values = 0
		for ; i < len(p.tokens) && p.tokens[i].kind != endToken && !p.is(p.tokens[i], ']'); i++ {
			if p.tokens[i].kind == stringToken {
				values++
			}
		}
	}
	switch name {
	case "bottom":
		o.bottoms += values
	case "top":
		o.tops += values
	case "param", "blobs_lr":
		o.params += values
	case "type":
		t := p.tokens[i]
		o.at = t
		switch t.kind {
		case stringToken:
			o.typ = string(unquote(nil, p.src[t.off:t.end]))
		case nameToken:
			o.typ = p.schema.v1Name(p.str(t))
		}
	}
}

// v1Name returns the type that a value of V1LayerParameter.LayerType means.
func (s *schema) v1Name(value string) string {
	enum := v1LayerParameter.Fields().ByName("type").Enum()
	number, ok := s.enumNumber(enum, protoreflect.Name(value))
	if !ok {
		return ""
	}
	if typ, ok := s.v1Types[number]; ok {
		return typ
	}
	return v1Types[caffepb.V1LayerParameter_LayerType(number)]
}

// layerType finds out what the type of the layer means whose brace was read last,
// and the dialect to remember; nil and "" for a type that is Caffe's own.
func (p *parser) layerType() (m *meaning, dialect string) {
	if len(p.schema.meanings) == 0 {
		return nil, ""
	}
	o := p.outlineLayer()
	all := p.schema.meanings[o.typ]
	if p.dialect != "" {
		for _, d := range p.schema.family(p.dialect) {
			for _, m := range all {
				if m.in(d) {
					return m, p.dialect
				}
			}
			if slices.Contains(p.schema.dialects[d].Types, o.typ) && !slices.ContainsFunc(all, func(m *meaning) bool { return m.Dialects == nil }) {
				return nil, p.dialect // nobody implements the dialect's
			}
		}
	}
	switch len(all) {
	case 0:
		return nil, ""
	case 1:
		return all[0], all[0].remembered()
	}
	m = p.guess(all, o)
	return m, m.remembered()
}

// remembered returns the dialect by which the meaning is found again.
func (m *meaning) remembered() string {
	if len(m.Dialects) == 0 {
		return ""
	}
	return m.Dialects[0]
}

// guess chooses one of several meanings of a type: the one that has all fields of
// the layer, and that speaks as the rest of the file does. Caffe's own goes first.
func (p *parser) guess(all []*meaning, o layerOutline) *meaning {
	misfits := func(m *meaning) int { return p.schema.misfits(m, o) }
	least := misfits(slices.MinFunc(all, func(a, b *meaning) int { return misfits(a) - misfits(b) }))
	fit := slices.DeleteFunc(slices.Clone(all), func(m *meaning) bool { return misfits(m) > least })
	if i := slices.IndexFunc(fit, func(m *meaning) bool { return m.Dialects == nil }); i >= 0 {
		return fit[i]
	}
	why := "by its fields"
	if len(fit) > 1 {
		fit = p.likely(fit)
		why = "by the other layers of the file"
	}
	told := o.typ + " " + fit[0].Dialects[0]
	switch {
	case p.told[told]:
	case len(fit) > 1:
		var whose, flags []string
		for _, m := range fit {
			whose = append(whose, p.schema.whose(m.Dialects[0]))
			flags = append(flags, "--dialect "+m.Dialects[0])
		}
		p.errorAt(o.at, "type %q is one layer of %s and another of %s: say which with %s, or in the file with a line \"# gocaffe: dialect %s\"",
			o.typ, whose[0], strings.Join(whose[1:], " and of "), strings.Join(flags, " or "), fit[0].Dialects[0])
	default:
		p.note(o.at, event.Info, "type %q is read in the dialect %s, %s; others have another layer of that name", o.typ, fit[0].Dialects[0], why)
	}
	if p.told == nil {
		p.told = make(map[string]bool)
	}
	p.told[told] = true
	return fit[0]
}

// whose returns a dialect's name and whose it is.
func (s *schema) whose(name string) string {
	if d := s.dialects[name]; d != nil {
		return d.Whose
	}
	return name
}

// misfits counts what of a layer does not go with a meaning of its type.
func (s *schema) misfits(m *meaning, o layerOutline) int {
	n := 0
	if m.Allows != nil && !m.Allows(o.bottoms, o.tops, o.params) {
		n++
	}
	for _, path := range o.fields {
		if !s.knows(m, path) {
			n++
		}
	}
	return n
}

// knows reports whether a meaning has a field: its own, Caffe's or a harmless one.
func (s *schema) knows(m *meaning, path string) bool {
	md := layerParameter
	for name := range strings.SplitSeq(path, ".") {
		if md == nil {
			return false
		}
		if name == "" { // of a message in a list
			continue
		}
		field := m.field(md, name)
		if field == nil {
			if field = s.fieldFor(m, md, name); field == nil {
				return v1LayerParameter.Fields().ByTextName(name) != nil
			}
			if field.ContainingMessage() != md && s.harmless[field] == nil && s.meant(md, field) {
				return false // another type's
			}
		}
		md = field.Message()
	}
	return true
}

// meant reports whether a field in addition to those of md is read by any type.
func (s *schema) meant(md protoreflect.MessageDescriptor, field protoreflect.FieldDescriptor) bool {
	for _, all := range s.meanings {
		for _, m := range all {
			if m.field(md, field.TextName()) == field {
				return true
			}
		}
	}
	return false
}

// evidence is what speaks for dialects in a file: types and fields that only some have.
type evidence struct{ types, fields []string }

// findEvidence looks for it in all layers of the file.
func (p *parser) findEvidence() *evidence {
	e := new(evidence)
	var path []string
	for i := 0; i+2 < len(p.tokens); i++ {
		t, next := p.tokens[i], p.tokens[i+1]
		switch {
		case p.opens(t):
			path = append(path, "")
		case p.closes(t):
			path = path[:max(len(path)-1, 0)]
		case t.kind == nameToken && p.opens(next), t.kind == nameToken && p.is(next, ':') && p.opens(p.tokens[i+2]):
			i++
			if !p.opens(next) {
				i++
			}
			if p.str(t) == "blobs" {
				i = p.closing(i)
				break
			}
			path = append(path, p.str(t))
		case t.kind == nameToken && p.is(next, ':') && len(path) > 0:
			if p.str(t) == "type" && len(path) == 1 {
				var o layerOutline
				o.count(p, "type", i+2)
				e.types = append(e.types, o.typ)
			}
			e.fields = append(e.fields, path[len(path)-1]+"."+p.str(t))
		}
	}
	return e
}

// likely returns those of the meanings whose dialects have most of the types and fields
// of dialects in the file; all of them if none has any.
func (p *parser) likely(fit []*meaning) []*meaning {
	if p.evidence == nil {
		p.evidence = p.findEvidence()
	}
	votes := func(m *meaning) int {
		most := 0
		for _, name := range m.Dialects {
			n := 0
			for _, inner := range p.schema.family(name) {
				if d := p.schema.dialects[inner]; d != nil {
					n += spoken(d.Types, p.evidence.types) + spoken(d.Fields, p.evidence.fields)
				}
			}
			most = max(most, n)
		}
		return most
	}
	most := votes(slices.MaxFunc(fit, func(a, b *meaning) int { return votes(a) - votes(b) }))
	return slices.DeleteFunc(slices.Clone(fit), func(m *meaning) bool { return votes(m) < most })
}

// spoken counts the words that are in a text.
func spoken(words, text []string) int {
	n := 0
	for _, w := range words {
		if slices.Contains(text, w) {
			n++
		}
	}
	return n
}

// A remark is something for the log about a place in the text.
type remark struct {
	*Error
	level event.Level
}

// note adds a line for the log about a place in the file.
func (p *parser) note(t token, level event.Level, format string, args ...any) {
	p.remarks = append(p.remarks, remark{&Error{Pos: p.place(t), Err: fmt.Errorf(format, args...)}, level})
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
