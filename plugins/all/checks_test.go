package all

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
)

// module is the path of this module, with the slash that follows it.
const module = "github.com/gocaffe/gocaffe/"

// TestEveryTypeIsChecked walks the registry and demands that each package with layer
// types calls layertest.Main. So every type has a comparison with reference values, a
// gradient check, a comparison of GPU and host and a description of every option, or
// its package's TestMain gives a reason for the exception.
func TestEveryTypeIsChecked(t *testing.T) {
	checked := make(map[string]bool) // by package
	var infos []*layers.Info
	for _, typ := range layers.Types() {
		infos = append(infos, layers.Meanings(typ)...)
	}
	for _, info := range infos {
		typ, pkg := info.Type, info.Package()
		folder, ours := strings.CutPrefix(pkg, module)
		if !ours {
			t.Errorf("layer type %s is from package %s, which is not in this module", typ, pkg)
			continue
		}
		if _, known := checked[pkg]; !known {
			checked[pkg] = endsInMain(t, filepath.Join("..", "..", filepath.FromSlash(folder)))
		}
		if !checked[pkg] {
			t.Errorf("layer type %s: no TestMain of package %s calls layertest.Main, so nothing requires checks of the type", typ, pkg)
		}
	}
	if len(checked) < 10 {
		t.Errorf("the types are from %d packages, want at least 10", len(checked))
	}
}

// endsInMain reports whether the tests in a folder have a TestMain that first calls
// layertest.Main.
func endsInMain(t *testing.T, folder string) bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "TestMain" {
				return len(f.Body.List) > 0 && callsMain(f.Body.List[0])
			}
		}
	}
	return false
}

func callsMain(s ast.Stmt) bool {
	e, ok := s.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := e.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	return ok && pkg.Name == "layertest" && f.Sel.Name == "Main"
}
