package gocaffecmd

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestInstallCompat(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the links are hard links to .exe files here")
	}
	dir := t.TempDir()
	stdout, _ := mustRun(t, "install-compat", "--program", "gocaffe", dir)
	for _, name := range []string{"caffe", "convert_imageset", "compute_image_mean", "extract_features", "convert_mnist_data.bin", "convert_cifar_data.bin",
		"upgrade_net_proto_text", "upgrade_net_proto_binary", "upgrade_solver_proto_text", "parse_log.py", "draw_net.py", "summarize.py"} {
		path := filepath.Join(dir, name)
		if target, err := os.Readlink(path); err != nil || target != "gocaffe" || !strings.Contains(stdout, path+" -> gocaffe\n") {
			t.Errorf("%s: a link to %q, %v", name, target, err)
		}
		if tool, ok := lookupTool(name); name != "caffe" && (!ok || tool.command == "") {
			t.Errorf("%s has no command", name)
		}
	}
	mustRun(t, "install-compat", "--program", "/usr/bin/gocaffe", dir) // other links to gocaffe are replaced

	// Caffe's own program stays, and no link is changed.
	caffe := filepath.Join(dir, "caffe")
	if err := os.Remove(caffe); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(caffe, []byte("Caffe's"), 0o777); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := run("install-compat", "--program", "gocaffe", dir)
	if want := "gocaffe: " + caffe + " is there and is no link to gocaffe; --force replaces it\n"; code != 1 || stderr != want {
		t.Errorf("exit code %d and %q, want %q", code, stderr, want)
	}
	if target, _ := os.Readlink(filepath.Join(dir, "summarize.py")); target != "/usr/bin/gocaffe" {
		t.Errorf("a link was changed to %q all the same", target)
	}
	mustRun(t, "install-compat", "--force", dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(caffe); err != nil || target != self {
		t.Errorf("with --force it is a link to %q, %v, want %q", target, err, self)
	}
	if code, _, stderr := run("install-compat", filepath.Join(dir, "none")); code != 1 || !strings.Contains(stderr, "none") {
		t.Errorf("an absent folder: exit code %d and %q", code, stderr)
	}
}
