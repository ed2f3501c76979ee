package cuda

import (
	"fmt"
	"strings"
	"sync"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// A Module is the kernels of one .cu file, as PTX. It is made once, as a
// package's variable, and compiled for a device when the first kernel is
// launched there.
type Module struct {
	ptx   string
	once  sync.Once
	entry map[string]string // the parameters of each kernel, a letter for each
}

// NewModule returns the module of PTX text.
func NewModule(ptx string) *Module { return &Module{ptx: ptx} }

// PTX returns the text.
func (m *Module) PTX() string { return m.ptx }

// Kernel returns the kernel of a name. That there is none shows at the launch.
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

// entries finds the kernels of PTX text and the types of their parameters: "p"
// for 8 bytes (an address or a long), "i" for 4 bytes of whole number, "f" for a
// float, "d" for a double, "?" for any other.
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

// function returns a kernel on the device, for which it compiles the module if
// no kernel of the same text was used before. The context is current.
func (d *Device) function(k *Kernel) (function, error) {
	if f, ok := d.functions[k]; ok {
		return f, nil
	}
	m := k.module
	m.once.Do(func() { m.entry = entries(m.ptx) })
	params, ok := m.entry[k.name]
	if !ok {
		return function{}, fmt.Errorf("kernel %s: the PTX has no entry of this name; was make ptx run after the last change?", k.name)
	}
	if d.notRecordable("to load kernel " + k.name) {
		return function{}, ErrNotRecordable
	}
	module, ok := d.modules[m.ptx]
	if !ok {
		var err error
		if module, err = d.drv.ModuleLoad(m.ptx); err != nil {
			return function{}, fmt.Errorf("kernel %s: %w", k.name, err)
		}
		d.modules[m.ptx] = module
	}
	handle, err := d.drv.ModuleFunction(module, k.name)
	if err != nil {
		return function{}, fmt.Errorf("kernel %s: %w", k.name, err)
	}
	f := function{handle, params}
	d.functions[k] = f
	return f, nil
}
