package layers

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/gocaffe/gocaffe/cuda"
)

// Info describes a layer type to the nets that use it.
type Info struct {
	Type  string // the type string of the prototxt
	Group string // activation, common, data, loss, recurrent, utility or vision, as in Caffe's catalogue
	Doc   string // what it computes, its bottoms, tops and options, for people
	Param string // the field of LayerParameter with its options, "" if it has none

	// Plugin is the type's own field of LayerParameter, for a layer that
	// Caffe's schema does not know; nil for Caffe's own. Param may be left out
	// then.
	Plugin *Plugin

	Bottoms, Tops Count
	SameCount     bool // as many tops as bottoms

	// Loss marks a layer whose first top is a loss: it has loss weight 1 unless
	// the prototxt says otherwise, tops that the prototxt leaves out are made
	// without a name, and the second bottom has no gradient.
	Loss bool

	// New makes a layer. It reads and checks the options, without side
	// effects; an error names the field (Spec.Errorf).
	New func(*Spec) (Layer, error)

	// Kernels are the CUDA kernels of a layer that is a DeviceLayer, as PTX.
	// Programs show that they are there.
	Kernels *cuda.Module

	registeredAt string
	pkg          string
}

// Package returns the path of the package that has registered the type.
func (i *Info) Package() string { return i.pkg }

// RegisteredAt returns the file and line that have registered the type.
func (i *Info) RegisteredAt() string { return i.registeredAt }

// Module returns the module that the type is from and its version, as the
// program was built: "(devel)" for a module in a local folder, "" where the
// program does not know.
func (i *Info) Module() (path, version string) {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "", ""
	}
	if i.pkg == "main" {
		return build.Main.Path, build.Main.Version
	}
	for _, m := range append(build.Deps, &build.Main) {
		if (i.pkg == m.Path || strings.HasPrefix(i.pkg, m.Path+"/")) && len(m.Path) > len(path) {
			path, version = m.Path, m.Version
			if m.Replace != nil {
				version = m.Replace.Version
			}
		}
	}
	return path, version
}

// Count is the number of bottoms or tops a layer may have.
type Count struct{ Min, Max int }

// Exactly is the Count of n and no other number.
func Exactly(n int) Count { return Count{n, n} }

// AtLeast is the Count of n or more.
func AtLeast(n int) Count { return Count{n, math.MaxInt} }

// Between is the Count of least to most.
func Between(least, most int) Count { return Count{least, most} }

// Allows reports whether n is in the range.
func (c Count) Allows(n int) bool { return c.Min <= n && n <= c.Max }

// String returns the range in words: "2", "1 to 2", "at least 1".
func (c Count) String() string {
	switch {
	case c.Min == c.Max:
		return fmt.Sprint(c.Min)
	case c.Max == math.MaxInt:
		return fmt.Sprintf("at least %d", c.Min)
	}
	return fmt.Sprintf("%d to %d", c.Min, c.Max)
}

var (
	mu        sync.RWMutex
	types     = make(map[string]*Info)
	conflicts []error
)

// Register registers a layer type for all nets. It is called from init, so a
// mistake is a bug of the program and not of the user's file: Register panics
// on an incomplete Info and on a plugin whose .proto text is wrong.
//
// Two packages that claim the same type, or the same field or number of
// LayerParameter, may each be right alone. Who has brought them together need
// not be a programmer, so that is no panic: the first claim holds, and Check
// returns an error for the program to show.
func Register(info Info) {
	if info.Type == "" || info.New == nil {
		panic(fmt.Sprintf("layers: Register(%q): Type and New are required", info.Type))
	}
	info.registeredAt, info.pkg = caller()
	if info.Plugin != nil && info.Param == "" {
		info.Param = info.Plugin.Field
	}
	mu.Lock()
	defer mu.Unlock()
	if old := types[info.Type]; old != nil {
		conflicts = append(conflicts, fmt.Errorf("layer type %q is registered twice: by %s and by %s", info.Type, old.origin(), info.origin()))
		return
	}
	if info.Plugin != nil {
		added, err := info.claim()
		if err != nil {
			conflicts = append(conflicts, err)
			return
		}
		if !added {
			if err := info.Plugin.addField(); err != nil {
				panic(fmt.Sprintf("layers: Register(%q) at %s: %v", info.Type, info.registeredAt, err))
			}
		}
	}
	types[info.Type] = &info
}

// Check returns an error if the packages that are linked into the program do
// not go together, because two of them claim the same layer type, or the same
// field or number of LayerParameter. Programs call it before anything else.
func Check() error {
	mu.RLock()
	defer mu.RUnlock()
	return errors.Join(conflicts...)
}

// caller returns the place that has called Register, and its package.
func caller() (at, pkg string) {
	pcs := make([]uintptr, 1)
	runtime.Callers(3, pcs)
	frame, _ := runtime.CallersFrames(pcs).Next()
	return fmt.Sprintf("%s:%d", frame.File, frame.Line), packageOf(frame.Function)
}

// packageOf returns the package of a function that the runtime has named, as in
// example.com/me/mylayer.init.0; dots of the path's last part are %2e there.
func packageOf(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + strings.ReplaceAll(name, "%2e", ".")
}

// origin says where a type comes from.
func (i *Info) origin() string { return fmt.Sprintf("package %s (%s)", i.pkg, i.registeredAt) }

// Lookup returns the description of a type, or nil if no package that is linked
// into the program has registered it.
func Lookup(typ string) *Info {
	mu.RLock()
	defer mu.RUnlock()
	return types[typ]
}

// Types returns the known types in alphabetical order.
func Types() []string {
	mu.RLock()
	defer mu.RUnlock()
	return slices.Sorted(maps.Keys(types))
}
