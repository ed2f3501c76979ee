// Package zoo holds nets that are shipped with the program, each with its
// solver: LiuNet in the settings of the EM-Softmax paper, AlexNet, and the nets
// of Caffe's own tutorials.
package zoo

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/near"
	"github.com/gocaffe/gocaffe/prototxt"
)

//go:generate go run -C ../../tools ./zoo ../prototxt/zoo

//go:embed *.prototxt
var files embed.FS

// An Entry is one net of the zoo.
type Entry struct {
	Name    string // as on the command line
	Doc     string // one line about it
	Data    string // the databases it reads, by the argument of gocaffe convert; "" if convert cannot make them
	Net     string // its file
	Solvers []string
	Deploy  string // its file for inference, or ""
	Shape   [3]int // channels, height and width of its input
	Batch   int    // batch size for timing: that of training, 16 for AlexNet

	// Base is the name of the net that has softmax in place of this one's loss, or "".
	Base string
	loss *loss
}

var entries = []Entry{
	{Name: "lenet", Doc: "LeNet on MNIST, Caffe's tutorial: 99 % after 10,000 iterations",
		Data: "mnist", Shape: [3]int{1, 28, 28}, Batch: 64},
	{Name: "cifar10-quick", Doc: "Caffe's small CIFAR-10 net: about 75 % after 5,000 iterations",
		Data: "cifar10", Shape: [3]int{3, 32, 32}, Batch: 100},
	{Name: "cifar10-full", Doc: "Caffe's CIFAR-10 net with local response normalization: about 81 % after 70,000 iterations",
		Data: "cifar10", Shape: [3]int{3, 32, 32}, Batch: 100},
	{Name: "alexnet", Doc: "AlexNet on ImageNet, 1000 classes (databases by gocaffe convert imageset): 57 % in Caffe",
		Shape: [3]int{3, 227, 227}, Batch: 16},
	{Name: "alexnet-cifar10", Doc: "AlexNet for the small images of CIFAR-10",
		Data: "cifar10", Shape: [3]int{3, 32, 32}, Batch: 128},
	{Name: "liunet-mnist", Doc: "LiuNet on MNIST; its quick solver reaches 99 % in 600 iterations",
		Data: "mnist", Shape: [3]int{1, 28, 28}, Batch: 128},
	{Name: "liunet-cifar10", Doc: "LiuNet on CIFAR-10: 91 % with softmax in the paper",
		Data: "cifar10", Shape: [3]int{3, 32, 32}, Batch: 128},
	{Name: "liunet-cifar10plus", Doc: "LiuNet on CIFAR-10 with shifts and mirror images",
		Data: "cifar10", Shape: [3]int{3, 32, 32}, Batch: 128},
	{Name: "liunet-cifar100", Doc: "LiuNet on CIFAR-100: 67 % with softmax in the paper",
		Data: "cifar100", Shape: [3]int{3, 32, 32}, Batch: 128},
	{Name: "liunet-cifar100plus", Doc: "LiuNet on CIFAR-100 with shifts and mirror images",
		Data: "cifar100", Shape: [3]int{3, 32, 32}, Batch: 128},
	{Name: "liunet-imagenet32", Doc: "LiuNet on ImageNet32",
		Data: "imagenet32", Shape: [3]int{3, 32, 32}, Batch: 128},
	{Name: "liunet-digits", Doc: "LiuNet of a quarter of the width on the drawn digits of gocaffe demo",
		Data: "digits", Shape: [3]int{1, 28, 28}, Batch: 64},
	{Name: "ssd-digits", Doc: "a small SSD on scenes of drawn digits: a mean average precision of 0.98",
		Data: "digit-scenes", Shape: [3]int{1, 96, 96}, Batch: 32},
}

func init() {
	for i := range entries {
		e := &entries[i]
		e.Net = e.file("_train_test.prototxt")
		for _, suffix := range []string{"_solver.prototxt", "_quick_solver.prototxt"} {
			if exists(e.file(suffix)) {
				e.Solvers = append(e.Solvers, e.file(suffix))
			}
		}
		if name := e.file("_deploy.prototxt"); exists(name) {
			e.Deploy = name
		}
	}
	entries = withLosses(entries)
	for i := range entries {
		if e := &entries[i]; e.loss != nil {
			e.Net = e.file("_train_test.prototxt")
			// A shorter solver would need another schedule in the net.
			e.Solvers = []string{e.file("_solver.prototxt")}
		}
	}
}

// exists reports whether the program contains a file.
func exists(name string) bool {
	_, err := fs.Stat(files, name)
	return err == nil
}

// file returns the name of a file of the net.
func (e Entry) file(suffix string) string { return strings.ReplaceAll(e.Name, "-", "_") + suffix }

// text returns the text of a file of the net.
func (e Entry) text(name string) (string, error) {
	if e.loss == nil {
		text, err := files.ReadFile(name)
		return string(text), err
	}
	base := Entry{Name: e.Base}
	stem, baseStem := e.file(""), base.file("")
	solver, err := base.text(base.file("_solver.prototxt"))
	if err != nil {
		return "", err
	}
	if name != e.Net {
		return strings.ReplaceAll(solver, baseStem, stem), nil
	}
	m := iterations.FindStringSubmatch(solver)
	if m == nil {
		return "", fmt.Errorf("zoo: the solver of %s has no max_iter", e.Base)
	}
	maxIter, err := strconv.Atoi(m[1])
	if err != nil {
		return "", err
	}
	net, err := base.text(base.file("_train_test.prototxt"))
	if err != nil {
		return "", err
	}
	if net, err = e.loss.replaceIn(net, maxIter); err != nil {
		return "", fmt.Errorf("zoo: %s: %w", e.Base, err)
	}
	return strings.Replace(net, `name: "`+baseStem+`"`, `name: "`+stem+`"`, 1), nil
}

// Entries returns the nets of the zoo.
func Entries() []Entry { return slices.Clone(entries) }

// Lookup returns the net of the given name, or an error that names the ones
// there are.
func Lookup(name string) (Entry, error) {
	name = strings.ReplaceAll(name, "_", "-")
	var names []string
	for _, e := range entries {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	if meant := near.Name(name, names); meant != "" {
		return Entry{}, fmt.Errorf("no net %q in the zoo, did you mean %q?", name, meant)
	}
	return Entry{}, fmt.Errorf("no net %q in the zoo, want one of: %s", name, strings.Join(names, ", "))
}

// Read returns the net, parsed, with its file names as they are in the
// program: relative to the working directory.
func (e Entry) Read() (*prototxt.Net, error) {
	text, err := e.text(e.Net)
	if err != nil {
		return nil, err
	}
	return prototxt.ParseNet(e.Net, []byte(text))
}

// pathField matches the fields of the zoo's files that name other files.
var pathField = regexp.MustCompile(`\b(source|mean_file|net|snapshot_prefix): "([^"]*)"`)

// Write puts the net, its solvers and its form for inference into the folder dir, which is made if it
// is not there. Every file that they name is in dir too, written as dir is:
// a relative path holds in the working directory, as always in Caffe. Files
// that are there already are kept, and an error says so, unless overwrite is
// set. The paths of the files are returned, the net first.
func (e Entry) Write(dir string, overwrite bool) ([]string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var paths []string
	names := append([]string{e.Net}, e.Solvers...)
	if e.Deploy != "" {
		names = append(names, e.Deploy)
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil && !overwrite {
			return nil, fmt.Errorf("%s already exists; --force overwrites it", path)
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		text, err := e.text(filepath.Base(path))
		if err != nil {
			return nil, err
		}
		text = pathField.ReplaceAllStringFunc(text, func(field string) string {
			m := pathField.FindStringSubmatch(field)
			return m[1] + ": " + quote(filepath.ToSlash(filepath.Join(dir, m[2])))
		})
		if err := atomicfile.WriteBytes(path, []byte(text)); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// quote returns s as a string of the text format.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
