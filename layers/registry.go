package layers

import (
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Info describes a layer type to the nets that use it.
type Info struct {
	Type  string // the type string of the prototxt
	Group string // activation, common, data, loss, recurrent, utility or vision, as in Caffe's catalogue
	Doc   string // what it computes, its bottoms, tops and options, for people
	Param string // the field of LayerParameter with its options, "" if it has none

	Bottoms, Tops Count
	SameCount     bool // as many tops as bottoms

	// Loss marks a layer whose first top is a loss: it has loss weight 1 unless
	// the prototxt says otherwise, tops that the prototxt leaves out are made
	// without a name, and the second bottom has no gradient.
	Loss bool

	// New makes a layer. It reads and checks the options, without side
	// effects; an error names the field (Spec.Errorf).
	New func(*Spec) (Layer, error)

	registeredAt string
}

// Count is how many bottoms or tops a layer may have.
type Count struct{ Min, Max int }

// Exactly is the Count of n and no other number.
func Exactly(n int) Count { return Count{n, n} }

// AtLeast is the Count of n or more.
func AtLeast(n int) Count { return Count{n, math.MaxInt} }

// Between is the Count of least to most.
func Between(least, most int) Count { return Count{least, most} }

// Allows tells whether n is in the range.
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
	mu    sync.RWMutex
	types = make(map[string]*Info)
)

// Register makes a layer type known to every net. It is called from init, so a
// mistake is a bug of the program and not of the user's file: Register panics
// on an incomplete Info and on a type that is there already.
func Register(info Info) {
	if info.Type == "" || info.New == nil {
		panic(fmt.Sprintf("layers: Register(%q): Type and New are required", info.Type))
	}
	_, file, line, _ := runtime.Caller(1)
	info.registeredAt = fmt.Sprintf("%s:%d", file, line)
	mu.Lock()
	defer mu.Unlock()
	if old, dup := types[info.Type]; dup {
		panic(fmt.Sprintf("layers: type %q registered twice: %s and %s", info.Type, old.registeredAt, info.registeredAt))
	}
	types[info.Type] = &info
}

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
