package gocaffecmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestInstalled has programs as they are installed, which know no folder of their
// source: -trimpath, in a folder of their own. A release downloads the module of its
// own version for new-layer and build, here from a proxy in a folder; a program
// without a version asks for --source.
func TestInstalled(t *testing.T) {
	root := filepath.Dir(packageDir)
	env := func(name string) string { return strings.TrimSpace(execute(t, root, "go", "env", name)) }
	proxies := env("GOPROXY") // "go mod tidy" also wants modules that only tests of others need
	needsGo(t)
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: a proxy in a folder needs Unix's paths")
	}
	const version = "v1.2.3"
	work := t.TempDir()
	install := func(name, ldflags string) string {
		path := filepath.Join(work, "bin", name)
		execute(t, root, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", path, "./cmd/gocaffe")
		return path
	}
	released := install("released", "-s -w -X "+modulePath+"/cmd.release="+version)
	unknown := install("unknown", "-s -w")

	cache := env("GOMODCACHE")
	proxy := proxyOf(t, root, version)
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOPROXY", "file://"+proxy+",file://"+filepath.Join(cache, "cache", "download")+","+proxies)
	t.Setenv("GOFLAGS", "-modcacherw -mod=mod")
	t.Setenv("GOSUMDB", "off")

	where := filepath.Join(work, "elsewhere")
	writeFiles(t, where, plugin("one", "One", "one_param", 300001))
	out := execute(t, where, released, "build", "--with", "./one", "-o", "with_one")
	if want := "with_one: layer types of example.org/one: One\n"; !strings.Contains(out, "go get "+modulePath+"@"+version) || !strings.HasSuffix(out, want) {
		t.Errorf("a release's build says\n%swant it to get %s and\n%s", out, version, want)
	}
	if out := execute(t, where, filepath.Join(where, "with_one"), "version"); !strings.HasPrefix(out, "gocaffe "+version+" ") {
		t.Errorf("the new program says\n%s", out)
	}
	execute(t, where, released, "new-layer", "Mine", "mine", "--kind", "plain", "--no-cuda")
	if text, err := os.ReadFile(filepath.Join(where, "mine", "go.mod")); err != nil || !strings.Contains(string(text), modulePath+" "+version+"\n") {
		t.Errorf("go.mod of a new layer, error %v:\n%s", err, text)
	}

	for _, args := range [][]string{{"build", "--with", "./one", "-o", "two"}, {"new-layer", "Two", "layer"}} {
		cmd := exec.Command(unknown, args...)
		cmd.Dir = where
		out, err := cmd.CombinedOutput()
		want := "gocaffe: this gocaffe was built from a folder that is not there: say with --source DIR or GOCAFFE_SOURCE where its source is, " +
			"or with --gocaffe VERSION which version to download\n"
		if err == nil || string(out) != want {
			t.Errorf("%q of an unknown version: %v\n%swant\n%s", args, err, out, want)
		}
		t.Setenv("GOPROXY", "off")
		t.Setenv("GOMODCACHE", cache)
		execute(t, where, unknown, append(args, "--source", root)...)
	}
}

// proxyOf makes a folder that is a proxy with one version of gocaffe: the work tree.
func proxyOf(t *testing.T, root, version string) string {
	t.Helper()
	proxy := t.TempDir()
	dir := filepath.Join(proxy, modulePath, "@v")
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Unix(1795773637, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, dir, map[string]string{version + ".mod": string(gomod), version + ".info": string(info), "list": version + "\n"})
	f, err := os.Create(filepath.Join(dir, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := zip.CreateFromDir(f, module.Version{Path: modulePath, Version: version}, root); err != nil {
		t.Fatal(err)
	}
	return proxy
}
