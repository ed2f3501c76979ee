package gocaffecmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func (a *app) buildCommand() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build --with MODULE[@VERSION][=DIR]... -o OUT",
		Short: "Make a gocaffe with further layers",
		Long: `Make a gocaffe that knows further layers: those of the Go packages that --with
names, and those that come with gocaffe. It takes Go, nothing else.

--with takes the path of a package, which Go gets from where its path says:

	gocaffe build --with github.com/you/mylayer@v1.2.0 -o mycaffe

or a package with the folder of its module, or that folder alone; then nothing
needs the net but what is not in Go's module cache yet:

	gocaffe build --with example.org/mylayer=./mylayer -o mycaffe
	gocaffe build --with ./mylayer -o mycaffe

gocaffe's own source is of the version that runs: Go downloads that of a release.
A gocaffe that was built from a folder uses that folder; --source DIR or the
environment variable GOCAFFE_SOURCE names another one, --gocaffe VERSION a
version. Go's environment variables (GOOS, GOARCH, GOPROXY, GOFLAGS, ...) do
what they always do.`,
		Args: noArgs(""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error { return a.build(ctx, &f) })
		},
	}
	cmd.Flags().StringArrayVar(&f.with, "with", nil, "package with layers: MODULE, MODULE@VERSION, MODULE=DIR or DIR; may be given several times")
	cmd.Flags().StringVarP(&f.out, "output", "o", defaultProgram(), "the program to make")
	f.source.register(cmd)
	cmd.Flags().BoolVar(&f.keep, "keep", false, "keep the folder with the program's source, and say where it is")
	return cmd
}

type buildFlags struct {
	with   []string
	out    string
	source sourceFlags
	keep   bool
}

// defaultProgram is the name of the program to make, as go build names it.
func defaultProgram() string {
	if runtime.GOOS == "windows" {
		return "gocaffe.exe"
	}
	return "gocaffe"
}

// build makes a module of its own in a temporary folder, whose program imports
// gocaffe and the packages, as xcaddy does for Caddy. The program is put at its
// place only when it has been built and starts.
func (a *app) build(ctx context.Context, f *buildFlags) error {
	if len(f.with) == 0 {
		return errors.New("build: --with MODULE or DIR is missing: which packages have the layers?")
	}
	b := &builder{app: a, ctx: ctx, out: f.out}
	for _, text := range f.with {
		m, err := parseModule(text)
		if err != nil {
			return fmt.Errorf("--with %s: %w", text, err)
		}
		b.plugins = append(b.plugins, m)
	}
	var err error
	if b.gocaffe, err = f.source.find(); err != nil {
		return err
	}
	if b.tool, err = goTool(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if err := checkProgram(f.out); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "gocaffe-build-*"); err != nil {
		return err
	}
	// Links in the way to it would get in the way of paths that go prints.
	if b.dir, err = filepath.EvalSymlinks(b.dir); err != nil {
		return err
	}
	if f.keep {
		fmt.Fprintf(a.stderr, "the source is in %s\n", b.dir)
	} else {
		defer os.RemoveAll(b.dir)
	}
	if err := b.writeSource(); err != nil {
		return err
	}
	return b.compile()
}

// goTool returns the command go.
func goTool() (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", errors.New("the command go is not in the PATH; it is part of Go, https://go.dev/dl")
	}
	return tool, nil
}

// checkProgram refuses to write over what is no program.
func checkProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err = os.Stat(filepath.Dir(path))
		return err
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("-o %s: is a folder, want the name of the program", path)
	case !info.Mode().IsRegular() || runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return fmt.Errorf("-o %s: is there and is no program, it is left alone", path)
	}
	return nil
}

// A builder makes a program.
type builder struct {
	app     *app
	ctx     context.Context
	tool    string // the command go
	dir     string // of the program's source
	out     string
	gocaffe goModule
	plugins []goModule
}

// writeSource writes main.go, go.mod and go.sum.
func (b *builder) writeSource() error {
	var main strings.Builder
	main.WriteString("// This program was written by gocaffe build.\npackage main\n\nimport (\n")
	fmt.Fprintf(&main, "\tgocaffecmd %q\n\n\t_ %q\n\t_ %q\n", modulePath+"/cmd", modulePath+"/layers/all", modulePath+"/plugins/all")
	for _, m := range b.plugins {
		fmt.Fprintf(&main, "\t_ %q\n", m.pkg)
	}
	main.WriteString(")\n\nfunc main() { gocaffecmd.Main() }\n")

	file, sums := new(modfile.File), make(map[string]bool)
	if err := errors.Join(file.AddModuleStmt("gocaffe-build"), file.AddGoStmt(goVersion(b.gocaffe))); err != nil {
		return err
	}
	dirs, needs := make(map[string]string), make(map[string]string)
	for _, m := range append([]goModule{b.gocaffe}, b.plugins...) {
		if m.dir == "" || dirs[m.path] == m.dir {
			continue
		}
		if other := dirs[m.path]; other != "" {
			return fmt.Errorf("build: module %s is said to be in two folders, %s and %s", m.path, other, m.dir)
		}
		dirs[m.path] = m.dir
		if err := addLocal(file, m); err != nil {
			return err
		}
		if err := readSums(sums, m.dir); err != nil {
			return err
		}
		for _, r := range m.file.Require {
			if semver.Compare(r.Mod.Version, needs[r.Mod.Path]) > 0 {
				needs[r.Mod.Path] = r.Mod.Version
			}
		}
	}
	// With all that the modules in folders need written down, go looks at no
	// other module, and builds where there is no network.
	for _, path := range sortedKeys(needs) {
		if dirs[path] == "" && path != b.gocaffe.path {
			file.AddNewRequire(path, needs[path], true)
		}
	}
	mod, err := file.Format()
	if err != nil {
		return err
	}
	var sum strings.Builder
	for _, line := range sortedKeys(sums) {
		sum.WriteString(line + "\n")
	}
	for name, text := range map[string]string{"main.go": main.String(), "go.mod": string(mod), "go.sum": sum.String()} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// goVersion returns the version of Go that a go.mod asks for: that of gocaffe's
// own, as far as that is known, or else the first of those like the one that
// this program was built with.
func goVersion(gocaffe goModule) string {
	if gocaffe.file != nil && gocaffe.file.Go != nil {
		return gocaffe.file.Go.Version
	}
	parts := strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)
	if len(parts) < 2 || !modfile.GoVersionRE.MatchString(parts[0]+"."+parts[1]) {
		return "1.26.0" // a development version of Go
	}
	return parts[0] + "." + parts[1] + ".0"
}

// addLocal makes a go.mod find a module in its folder.
func addLocal(file *modfile.File, m goModule) error {
	version := m.version
	if version == "" {
		version = "v0.0.0"
		if _, major, ok := module.SplitPathVersion(m.path); ok && major != "" {
			version = module.PathMajorPrefix(major) + ".0.0"
		}
	}
	return errors.Join(file.AddRequire(m.path, version), file.AddReplace(m.path, "", m.dir, ""))
}

// readSums adds the lines of a module's go.sum, if it has one.
func readSums(sums map[string]bool, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			sums[line] = true
		}
	}
	return nil
}

func sortedKeys[V any](set map[string]V) []string {
	keys := make([]string, 0, len(set))
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// remote returns what go get has to get, with versions.
func (b *builder) remote() []string {
	var get []string
	for _, m := range append([]goModule{b.gocaffe}, b.plugins...) {
		switch {
		case m.dir != "":
		case m.version != "":
			get = append(get, m.pkg+"@"+m.version)
		default:
			get = append(get, m.pkg)
		}
	}
	return get
}

// compile builds the program, starts it once, and puts it at its place.
func (b *builder) compile() error {
	if get := b.remote(); len(get) > 0 {
		if err := b.run(append([]string{"get"}, get...)...); err != nil {
			return err
		}
	}
	out, err := filepath.Abs(b.out)
	if err != nil {
		return err
	}
	// In the folder of the program, so that it can be moved to its place.
	dir, err := os.MkdirTemp(filepath.Dir(out), ".gocaffe-build-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, filepath.Base(out))
	if err := b.run("build", "-mod=mod", "-buildvcs=false", "-o", program, "."); err != nil {
		return err
	}
	if err := b.try(program); err != nil {
		return err
	}
	return os.Rename(program, out)
}

// environment is that of the command go: the user's, without a workspace, and
// without C unless the user wants it.
func (b *builder) environment() []string {
	env := append(os.Environ(), "GOWORK=off", "PWD="+b.dir)
	if os.Getenv("CGO_ENABLED") == "" {
		env = append(env, "CGO_ENABLED=0")
	}
	return env
}

// run runs the command go on the program's source, and shows the command and
// what it prints.
func (b *builder) run(args ...string) error {
	fmt.Fprintf(b.app.stderr, "go %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(b.ctx, b.tool, args...)
	cmd.Dir, cmd.Env = b.dir, b.environment()
	printed, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(printed)) {
		fmt.Fprint(b.app.stderr, "\t", b.absolute(strings.TrimSuffix(line, "\n")), "\n")
	}
	switch {
	case b.ctx.Err() != nil:
		return errors.New("build: interrupted")
	case err != nil:
		return fmt.Errorf("build: go %s failed (%w), what it says is above; there is no new %s", args[0], err, b.out)
	}
	return nil
}

// absolute changes a line that begins with a path relative to the program's
// source, as compile errors do, for a reader who is elsewhere.
func (b *builder) absolute(line string) string {
	path, rest, ok := strings.Cut(line, ":")
	if !ok || filepath.IsAbs(path) || !strings.HasSuffix(path, ".go") {
		return line
	}
	path = filepath.Join(b.dir, path)
	if _, err := os.Stat(path); err != nil {
		return line
	}
	return path + ":" + rest
}

// try starts the new program, which finds out whether its layers go together,
// and says which ones it has of the packages. A program for another system
// cannot be tried.
func (b *builder) try(program string) error {
	env := exec.CommandContext(b.ctx, b.tool, "env", "GOOS", "GOARCH")
	env.Dir, env.Env = b.dir, b.environment()
	target, err := env.Output()
	if err != nil {
		return fmt.Errorf("build: go env: %w", err)
	}
	if system := strings.Fields(string(target)); !slices.Equal(system, []string{runtime.GOOS, runtime.GOARCH}) {
		fmt.Fprintf(b.app.stdout, "%s: for %s, was not tried\n", b.out, strings.Join(system, "/"))
		return nil
	}
	var stderr bytes.Buffer
	list := exec.CommandContext(b.ctx, program, "layers")
	list.Stderr = &stderr
	table, err := list.Output()
	if err != nil {
		for line := range strings.Lines(stderr.String()) {
			fmt.Fprint(b.app.stderr, "\t", line)
		}
		return fmt.Errorf("build: the new program does not start (%w), what it says is above; there is no new %s", err, b.out)
	}
	for _, m := range b.plugins {
		types := typesFrom(string(table), m.pkg)
		if len(types) == 0 {
			types = []string{"none of its own"}
		}
		fmt.Fprintf(b.app.stdout, "%s: layer types of %s: %s\n", b.out, m.pkg, strings.Join(types, ", "))
	}
	return nil
}

// typesFrom returns the layer types of a package, and of the packages below
// it, that gocaffe layers has listed.
func typesFrom(list, pkg string) []string {
	var types []string
	for line := range strings.Lines(list) {
		cells := strings.Fields(line)
		source, _, _ := strings.Cut(cells[len(cells)-1], "@")
		if source == pkg || strings.HasPrefix(source, pkg+"/") {
			types = append(types, cells[0])
		}
	}
	return types
}
