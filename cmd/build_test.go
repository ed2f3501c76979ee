package gocaffecmd

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// writeFiles writes files into a folder, by their paths in it.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// execute runs a program in a folder and returns all that it printed.
func execute(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// needsGo skips a test that runs the command go for seconds.
func needsGo(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED with -short: builds programs")
	}
	// Fetch what building gocaffe needs on any system; the test's own build has
	// only what it imports on this one.
	if out, err := exec.Command("go", "mod", "download").CombinedOutput(); err != nil {
		t.Fatalf("go mod download: %v\n%s", err, out)
	}
	// All there is to build is here then: a plugin in a folder needs no network.
	t.Setenv("GOPROXY", "off")
}

// TestPlugins is what an author of layers does: a new layer passes its tests,
// is built into a gocaffe together with the sample plugin, and nets that name
// the two are trained.
func TestPlugins(t *testing.T) {
	needsGo(t)
	work := t.TempDir()
	t.Chdir(work)
	mustRun(t, "new-layer", "MyLoss", "mine")
	checkFormatted(t, "mine", 5)
	checkModule(t, "mine")
	execute(t, "mine", "go", "test", "./...")
	sample := filepath.Join(packageDir, "..", "examples", "plugin")
	execute(t, sample, "go", "test", "./...")

	program := filepath.Join(work, "mycaffe")
	stdout, _ := mustRun(t, "build", "--with", "example.org/myloss=mine", "--with", sample, "-o", program)
	want := program + ": layer types of example.org/myloss: MyLoss\n" + program + ": layer types of example.org/gempooling: GeMPooling\n"
	if stdout != want {
		t.Errorf("build says\n%swant\n%s", stdout, want)
	}
	if left, _ := filepath.Glob(".gocaffe-build*"); len(left) > 0 {
		t.Errorf("build has left %v", left)
	}

	execute(t, work, program, "convert", "digits", "mine/example")
	copyFiles(t, sample, work, "net.prototxt", "solver.prototxt")
	for _, set := range []string{"digits_train_lmdb", "digits_test_lmdb"} {
		if err := os.Rename(filepath.Join("mine/example", set), set); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(work, set), filepath.Join("mine/example", set)); err != nil {
			t.Fatal(err)
		}
	}
	trains(t, program, "mine", "example/solver.prototxt")
	trains(t, program, ".", "solver.prototxt")

	execute(t, work, program, "layers", "MyLoss")
	if runtime.GOOS != "windows" {
		// The new program is as able as the old one.
		execute(t, work, program, "build", "--with", "./mine", "-o", "again")
	}
}

// checkFormatted checks the number of Go files that new-layer wrote into a folder,
// and that gofmt would leave them alone.
func checkFormatted(t *testing.T, dir string, files int) {
	t.Helper()
	generated, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(generated) != files {
		t.Errorf("new-layer wrote %d Go files, %v, want %d", len(generated), err, files)
	}
	for _, path := range generated {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if formatted, err := format.Source(text); err != nil || string(formatted) != string(text) {
			t.Errorf("gofmt would change %s (%v)", path, err)
		}
	}
}

// trains trains a net for digits with a program, and checks that it learns.
func trains(t *testing.T, program, dir, solver string) {
	t.Helper()
	log := execute(t, dir, program, "train", "--solver", solver)
	scores := regexp.MustCompile(`accuracy = ([\d.]+)`).FindAllStringSubmatch(log, -1)
	if len(scores) < 2 {
		t.Fatalf("%s: no accuracy in\n%s", solver, log)
	}
	first, _ := strconv.ParseFloat(scores[0][1], 64)
	last, _ := strconv.ParseFloat(scores[len(scores)-1][1], 64)
	// A linear classifier gets 0.7 of the digits right.
	if first > 0.3 || last < 0.85 {
		t.Errorf("%s in %s: accuracy was %v before training and is %v, want it to rise to 0.85", solver, dir, first, last)
	}
}

// checkModule checks that the go.mod in a folder names the modules that its
// packages need on any system, and none besides.
func checkModule(t *testing.T, dir string) {
	t.Helper()
	file, _, err := readModule(dir)
	if err != nil {
		t.Fatal(err)
	}
	needed := make(map[string]bool)
	for _, system := range []string{"linux", "windows", "darwin"} {
		list := exec.Command("go", "list", "-e", "-test", "-deps", "-tags", "gorgonia", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
		list.Dir, list.Env = dir, append(os.Environ(), "GOOS="+system, "CGO_ENABLED=1")
		paths, err := list.Output()
		if err != nil {
			t.Fatalf("go list for %s: %v", system, err)
		}
		for path := range strings.Lines(string(paths)) {
			if path = strings.TrimSpace(path); path != "" && path != file.Module.Mod.Path {
				needed[path] = true
			}
		}
	}
	for _, r := range file.Require {
		if !needed[r.Mod.Path] {
			t.Errorf("go.mod requires %s, which nothing needs", r.Mod.Path)
		}
		delete(needed, r.Mod.Path)
	}
	for path := range needed {
		t.Errorf("go.mod does not require %s", path)
	}
}

// plugin is the source of a package whose layer type has the given names.
func plugin(pkg, typ, field string, number int) map[string]string {
	return map[string]string{
		pkg + "/go.mod": "module example.org/" + pkg + "\n",
		pkg + "/" + pkg + ".go": fmt.Sprintf(`package %s

import "github.com/gocaffe/gocaffe/layers"

func init() {
	layers.Register(layers.Info{
		Type:   %q,
		Plugin: &layers.Plugin{Field: %q, Number: %d, Proto: "message M { optional float x = 1; }", Message: "M"},
		New:    func(*layers.Spec) (layers.Layer, error) { return nil, nil },
	})
}

`, pkg, typ, field, number),
	}
}

// TestBuildFails checks that a program that does not build, or does not start,
// is not put in the place of one that is there.
func TestBuildFails(t *testing.T) {
	needsGo(t)
	t.Chdir(t.TempDir())
	writeFiles(t, ".", plugin("one", "One", "one_param", 300001))
	writeFiles(t, ".", plugin("two", "One", "two_param", 300001))
	broken := plugin("broken", "Three", "three_param", 300003)
	broken["broken/broken.go"] = strings.Replace(broken["broken/broken.go"], "Type:", "Tpye:", 1)
	writeFiles(t, ".", broken)
	if err := os.WriteFile("out", []byte("the old program"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		with []string
		want string
	}{
		{[]string{"./broken"}, `broken/broken\.go:7:3: unknown field Tpye`},
		{[]string{"./one", "./two"}, `layer type "One" is registered twice: .*example\.org/one .*example\.org/two `},
		{[]string{"example.org/one/inner=one"}, `does not contain package example\.org/one/inner`},
		{[]string{"example.org/absent/layer@v1.0.0"}, `go: example\.org/absent/layer@v1\.0\.0: `},
	} {
		args := []string{"build", "-o", "out"}
		for _, with := range tt.with {
			args = append(args, "--with", with)
		}
		code, _, stderr := run(args...)
		if code != 1 || !regexp.MustCompile(`(?m)^\t.*`+tt.want).MatchString(stderr) || !strings.HasSuffix(stderr, "what it says is above; there is no new out\n") {
			t.Errorf("%v: exit code %d\n%s\nwant 1 and a match of %s", tt.with, code, stderr, tt.want)
		}
		if text, err := os.ReadFile("out"); err != nil || string(text) != "the old program" {
			t.Errorf("%v: the program is now %q, %v", tt.with, text, err)
		}
	}
	if left, _ := filepath.Glob(".gocaffe-build*"); len(left) > 0 {
		t.Errorf("build has left %v", left)
	}
}

func TestBuildRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, ".", plugin("one", "One", "one_param", 300001))
	writeFiles(t, ".", map[string]string{"copy/go.mod": "module example.org/one\n", "nomod/x.go": "package x\n", "text": "", "bad/go.mod": "module\n"})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{}, "build: --with MODULE or DIR is missing: which packages have the layers?"},
		{[]string{"--with", "one"}, `--with one: is no path that Go can get a package from; want the path of a Go package, such as example.org/mylayer, or a folder, such as ./mylayer`},
		{[]string{"--with", "example.org//one"}, `--with example.org//one: malformed import path "example.org//one": double slash; want the path of a Go package, such as example.org/mylayer, or a folder, such as ./mylayer`},
		{[]string{"--with", "./absent"}, `--with ./absent: open absent/go.mod: no such file or directory; want the folder of a Go module`},
		{[]string{"--with", "example.org/x=nomod"}, `--with example.org/x=nomod: open nomod/go.mod: no such file or directory; want the folder of a Go module`},
		{[]string{"--with", "example.org/two=one"}, `--with example.org/two=one: the module in $DIR/one is example.org/one`},
		{[]string{"--with", "example.org/one@latest=one"}, `--with example.org/one@latest=one: version "latest" of a module in a folder, want one such as v1.2.3, or none`},
		{[]string{"--with", "./one", "--with", "./copy"}, `build: module example.org/one is said to be in two folders, $DIR/one and $DIR/copy`},
		{[]string{"--with", "./one", "-o", "nomod"}, `-o nomod: is a folder, want the name of the program`},
		{[]string{"--with", "./one", "-o", "text"}, `-o text: is there and is no program, it is left alone`},
		{[]string{"--with", "./one", "-o", "absent/out"}, `stat absent: no such file or directory`},
		{[]string{"--with", "./one", "--gocaffe", "1.0"}, `--gocaffe is "1.0", want a version such as v1.2.3 or latest, or a folder with = before it`},
		{[]string{"--with", "./one", "--gocaffe", "=one"}, `--gocaffe: one is module example.org/one, want the source of github.com/gocaffe/gocaffe`},
	} {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		want := "gocaffe: " + strings.ReplaceAll(tt.want, "$DIR", dir) + "\n"
		if code, _, stderr := run(append([]string{"build"}, tt.args...)...); code != 1 || stderr != want {
			t.Errorf("build %v: exit code %d\n%swant 1\n%s", tt.args, code, stderr, want)
		}
	}
	t.Setenv("PATH", "")
	want := "gocaffe: build: the command go is not in the PATH; it is part of Go, https://go.dev/dl\n"
	if code, _, stderr := run("build", "--with", "./one"); code != 1 || stderr != want {
		t.Errorf("without go: exit code %d\n%swant 1\n%s", code, stderr, want)
	}
}

// TestBuildGets checks what go is asked to get for packages that are not in
// folders.
func TestBuildGets(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, ".", plugin("one", "One", "one_param", 300001))
	gocaffe, err := gocaffeSource("v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{gocaffe: gocaffe}
	for _, with := range []string{"github.com/you/layer", "example.org/x/y@main", "./one"} {
		m, err := parseModule(with)
		if err != nil {
			t.Fatal(err)
		}
		b.plugins = append(b.plugins, m)
	}
	want := []string{"github.com/gocaffe/gocaffe@v1.2.3", "github.com/you/layer", "example.org/x/y@main"}
	if got := b.remote(); !slices.Equal(got, want) {
		t.Errorf("go get %v, want %v", got, want)
	}
}

func TestModuleAround(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, ".", map[string]string{"m/go.mod": "module example.org/m/v2\n", "m/a/b/b.go": "package b\n"})
	m, err := parseModule("./m/a/b")
	if err != nil || m.pkg != "example.org/m/v2/a/b" || m.path != "example.org/m/v2" || filepath.Base(m.dir) != "m" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestGocaffeSource(t *testing.T) {
	root := filepath.Dir(packageDir)
	t.Chdir(t.TempDir())
	if m, err := gocaffeSource(""); err != nil || m.dir != root {
		t.Errorf("the source is %q, %v, want %q", m.dir, err, root)
	}
	defer func() { release = "" }()
	release = "v1.2.3" // the linker sets it
	if m, err := gocaffeSource(""); err != nil || m.dir != "" || m.version != release {
		t.Errorf("the source of a release is %+v, %v", m, err)
	}
	release = "v1.2.4-0.20261128091357-0123456789ab" // of a commit that nobody else may have
	if m, err := gocaffeSource(""); err != nil || m.dir != root {
		t.Errorf("the source of an unreleased commit is %+v, %v", m, err)
	}
	t.Setenv("GOCAFFE_SOURCE", "absent")
	want := "GOCAFFE_SOURCE: open absent/go.mod: no such file or directory; want the folder of a Go module"
	if _, err := gocaffeSource(""); err == nil || err.Error() != want {
		t.Errorf("got error %v, want %s", err, want)
	}
	if m, err := gocaffeSource("=" + root); err != nil || m.dir != root || m.path != modulePath {
		t.Errorf("--gocaffe =%s: got %+v, %v", root, m, err)
	}
}
