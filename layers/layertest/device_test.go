package layertest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestGoldenDevice runs the golden cases on a GPU, including those of layers without
// GPU code.
func TestGoldenDevice(t *testing.T) {
	layertest.GoldenOn(t, reference.GoldenFS(t, "layers"), cudatest.Device(t))
}

// TestCheckDeviceFinds checks that a layer without GPU code fails, and that one with
// it passes.
func TestCheckDeviceFinds(t *testing.T) {
	d, x := cudatest.Device(t), layertest.Gaussian(1, 2, 3)
	if got := record(t, func(r testing.TB) { layertest.CheckDevice(r, d, 1e-5, text(""), x) }); got != "type Square has no GPU code, it runs on the host\n" {
		t.Errorf("a layer without GPU code: %q", got)
	}
	if got := record(t, func(r testing.TB) {
		layertest.CheckDevice(r, d, 1e-5, `layer { type: "ReLU" bottom: "x" top: "y" }`, x)
	}); got != "" {
		t.Errorf("ReLU: %s", got)
	}
}

// twice computes y = 2x. It may have one of several bugs in its GPU code.
type twice struct {
	layers.OnRecordableDevice
	env *layers.Env
	bug string
}

func init() {
	for _, bug := range []string{"", "wrong", "pass", "waits"} {
		layers.Register(layers.Info{
			Type: "Twice" + bug, Bottoms: layers.Exactly(1), Tops: layers.Exactly(1),
			New: func(s *layers.Spec) (layers.Layer, error) { return &twice{env: s.Env, bug: bug}, nil },
		})
	}
}

func (l *twice) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *twice) Reshape(bottom, top []*blob.Blob) error { return top[0].ReshapeLike(bottom[0]) }

// factor returns 2, or with the bug "pass" a number that depends on the pass.
func (l *twice) factor() float32 {
	if l.bug == "pass" {
		return 2 + float32(l.env.Pass)
	}
	return 2
}

func (l *twice) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	for i, x := range bottom[0].Data() {
		top[0].MutableData()[i] = l.factor() * x
	}
	return nil
}

func (l *twice) Backward(_ context.Context, top []*blob.Blob, _ []bool, bottom []*blob.Blob) error {
	for i, dy := range top[0].Diff() {
		bottom[0].MutableDiff()[i] = 2 * dy
	}
	return nil
}

func (l *twice) ForwardDevice(_ context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	d.Scale(top[0].Count(), l.factor(), bottom[0].DeviceData(d), top[0].MutableDeviceData(d))
	if l.bug == "waits" {
		top[0].Data()
	}
	return nil
}

func (l *twice) BackwardDevice(_ context.Context, d *cuda.Device, top []*blob.Blob, _ []bool, bottom []*blob.Blob) error {
	factor := float32(2)
	if l.bug == "wrong" {
		factor = 3
	}
	d.Scale(top[0].Count(), factor, top[0].DeviceDiff(d), bottom[0].MutableDeviceDiff(d))
	return nil
}

// TestCheckDeviceFindsBugs checks that CheckDevice finds bugs that a single pass shows,
// and those that only a recorded pass shows.
func TestCheckDeviceFindsBugs(t *testing.T) {
	d, x := cudatest.Device(t), layertest.Gaussian(1, 2, 3)
	for bug, want := range map[string]string{
		"":      "",
		"wrong": `bottom 0 "x" diff, element 0 at [0 0] is `,
		"pass":  `top 0 "y" data, element 0 at [0 0] is `,
		"waits": "type Twicewaits claims that its passes are Recordable: of 3 forward and backward passes 5 and 2 ran, want 2 and 2\n",
	} {
		got := record(t, func(r testing.TB) {
			layertest.CheckDevice(r, d, 1e-5, `layer { type: "Twice`+bug+`" bottom: "x" top: "y" }`, x)
		})
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("bug %q: %q, want %q", bug, got, want)
		}
	}
}
