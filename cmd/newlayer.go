package gocaffecmd

import (
	"embed"
	"errors"
	"fmt"
	"go/token"
	"hash/fnv"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/cobra"
	"golang.org/x/mod/module"
)

func (a *app) newLayerCommand() *cobra.Command {
	var o newLayerOptions
	cmd := &cobra.Command{
		Use:   "new-layer NAME [DIR]",
		Short: "Create a starter package for a new layer type",
		Long: `Create a Go package with the layer type NAME in DIR (default: NAME in small
letters), with options, tests, a version for GPUs, and a net that names it. It
works as it is:

	gocaffe new-layer MyLoss
	cd myloss
	go test ./...
	gocaffe build --with . -o gocaffe-myloss

The kind says what to start from:

	loss        softmax loss of scores that are multiplied by a learned number
	activation  x times the sigmoid of x
	vision      convolution of each channel by itself, with weights
	plain       multiplication by a number, the least there can be

No file is written over.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			if len(args) == 2 {
				o.dir = args[1]
			}
			return a.newLayer(o)
		},
	}
	cmd.Flags().StringVar(&o.kind, "kind", "loss", "kind of layer: loss, activation, vision or plain")
	cmd.Flags().BoolVar(&o.noCUDA, "no-cuda", false, "leave out the version for GPUs")
	cmd.Flags().StringVar(&o.module, "module", "", "path of the Go module (default: example.org/NAME)")
	o.source.register(cmd)
	return cmd
}

// newLayerOptions are the arguments and flags of new-layer.
type newLayerOptions struct {
	name, dir string
	kind      string
	noCUDA    bool
	module    string
	source    sourceFlags
}

// A newLayer is what the templates are filled with.
type newLayer struct {
	Name    string // MyLoss
	Package string // myloss
	Field   string // my_loss_param
	Number  int32  // of the field
	Module  string // example.org/myloss
	Program string // gocaffe-myloss
	Local   bool   // gocaffe is in a folder

	Kind       string // loss
	Noun       string // A loss
	What       string // what it computes
	Place      string // where the sample net has it
	Images     string // the blob that the sample net's first inner product reads
	CUDA       bool   // with a version for GPUs
	OwnKernels bool   // which has kernels of its own
}

// values returns what the templates are filled with, by its name.
func (l *newLayer) values() map[string]string {
	yes := func(b bool) string {
		if b {
			return "true"
		}
		return ""
	}
	return map[string]string{
		"Name": l.Name, "Package": l.Package, "Field": l.Field, "Number": fmt.Sprint(l.Number), "Module": l.Module,
		"Program": l.Program, "Local": yes(l.Local), "Kind": l.Kind, "Noun": l.Noun, "What": l.What, "Place": l.Place,
		"Images": l.Images, "CUDA": yes(l.CUDA), "OwnKernels": yes(l.OwnKernels),
	}
}

// layerKinds lists what a new layer can be. The templates of each are in a folder
// of its name.
var layerKinds = []newLayer{
	{Kind: "loss", Noun: "A loss", What: "softmax of scores that are multiplied by a learned number", Place: "in the place of SoftmaxWithLoss", Images: "data", OwnKernels: true},
	{Kind: "activation", Noun: "An activation", What: "x times the sigmoid of x", Place: "in the place of ReLU", Images: "data", OwnKernels: true},
	{Kind: "vision", Noun: "A vision layer", What: "a convolution of each channel by itself", Place: "on the images", Images: "conv1", OwnKernels: true},
	{Kind: "plain", Noun: "A layer", What: "multiplication by a number", Place: "on the images", Images: "plain1"},
}

//go:embed newlayer
var newLayerTemplates embed.FS

// files are the files of the package, by their templates.
func (l *newLayer) files() map[string]string {
	files := map[string]string{
		l.Kind + "/layer.go.tmpl":      l.Package + ".go",
		l.Kind + "/layer.proto.tmpl":   l.Package + ".proto",
		l.Kind + "/layer_test.go.tmpl": l.Package + "_test.go",
		l.Kind + "/golden.txt.tmpl":    "testdata/golden.txt",
		"common/golden_test.go.tmpl":   "golden_test.go",
		"common/net.prototxt.tmpl":     "example/net.prototxt",
		"common/solver.prototxt.tmpl":  "example/solver.prototxt",
		"common/README.md.tmpl":        "README.md",
		"common/gitignore.tmpl":        ".gitignore",
	}
	if l.CUDA {
		files[l.Kind+"/layer_device.go.tmpl"] = l.Package + "_device.go"
		files[l.Kind+"/layer_device_test.go.tmpl"] = l.Package + "_device_test.go"
	}
	if l.CUDA && l.OwnKernels {
		files[l.Kind+"/layer.cu.tmpl"] = l.Package + ".cu"
		files[l.Kind+"/layer.ptx.tmpl"] = l.Package + ".ptx"
	}
	return files
}

func (a *app) newLayer(o newLayerOptions) error {
	l, err := describeNewLayer(o)
	if err != nil {
		return fmt.Errorf("new-layer: %w", err)
	}
	dir := o.dir
	if dir == "" {
		dir = l.Package
	}
	gocaffe, err := o.source.find()
	if err != nil {
		return err
	}
	l.Local = gocaffe.dir != ""
	contents := make(map[string][]byte)
	for name, file := range l.files() {
		text, err := newLayerTemplates.ReadFile(path.Join("newlayer", name))
		if err != nil {
			return err
		}
		filled, err := expand(string(text), l.values())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		contents[file] = []byte(filled)
	}
	if err := formatGo(contents); err != nil {
		return fmt.Errorf("new-layer: %w", err)
	}
	if contents["go.mod"], err = newLayerModule(l.Module, gocaffe, contents); err != nil {
		return err
	}
	if l.Local {
		sums, err := os.ReadFile(filepath.Join(gocaffe.dir, "go.sum"))
		if err != nil {
			return err
		}
		contents["go.sum"] = sums
	}
	if err := writeNewFiles(dir, contents); err != nil {
		return fmt.Errorf("new-layer: %w", err)
	}
	if !l.Local {
		tidy := exec.Command("go", "mod", "tidy")
		tidy.Dir = dir
		if out, err := tidy.CombinedOutput(); err != nil {
			fmt.Fprintf(a.stderr, "%s", out)
			return fmt.Errorf("new-layer: the files are in %s, but \"go mod tidy\", which completes go.mod, failed there (%w): what it says is above", dir, err)
		}
	}
	for _, file := range sortedKeys(contents) {
		fmt.Fprintln(a.stdout, filepath.ToSlash(filepath.Join(dir, file)))
	}
	fmt.Fprintf(a.stdout, "\nnext:\n  cd %s\n  go test ./...\n  gocaffe build --with . -o %s\n  ./%[2]s layers %s\n", dir, l.Program, l.Name)
	return nil
}

var layerName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

// describeNewLayer derives all names from that of the layer type, and checks
// that none is taken.
func describeNewLayer(o newLayerOptions) (*newLayer, error) {
	kind := slices.IndexFunc(layerKinds, func(l newLayer) bool { return l.Kind == o.kind })
	if kind < 0 {
		return nil, fmt.Errorf("--kind is %q, want loss, activation, vision or plain", o.kind)
	}
	l, name := new(newLayer), o.name
	*l = layerKinds[kind]
	l.Name, l.Package, l.Field, l.Module = name, strings.ToLower(name), snake(name)+"_param", o.module
	l.CUDA = !o.noCUDA
	l.OwnKernels = l.OwnKernels && l.CUDA
	if !layerName.MatchString(name) {
		return nil, fmt.Errorf("NAME is %q, want letters and digits of which the first is a capital, such as MyLoss", name)
	}
	for _, typ := range layers.Types() {
		if strings.EqualFold(typ, name) {
			info := layers.Lookup(typ)
			return nil, fmt.Errorf("there is a layer type %s already, from package %s", typ, info.Package())
		}
	}
	if field := prototxt.FieldOfLayer(l.Field); field != nil {
		return nil, fmt.Errorf("the options of %s would be the field %s, which layers have already, with number %d", name, l.Field, field.Number())
	}
	if token.IsKeyword(l.Package) || slices.Contains([]string{"main", "internal", "vendor", "testdata"}, l.Package) {
		return nil, fmt.Errorf("the package of %s would be %q, which has a meaning of its own in Go; want another NAME", name, l.Package)
	}
	if l.Module == "" {
		l.Module = "example.org/" + l.Package
	}
	if err := module.CheckPath(l.Module); err != nil {
		return nil, fmt.Errorf("--module: %w; want a path such as github.com/you/%s", err, l.Package)
	}
	if l.Module == modulePath || strings.HasPrefix(l.Module, modulePath+"/") {
		return nil, fmt.Errorf("--module is %s, which is gocaffe's own; want a path such as github.com/you/%s", l.Module, l.Package)
	}
	l.Program = "gocaffe-" + l.Package
	l.Number = freeNumber(l.Module + "/" + name)
	return l, nil
}

// snake turns EMSoftmaxLoss into em_softmax_loss.
func snake(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, r := range letters {
		upper := unicode.IsUpper(r)
		afterLower := i > 0 && !unicode.IsUpper(letters[i-1])
		beforeLower := i > 0 && i+1 < len(letters) && unicode.IsLower(letters[i+1])
		if upper && (afterLower || beforeLower) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// freeNumber draws a number for a field of LayerParameter. The name decides
// it, so that two people's layers hardly ever get the same; the range is above
// the numbers that Caffe, its forks and gocaffe use.
func freeNumber(name string) int32 {
	const first, count = 200_000, 800_000
	hash := fnv.New32a()
	hash.Write([]byte(name))
	for n := hash.Sum32() % count; ; n = (n + 1) % count {
		taken := false
		for _, typ := range layers.Types() {
			p := layers.Lookup(typ).Plugin
			taken = taken || p != nil && p.Number == int32(first+n)
		}
		if !taken {
			return int32(first + n)
		}
	}
}

// writeNewFiles writes files into a folder, and nothing at all if one of them
// is there or the folder is that of another Go package.
func writeNewFiles(dir string, contents map[string][]byte) error {
	for _, pattern := range []string{"*.go", "go.mod"} {
		if there, _ := filepath.Glob(filepath.Join(dir, pattern)); len(there) > 0 {
			return fmt.Errorf("%s is there: the folder has a Go package already, nothing was written", there[0])
		}
	}
	for _, file := range sortedKeys(contents) {
		if _, err := os.Lstat(filepath.Join(dir, file)); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%s is there, nothing was written", filepath.Join(dir, file))
			}
			return err
		}
	}
	for _, file := range sortedKeys(contents) {
		at := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
			return err
		}
		f, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = f.Write(contents[file])
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
