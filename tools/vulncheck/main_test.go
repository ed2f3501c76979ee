package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestRun checks a program that calls a vulnerable function of another module,
// one that calls a harmless function of it, and one that calls a repaired one.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	// The module cache is of its own, and can be removed.
	for name, value := range map[string]string{
		"GOPROXY": "file://" + filepath.ToSlash(dir), "GONOSUMDB": "*", "GOSUMDB": "off",
		"GOMODCACHE": filepath.Join(dir, "cache"), "GOFLAGS": "-modcacherw -mod=mod", "GOWORK": "off",
	} {
		t.Setenv(name, value)
	}
	for _, version := range []string{"v1.0.0", "v1.1.0"} {
		publish(t, dir, module.Version{Path: "example.org/lib", Version: version}, map[string]string{
			"go.mod": "module example.org/lib\n\ngo 1.26\n",
			"lib.go": "package lib\n\nfunc Bad() {}\n\nfunc Good() {}\n",
		})
	}
	write(t, filepath.Join(dir, "db", "GO-2026-0001.json"), `{
	"schema_version": "1.3.1", "id": "GO-2026-0001", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
	"summary": "Bad is bad", "details": "Bad is bad.",
	"affected": [{
		"package": {"name": "example.org/lib", "ecosystem": "Go"},
		"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.1.0"}]}],
		"ecosystem_specific": {"imports": [{"path": "example.org/lib", "symbols": ["Bad"]}]}
	}]
}`)
	for _, test := range []struct{ version, function, want string }{
		{"v1.0.0", "Bad", "GO-2026-0001 in example.org/lib v1.0.0, fixed in v1.1.0"},
		{"v1.0.0", "Good", ""},
		{"v1.1.0", "Bad", ""},
	} {
		app := filepath.Join(dir, test.function+test.version)
		write(t, filepath.Join(app, "go.mod"), "module example.org/app\n\ngo 1.26\n\nrequire example.org/lib "+test.version+"\n")
		write(t, filepath.Join(app, "main.go"), "package main\n\nimport \"example.org/lib\"\n\nfunc main() { lib."+test.function+"() }\n")
		var out, log bytes.Buffer
		err := run(t.Context(), []string{"-db", "file://" + filepath.ToSlash(dir) + "/db", app}, &out, &log)
		if (err != nil) != (test.want != "") || !strings.Contains(out.String(), test.want) {
			t.Errorf("%s of %s: error %v\n%s%s\nwant %q", test.function, test.version, err, &out, &log, test.want)
		}
	}
}

// TestReport holds what is said of the standard library.
func TestReport(t *testing.T) {
	const messages = `{"config": {"protocol_version": "v1.0.0"}}
{"SBOM": {"go_version": "go1.26.8"}}
{"finding": {"osv": "GO-2026-1", "fixed_version": "v1.26.9", "trace": [{"module": "stdlib", "version": "v1.26.8", "package": "os", "function": "Open"}, {"module": "x"}]}}
{"finding": {"osv": "GO-2026-1", "fixed_version": "v1.26.9", "trace": [{"module": "stdlib", "version": "v1.26.8", "package": "os", "function": "Create"}]}}
{"finding": {"osv": "GO-2026-2", "trace": [{"module": "stdlib", "version": "v1.26.8", "package": "os"}]}}
`
	called, err := readFindings(strings.NewReader(messages))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		std bool
		bad int
		out string
	}{
		{false, 0, "note: .: a newer Go repairs its standard library: GO-2026-1\n"},
		{true, 1, ".: GO-2026-1 in stdlib v1.26.8, fixed in v1.26.9: https://pkg.go.dev/vuln/GO-2026-1\n"},
	} {
		var out strings.Builder
		if bad := report(&out, ".", called, test.std); bad != test.bad || out.String() != test.out {
			t.Errorf("with -std=%t %d of them count, want %d:\n%s", test.std, bad, test.bad, out.String())
		}
	}
	if _, err := readFindings(strings.NewReader(`{"config": {}}`)); err == nil {
		t.Error("a govulncheck that has looked at nothing is believed")
	}
}

// publish puts a module into a folder that GOPROXY can name.
func publish(t *testing.T, dir string, m module.Version, files map[string]string) {
	t.Helper()
	source, at := t.TempDir(), filepath.Join(dir, m.Path, "@v", m.Version)
	for name, text := range files {
		write(t, filepath.Join(source, name), text)
	}
	write(t, at+".mod", files["go.mod"])
	write(t, at+".info", `{"Version": "`+m.Version+`"}`)
	archive, err := os.Create(at + ".zip")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(zip.CreateFromDir(archive, m, source), archive.Close()); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}
