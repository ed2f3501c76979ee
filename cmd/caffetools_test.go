package gocaffecmd

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

// Every tool with a command has one that exists, whose flags exist.
func TestToolCommands(t *testing.T) {
	root := (&app{stdout: io.Discard, stderr: io.Discard, glog: new(glog)}).root()
	for name, tool := range caffeTools {
		c := root
		for word := range strings.FieldsSeq(tool.command) {
			if flag, ok := strings.CutPrefix(word, "--"); ok {
				flag, _, _ = strings.Cut(flag, "=")
				if c.Flags().Lookup(flag) == nil {
					t.Errorf("%s: %s has no flag --%s", name, c.CommandPath(), flag)
				}
				continue
			}
			if c = subcommand(c, word); c == nil {
				t.Fatalf("%s: there is no command %q", name, tool.command)
			}
		}
		if tool.command != "" && !c.Runnable() {
			t.Errorf("%s: %q does nothing", name, tool.command)
		}
	}
}

func TestToolArgs(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"convert_annoset --anno_type=detection --label_map_file=m.prototxt root/ list db", "convert annoset --anno-type=detection --label-map-file=m.prototxt root/ list db"},
		{"convert_imageset -gray -noshuffle --resize_width 5 root/ list db", "convert imageset --gray --shuffle=false --resize-width=5 root/ list db"},
		{"-backend leveldb convert_imageset root/ list db", "convert imageset --backend=leveldb root/ list db"},
		{"convert_imageset.bin root/ mnist db", "convert imageset root/ mnist db"},
		{"convert_mnist_data.bin a b c -backend leveldb", "convert mnist --backend=leveldb -- a b c"},
		{"convert_cifar_data.bin in out leveldb", "convert cifar10 --backend=leveldb -- in out"},
		{"compute_image_mean -backend=lmdb db mean", "compute-mean --backend=lmdb db mean"},
		{"upgrade_net_proto_binary a b", "upgrade-net --form=binary a b"},
		{"convert_mnist_data --help", "convert mnist --help"},
		{"upgrade-net convert_imageset out", "upgrade-net convert_imageset out"}, // a file of that name
	} {
		root := (&app{stdout: io.Discard, stderr: io.Discard, glog: new(glog)}).root()
		got, err := caffeArgs(root, strings.Fields(tt.in))
		if want := strings.Fields(tt.want); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s:\n got %q, %v\nwant %q", tt.in, got, err, want)
		}
	}
}

func TestToolErrors(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"convert_mnist_data a b", "convert_mnist_data: accepts 3 arg(s), received 2; usage: convert_mnist_data [flags] IMAGES LABELS DB"},
		{"convert_cifar_data a b", "usage: convert_cifar_data DATA DIR lmdb|leveldb"},
		{"convert_cifar_data a b sqlite", `--backend is "sqlite", want lmdb or leveldb`},
		{"convert_imageset a b", "convert imageset: accepts 3 arg(s), received 2; usage: gocaffe convert imageset ROOT LIST DB"},
		{"compute_image_mean -backend sqlite a", `--backend is "sqlite", want lmdb or leveldb`},
		{"compute_image_mean -nonsense a", "compute-mean: unknown flag --nonsense"},
		{"train_net s.prototxt", "unknown command \"train_net\", use `gocaffe train`"},
		{"predict x", "unknown command \"predict\", use `gocaffe classify`"},
	} {
		code, _, stderr := run(strings.Fields(tt.line)...)
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d and %q, want 1 and %q", tt.line, code, stderr, tt.want)
		}
	}
}

func TestCalledAs(t *testing.T) {
	for _, tt := range []struct{ program, want string }{
		{"gocaffe", "x y"},
		{"/usr/bin/caffe", "x y"},
		{"./caffe.bin", "x y"},
		{"/opt/bin/mygocaffe", "x y"},
		{"/usr/bin/convert_imageset", "convert_imageset x y"},
		{"convert_imageset.bin.exe", "convert_imageset.bin x y"},
		{"tools/upgrade_net_proto_text", "upgrade_net_proto_text x y"},
	} {
		if got := strings.Join(calledAs(filepath.FromSlash(tt.program), []string{"x", "y"}), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.program, got, tt.want)
		}
	}
}

// A link by the name of a tool does the tool's work, with the tool's flags.
func TestLinkedTool(t *testing.T) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	link := func(name string) string {
		link := filepath.Join(dir, name)
		if err := os.Symlink(path, link); err != nil {
			t.Skipf("SKIPPED: no links here: %v", err)
		}
		return link
	}
	call := func(name string, args ...string) string {
		out, err := exec.Command(link(name), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	golden := reference.Golden(t, "formats")
	db := filepath.Join(dir, "db")
	call("convert_imageset", "-backend", "leveldb", "--resize_height=10", "-resize_width=12", "--noshuffle",
		filepath.Join(golden, "images")+"/", filepath.Join(golden, "list.txt"), db)
	mean := filepath.Join(dir, "mean.binaryproto")
	if out := call("compute_image_mean", "-backend=leveldb", db, mean); !strings.Contains(out, "mean_value channel [2]: ") {
		t.Errorf("compute_image_mean printed\n%s", out)
	}
	if _, err := os.Stat(mean); err != nil {
		t.Error(err)
	}
	if out := call("caffe", "time", "-model", filepath.Join(golden, "logs", "net.prototxt"), "-synthetic_data",
		"-input_shape", "1,14,12", "-iterations", "1"); !strings.Contains(out, "Average Forward pass") {
		t.Errorf("caffe time printed\n%s", out)
	}
}
