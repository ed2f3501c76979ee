package recurrent_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/layers/recurrent"
)

// A layer of D units with the given further options, and its bottoms.
func recurrent(typ string, d int, options string, bottoms, tops int) string {
	text := fmt.Sprintf(`layer { name: "l" type: %q recurrent_param { num_output: %d weight_filler { type: "uniform" min: -0.5 max: 0.5 }
		bias_filler { type: "uniform" min: -0.3 max: 0.3 } %s }`, typ, d, options)
	for i := range bottoms {
		text += fmt.Sprintf(` bottom: "b%d"`, i)
	}
	for i := range tops {
		text += fmt.Sprintf(` top: "t%d"`, i)
	}
	return text + " }"
}

// cont returns continuation markers: a new sequence in the first step of all streams
// and in some later steps.
func cont(t, n int) *blob.Blob {
	b := layertest.Gaussian(1, t, n)
	for i := range b.MutableData() {
		b.MutableData()[i] = 1
		if i < n || i%5 == 2 {
			b.MutableData()[i] = 0
		}
	}
	return b
}

// states returns the bottoms with states: one for RNN, two for LSTM.
func states(typ string, n, d int) []*blob.Blob {
	all := []*blob.Blob{layertest.Gaussian(5, 1, n, d), layertest.Gaussian(6, 1, n, d)}
	if typ == "RNN" {
		return all[:1]
	}
	return all
}

// TestGolden runs Caffe's golden cases.
func TestGolden(t *testing.T) { layertest.Golden(t, reference.GoldenFS(t, "layers")) }

func TestGradient(t *testing.T) {
	for _, typ := range []string{"LSTM", "RNN"} {
		for name, f := range map[string]*layertest.Fixture{
			"plain":    layertest.New(t, recurrent(typ, 3, "", 2, 1), layertest.Gaussian(1, 4, 2, 3), cont(4, 2)),
			"one step": layertest.New(t, recurrent(typ, 2, "", 2, 1), layertest.Gaussian(1, 1, 3, 2, 2), cont(1, 3)),
			"static":   layertest.New(t, recurrent(typ, 3, "", 3, 1), layertest.Gaussian(1, 3, 2, 2), cont(3, 2), layertest.Gaussian(2, 2, 4)),
		} {
			t.Run(typ+"/"+name, func(t *testing.T) { layertest.CheckGradient(t, f, layertest.GradientOptions{}) })
		}
		t.Run(typ+"/exposed", func(t *testing.T) {
			bottoms := append([]*blob.Blob{layertest.Gaussian(1, 3, 2, 4), layertest.Gaussian(3, 3, 2)}, states(typ, 2, 3)...)
			copy(bottoms[1].MutableData(), []float32{1, 0, 1, 1, 0, 1})
			f := layertest.New(t, recurrent(typ, 3, "expose_hidden: true", len(bottoms), len(bottoms)-1), bottoms...)
			layertest.CheckGradient(t, f, layertest.GradientOptions{Tops: []int{0}})
		})
	}
	t.Run("LSTMUnit", func(t *testing.T) {
		f := layertest.New(t, unit, layertest.Gaussian(1, 1, 3, 4), layertest.Gaussian(2, 1, 3, 16), zeroOne(3))
		layertest.CheckGradient(t, f, layertest.GradientOptions{})
	})
}

const unit = `layer { type: "LSTMUnit" bottom: "c_prev" bottom: "x" bottom: "cont" top: "c" top: "h" }`

// zeroOne returns markers with a 0 in second place.
func zeroOne(n int) *blob.Blob {
	b := layertest.Gaussian(1, 1, n)
	for i := range b.MutableData() {
		b.MutableData()[i] = 1
	}
	b.MutableData()[1] = 0
	return b
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, typ := range []string{"LSTM", "RNN"} {
		layertest.CheckDevice(t, d, 1e-5, recurrent(typ, 33, "", 2, 1), layertest.Gaussian(1, 5, 9, 7), cont(5, 9))
		layertest.CheckDevice(t, d, 1e-5, recurrent(typ, 5, "", 3, 1), layertest.Gaussian(1, 4, 3, 2, 2), cont(4, 3), layertest.Gaussian(2, 3, 6))
		bottoms := append([]*blob.Blob{layertest.Gaussian(1, 3, 2, 4), cont(3, 2)}, states(typ, 2, 3)...)
		layertest.CheckDevice(t, d, 1e-5, recurrent(typ, 3, "expose_hidden: true", len(bottoms), len(bottoms)-1), bottoms...)
	}
	layertest.CheckDevice(t, d, 1e-5, unit, layertest.Gaussian(1, 1, 9, 70), layertest.Gaussian(2, 1, 9, 280), zeroOne(9))
}

func TestPromises(t *testing.T) {
	for _, typ := range []string{"LSTM", "RNN"} {
		text := recurrent(typ, 300, "", 3, 1)
		bottoms := []*blob.Blob{layertest.Gaussian(1, 5, 20, 30), cont(5, 20), layertest.Gaussian(2, 20, 9)}
		layertest.CheckThreads(t, text, bottoms...)
		layertest.CheckAllocs(t, text, bottoms...)
	}
	bottoms := []*blob.Blob{layertest.Gaussian(1, 1, 40, 300), layertest.Gaussian(2, 1, 40, 1200), zeroOne(40)}
	layertest.CheckThreads(t, unit, bottoms...)
	layertest.CheckAllocs(t, unit, bottoms...)
}

// TestState checks that a sequence can be split into passes, that snapshots include its
// state, and that a different number of streams starts at 0.
func TestState(t *testing.T) {
	for _, typ := range []string{"LSTM", "RNN"} {
		t.Run(typ, func(t *testing.T) {
			run := func(f *layertest.Fixture) []float32 {
				t.Helper()
				if err := f.Layer.Reshape(f.Bottom, f.Top); err != nil {
					t.Fatal(err)
				}
				if err := f.Forward(); err != nil {
					t.Fatal(err)
				}
				return slices.Clone(f.Top[0].Data())
			}
			text := recurrent(typ, 3, "", 2, 1)
			x, marks := layertest.Gaussian(1, 6, 2, 4), cont(6, 2)
			whole := run(layertest.New(t, text, x, marks))

			const half = 3
			part := func(i int) []*blob.Blob {
				a, b := layertest.Gaussian(1, half, 2, 4), cont(half, 2)
				copy(a.MutableData(), x.Data()[i*half*8:])
				copy(b.MutableData(), marks.Data()[i*half*2:])
				return []*blob.Blob{a, b}
			}
			first := layertest.New(t, text, part(0)...)
			got := run(first)
			second := layertest.New(t, text, part(1)...)
			saved := first.Layer.(layers.Stateful).State()
			if err := second.Layer.(layers.Stateful).SetState(saved); err != nil {
				t.Fatal(err)
			}
			if got = append(got, run(second)...); !slices.Equal(got, whole) {
				t.Errorf("in two passes: %v\nin one: %v", got, whole)
			}
			if err := second.Layer.(layers.Stateful).SetState(saved[1:]); err == nil {
				t.Error("a state that is too short gives no error")
			}

			// Another number of streams, and back.
			clear(first.Bottom[1].MutableData()) // no stream continues
			alone := run(first)
			for i := range first.Bottom[1].MutableData() {
				first.Bottom[1].MutableData()[i] = 1
			}
			first.Bottom[0].Reshape(half, 1, 4)
			first.Bottom[1].Reshape(half, 1)
			run(first)
			first.Bottom[0].Reshape(half, 2, 4)
			first.Bottom[1].Reshape(half, 2)
			if fresh := run(first); !slices.Equal(fresh[:6], alone[:6]) {
				t.Errorf("after a change of the number of streams the first step gives %v, want %v", fresh[:6], alone[:6])
			}
		})
	}
}

// notes collects the notes of a layer.
type notes []string

func (n *notes) Observe(e any) {
	if note, ok := e.(*event.Note); ok {
		*n = append(*n, note.Text)
	}
}

// TestDebugInfo checks the lines of debug_info.
func TestDebugInfo(t *testing.T) {
	var got notes
	f, err := layertest.SetUp(&layers.Env{Observer: &got}, recurrent("LSTM", 3, "debug_info: true", 2, 1), layertest.Gaussian(1, 2, 2, 4), cont(2, 2))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, v := range f.Top[0].Data()[6:] {
		sum += max(float64(v), -float64(v))
	}
	want := fmt.Sprintf("    [Forward] Layer l_unit_2, top blob h_2 data: %.6g", sum/6)
	if !slices.Contains(got, want) {
		t.Errorf("no line %q in\n%s", want, strings.Join(got, "\n"))
	}
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if last := got[len(got)-1]; !strings.HasPrefix(last, "    [Backward] Layer l_x_transform, param blob 2 diff: ") {
		t.Errorf("the last line is %q", last)
	}
}

func TestErrors(t *testing.T) {
	x, marks := layertest.Gaussian(1, 3, 2, 4), cont(3, 2)
	for _, tt := range []struct {
		line    int
		want    string
		text    string
		bottoms []*blob.Blob
	}{
		{1, "num_output is 0, want 1 to 536870911", recurrent("LSTM", 0, "", 2, 1), []*blob.Blob{x, marks}},
		{2, "4 bottoms, want 2, or 3 if the third is x_static, without expose_hidden", recurrent("LSTM", 2, "", 4, 1), []*blob.Blob{x, marks, x, x}},
		{2, "3 tops, want 1 without expose_hidden", recurrent("LSTM", 2, "", 2, 3), []*blob.Blob{x, marks}},
		{2, "1 tops, want 2 with expose_hidden", recurrent("RNN", 2, "expose_hidden: true", 3, 1), []*blob.Blob{x, marks, x}},
		{2, "bottom 0 has shape [3], want at least 2 axes: time steps, streams", recurrent("RNN", 2, "", 2, 1), []*blob.Blob{layertest.Gaussian(1, 3), marks}},
		{2, "bottom 1, the continuation markers, has shape [3 2 4], want [3 2]", recurrent("RNN", 2, "", 2, 1), []*blob.Blob{x, x}},
		{2, "bottom 2, x_static, has shape [3 2 4], want 2 streams of 8 elements", recurrent("RNN", 2, "", 3, 1), []*blob.Blob{x, marks, x}},
		{2, "bottom 2, an initial state, has shape [3 2 4], want [1 2 2]", recurrent("RNN", 2, "expose_hidden: true", 3, 2), []*blob.Blob{x, marks, x}},
	} {
		layertest.CheckError(t, tt.line, `layer "l": `+tt.want, tt.text, tt.bottoms...)
	}
	layertest.CheckError(t, 1, `bottom 0, the cells, has shape [3 2 4], want [1 N D]: a single time step`, unit, x, x, x)
	layertest.CheckError(t, 1, `bottom 1 has shape [1 2 4], want [1 2 16], since the cells have shape [1 2 4]`, unit,
		layertest.Gaussian(1, 1, 2, 4), layertest.Gaussian(1, 1, 2, 4), zeroOne(2))
}
