package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the exported API to the folder api")

// TestAPI compares what public packages export with the text files in the
// folder api, which -update rewrites. A declaration that was removed or changed
// breaks other people's programs, so -update accepts it only if CHANGELOG.md
// says so: its section Unreleased must name the symbol, its type or its package
// in backquotes, as in `net.Net.Forward`.
func TestAPI(t *testing.T) {
	root := filepath.Join("..", "..")
	dir := filepath.Join(root, "api")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !*update {
		t.Skip("there is no folder api to compare with")
	}
	now, err := exportedAPI(root)
	if err != nil {
		t.Fatal(err)
	}
	old, err := readAPI(dir)
	if err != nil {
		t.Fatal(err)
	}
	changelog, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	said := mentioned(string(changelog))

	refused := false
	for _, pkg := range slices.Sorted(maps.Keys(merge(old, now))) {
		lost, gained := compareAPI(old[pkg], now[pkg])
		for _, line := range lost {
			if *update && saysSo(said, symbol(pkg, line)) {
				continue
			}
			refused = true
			t.Errorf("api/%s.txt: lost: %s", pkg, line)
			if *update {
				t.Errorf("\tput a line about `%s` into the section Unreleased of CHANGELOG.md", symbol(pkg, line))
			}
		}
		for _, line := range gained {
			if !*update {
				t.Errorf("api/%s.txt: gained: %s", pkg, line)
			}
		}
	}
	switch {
	case *update && !refused:
		if err := writeAPI(dir, old, now); err != nil {
			t.Fatal(err)
		}
	case t.Failed() && !*update:
		t.Error("if this is what you want, run: make api")
	}
}

// TestCompareAPI removes, changes and adds declarations.
func TestCompareAPI(t *testing.T) {
	old := []string{"func F(int) error", "func G()", "method (*T) M() int", "type T struct", "type T struct, X int"}
	now := []string{"func F(int64) error", "method (*T) M() int", "type T struct", "type T struct, X int", "type U struct"}
	lost, gained := compareAPI(old, now)
	if want := []string{"func F(int) error", "func G()"}; !slices.Equal(lost, want) {
		t.Errorf("lost %q, want %q", lost, want)
	}
	if want := []string{"func F(int64) error", "type U struct"}; !slices.Equal(gained, want) {
		t.Errorf("gained %q, want %q", gained, want)
	}

	for _, test := range []struct{ line, symbol string }{
		{"func F[T any](x T) error", "a/b.F"},
		{"const C untyped int = 3", "a/b.C"},
		{"var V []int", "a/b.V"},
		{"method (*T) M(int) error", "a/b.T.M"},
		{"method (T[K]) M()", "a/b.T.M"},
		{"type T[K comparable] struct", "a/b.T"},
		{"type T struct, Field map[string]int", "a/b.T.Field"},
		{"type T interface, Forward(bottom []*blob.Blob) error", "a/b.T.Forward"},
		{"type T interface { A, B }", "a/b.T"},
		{"type T = int", "a/b.T"},
		{"package b", "a/b"},
	} {
		if got := symbol("a/b", test.line); got != test.symbol {
			t.Errorf("%q is about %s, want %s", test.line, got, test.symbol)
		}
	}

	said := mentioned("## [Unreleased]\n\n### Removed\n\n- `a/b.T` and `c`: see `a/b.F()`\n\n## [1.0.0] - 2026-01-01\n\n- `a/b.G`\n")
	for name, want := range map[string]bool{"a/b.T": true, "a/b.T.M": true, "a/b.F": true, "a/b.G": false, "a/b.TT": false, "c.X.Y": true, "c/d.X": false} {
		if got := saysSo(said, name); got != want {
			t.Errorf("the section Unreleased names %s: %t, want %t", name, got, want)
		}
	}
}

// exportedAPI returns the declarations of every public package by its path
// below the module. They are those of linux/amd64 on every machine.
func exportedAPI(root string) (map[string][]string, error) {
	packages, err := listPackages(root)
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	imports := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	api := make(map[string][]string)
	for _, p := range packages {
		if !p.public() {
			continue
		}
		pkg, err := imports.Import(p.ImportPath)
		if err != nil {
			return nil, err
		}
		api[strings.TrimPrefix(p.ImportPath, module)] = declarations(pkg)
	}
	return api, nil
}

// A listed is a package as go list describes it.
type listed struct {
	ImportPath, Name, Dir, Export string
	GoFiles                       []string
	Module                        *struct{ Main bool }
}

// listPackages returns the packages of the module and all that they import,
// compiled for linux/amd64.
func listPackages(root string) ([]listed, error) {
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Name,Dir,Export,GoFiles,Module", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	var packages []listed
	for list := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := list.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// public reports whether a package is one of the module that others may import.
// A package of tests alone has nothing to import.
func (p listed) public() bool {
	elements := strings.Split(p.ImportPath, "/")
	return p.Module != nil && p.Module.Main && p.Export != "" && p.Name != "main" &&
		!slices.Contains(elements, "internal") && !slices.Contains(elements, "examples")
}

// declarations returns the package clause and, sorted, a line for each exported
// constant, variable, function, type, field and method.
func declarations(pkg *types.Package) []string {
	own := func(p *types.Package) string {
		if p == pkg {
			return ""
		}
		return p.Name()
	}
	var lines []string
	for _, name := range pkg.Scope().Names() {
		if !token.IsExported(name) {
			continue
		}
		switch o := pkg.Scope().Lookup(name).(type) {
		case *types.Const:
			lines = append(lines, fmt.Sprintf("const %s %s = %s", name, types.TypeString(o.Type(), own), o.Val()))
		case *types.Var:
			lines = append(lines, fmt.Sprintf("var %s %s", name, types.TypeString(o.Type(), own)))
		case *types.Func:
			lines = append(lines, types.ObjectString(o, own))
		case *types.TypeName:
			lines = append(lines, typeLines(o, own)...)
		}
	}
	slices.Sort(lines)
	return append([]string{"package " + pkg.Name()}, lines...)
}

// typeLines returns the lines of a type, its fields and its methods.
func typeLines(o *types.TypeName, own types.Qualifier) []string {
	head := types.ObjectString(o, own)
	if o.IsAlias() {
		return []string{head}
	}
	named := o.Type().(*types.Named)
	under := named.Underlying()
	head = strings.TrimSuffix(head, types.TypeString(under, own)) // with type parameters, ends in a space
	var lines []string
	switch u := under.(type) {
	case *types.Struct:
		lines = append(lines, head+"struct")
		for f := range u.Fields() {
			if f.Exported() {
				lines = append(lines, head+"struct, "+fieldText(f, own))
			}
		}
	case *types.Interface:
		// A method more breaks whoever implements the interface, so that the
		// names of all are in one line.
		var names []string
		for m := range u.Methods() {
			if !m.Exported() {
				names = append(names, "unexported methods")
				continue
			}
			names = append(names, m.Name())
			lines = append(lines, head+"interface, "+m.Name()+signature(m, own))
		}
		slices.Sort(names)
		lines = append(lines, head+"interface { "+strings.Join(slices.Compact(names), ", ")+" }")
		return lines
	default:
		lines = append(lines, head+types.TypeString(under, own))
	}
	values := types.NewMethodSet(named)
	for m := range types.NewMethodSet(types.NewPointer(named)).Methods() {
		if !m.Obj().Exported() {
			continue
		}
		receiver := types.TypeString(named, own)
		if values.Lookup(m.Obj().Pkg(), m.Obj().Name()) == nil {
			receiver = "*" + receiver
		}
		lines = append(lines, fmt.Sprintf("method (%s) %s%s", receiver, m.Obj().Name(), signature(m.Obj(), own)))
	}
	return lines
}

// fieldText returns a field as it is declared.
func fieldText(f *types.Var, own types.Qualifier) string {
	if f.Embedded() {
		return f.Name() + " embedded " + types.TypeString(f.Type(), own)
	}
	return f.Name() + " " + types.TypeString(f.Type(), own)
}

// signature returns the parameters and results of a method.
func signature(m types.Object, own types.Qualifier) string {
	return strings.TrimPrefix(types.TypeString(m.Type(), own), "func")
}

// readAPI reads the files of the folder; a folder that is not there has none.
func readAPI(dir string) (map[string][]string, error) {
	api := make(map[string][]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txt" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(dir, strings.TrimSuffix(path, ".txt"))
		api[filepath.ToSlash(pkg)] = slices.Collect(strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '\n' || r == '\r' }))
		return err
	})
	return api, err
}

// writeAPI writes a file for each package and removes those of former ones.
func writeAPI(dir string, old, now map[string][]string) error {
	for pkg := range merge(old, now) {
		path := filepath.Join(dir, filepath.FromSlash(pkg)+".txt")
		if now[pkg] == nil {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Join(now[pkg], "\n")+"\n"), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// compareAPI returns the lines that only one of two lists has.
func compareAPI(old, now []string) (lost, gained []string) {
	only := func(in, other []string) []string {
		others := make(map[string]bool)
		for _, line := range other {
			others[line] = true
		}
		return slices.DeleteFunc(slices.Clone(in), func(line string) bool { return others[line] })
	}
	return only(old, now), only(now, old)
}

var declared = regexp.MustCompile(`^(?:const|var|func|type) (\w+)(?:\[[^{]*\])?(?: (?:struct|interface), (\w+))?|^method \(\*?(\w+)[^)]*\) (\w+)`)

// symbol returns what a line is about: package.Name or package.Type.Member.
func symbol(pkg, line string) string {
	m := declared.FindStringSubmatch(line)
	if m == nil {
		return pkg
	}
	name := pkg + "." + m[1] + m[3]
	if member := m[2] + m[4]; member != "" {
		name += "." + member
	}
	return name
}

var quoted = regexp.MustCompile("`([\\w./]+)(?:\\(\\))?`")

// mentioned returns the names in backquotes in the section Unreleased of a
// changelog.
func mentioned(changelog string) []string {
	_, section, _ := strings.Cut(changelog, "\n## [Unreleased]")
	if rest, ok := strings.CutPrefix(changelog, "## [Unreleased]"); ok {
		section = rest
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var names []string
	for _, m := range quoted.FindAllStringSubmatch(section, -1) {
		names = append(names, m[1])
	}
	return names
}

// saysSo reports whether a symbol, its type or its package is among the names.
func saysSo(names []string, symbol string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return name == symbol || strings.HasPrefix(symbol, name+".")
	})
}

func merge(a, b map[string][]string) map[string][]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
