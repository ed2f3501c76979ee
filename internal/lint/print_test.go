package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sources calls f for the syntax of every file of the library, without tests, their
// helpers and programs.
func sources(t *testing.T, f func(path string, files *token.FileSet, file *ast.File)) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, inside := d.Name(), strings.TrimPrefix(filepath.ToSlash(path), "../../")
		if d.IsDir() {
			switch {
			case path == root:
			case strings.HasPrefix(name, "."), strings.HasPrefix(name, "_"), name == "testdata",
				inside == "cmd", inside == "tools", inside == "cuda/cudatest", inside == "layers/layertest":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if file.Name.Name != "main" {
			f(inside, files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// prints matches calls that a library must not make: it returns errors and sends events
// instead.
var prints = regexp.MustCompile(`^(fmt\.Print(ln|f)?|os\.(Stdout|Stderr|Exit)|log\..*|slog\..*)$`)

// TestNoPrinting checks that only programs print and exit.
func TestNoPrinting(t *testing.T) {
	sources(t, func(path string, files *token.FileSet, file *ast.File) {
		imported := make(map[string]bool)
		for _, spec := range file.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			imported[name[strings.LastIndexByte(name, '/')+1:]] = true
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && imported[x.Name] && prints.MatchString(x.Name+"."+n.Sel.Name) {
					t.Errorf("%s:%d: %s.%s, want an error or an event", path, files.Position(n.Pos()).Line, x.Name, n.Sel.Name)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
					t.Errorf("%s:%d: %s, want an error or an event", path, files.Position(n.Pos()).Line, f.Name)
				}
			}
			return true
		})
	})
}

// TestOneLog checks that the C++ places of Caffe's log are in one file. Package
// prototxt has those of its notes, which repeat Caffe's lines.
func TestOneLog(t *testing.T) {
	place := regexp.MustCompile(`^"\w+\.(cpp|hpp):(\d+|%d)"$`)
	found := 0
	sources(t, func(path string, files *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && place.MatchString(lit.Value) {
				found++
				if path != "caffelog/caffelog.go" && !strings.HasPrefix(path, "prototxt/upgrade") {
					t.Errorf("%s:%d: %s: send an event, and write its line in caffelog", path, files.Position(n.Pos()).Line, lit.Value)
				}
			}
			return true
		})
	})
	if found < 50 {
		t.Errorf("only %d places were found", found)
	}
}
