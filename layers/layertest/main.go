package layertest

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
)

// A Check is one of the things that Main demands of every layer type.
type Check string

// The checks, each with what makes it.
const (
	Reference     Check = "comparison with reference values" // Golden or Checked
	Gradient      Check = "gradient check"                   // CheckGradient
	Device        Check = "comparison of GPU and host"       // CheckDevice
	Documentation Check = "description of every option"      // Info.Doc
)

// An Exception frees a layer type from a Check.
type Exception struct {
	Type   string // of several types with that name "BN of segnet", with the first of the type's dialects
	Check  Check
	Reason string
}

// Main runs the tests of a package of layers and then demands each Check for each
// layer type that the package registers, but for the exceptions. If all tests have
// passed and a check is missing, it names type and check, and the exit status is 1.
// An exception that is not needed is an error too. A package calls it from TestMain:
//
//	func TestMain(m *testing.M) { layertest.Main(m) }
//
// Nothing is demanded if flags such as -run or -short leave tests out.
func Main(m *testing.M, exceptions ...Exception) {
	_, file, _, _ := runtime.Caller(1)
	pc, _, _, _ := runtime.Caller(1)
	code := m.Run()
	if code == 0 && allTests() {
		faults := missing(packageUnderTest(runtime.FuncForPC(pc).Name()), exceptions, cudatest.Available())
		for _, fault := range faults {
			fmt.Fprintf(os.Stderr, "%s: %s\n", file, fault)
		}
		code = min(len(faults), 1)
	}
	os.Exit(code)
}

// allTests reports whether no flag leaves out a test.
func allTests() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return !testing.Short()
}

// packageUnderTest returns the package that a function of a test file, such as
// example.com/me/mylayer_test.TestMain, belongs to or tests.
func packageUnderTest(function string) string {
	slash := strings.LastIndexByte(function, '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + strings.TrimSuffix(strings.ReplaceAll(name, "%2e", "."), "_test")
}

// nameOf returns the name of a type for Checked and Exception: "ReLU", or "BN of
// segnet" for one of several types of that name, after the first of its dialects.
func nameOf(info *layers.Info) string {
	if len(info.Dialects) == 0 || len(layers.Meanings(info.Type)) == 1 {
		return info.Type
	}
	return info.Type + " of " + info.Dialects[0]
}

// A demand is a check of one type.
type demand struct {
	typ   string
	check Check
}

var (
	doneMu sync.Mutex
	done   = make(map[demand]bool) // the checks that were made
)

// Checked records that a test has made a check of a layer type by means of its own,
// such as a comparison with numbers in the test. It counts if the test passes.
func Checked(t testing.TB, typ string, check Check) {
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			record(typ, check)
		}
	})
}

func record(typ string, check Check) {
	doneMu.Lock()
	defer doneMu.Unlock()
	done[demand{typ, check}] = true
}

// missing describes each check that is demanded of the types of a package and was not
// made, and each useless exception. noDevice is the reason why nothing ran on a GPU.
func missing(pkg string, exceptions []Exception, noDevice error) []string {
	doneMu.Lock()
	defer doneMu.Unlock()
	var faults []string
	excepted := make(map[demand]bool)
	var infos []*layers.Info // that the package registers
	for _, typ := range layers.Types() {
		for _, info := range layers.Meanings(typ) {
			if info.Package() == pkg && info.AliasOf() == nil {
				infos = append(infos, info)
			}
		}
	}
	for _, e := range exceptions {
		d := demand{e.Type, e.Check}
		i := slices.IndexFunc(infos, func(info *layers.Info) bool { return nameOf(info) == e.Type })
		var info *layers.Info
		if i >= 0 {
			info = infos[i]
		}
		switch {
		case info == nil:
			faults = append(faults, fmt.Sprintf("exception for layer type %s, which package %s does not register", e.Type, pkg))
		case e.Reason == "":
			faults = append(faults, fmt.Sprintf("layer type %s: the exception from the %s has no reason", e.Type, e.Check))
		case done[d] || e.Check == Documentation && len(undocumented(info)) == 0:
			faults = append(faults, fmt.Sprintf("layer type %s: the exception from the %s is not needed", e.Type, e.Check))
		}
		excepted[d] = true
	}
	for _, info := range infos {
		typ := nameOf(info)
		for _, check := range []Check{Reference, Gradient, Device} {
			d := demand{typ, check}
			if !done[d] && !excepted[d] && (check != Device || noDevice == nil) {
				faults = append(faults, fmt.Sprintf("layer type %s: no test makes the %s", typ, check))
			}
		}
		if names := undocumented(info); len(names) > 0 && !excepted[demand{typ, Documentation}] {
			faults = append(faults, fmt.Sprintf("layer type %s: Info.Doc does not describe %s", typ, strings.Join(names, ", ")))
		}
	}
	slices.SortStableFunc(faults, cmp.Compare)
	return faults
}
