package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a program that refuses nets by a word in their name.
const fake = `#!/bin/sh
case "$2" in
*early*) echo "gocaffe: $2:1:7: unknown field \"stepearly\" of SolverParameter" >&2; exit 1;;
*clip*) echo "gocaffe: $2:3:2: layer \"d\": use_image is false, and reading video files is not implemented: extract" >&2; exit 1;;
*type*) echo "gocaffe: $2:3:2: layer \"a\": gocaffe has no layer type \"Axpy\" (...)" >&2; exit 1;;
*twice*) echo "gocaffe: $2:1:2: \"name\" of NetParameter is given again, first in line 1" >&2; exit 1;;
*solver*) echo "gocaffe: $2:1:6: net: \"x\": no such file" >&2; exit 1;;
esac
`

// TestTable checks a folder with the fake program.
func TestTable(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := write("gocaffe", fake, 0o777)
	const net = "layer { name: \"a\" }\n"
	write("owner/repo/a.prototxt", net, 0o666)
	write("owner/repo/b/same.prototxt", net, 0o666)
	write("owner/repo/b/type.prototxt", net+"# 2\n", 0o666)
	write("owner/repo/b/twice.pt", net+"# 3\n", 0o666)
	write("owner/repo/clip.prototxt", net+"# 4\n", 0o666)
	write("owner/repo/early_solver.prototxt", "net: \"y\" base_lr: 1\n", 0o666)
	write("owner/repo/solver.prototxt", "net: \"x\" base_lr: 1\n", 0o666)
	write("owner/repo/labelmap.prototxt", "item { name: \"x\" }\n", 0o666)
	write("owner/repo/caffe.proto", net, 0o666)
	page := write("page.md", "before\n<!-- totals -->\nold\n<!-- end of totals -->\nafter\n", 0o666)
	if err := run([]string{"-gocaffe", program, "-page", page, filepath.Join(dir, "owner", "repo=ssd")}, os.Stdout, os.Stderr); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n<!-- totals -->\n| repository |",
		"| owner/repo | ssd | 4 | 1 | 1 | 2 | 2 | 1 |\n",
		"\n25.0 % of the nets are accepted, and 33.3 % of the 3 that Caffe or the fork takes.\n",
		"\n| a field twice (the text parser refuses it) | 1 | 0 |\n",
		"\n| a field that no caffe.proto has (the text parser refuses it) | 0 | 1 |\n",
		"\n| Axpy | 1 | 0 |\n| video files in VideoData (C3D) | 1 | 0 |\n<!-- end of totals -->\nafter\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
	if err := run([]string{"-gocaffe", program, "-page", program, dir}, os.Stdout, os.Stderr); err == nil {
		t.Error("a page without a place for the table: no error")
	}
}
