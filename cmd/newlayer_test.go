package gocaffecmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
)

// TestNewLayerKinds checks that a layer of each kind passes its tests, with a
// version for GPUs and without, and that a net that names it is trained.
func TestNewLayerKinds(t *testing.T) {
	needsGo(t)
	work := t.TempDir()
	t.Chdir(work)
	build := []string{"build", "-o", filepath.Join(work, "kinds")}
	for _, kind := range layerKinds {
		for _, cuda := range []bool{true, false} {
			name, args, files := "Cuda"+kind.Kind, []string{"new-layer"}, 5
			if !cuda {
				name, args, files = "Host"+kind.Kind, append(args, "--no-cuda"), 3
			}
			if kind.Kind == "loss" && cuda {
				continue // TestPlugins has it
			}
			dir := strings.ToLower(name)
			mustRun(t, append(args, name, "--kind", kind.Kind)...)
			checkFormatted(t, dir, files)
			kernels, err := filepath.Glob(filepath.Join(dir, "*.ptx"))
			if has := len(kernels) > 0; err != nil || has != (cuda && kind.OwnKernels) {
				t.Errorf("%s has %v, %v, with a version for GPUs: %v", name, kernels, err, cuda)
			}
			execute(t, dir, "go", "vet", "./...")
			execute(t, dir, "go", "test", "./...")
			if cuda {
				build = append(build, "--with", "./"+dir)
			}
		}
	}
	checkModule(t, "hostplain")
	checkModule(t, "cudavision")
	mustRun(t, build...)
	execute(t, work, "./kinds", "convert", "digits", ".")
	for _, dir := range []string{"cudaactivation", "cudavision", "cudaplain"} {
		for _, set := range []string{"digits_train_lmdb", "digits_test_lmdb"} {
			if err := os.Symlink(filepath.Join(work, set), filepath.Join(dir, "example", set)); err != nil {
				t.Fatal(err)
			}
		}
		trains(t, filepath.Join(work, "kinds"), dir, "example/solver.prototxt")
	}
}

func TestNewLayerRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, ".", map[string]string{"full/x.go": "package x\n", "module/go.mod": "module example.org/x\n", "readme/README.md": "mine\n"})
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"myLoss"}, `NAME is "myLoss", want letters and digits of which the first is a capital, such as MyLoss`},
		{[]string{"My-Loss"}, `NAME is "My-Loss", want letters and digits of which the first is a capital, such as MyLoss`},
		{[]string{""}, `NAME is "", want letters and digits of which the first is a capital, such as MyLoss`},
		{[]string{"Softmax"}, `there is a layer type Softmax already, from package github.com/gocaffe/gocaffe/layers/utility`},
		{[]string{"Relu"}, `there is a layer type ReLU already, from package github.com/gocaffe/gocaffe/layers/activation`},
		{[]string{"Loss"}, `the options of Loss would be the field loss_param, which layers have already, with number 101`},
		{[]string{"Func"}, `the package of Func would be "func", which has a meaning of its own in Go; want another NAME`},
		{[]string{"Internal"}, `the package of Internal would be "internal", which has a meaning of its own in Go; want another NAME`},
		{[]string{"MyLoss", "--module", "myloss"}, `--module: malformed module path "myloss": missing dot in first path element; want a path such as github.com/you/myloss`},
		{[]string{"MyLoss", "--module", modulePath + "/x"}, `--module is github.com/gocaffe/gocaffe/x, which is gocaffe's own; want a path such as github.com/you/myloss`},
		{[]string{"MyLoss", "--kind", "lost"}, `--kind is "lost", want loss, activation, vision or plain`},
		{[]string{"MyLoss", "full"}, `full/x.go is there: the folder has a Go package already, nothing was written`},
		{[]string{"MyLoss", "module"}, `module/go.mod is there: the folder has a Go package already, nothing was written`},
		{[]string{"MyLoss", "readme"}, `readme/README.md is there, nothing was written`},
	} {
		before := listing(t)
		want := "gocaffe: new-layer: " + tt.want + "\n"
		if code, _, stderr := run(append([]string{"new-layer"}, tt.args...)...); code != 1 || stderr != want {
			t.Errorf("new-layer %q: exit code %d\n%swant 1\n%s", tt.args, code, stderr, want)
		}
		if after := listing(t); after != before {
			t.Errorf("new-layer %q: the folder was\n%s\nand is now\n%s", tt.args, before, after)
		}
	}
}

func TestSnake(t *testing.T) {
	for name, want := range map[string]string{
		"MyLoss": "my_loss", "EMSoftmaxLoss": "em_softmax_loss", "PReLU": "p_re_lu", "L2Norm": "l2_norm", "X": "x", "LossV2": "loss_v2",
	} {
		if got := snake(name); got != want {
			t.Errorf("snake(%q) is %q, want %q", name, got, want)
		}
	}
}

// TestFreeNumber checks that a name always draws the same number, and that no
// plugin has it.
func TestFreeNumber(t *testing.T) {
	n := freeNumber("example.org/myloss/MyLoss")
	if n != 251929 {
		t.Errorf("MyLoss has number %d, want 251929 as ever", n)
	}
	layers.Register(layers.Info{
		Type:   "TakesANumber",
		Doc:    "takes the number that another layer would draw",
		Plugin: &layers.Plugin{Field: "takes_a_number_param", Number: n, Proto: "message M { optional float x = 1; }", Message: "M"},
		New:    func(*layers.Spec) (layers.Layer, error) { return nil, nil },
	})
	if got := freeNumber("example.org/myloss/MyLoss"); got != n+1 {
		t.Errorf("with number %d taken, MyLoss draws %d, want %d", n, got, n+1)
	}
}
