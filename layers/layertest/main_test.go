package layertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// nothing is a layer without options, gradient or GPU code.
type nothing struct{}

func (nothing) SetUp(_, _ []*blob.Blob) error                                      { return nil }
func (nothing) Reshape(_, _ []*blob.Blob) error                                    { return nil }
func (nothing) Forward(context.Context, []*blob.Blob, []*blob.Blob) error          { return nil }
func (nothing) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error { return nil }

// demanded are types that no other test uses.
var demanded = []layers.Info{
	{Type: "DemandedA"},
	{Type: "DemandedB", Param: "lrn_param", Doc: "B has options:\n\nlrn_param:\n\tlocal_size (5): of\n\t\talpha: no option\n\tbeta (1), k: with norm_region (3)\n\nengine"},
}

// thisPackage is the package of this file, whose types are those in demanded.
const thisPackage = "github.com/gocaffe/gocaffe/layers/layertest"

func init() {
	for _, info := range demanded {
		info.New = func(*layers.Spec) (layers.Layer, error) { return nothing{}, nil }
		layers.Register(info)
	}
}

// TestMissing takes away one check after the other from a package that makes all.
func TestMissing(t *testing.T) {
	complete := []demand{
		{"DemandedA", Reference}, {"DemandedA", Gradient}, {"DemandedA", Device},
		{"DemandedB", Reference}, {"DemandedB", Gradient}, {"DemandedB", Device},
	}
	options := Exception{"DemandedB", Documentation, "for this test"}
	const undescribed = "layer type DemandedB: Info.Doc does not describe lrn_param.alpha, lrn_param.engine"
	noDevice := errors.New("there is no g++")
	for _, test := range []struct {
		name       string
		done       []demand
		exceptions []Exception
		noDevice   error
		want       []string
	}{
		{"complete", complete, []Exception{options}, nil, nil},
		{"options", complete, nil, nil, []string{undescribed}},
		{"reference", complete[1:], []Exception{options}, nil, []string{"layer type DemandedA: no test makes the comparison with reference values"}},
		{"gradient", slices.Delete(slices.Clone(complete), 4, 5), []Exception{options}, nil, []string{"layer type DemandedB: no test makes the gradient check"}},
		{"device", complete[:5], []Exception{options}, nil, []string{"layer type DemandedB: no test makes the comparison of GPU and host"}},
		{"no device", complete[:5], []Exception{options}, noDevice, nil},
		{"excepted", complete[1:], []Exception{options, {"DemandedA", Reference, "nobody knows"}}, nil, nil},
		{"no reason", complete[1:], []Exception{options, {"DemandedA", Reference, ""}}, nil, []string{"layer type DemandedA: the exception from the comparison with reference values has no reason"}},
		{"not needed", complete, []Exception{options, {"DemandedA", Gradient, "it is flat"}}, nil, []string{"layer type DemandedA: the exception from the gradient check is not needed"}},
		{"documented", complete, []Exception{options, {"DemandedA", Documentation, "obvious"}}, nil, []string{"layer type DemandedA: the exception from the description of every option is not needed"}},
		{"another package", complete, []Exception{options, {"Input", Gradient, "it has no bottom"}}, nil,
			[]string{"exception for layer type Input, which package " + thisPackage + " does not register"}},
		{"nothing", nil, nil, nil, []string{
			undescribed,
			"layer type DemandedA: no test makes the comparison of GPU and host",
			"layer type DemandedA: no test makes the comparison with reference values",
			"layer type DemandedA: no test makes the gradient check",
			"layer type DemandedB: no test makes the comparison of GPU and host",
			"layer type DemandedB: no test makes the comparison with reference values",
			"layer type DemandedB: no test makes the gradient check",
		}},
	} {
		doneMu.Lock()
		saved := done
		done = make(map[demand]bool)
		doneMu.Unlock()
		for _, d := range test.done {
			record(d.typ, d.check)
		}
		got := missing(thisPackage, test.exceptions, test.noDevice)
		doneMu.Lock()
		done = saved
		doneMu.Unlock()
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

// TestRecords checks that the checks of this package are recorded if they pass, and
// that a failed test of its own does not count.
func TestRecords(t *testing.T) {
	if !t.Run("passes", func(t *testing.T) { Checked(t, "DemandedA", Reference) }) {
		return
	}
	t.Run("skipped", func(t *testing.T) {
		Checked(t, "DemandedB", Reference)
		t.Skip("SKIPPED: this test is about skipped tests")
	})
	doneMu.Lock()
	defer doneMu.Unlock()
	if !done[demand{"DemandedA", Reference}] || done[demand{"DemandedB", Reference}] {
		t.Errorf("recorded are %v", done)
	}
}

// TestPackageUnderTest checks the package of test functions.
func TestPackageUnderTest(t *testing.T) {
	for function, want := range map[string]string{
		"github.com/gocaffe/gocaffe/layers/loss.TestMain": "github.com/gocaffe/gocaffe/layers/loss",
		"example.com/me/x%2ey_test.TestMain":              "example.com/me/x.y",
	} {
		if got := packageUnderTest(function); got != want {
			t.Errorf("%s is of package %s, want %s", function, got, want)
		}
	}
}
