package lint

import (
	"errors"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the exported API to the folder api")

// TestAPI compares the exported API of public packages with the text files in the
// folder api, which -update rewrites. Removing or changing a declaration breaks other
// people's programs, so -update accepts it only if CHANGELOG.md mentions it: Changed or
// Removed in its section Unreleased must name the symbol in backquotes, as in
// `net.Net.Forward`, or the type or package that was removed as a whole.
func TestAPI(t *testing.T) {
	root := filepath.Join("..", "..")
	dir := filepath.Join(root, "api")
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
			if *update && saysSo(said, pkg, symbol(pkg, line), now[pkg]) {
				continue
			}
			refused = true
			t.Errorf("api/%s.txt: lost: %s", pkg, line)
			if *update {
				t.Errorf("\tsay in CHANGELOG.md, under Changed or Removed of Unreleased, what has become of `%s`", symbol(pkg, line))
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

	said := mentioned(strings.NewReplacer("${", "`", "}", "`").Replace(`# Changelog

## [Unreleased]

### Added

- ${a.New}

### Removed

- ${a.T} and ${b}: see ${a.F()}
- ${a.Kept.M} of ${a.Kept}

### Fixed

- ${a.Bug}

## [1.0.0] - 2026-01-01

### Changed

- ${a.Old}
`))
	now = []string{"package a", "type Kept struct"}
	for _, test := range []struct {
		pkg, symbol string
		now         []string
		want        bool
	}{
		{"a", "a.T", now, true},
		{"a", "a.T.M", now, true},
		{"a", "a.F", now, true},
		{"a", "a.Kept.M", now, true},
		{"a", "a.Kept.N", now, false},
		{"a", "a.TT", now, false},
		{"a", "a.New", now, false},
		{"a", "a.Bug", now, false},
		{"a", "a.Old", now, false},
		{"b", "b.X.Y", nil, true},
		{"b", "b.X.Y", []string{"package b"}, false},
		{"b/c", "b/c.X", nil, false},
	} {
		if got := saysSo(said, test.pkg, test.symbol, test.now); got != test.want {
			t.Errorf("the changelog explains the loss of %s from %q: %t, want %t", test.symbol, test.now, got, test.want)
		}
	}
}

// readAPI reads the files of the folder; a missing folder has none.
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

// symbol returns the symbol that a line declares: package.Name or package.Type.Member.
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

// mentioned returns the names in backquotes under Changed and Removed in a changelog's
// section Unreleased.
func mentioned(changelog string) []string {
	_, section, _ := strings.Cut(changelog, "\n## [Unreleased]")
	section, _, _ = strings.Cut(section, "\n## ")
	var names []string
	for _, part := range strings.Split(section, "\n### ")[1:] {
		if !strings.HasPrefix(part, "Changed\n") && !strings.HasPrefix(part, "Removed\n") {
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(part, -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// saysSo reports whether the names include the removed symbol of a package, or its type
// or package if that was removed as well.
func saysSo(names []string, pkg, lost string, now []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		within := strings.HasPrefix(lost, name+".")
		gone := !slices.ContainsFunc(now, func(line string) bool { return symbol(pkg, line) == name })
		return name == lost || within && gone
	})
}

func merge(a, b map[string][]string) map[string][]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
