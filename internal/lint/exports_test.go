package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

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
		// A new method breaks other implementations of the interface, so the
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
