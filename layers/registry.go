package layers

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/prototxt"
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

	// Dialects are the dialects (prototxt.Dialect) in which the type is this
	// layer, for a name that other forks give to another. Nil is the type of that
	// name in every dialect that has no other: Caffe's own, and new ones.
	Dialects []string

	// MoreFields are further fields of LayerParameter that Caffe's schema does not
	// know and the layer reads (Spec.OptionsIn).
	MoreFields []Plugin

	// Extends is the text of a .proto file with messages that are named as Caffe's
	// and hold fields which a fork has added to them and the layer reads
	// (Spec.OptionsIn):
	//
	//	message PoolingParameter { optional bool ceil_mode = 1 [default = true]; }
	//
	// The numbers do not matter.
	Extends string

	Bottoms, Tops Count
	SameCount     bool // as many tops as bottoms

	// Weights is how many blobs of weights the layer may have, for telling types of
	// one name apart by the fields param; the zero Count says nothing.
	Weights Count

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
	aliasOf      *Info // the type that this is another name of
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
	types     = make(map[string][]*Info)
	conflicts []error
)

// Register registers a layer type for all nets. It is called from init, so a
// mistake is a bug of the program and not of the user's file: Register panics
// on an incomplete Info and on a plugin whose .proto text is wrong.
//
// Two packages that claim the same type in the same dialect, or a field that
// Caffe has, may each be right alone. Who has brought them together need
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
	if err := info.claim(); err != nil {
		conflicts = append(conflicts, err)
		return
	}
	if err := info.addType(); err != nil {
		panic(fmt.Sprintf("layers: Register(%q) at %s: %v", info.Type, info.registeredAt, err))
	}
	types[info.Type] = append(types[info.Type], &info)
}

// Alias gives a type of Caffe or of a plugin another name, in some dialects or, if
// none is named, in all: a layer of that name is one of the type, whatever is done
// with it. It is called from init, and panics if the type is not registered.
func Alias(name, typ string, dialects ...string) {
	of := Lookup(typ)
	if of == nil {
		panic(fmt.Sprintf("layers: Alias(%q, %q): there is no type of that name", name, typ))
	}
	alias := *of
	alias.Type, alias.Dialects = name, dialects
	alias.registeredAt, alias.pkg = caller()
	mu.Lock()
	defer mu.Unlock()
	if err := alias.claim(); err != nil {
		conflicts = append(conflicts, err)
		return
	}
	if err := alias.addType(); err != nil {
		panic(fmt.Sprintf("layers: Alias(%q, %q) at %s: %v", name, typ, alias.registeredAt, err))
	}
	alias.aliasOf = of
	types[name] = append(types[name], &alias)
}

// Check returns an error if the packages that are linked into the program do
// not go together, because two of them claim the same layer type in the same
// dialect, or one a field that Caffe has or a dialect that there is not. Programs
// call it before anything else.
func Check() error {
	mu.RLock()
	defer mu.RUnlock()
	known := make(map[string]bool)
	for _, d := range prototxt.Dialects() {
		known[d.Name] = true
	}
	errs := slices.Clone(conflicts)
	for _, typ := range slices.Sorted(maps.Keys(types)) {
		for _, info := range types[typ] {
			for _, d := range info.Dialects {
				if !known[d] {
					errs = append(errs, fmt.Errorf("layer type %q is registered for dialect %q by %s, but there is no such dialect", typ, d, info.origin()))
				}
			}
		}
	}
	return errors.Join(errs...)
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
// into the program has registered it. If dialects give the name to several types, it
// is that of all other dialects, or else the first; Of finds the one that a layer
// has.
func Lookup(typ string) *Info {
	mu.RLock()
	defer mu.RUnlock()
	all := types[typ]
	if i := slices.IndexFunc(all, func(i *Info) bool { return i.Dialects == nil }); i > 0 {
		return all[i]
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// Of returns the description of the type of a layer, in the dialect in which the
// layer was read (prototxt.DialectOf). It returns nil if no package has registered
// it, or if it is one of several and nothing says which. For another name of a type
// (Alias) that type is returned.
func Of(l *caffepb.LayerParameter) *Info {
	dialects, ok := prototxt.MeaningOf(l)
	if !ok {
		return nil
	}
	mu.RLock()
	defer mu.RUnlock()
	for _, info := range types[l.GetType()] {
		if slices.Equal(info.Dialects, dialects) {
			return cmp.Or(info.aliasOf, info)
		}
	}
	return nil
}

// Meanings returns the descriptions of all types of a name.
func Meanings(typ string) []*Info {
	mu.RLock()
	defer mu.RUnlock()
	return slices.Clone(types[typ])
}

// AliasOf returns the type that i is another name of, nil if it is none.
func (i *Info) AliasOf() *Info { return i.aliasOf }

// Types returns the known types in alphabetical order, each name once.
func Types() []string {
	mu.RLock()
	defer mu.RUnlock()
	return slices.Sorted(maps.Keys(types))
}
