package ocr_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/ocr"
)

const onHost = "it runs on the host, also with --gpu"

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "CTCLoss", Check: layertest.Device, Reason: onHost},
		layertest.Exception{Type: "CTCLoss", Check: layertest.Gradient, Reason: "its gradient is the fork's, which ignores the loss weight: TestSlopeCTC"},
		layertest.Exception{Type: "CTCGreedyDecoder", Check: layertest.Device, Reason: onHost},
		layertest.Exception{Type: "CTCGreedyDecoder", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "CtcLoss", Check: layertest.Device, Reason: onHost},
		layertest.Exception{Type: "ContinuationIndicator", Check: layertest.Device, Reason: onHost},
		layertest.Exception{Type: "ContinuationIndicator", Check: layertest.Gradient, Reason: "it has no gradient"},
	)
}

// layer returns a layer of bottoms x0, x1, ... with one top.
func layer(typ string, bottoms int, options string) string {
	text := fmt.Sprintf("layer { name: \"l\" type: %q top: \"y\" %s", typ, options)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	return text + " }"
}

func TestGolden(t *testing.T) { golden(t, nil) }

func TestGoldenDevice(t *testing.T) { golden(t, cudatest.Device(t)) }

// golden leaves out the values of the CPU code of Lstm for two sequences: it gives the
// second the recurrent term of the first. The cases gpu_* have several sequences.
func golden(t *testing.T, d *cuda.Device) {
	cases := reference.Without(reference.ForksFS(t, "layers-misc"), "Lstm/cpu_two_sequences")
	layertest.GoldenIn(t, "ctpn", cases, d, "Lstm", "Reverse", "Transpose")
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
		{"Lstm", "lstm_param { num_output: 4 " + fillers + "}", []*blob.Blob{layertest.Gaussian(1, 5, 3, 2, 2)}},
		{"Lstm", "lstm_param { num_output: 3 " + fillers + "}", []*blob.Blob{layertest.Gaussian(1, 4, 1, 6)}},
	}
}

const fillers = `weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 } `

// marked are cases of Lstm with markers, whose gradient of Wh is not the derivative.
func marked() []testCase {
	markers := layertest.Values([]float32{1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1}, 4, 3)
	return []testCase{
		{"Lstm", "lstm_param { num_output: 4 " + fillers + "}", []*blob.Blob{layertest.Gaussian(1, 4, 3, 5), markers}},
		{"Lstm", "lstm_param { num_output: 4 clipping_threshold: 0.1 " + fillers + "}", []*blob.Blob{layertest.Gaussian(1, 4, 3, 5), markers}},
	}
}

func TestGradient(t *testing.T) {
	for _, c := range cases() {
		f := layertest.New(t, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
		layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 1e-2, Tolerance: 2e-3})
	}
	c := marked()[0]
	clear(c.bottoms[1].MutableData()[:3]) // no states of the pass before
	f := layertest.New(t, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
	layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 1e-2, Tolerance: 2e-3, Bottoms: []int{0}, Params: []int{0, 2}})
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range append(cases(), marked()...) {
		tolerance := 0.
		if c.typ == "Lstm" {
			tolerance = 1e-5
		}
		layertest.CheckDevice(t, d, tolerance, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
	}
}

func TestPromises(t *testing.T) {
	for _, c := range append(cases(), marked()...) {
		text := layer(c.typ, len(c.bottoms), c.options)
		layertest.CheckThreads(t, text, c.bottoms...)
		layertest.CheckAllocs(t, text, c.bottoms...)
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3)
	for _, test := range []struct{ want, typ, options string }{
		{"num_output is 0, want 1 to 536870911", "Lstm", ""},
		{"clipping_threshold is -1, want 0 or more", "Lstm", "lstm_param { num_output: 2 clipping_threshold: -1 }"},
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
	sequences := layertest.Gaussian(1, 4, 2, 3)
	layertest.CheckError(t, 1, `layer "l": bottom 1, the markers, has shape [4 1], want [4 2]`,
		layer("Lstm", 2, "lstm_param { num_output: 2 }"), sequences, layertest.Gaussian(1, 4, 1))
	layertest.CheckError(t, 1, `layer "l": bottom 0 has shape [2], want at least 2 axes: time steps, sequences`,
		layer("Lstm", 1, "lstm_param { num_output: 2 }"), layertest.Gaussian(1, 2))
}

// TestState checks that a pass after SetState continues like one after the pass whose
// State it was.
func TestState(t *testing.T) {
	c := marked()[0]
	forward := func(f *layertest.Fixture) []float32 {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(f.Top[0].Data())
	}
	build := func() *layertest.Fixture {
		return layertest.New(t, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
	}
	f := build()
	first := forward(f)
	state := f.Layer.(layers.Stateful).State()
	second := forward(f)
	if slices.Equal(first, second) {
		t.Error("the second pass does not go on with the states of the first")
	}
	g := build()
	if err := g.Layer.(layers.Stateful).SetState(state); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(forward(g), second) {
		t.Error("a pass after SetState does not go on with the states")
	}
	if err := g.Layer.(layers.Stateful).SetState(state[1:]); err == nil || err.Error() != "the states of the units have 95 bytes, want 96, 4 for each of 24 units" {
		t.Errorf("SetState of too little: error %v", err)
	}
}
