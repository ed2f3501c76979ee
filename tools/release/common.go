package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// licenses is the file with the licenses of what is linked into the program.
const licenses = "THIRD_PARTY_LICENSES"

// common makes the files that all archives have: texts, manual, completions.
func (r *release) common() ([]file, error) {
	if err := r.goCommand(nil, "run", "-trimpath", "./internal/manual", "-version", r.name, "-date", fmt.Sprint(r.date.Unix()), r.stage); err != nil {
		return nil, err
	}
	text, err := r.thirdParty()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(r.stage, licenses), text, 0o666); err != nil {
		return nil, err
	}
	files := []file{{name: licenses, path: filepath.Join(r.stage, licenses), mode: 0o644}}
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"} {
		files = append(files, file{name: name, path: filepath.Join(r.source, name), mode: 0o644})
	}
	for _, dir := range []string{"man1", "completions"} {
		err := filepath.WalkDir(filepath.Join(r.stage, dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				files = append(files, file{name: dir + "/" + d.Name(), path: path, mode: 0o644})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// thirdParty returns the licenses of Go and of every module that is linked into
// one of the programs, as these licenses want it.
func (r *release) thirdParty() ([]byte, error) {
	goroot, err := exec.CommandContext(r.ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	dirs := map[string]string{"Go": strings.TrimSpace(string(goroot))}
	for platform := range strings.FieldsSeq(platforms) {
		goos, goarch, _ := strings.Cut(platform, "/")
		cmd := exec.CommandContext(r.ctx, "go", "list", "-deps", "-json=Module", "./cmd/gocaffe")
		cmd.Dir = r.source
		cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
		cmd.Stderr = r.stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for list := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Module *struct {
					Path, Version, Dir string
					Main               bool
				}
			}
			if err := list.Decode(&p); err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				dirs[p.Module.Path+" "+p.Module.Version] = p.Module.Dir
			}
		}
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		license, err := readLicense(dirs[name])
		if err != nil {
			return nil, fmt.Errorf("license of %s: %w", name, err)
		}
		fmt.Fprintf(&text, "%s\n%s\n\n%s\n\n\n", name, strings.Repeat("=", len(name)), bytes.TrimSpace(license))
	}
	return text.Bytes(), nil
}

// readLicense reads the license in the folder of a module, and what it refers to:
// the license of a font, and that of FreeType.
func readLicense(dir string) ([]byte, error) {
	var all []byte
	for _, names := range [][]string{{"LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING"}, {"LICENSE-SIL"}, {"licenses/ftl.txt"}} {
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err == nil {
				all = append(append(all, text...), '\n')
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		if all == nil {
			return nil, fmt.Errorf("%s has none", dir)
		}
	}
	return all, nil
}
