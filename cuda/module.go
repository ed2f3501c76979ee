package cuda

import (
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// A Module holds the kernels of one .cu file, compiled to PTX. Make it once, as a
// variable of the package. A device loads it when it launches the first of them.
type Module struct{ ptx string }

// NewModule returns the module of a PTX file, plain (.ptx) or compressed by gzip
// (.ptx.gz). A device decompresses it when it loads the module.
func NewModule(ptx string) *Module { return &Module{ptx} }

// PTX returns the text of the module, decompressed. It fails if the compressed
// data are damaged.
func (m *Module) PTX() (string, error) {
	if !strings.HasPrefix(m.ptx, "\x1f\x8b") {
		return m.ptx, nil
	}
	text, err := decompress(m.ptx)
	if err != nil {
		return "", fmt.Errorf("cannot decompress the PTX: %w", err)
	}
	return text, nil
}

func decompress(data string) (string, error) {
	r, err := gzip.NewReader(strings.NewReader(data))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	_, err = io.Copy(&text, r)
	return text.String(), err
}

// Kernel returns the kernel with the given name. If there is none, Launch fails.
func (m *Module) Kernel(name string) *Kernel { return &Kernel{module: m, name: name} }

// A Kernel is a function that runs on a device.
type Kernel struct {
	module *Module
	name   string
}

// Name returns the name of the kernel.
func (k *Kernel) Name() string { return k.name }

// function is a kernel on a device.
type function struct {
	handle driver.Function
	params string // see entries
}

// entries returns the kernels of PTX text and the types of their parameters: "p"
// for an address or a long, "i" for an int, "f" for a float, "d" for a double, "?"
// for anything else.
func entries(ptx string) map[string]string {
	found := make(map[string]string)
	for {
		_, rest, ok := strings.Cut(ptx, ".entry ")
		if !ok {
			return found
		}
		name, rest, _ := strings.Cut(rest, "(")
		list, rest, _ := strings.Cut(rest, ")")
		var params strings.Builder
		for param := range strings.SplitSeq(list, ",") {
			switch fields := strings.Fields(param); {
			case len(fields) < 3:
			case fields[1] == ".u64" || fields[1] == ".b64" || fields[1] == ".s64":
				params.WriteByte('p')
			case fields[1] == ".u32" || fields[1] == ".b32" || fields[1] == ".s32":
				params.WriteByte('i')
			case fields[1] == ".f32":
				params.WriteByte('f')
			case fields[1] == ".f64":
				params.WriteByte('d')
			default:
				params.WriteByte('?')
			}
		}
		found[strings.TrimSpace(name)] = params.String()
		ptx = rest
	}
}

// loadedModule is a module on a device.
type loadedModule struct {
	handle driver.Module
	entry  map[string]string // see entries
}

// load returns the module on the device, which compiles it unless a module with the
// same PTX has been loaded. The context is current.
func (d *Device) load(m *Module) (loadedModule, error) {
	if loaded, ok := d.modules[m.ptx]; ok {
		return loaded, nil
	}
	text, err := m.PTX()
	if err != nil {
		return loadedModule{}, err
	}
	handle, err := d.drv.ModuleLoad(text)
	if err != nil {
		return loadedModule{}, err
	}
	loaded := loadedModule{handle, entries(text)}
	d.modules[m.ptx] = loaded
	return loaded, nil
}

// function returns a kernel on the device. The context is current.
func (d *Device) function(k *Kernel) (function, error) {
	if f, ok := d.functions[k]; ok {
		return f, nil
	}
	if d.notRecordable("loading kernel " + k.name) {
		return function{}, ErrNotRecordable
	}
	module, err := d.load(k.module)
	if err != nil {
		return function{}, fmt.Errorf("kernel %s: %w", k.name, err)
	}
	params, ok := module.entry[k.name]
	if !ok {
		return function{}, fmt.Errorf("kernel %s: the PTX has no entry of this name; was make ptx run after the last change?", k.name)
	}
	handle, err := d.drv.ModuleFunction(module.handle, k.name)
	if err != nil {
		return function{}, fmt.Errorf("kernel %s: %w", k.name, err)
	}
	f := function{handle, params}
	d.functions[k] = f
	return f, nil
}
