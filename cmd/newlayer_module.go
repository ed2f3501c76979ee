package gocaffecmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// newLayerModule returns the go.mod of a layer with the given files. With a gocaffe
// in a folder it lists the modules that the files need, as go mod tidy does, but
// needs no network for it.
func newLayerModule(modPath string, gocaffe goModule, files map[string][]byte) ([]byte, error) {
	file := new(modfile.File)
	err := errors.Join(file.AddModuleStmt(modPath), file.AddGoStmt(goVersion(gocaffe)))
	if gocaffe.dir == "" {
		err = errors.Join(err, file.AddRequire(modulePath, gocaffe.version))
	} else {
		indirect, listErr := modulesBehind(gocaffe, files)
		err = errors.Join(err, listErr, addLocal(file, gocaffe))
		requires := slices.Clone(file.Require)
		for _, r := range gocaffe.file.Require {
			if indirect, needed := indirect[r.Mod.Path]; needed {
				requires = append(requires, &modfile.Require{Mod: r.Mod, Indirect: indirect})
			}
		}
		file.SetRequireSeparateIndirect(requires)
	}
	if err != nil {
		return nil, err
	}
	file.Cleanup()
	return file.Format()
}

// importLine is the import, in a formatted file, of a package that is not Go's own.
var importLine = regexp.MustCompile(`(?m)^\t[\w.]* ?"([^"]*\.[^"]*)"$`)

// formatGo formats the Go files by the program gofmt, which is part of Go. The packages go/format
// and go/parser would add half a megabyte to this one.
func formatGo(files map[string][]byte) error {
	tool, err := goTool()
	if err != nil {
		return err
	}
	root, err := exec.Command(tool, "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("cannot tell where Go is: go env GOROOT: %w", err)
	}
	gofmt := filepath.Join(strings.TrimSpace(string(root)), "bin", "gofmt")
	for name, text := range files {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		run := exec.Command(gofmt)
		run.Stdin = bytes.NewReader(text)
		var stderr bytes.Buffer
		run.Stderr = &stderr
		if files[name], err = run.Output(); err != nil {
			return fmt.Errorf("cannot format %s: %s: %w: %s", name, gofmt, err, bytes.TrimSpace(stderr.Bytes()))
		}
	}
	return nil
}

// modulesBehind returns the modules that Go files need, and of each whether they
// need it through others only. They import what gocaffe imports, and gocaffe.
func modulesBehind(gocaffe goModule, files map[string][]byte) (indirect map[string]bool, err error) {
	var imports []string
	for name, text := range files {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		for _, match := range importLine.FindAllSubmatch(text, -1) {
			imports = append(imports, string(match[1]))
		}
	}
	tool, err := goTool()
	if err != nil {
		return nil, err
	}
	// As go mod tidy does: with the packages of the build tag gorgonia, which
	// cannot be built everywhere (-e).
	list := exec.Command(tool, slices.Concat([]string{"list", "-e", "-deps", "-tags", "gorgonia",
		"-f", "{{with .Module}}{{.Path}} {{end}}{{.ImportPath}}"}, imports)...)
	list.Dir, list.Env = gocaffe.dir, append(os.Environ(), "GOWORK=off", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	out, err := list.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return nil, fmt.Errorf("cannot list what the layer needs: go list: %w", err)
	}
	indirect = make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		path, pkg, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue // of Go's own
		}
		if _, seen := indirect[path]; !seen || indirect[path] {
			indirect[path] = !slices.Contains(imports, pkg)
		}
	}
	return indirect, nil
}
