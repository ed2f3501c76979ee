package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestDocs demands comments for all exported symbols of public packages: a doc comment
// that begins with the name for functions, methods and types; any comment, possibly
// shared by a group, for constants and variables; and for methods of interfaces a comment
// of their own or in that of the interface. Fields belong to the comment of their type.
func TestDocs(t *testing.T) {
	packages, err := listPackages(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range packages {
		if !p.public() {
			continue
		}
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if ast.IsGenerated(file) {
				continue
			}
			undocumented(file, func(at token.Pos, symbol string) {
				t.Errorf("%s: %s.%s has no doc comment that begins with its name", fset.Position(at), file.Name, symbol)
			})
			seen += len(file.Decls)
		}
	}
	if seen < 1000 {
		t.Errorf("only %d declarations were looked at", seen)
	}
}

func TestUndocumented(t *testing.T) {
	const text = `package p

func A() {}

// B does.
func B() {}

// does C
func C() {}

func (T) D() {}

func (t) E() {}

// A T is one.
type T struct {
	F int
}

type U interface {
	G()
	// H does.
	H()
	I() // is
	J()
}

// V is for K.
type V interface {
	K()
	L()
}

// Types.
type (
	TA int // a
	TB int
)

// Values.
const (
	M = iota
	N
)

var O int

var (
	// P is.
	P int
	Q int // is
	R int
)

// SS is not S.
type S int
`
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	undocumented(file, func(_ token.Pos, symbol string) { got = append(got, symbol) })
	if want := "A C T.D U U.G U.J V.L TB O R S"; strings.Join(got, " ") != want {
		t.Errorf("not documented are %v, want %s", got, want)
	}
}

// undocumented calls a function for each exported symbol of a file without a
// doc comment.
func undocumented(file *ast.File, report func(at token.Pos, symbol string)) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			symbol := d.Name.Name
			if d.Recv != nil {
				receiver := receiverName(d.Recv.List[0].Type)
				if !token.IsExported(receiver) {
					continue
				}
				symbol = receiver + "." + symbol
			}
			if d.Name.IsExported() && !describes(d.Doc, d.Name.Name) {
				report(d.Pos(), symbol)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				undocumentedSpec(d, spec, report)
			}
		}
	}
}

func undocumentedSpec(d *ast.GenDecl, spec ast.Spec, report func(at token.Pos, symbol string)) {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		inGroup := d.Lparen.IsValid() && d.Doc != nil && s.Comment != nil
		if !describes(s.Doc, s.Name.Name) && !describes(d.Doc, s.Name.Name) && !inGroup {
			report(s.Pos(), s.Name.Name)
		}
		if u, ok := s.Type.(*ast.InterfaceType); ok {
			undocumentedMethods(s.Name.Name, d.Doc.Text()+s.Doc.Text(), u.Methods, report)
		}
	case *ast.ValueSpec:
		documented := d.Doc != nil || s.Doc != nil || s.Comment != nil
		for _, name := range s.Names {
			if name.IsExported() && !documented {
				report(name.Pos(), name.Name)
			}
		}
	}
}

// undocumentedMethods looks at the methods of an interface. One without a comment
// may be in the interface's own.
func undocumentedMethods(owner, doc string, list *ast.FieldList, report func(at token.Pos, symbol string)) {
	words := strings.FieldsFunc(doc, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, f := range list.List {
		documented := f.Doc != nil || f.Comment != nil
		for _, name := range f.Names {
			if name.IsExported() && !documented && !slices.Contains(words, name.Name) {
				report(name.Pos(), owner+"."+name.Name)
			}
		}
	}
}

// describes reports whether a comment begins with a name, after an article.
func describes(doc *ast.CommentGroup, name string) bool {
	words := strings.Fields(doc.Text())
	if len(words) > 1 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
		words = words[1:]
	}
	return len(words) > 0 && strings.TrimRight(words[0], ",.:'’s") == strings.TrimRight(name, "s")
}

// receiverName returns the name of the type of a receiver.
func receiverName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}
