// Package lint tests the repository itself.
package lint

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/gocaffe/gocaffe/"

// allowed lists, for each package or tree of packages ("..."), what it may
// import from this module, low to high. Test files and packages of test
// helpers are free.
var allowed = []struct {
	pkg     string
	imports string
}{
	{"caffepb", ""},
	{"event", ""},
	{"internal/atomicfile", ""},
	{"internal/filelock", ""},
	{"internal/sysmem", ""},
	{"internal/cputime", ""},
	{"internal/cfmt", ""},
	{"internal/digits", ""},
	{"internal/jpeg", ""},
	{"internal/near", ""},
	{"internal/numpytest", ""},
	{"internal/readfile", ""},
	{"parallel", "internal/sysmem"},
	{"internal/kernel/cpu", ""},
	{"internal/kernel/kerneltest", "internal/kernel/cpu parallel"},
	{"internal/kernel/vec", "internal/kernel/cpu parallel"},
	{"internal/kernel/pixels", "internal/kernel/cpu internal/kernel/vec"},
	{"internal/kernel/rand", "internal/kernel/cpu internal/kernel/vec parallel"},
	{"internal/kernel/update", "internal/kernel/cpu internal/kernel/vec parallel"},
	{"internal/kernel/gemm", "internal/kernel/cpu internal/kernel/vec internal/sysmem parallel"},
	{"internal/kernel/bf16", "internal/kernel/cpu internal/kernel/gemm internal/kernel/vec parallel"},
	{"internal/kernel/conv", "internal/kernel/bf16 internal/kernel/cpu internal/kernel/gemm internal/kernel/norm internal/kernel/vec internal/sysmem parallel"},
	{"internal/kernel/pool", "internal/kernel/cpu internal/kernel/vec parallel"},
	{"internal/kernel/norm", "internal/kernel/cpu internal/kernel/pool internal/kernel/vec parallel"},
	{"kernel", "internal/kernel/... parallel"},
	{"internal/leak", ""},
	{"internal/meanap", ""},
	{"internal/nvidia", ""},
	{"cuda/cudatest", "cuda cuda/driver cuda/lib internal/dynlib"},
	{"cuda/cudatest/fakecuda", "cuda/cudatest"},
	{"internal/protofile", "internal/near"},
	{"internal/reference", "caffepb"},
	{"internal/reference/pack", ""},
	{"prototxt", "caffepb event internal/atomicfile internal/cfmt internal/near internal/protofile internal/readfile"},
	{"prototxt/zoo", "internal/atomicfile internal/near prototxt"},
	{"blob", "caffepb internal/sysmem"},
	{"blobtensor", "blob"},
	{"internal/dynlib", ""},
	{"cuda/driver", "internal/dynlib"},
	{"cuda/lib", "cuda/driver internal/dynlib"},
	{"data/hdf5", "internal/atomicfile internal/dynlib internal/readfile"},
	{"internal/testtool", ""},
	{"internal/hdf5test", "data/hdf5 internal/testtool"},
	{"internal/modelfile", "blob caffepb data/hdf5 internal/readfile prototxt"},
	{"data/...", "caffepb data/... internal/atomicfile internal/jpeg internal/near internal/readfile internal/sysmem kernel parallel prototxt"},
	{"cuda", "blob cuda/driver cuda/lib"},
	{"layers", "blob caffepb cuda event kernel parallel prototxt"},
	{"layers/layertest", "blob caffepb cuda cuda/cudatest layers parallel prototxt"},
	{"layers/all", "layers/..."},
	{"layers/feed", "blob caffepb cuda data event layers"},
	{"layers/axes", "blob cuda layers parallel"},
	{"layers/boxes", "blob layers"},
	{"layers/datalayer", "blob caffepb cuda data/... event kernel layers layers/feed"},
	{"layers/...", "blob caffepb cuda event kernel layers parallel prototxt"},
	{"plugins/all", "plugins/..."},
	{"plugins/margin/margintest", "cuda/cudatest layers layers/layertest"},
	{"plugins/c3d", "blob caffepb cuda data data/imagelist event layers layers/feed layers/vision parallel"},
	{"plugins/mobile", "blob caffepb cuda kernel layers layers/vision parallel"},
	{"plugins/ocr", "blob caffepb cuda kernel layers layers/axes layers/recurrent parallel"},
	{"plugins/segmentation", "blob caffepb cuda data data/imagelist event kernel layers layers/feed layers/python parallel"},
	{"plugins/rcnn", "blob caffepb cuda data/... event kernel layers layers/boxes layers/feed layers/python parallel prototxt"},
	{"plugins/ssd", "blob caffepb cuda data event kernel layers layers/axes layers/boxes layers/feed parallel prototxt"},
	{"plugins/cascade", "blob caffepb cuda data data/imagelist event kernel layers layers/axes layers/boxes layers/feed parallel"},
	{"plugins/yolo", "blob cuda data kernel layers layers/axes layers/boxes parallel"},
	{"plugins/...", "blob caffepb cuda event kernel layers layers/axes layers/boxes parallel plugins/margin prototxt"},
	{"surgery", "blob caffepb internal/near net"},
	{"predict", "blob caffepb data/... event internal/readfile layers/boxes net parallel prototxt"},
	{"examples/inference", "layers/all net predict"},
	{"examples/finetune", "event layers/all prototxt solver"},
	{"examples/surgery", "data layers/all net predict prototxt surgery"},
	{"examples/features", "caffepb layers/all net"},
	{"examples/library", "blobtensor caffepb event layers/all net prototxt solver"},
	{"examples/...", "blob caffepb cuda data/... event kernel layers layers/feed parallel prototxt"},
	{"net", "blob caffepb cuda event internal/cfmt internal/modelfile internal/near internal/texttable kernel layers parallel prototxt"},
	{"solver", "blob caffepb cuda data/hdf5 event internal/atomicfile internal/cfmt internal/filelock internal/meanap internal/modelfile internal/near internal/readfile kernel layers net parallel prototxt"},
	{"deploy", "caffepb internal/atomicfile layers net parallel prototxt"},
	{"internal/picture", ""},
	{"internal/texttable", ""},
	{"internal/chart", "caffelog internal/picture internal/texttable"},
	{"internal/netdraw", "caffepb internal/picture internal/texttable"},
	{"caffelog", "event internal/cfmt layers net prototxt solver"},
	{"cmd", "blob caffelog caffepb cuda/... data/... deploy event internal/... kernel layers net parallel predict prototxt prototxt/zoo solver surgery"},
	{"internal/manual", "cmd layers/all plugins/all"},
	{"cmd/gocaffe", "cmd layers/all plugins/all"},
}

// TestImports enforces the direction of imports: low packages do not import high ones,
// and only the program imports the layers.
func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "tools") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(dir)
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rule, ok := ruleOf(pkg)
		if !ok {
			t.Errorf("package %s has no rule in this test: say what it may import", pkg)
			return nil
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			inside, ok := strings.CutPrefix(imported, module)
			if ok && !mayImport(rule, inside) {
				t.Errorf("%s imports %s; package %s may import only: %s", path, inside, pkg, rule)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStrangers checks that layers, plugins and examples import only packages that other
// modules can import: a plugin can do everything that a built-in layer does.
func TestStrangers(t *testing.T) {
	for _, rule := range allowed {
		tree, _, _ := strings.Cut(rule.pkg, "/")
		if tree != "layers" && tree != "plugins" && tree != "examples" {
			continue
		}
		for imported := range strings.FieldsSeq(rule.imports) {
			if strings.HasPrefix(imported, "internal/") {
				t.Errorf("%s may import %s, which a plugin in another module cannot", rule.pkg, imported)
			}
		}
	}
}

// ruleOf returns the first rule that names the package.
func ruleOf(pkg string) (string, bool) {
	for _, a := range allowed {
		if matches(a.pkg, pkg) {
			return a.imports, true
		}
	}
	return "", false
}

func mayImport(rule, pkg string) bool {
	for pattern := range strings.FieldsSeq(rule) {
		if matches(pattern, pkg) {
			return true
		}
	}
	return false
}

func matches(pattern, pkg string) bool {
	tree, isTree := strings.CutSuffix(pattern, "/...")
	return pattern == pkg || isTree && (pkg == tree || strings.HasPrefix(pkg, tree+"/"))
}
