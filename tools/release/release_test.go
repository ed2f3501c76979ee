package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/blakesmith/ar"
	"github.com/ulikunitz/xz"
)

// TestRelease releases two copies of the source, in folders of their own and
// the second without anything that was compiled before, compares the bytes, and
// looks at what is in the archives.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles everything, with Go's library")
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1795773637")
	platform := runtime.GOOS + "/" + runtime.GOARCH
	build := func(dir string) (out string, files map[string][]byte) {
		t.Helper()
		source, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
		copySource(t, source)
		var stdout, log bytes.Buffer
		if err := run(t.Context(), []string{"-version", "v1.2.3-test", "-out", out, "-platforms", platform, source}, &stdout, &log); err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
		return out, readFolder(t, out)
	}
	out, first := build(t.TempDir())
	t.Setenv("GOCACHE", t.TempDir())
	_, second := build(filepath.Join(t.TempDir(), "a", "longer", "path"))
	for name, data := range first {
		if !bytes.Equal(data, second[name]) {
			t.Errorf("%s is another file in a second build", name)
		}
	}

	label := "gocaffe_1.2.3-test_" + strings.ReplaceAll(platform, "/", "_")
	names := []string{"NOTES.md", "SHA256SUMS", label + ".tar.gz"}
	if runtime.GOOS == "windows" {
		names[2] = label + ".zip"
	}
	if runtime.GOOS == "linux" {
		names = append(names, label+".deb", "gocaffe-compat_1.2.3-test_all.deb")
	}
	for _, name := range names {
		if first[name] == nil {
			t.Errorf("there is no %s", name)
		}
		if strings.HasPrefix(name, "gocaffe") && !strings.Contains(string(first["SHA256SUMS"]), "  "+name+"\n") {
			t.Errorf("SHA256SUMS does not have %s:\n%s", name, first["SHA256SUMS"])
		}
	}
	if len(first) != len(names) || len(second) != len(names) {
		t.Errorf("the folders have %d and %d files, want %d", len(first), len(second), len(names))
	}
	files := unpack(t, filepath.Join(out, names[2]))
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "man1/gocaffe-train.1", "completions/gocaffe.bash"} {
		if len(files[label+"/"+name]) == 0 {
			t.Errorf("the archive has no %s", name)
		}
	}
	for _, name := range []string{"\nGo\n==\n", "\ngithub.com/spf13/cobra v", "Apache License", "SIL OPEN FONT LICENSE", "The FreeType Project LICENSE", "Redistribution and use"} {
		if !strings.Contains("\n"+string(files[label+"/"+licenses]), name) {
			t.Errorf("%s does not have %q", licenses, name)
		}
	}
	program := "gocaffe"
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	path := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(path, files[label+"/"+program], 0o777); err != nil {
		t.Fatal(err)
	}
	version, err := exec.Command(path, "version").Output()
	if want := "gocaffe v1.2.3-test " + runtime.Version() + " " + platform + "\n"; err != nil || !strings.HasPrefix(string(version), want) {
		t.Errorf("the program says %q, %v, want %q", version, err, want)
	}
	if runtime.GOOS == "linux" {
		checkDebian(t, first[names[3]], files[label+"/"+program])
		checkCompat(t, first[names[4]])
	}
}

// checkDebian looks into a Debian package.
func checkDebian(t *testing.T, data, program []byte) {
	t.Helper()
	control, files, _ := readDebian(t, data)
	for _, want := range []string{"Package: gocaffe\n", "Version: 1.2.3~test-1\n", "Architecture: " + runtime.GOARCH + "\n", "Depends: libc6\n", "Description: Caffe's nets and solver in Go\n gocaffe trains"} {
		if !strings.Contains("\n"+control, "\n"+want) {
			t.Errorf("the package's control file does not have %q:\n%s", want, control)
		}
	}
	if !bytes.Equal(files["./usr/bin/gocaffe"], program) {
		t.Error("the package has another program than the archive")
	}
	for _, name := range []string{
		"man/man1/gocaffe.1.gz", "man/man1/gocaffe-zoo-write.1.gz", "bash-completion/completions/gocaffe", "zsh/vendor-completions/_gocaffe",
		"fish/vendor_completions.d/gocaffe.fish", "doc/gocaffe/copyright", "doc/gocaffe/changelog.gz",
	} {
		if len(files["./usr/share/"+name]) == 0 {
			t.Errorf("the package has no /usr/share/%s", name)
		}
	}
}

// checkCompat looks into the package of links.
func checkCompat(t *testing.T, data []byte) {
	t.Helper()
	control, files, links := readDebian(t, data)
	for _, want := range []string{"Package: gocaffe-compat\n", "Architecture: all\n", "Depends: gocaffe (>= 1.2.3~test-1)\n",
		"Conflicts: caffe-cpu, caffe-cuda, caffe-tools, caffe-tools-cpu, caffe-tools-cuda\n"} {
		if !strings.Contains("\n"+control, "\n"+want) {
			t.Errorf("the control file of the links does not have %q:\n%s", want, control)
		}
	}
	for _, name := range []string{"bin/caffe", "bin/convert_imageset", "bin/parse_log.py", "bin/convert_mnist_data.bin", "share/doc/gocaffe-compat"} {
		if links["./usr/"+name] != "gocaffe" {
			t.Errorf("/usr/%s is a link to %q", name, links["./usr/"+name])
		}
	}
	if len(files) > 0 {
		t.Errorf("the package of links has %d files", len(files))
	}
}

// readDebian returns a package's control file, its files, and its links.
func readDebian(t *testing.T, data []byte) (control string, files map[string][]byte, links map[string]string) {
	t.Helper()
	members := make(map[string][]byte)
	for r := ar.NewReader(bytes.NewReader(data)); ; {
		header, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if members[strings.TrimSuffix(header.Name, "/")], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	z, err := gzip.NewReader(bytes.NewReader(members["control.tar.gz"]))
	if err != nil {
		t.Fatal(err)
	}
	inside, _ := untar(t, z)
	control = string(inside["./control"])
	x, err := xz.NewReader(bytes.NewReader(members["data.tar.xz"]))
	if err != nil {
		t.Fatal(err)
	}
	files, links = untar(t, x)
	return control, files, links
}

// TestVersion makes commits and tags in a repository of its own.
func TestVersion(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("SKIPPED: git is not installed")
	}
	dir := t.TempDir()
	t.Setenv("SOURCE_DATE_EPOCH", "")
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.org"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE=2026-11-28T09:13:57Z", "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	check := func(given, name string, modified bool) {
		t.Helper()
		v, err := versionOf(t.Context(), dir, given)
		if err != nil {
			t.Error(err)
			return
		}
		commit, isModified := strings.CutSuffix(v.commit, " (modified)")
		if got := strings.ReplaceAll(v.name, commit, "COMMIT"); got != name || len(commit) != 12 || isModified != modified {
			t.Errorf("got version %s of commit %s, want %s, modified: %t", got, v.commit, name, modified)
		}
		if want := time.Date(2026, 11, 28, 9, 13, 57, 0, time.UTC); !v.date.Equal(want) {
			t.Errorf("the date is %s, want %s", v.date, want)
		}
	}
	if _, err := versionOf(t.Context(), dir, "v1.0.0"); err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
		t.Errorf("without git and a date the error is %v", err)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "one")
	check("", "v0.0.0-20261128091357-COMMIT", false)
	check("v1.0.0-rc.1", "v1.0.0-rc.1", false)
	git("tag", "v1.2.3")
	check("", "v1.2.3", false)
	git("commit", "-q", "--allow-empty", "-m", "two")
	check("", "v1.2.4-0.20261128091357-COMMIT", false)
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	check("", "v1.2.4-0.20261128091357-COMMIT+dirty", true)
	for _, bad := range []string{"1.2.3", "v1.2", "v1.2.3 beta"} {
		if _, err := versionOf(t.Context(), dir, bad); err == nil {
			t.Errorf("version %q is accepted", bad)
		}
	}
}

func TestNotes(t *testing.T) {
	dir := t.TempDir()
	changelog := "# Changelog\n\n## [Unreleased]\n\n- soon\n\n## [1.1.0] - 2026-12-01\n\n- new\n\n## [1.0.0] - 2026-11-01\n\n- first\n\n[Unreleased]: https://example.org\n"
	if err := os.WriteFile(filepath.Join(dir, "CHANGELOG.md"), []byte(changelog), 0o666); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"v1.1.0": "- new\n", "v1.0.0": "- first\n", "v1.1.1-0.2026": "- soon\n", "v2.0.0": ""} {
		r := &release{source: dir}
		r.name = version
		got, err := r.notes()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: the notes are %q, %v, want %q", version, got, err, want)
		}
	}
}

func TestFullFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-out", dir}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with files is used: %v", err)
	}
}

// copySource copies the files that the programs are built from.
func copySource(t *testing.T, to string) {
	t.Helper()
	root := filepath.Join("..", "..")
	skip := []string{".git", "bin", "dist", "tools"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case slices.Contains(skip, rel) && d.IsDir():
			return filepath.SkipDir
		case rel == ".git": // of a worktree
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o777)
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), data, 0o666))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// unpack returns the files of an archive.
func unpack(t *testing.T, path string) map[string][]byte {
	t.Helper()
	if strings.HasSuffix(path, ".zip") {
		archive, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		files := make(map[string][]byte)
		for _, f := range archive.File {
			if files[f.Name], err = fs.ReadFile(archive, f.Name); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := untar(t, z)
	return files
}

func untar(t *testing.T, r io.Reader) (files map[string][]byte, links map[string]string) {
	t.Helper()
	files, links = make(map[string][]byte), make(map[string]string)
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files, links
		} else if err != nil {
			t.Fatal(err)
		}
		switch header.Typeflag {
		case tar.TypeDir:
			continue
		case tar.TypeSymlink:
			links[header.Name] = header.Linkname
			continue
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gocaffe")
	for size, want := range map[int64]string{
		maxProgram:     "",
		maxProgram + 1: "the program for plan9/386 has 20000001 bytes, want at most 20000000",
	} {
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if err := checkSize(path, "plan9", "386"); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%d bytes: error %v, want %q", size, err, want)
		}
	}
}
