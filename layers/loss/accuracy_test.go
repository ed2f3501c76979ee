package loss

import (
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestAccuracy(t *testing.T) {
	nan := float32(math.NaN())
	scores := []float32{
		1, 2, 3, // true class 2: right
		3, 2, 1, // 1: second
		2, 2, 2, // 0: equal scores go against it
		nan, nan, nan, // 0: wrong, and not right as in Caffe
	}
	for _, c := range []struct {
		options string
		want    float32
		classes [3]float32
	}{
		{"", 0.25, [3]float32{0, 0, 1}},
		{"accuracy_param { top_k: 2 }", 0.5, [3]float32{0, 1, 1}},
		{"accuracy_param { top_k: 3 }", 0.75, [3]float32{0.5, 1, 1}},
		{"accuracy_param { ignore_label: 0 }", 0.5, [3]float32{0, 0, 1}},
		{"accuracy_param { top_k: 0 }", 0, [3]float32{}},
		{"accuracy_param { min_is_better: true }", 0, [3]float32{}},
		{"accuracy_param { min_is_better: true top_k: 3 }", 0.75, [3]float32{0.5, 1, 1}},
		{"accuracy_param { min_is_better: true top_k: 2 }", 0.25, [3]float32{0, 1, 0}},
	} {
		f := layertest.New(t, `layer { type: "Accuracy" bottom: "x" bottom: "t" top: "a" top: "c" `+c.options+` }`,
			layertest.Values(scores, 4, 3), layertest.Values([]float32{2, 1, 0, 0}, 4))
		for range 2 { // counts do not carry over
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.Top[0].Data()[0]; got != c.want {
			t.Errorf("%s: accuracy %g, want %g", c.options, got, c.want)
		}
		if got := [3]float32(f.Top[1].Data()); got != c.classes {
			t.Errorf("%s: accuracy by class %g, want %g", c.options, got, c.classes)
		}
	}
}
