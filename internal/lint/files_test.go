package lint

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// goFiles calls f with the path of every .go file below a folder of the repository,
// except in folders that Go's tools ignore.
func goFiles(t *testing.T, folder string, f func(path string)) {
	t.Helper()
	top := filepath.Join("..", "..", folder)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			name := d.Name()
			if path != top && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return filepath.SkipDir
			}
		case strings.HasSuffix(path, ".go"):
			f(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDeviceFiles demands that the passes of a layer on a GPU are in
// <layer>_device.go, apart from those on the host.
func TestDeviceFiles(t *testing.T) {
	found := 0
	for _, folder := range []string{"layers", "plugins", "examples"} {
		goFiles(t, folder, func(path string) {
			if strings.HasSuffix(path, "_test.go") {
				return
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				m, ok := d.(*ast.FuncDecl)
				if !ok || m.Recv == nil || m.Name.Name != "ForwardDevice" && m.Name.Name != "BackwardDevice" {
					continue
				}
				found++
				if !strings.HasSuffix(path, "_device.go") {
					t.Errorf("%s has a method %s, which belongs into %s_device.go", path, m.Name.Name, strings.TrimSuffix(path, ".go"))
				}
			}
		})
	}
	if found < 60 {
		t.Errorf("found %d passes for GPUs, want at least 60", found)
	}
}

// TestFileLength keeps hand-written files, except tests, below 400 lines.
func TestFileLength(t *testing.T) {
	goFiles(t, ".", func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines > 400 && !generated.Match(text) {
			t.Errorf("%s has %d lines, want at most 400 about one subject", path, lines)
		}
	})
}

// generated matches the line by which Go's tools know generated files.
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
