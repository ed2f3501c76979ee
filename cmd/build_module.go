package gocaffecmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A goModule is a package with layers and where its module is.
type goModule struct {
	pkg     string // the package that is imported
	path    string // of the module; known of a local one only
	version string // "" is any
	dir     string // of a local module, absolute
	file    *modfile.File
}

const wantModule = "want the path of a Go package, such as example.org/mylayer, or a folder, such as ./mylayer"

// parseModule reads MODULE[@VERSION][=DIR] or DIR.
func parseModule(text string) (goModule, error) {
	if local := filepath.IsAbs(text) || text == "." || text == ".." || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../"); local {
		return moduleAround(text)
	}
	pkg, dir, hasDir := strings.Cut(text, "=")
	m := goModule{}
	m.pkg, m.version, _ = strings.Cut(pkg, "@")
	if err := module.CheckImportPath(m.pkg); err != nil {
		return m, fmt.Errorf("%w; %s", err, wantModule)
	}
	if first, _, _ := strings.Cut(m.pkg, "/"); !hasDir && !strings.Contains(first, ".") {
		return m, fmt.Errorf("is no path that Go can get a package from; %s", wantModule)
	}
	if !hasDir {
		return m, nil
	}
	file, dir, err := readModule(dir)
	if err != nil {
		return m, err
	}
	m.file, m.dir, m.path = file, dir, file.Module.Mod.Path
	if m.pkg != m.path && !strings.HasPrefix(m.pkg, m.path+"/") {
		return m, fmt.Errorf("the module in %s is %s", m.dir, m.path)
	}
	if m.version != "" && !semver.IsValid(m.version) {
		return m, fmt.Errorf("version %q of a module in a folder, want one such as v1.2.3, or none", m.version)
	}
	return m, nil
}

// moduleAround returns the package in a folder; its module is that folder or
// one around it.
func moduleAround(dir string) (goModule, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return goModule{}, err
	}
	for root := at; ; root = filepath.Dir(root) {
		file, _, err := readModule(root)
		if errors.Is(err, fs.ErrNotExist) && filepath.Dir(root) != root {
			continue
		}
		if err != nil {
			_, _, err = readModule(dir) // not about a folder that nobody has named
			return goModule{}, err
		}
		m := goModule{path: file.Module.Mod.Path, pkg: file.Module.Mod.Path, dir: root, file: file}
		if rel, err := filepath.Rel(root, at); err == nil && rel != "." {
			m.pkg += "/" + filepath.ToSlash(rel)
		}
		return m, nil
	}
}

// readModule reads the go.mod of a folder.
func readModule(dir string) (file *modfile.File, abs string, err error) {
	if abs, err = filepath.Abs(dir); err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", fmt.Errorf("%w; want the folder of a Go module", err)
	case err != nil:
		return nil, "", err
	}
	if file, err = modfile.Parse(path, text, nil); err != nil {
		return nil, "", err
	}
	if file.Module == nil {
		return nil, "", fmt.Errorf("%s does not name its module", path)
	}
	return file, abs, nil
}
