package python

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// A Native is a class that layers of type Python name, written in Go.
type Native struct {
	// Module and Class are the fields module and layer of python_param.
	Module, Class string

	// New makes a layer, as that of layers.Info does. The options are in param_str.
	New func(*layers.Spec) (layers.Layer, error)
}

var natives struct {
	sync.RWMutex
	byName map[string][]Native
}

// Register makes a Native known to all nets. It runs in place of the user's class where
// the module cannot be imported: because it is not there, is written for Python 2, or
// because there is no Python. If the module can be imported, the class in it runs, as
// the net says; but if Python must not run (layers.Env.NoPrograms), the Native does.
//
// It is called from init. If two packages register one class, a net that names it is
// an error.
func Register(n Native) {
	if n.Module == "" || n.Class == "" || n.New == nil {
		panic(fmt.Sprintf("python: Register(%q, %q): Module, Class and New are required", n.Module, n.Class))
	}
	natives.Lock()
	defer natives.Unlock()
	if natives.byName == nil {
		natives.byName = make(map[string][]Native)
	}
	name := n.Module + "." + n.Class
	natives.byName[name] = append(natives.byName[name], n)
}

// native returns the Native that runs in place of the user's class, or nil if that one
// runs.
func native(spec *layers.Spec) (*Native, error) {
	p := spec.Param.GetPythonParam()
	name := p.GetModule() + "." + p.GetLayer()
	natives.RLock()
	list := natives.byName[name]
	natives.RUnlock()
	switch {
	case len(list) == 0:
		return nil, nil
	case len(list) > 1:
		return nil, spec.Errorf("python_param.layer", "%d packages of this program implement %s: build it with one of them", len(list), name)
	case spec.Env.NoPrograms:
		return &list[0], nil
	}
	started, err := importModule(spec)
	if err == nil {
		return nil, nil
	}
	level, reason := event.Info, fmt.Sprintf("there is no Python module %s", p.GetModule())
	if f, ok := err.(*failure); !ok || f.field != moduleField {
		reason, _, _ = strings.Cut(err.Error(), "\n")
		if started { // the module may be there, and another than ours
			level, reason = event.Warning, fmt.Sprintf("the Python module %s cannot be imported: %s", p.GetModule(), reason)
		}
	}
	spec.Notef(level, "gocaffe's own %s runs: %s", p.GetLayer(), reason)
	return &list[0], nil
}

// importTime is how long a process that was started for an import stays: the layers of
// a net follow each other.
const importTime = time.Second

// importModule has Python import the module of a layer. started is whether there is a
// Python that runs layers.
func importModule(spec *layers.Spec) (started bool, err error) {
	l := &layer{spec: spec}
	p, err := use(l)
	if err != nil {
		return false, err
	}
	// Nobody hears what Python prints once the layer is made.
	defer p.linger(&layer{spec: layers.NewSpec(spec.Param, new(layers.Env), nil)}, importTime)
	if err := p.begin(context.Background(), l); err != nil {
		return true, err
	}
	defer p.end()
	p.request.add(opImport)
	p.request.text = append(p.request.text, spec.Param.GetPythonParam().GetModule()...)
	return true, p.do(context.Background(), l)
}
