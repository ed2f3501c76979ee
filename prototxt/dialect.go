package prototxt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/internal/near"
)

// A Dialect is the language of a fork of Caffe, or of several that speak alike:
// what they add to Caffe's nets. A type or a field of one name may have another
// meaning in each (LayerType).
type Dialect struct {
	// Name is what files and the flag --dialect call it: "ssd".
	Name string

	// Whose says whose it is: "SSD (weiliu89/caffe)".
	Whose string

	// Includes are dialects that the fork has taken in: what they know, it knows,
	// unless it has a meaning of its own.
	Includes []string

	// Types are the layer types that the fork adds, implemented here or not. A type
	// that only some dialects have tells which the file is in.
	Types []string

	// Fields are fields that the fork adds to Caffe's own layers and that are built in
	// here, such as "inner_product_param.normalize": they speak for the dialect too.
	Fields []string

	// V1Types are the fork's values of V1LayerParameter.LayerType, such as
	// CONVOLUTION3D, and the type that each means.
	V1Types map[string]string

	// Harmless is the text of a .proto file with messages of Caffe's names, whose
	// fields the fork adds and which change no result: they are read, and ignored. So
	// are the values of enums that Caffe's messages have too.
	Harmless string

	// Advice says, by "PoolingParameter.field", what to do about a field of the
	// fork that nobody implements, or what becomes of a Harmless one.
	Advice map[string]string
}

// AddDialect makes a dialect known. The error says what is wrong with it, or that
// there is one of that name.
func AddDialect(d Dialect) error {
	if d.Name == "" || strings.ContainsFunc(d.Name, func(r rune) bool { return !isLetter(byte(r)) && !isDigit(byte(r)) && r != '-' }) {
		return fmt.Errorf("dialect %q: want a name of letters, digits and hyphens", d.Name)
	}
	extensions.Lock()
	defer extensions.Unlock()
	if _, taken := extensions.dialects[d.Name]; taken {
		return fmt.Errorf("there are two dialects %q", d.Name)
	}
	fields, values, err := extend("dialect-"+d.Name, d.Harmless)
	if err != nil {
		return fmt.Errorf("dialect %q: %w", d.Name, err)
	}
	if extensions.dialects == nil {
		extensions.dialects = make(map[string]*dialect)
	}
	extensions.dialects[d.Name] = &dialect{Dialect: d, harmless: fields, values: values}
	return rebuild()
}

// A dialect is one that is known, with the descriptors of its harmless fields.
type dialect struct {
	Dialect
	harmless []extra
	values   []extraValue
}

// Dialects returns the known dialects in alphabetical order.
func Dialects() []Dialect {
	s := current()
	var list []Dialect
	for _, name := range slices.Sorted(maps.Keys(s.dialects)) {
		list = append(list, s.dialects[name].Dialect)
	}
	return list
}

// UseDialect makes all files that do not name another be read in a dialect.
// Calling done undoes it.
func UseDialect(name string) (done func(), err error) {
	extensions.Lock()
	defer extensions.Unlock()
	if err := current().knowsDialect(name); err != nil {
		return nil, err
	}
	before := extensions.dialect
	extensions.dialect = name
	return func() {
		extensions.Lock()
		defer extensions.Unlock()
		extensions.dialect = before
		rebuild()
	}, rebuild()
}

// knowsDialect returns an error if there is no dialect of that name.
func (s *schema) knowsDialect(name string) error {
	if s.dialects[name] != nil {
		return nil
	}
	known := slices.Sorted(maps.Keys(s.dialects))
	if meant := near.Name(name, known); meant != "" {
		return fmt.Errorf("unknown dialect %q, did you mean %q?", name, meant)
	}
	return fmt.Errorf("unknown dialect %q, want one of: %s", name, strings.Join(known, ", "))
}

// family returns a dialect and those it includes, nearest first.
func (s *schema) family(name string) []string {
	names := []string{name}
	for i := 0; i < len(names); i++ {
		if d := s.dialects[names[i]]; d != nil {
			for _, inner := range d.Includes {
				if !slices.Contains(names, inner) {
					names = append(names, inner)
				}
			}
		}
	}
	return names
}

// speakers returns the dialects that add a layer type, in alphabetical order.
func (s *schema) speakers(typ string) []string {
	var names []string
	for name, d := range s.dialects {
		if slices.Contains(d.Types, typ) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// WhoseType returns whose a layer type is that dialects add, "" if it is none's.
func WhoseType(typ string) string {
	s := current()
	var whose []string
	for _, name := range s.speakers(typ) {
		whose = append(whose, s.dialects[name].Whose)
	}
	return strings.Join(whose, " and ")
}

// ForeignTypes returns the layer types that dialects add.
func ForeignTypes() []string {
	var types []string
	for _, d := range current().dialects {
		types = append(types, d.Types...)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// advice returns what to do about a field of a fork, "" for an unknown one. The
// dialect in use is asked first.
func (s *schema) advice(field, inUse string) string {
	for _, name := range append(s.family(inUse), slices.Sorted(maps.Keys(s.dialects))...) {
		if d := s.dialects[name]; d != nil && d.Advice[field] != "" {
			return "a field of " + d.Whose + ": " + d.Advice[field]
		}
	}
	return ""
}

// inFile finds the line "# gocaffe: dialect NAME" of a file.
var inFile = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*gocaffe:[ \t]*dialect[ \t]+([^ \t\r\n]+)[ \t\r]*$`)

// dialectOf returns the dialect that a file names in a comment line, "" if it
// names none.
func (s *schema) dialectOf(file string, text []byte) (string, error) {
	name := ""
	if !bytes.Contains(text, []byte("gocaffe:")) { // most files; they may be large
		return "", nil
	}
	for _, m := range inFile.FindAllSubmatchIndex(text, -1) {
		at := Pos{File: file, Line: 1 + bytes.Count(text[:m[2]], []byte("\n")), Col: m[2] - bytes.LastIndexByte(text[:m[2]], '\n')}
		found := string(text[m[2]:m[3]])
		if err := s.knowsDialect(found); err != nil {
			return "", ErrorList{{Pos: at, Err: err}}
		}
		if name != "" && name != found {
			return "", ErrorList{{Pos: at, Err: errors.New("the file names two dialects, " + name + " and " + found)}}
		}
		name = found
	}
	return name, nil
}
