package ocr_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/ocr"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// layer returns a layer of bottoms x0, x1, ... with one top.
func layer(typ string, bottoms int, options string) string {
	text := fmt.Sprintf("layer { name: \"l\" type: %q top: \"y\" %s", typ, options)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	return text + " }"
}

func TestGolden(t *testing.T) {
	layertest.GoldenIn(t, "ctpn", reference.ForksFS(t, "layers-misc"), nil, "Reverse", "Transpose")
}

func TestGoldenDevice(t *testing.T) {
	layertest.GoldenIn(t, "ctpn", reference.ForksFS(t, "layers-misc"), cudatest.Device(t), "Reverse", "Transpose")
}

type testCase struct {
	typ, options string
	bottoms      []*blob.Blob
}

func cases() []testCase {
	x := func() []*blob.Blob { return []*blob.Blob{layertest.Gaussian(1, 3, 5, 2, 7)} }
	return []testCase{
		{"Reverse", "", x()},
		{"Reverse", "reverse_param { axis: 2 }", x()},
		{"Reverse", "reverse_param { axis: 3 }", x()},
		{"Transpose", "transpose_param { dim: 3 dim: 0 dim: 2 dim: 1 }", x()},
		{"Transpose", "transpose_param { dim: 0 dim: 1 dim: 2 dim: 3 }", x()},
	}
}

func TestGradient(t *testing.T) {
	for _, c := range cases() {
		f := layertest.New(t, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
		layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 1e-2, Tolerance: 2e-3})
	}
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range cases() {
		layertest.CheckDevice(t, d, 0, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
	}
}

func TestPromises(t *testing.T) {
	for _, c := range cases() {
		text := layer(c.typ, len(c.bottoms), c.options)
		layertest.CheckThreads(t, text, c.bottoms...)
		layertest.CheckAllocs(t, text, c.bottoms...)
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3)
	for _, test := range []struct{ want, typ, options string }{
		{"axis is -1, want 0 or more", "Reverse", "reverse_param { axis: -1 }"},
		{"axis is 2, the bottom has shape [2 3], want an axis less than 2", "Reverse", "reverse_param { axis: 2 }"},
		{"dim is missing, want the axes of the bottom in the order of the top", "Transpose", ""},
		{"dim has axis 2, want 0 to 1", "Transpose", "transpose_param { dim: 0 dim: 2 }"},
		{"dim has axis -1, want 0 to 1", "Transpose", "transpose_param { dim: -1 dim: 0 }"},
		{"dim names axis 1 twice", "Transpose", "transpose_param { dim: 1 dim: 1 }"},
		{"the bottom has shape [2 3], want 3 axes, as many as dim", "Transpose", "transpose_param { dim: 0 dim: 2 dim: 1 }"},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, 1, test.options), x)
	}
}
