package segmentation_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// measures computes what SegAccuracy does from lists of pixels, class by class: those of
// the class, those said to be of it, and those of which both is true.
func measures(classes int, label, said []int) (y [3]float64, iou []float64) {
	right, counted, recalls, present := 0.0, 0.0, 0.0, 0.0
	for c := range classes {
		var of, to, both float64
		for i := range label {
			if label[i] < 0 {
				continue
			}
			if label[i] == c {
				of++
			}
			if said[i] == c {
				to++
			}
			if label[i] == c && said[i] == c {
				both++
			}
		}
		right, counted = right+both, counted+of
		if of > 0 {
			recalls, present = recalls+both/of, present+1
		}
		if of+to == 0 {
			iou = append(iou, 1)
		} else {
			iou = append(iou, both/(of+to-both))
		}
		y[2] += iou[c] / float64(classes)
	}
	if counted > 0 {
		y[0], y[1] = right/counted, recalls/present
	}
	return y, iou
}

func TestSegAccuracy(t *testing.T) {
	layertest.Checked(t, "SegAccuracy", layertest.Reference)
	r := rand.New(rand.NewPCG(1, 2))
	const classes, n, h, w = 5, 3, 7, 9
	for _, test := range []struct {
		options string
		keep    bool
		ignored []int
		labels  int // that occur
	}{
		{"", false, nil, 5},
		{"seg_accuracy_param { ignore_label: 255 ignore_label: 2 metric: PixelIOU }", false, []int{2, 255}, 5},
		{"seg_accuracy_param { ignore_label: 255 reset: false }", true, []int{255}, 3},
	} {
		var label, said []int
		x, labels := layertest.Gaussian(1, n, classes, h, w), layertest.Gaussian(1, n, 1, h, w)
		f := layertest.New(t, layer("SegAccuracy", 2, "y", `top: "iou" `+test.options), x, labels)
		for pass := range 3 {
			if !test.keep {
				label, said = nil, nil
			}
			for i := range labels.Data() {
				of := r.IntN(test.labels)
				if len(test.ignored) > 0 && r.IntN(5) == 0 {
					of = test.ignored[r.IntN(len(test.ignored))]
				}
				labels.MutableData()[i] = float32(of)
				if slices.Contains(test.ignored, of) {
					of = -1
				}
				best, most := -1, float32(math.Inf(-1))
				for c := range test.labels { // the last classes have low scores, and are not said
					v := float32(r.IntN(4)) // with ties
					x.MutableData()[(i/(h*w)*classes+c)*h*w+i%(h*w)] = v
					if v >= most {
						best, most = c, v
					}
				}
				for c := test.labels; c < classes; c++ {
					x.MutableData()[(i/(h*w)*classes+c)*h*w+i%(h*w)] = -1
				}
				if i == 5 {
					x.MutableData()[3*h*w+i] = float32(math.NaN())
					best = -1
				}
				label, said = append(label, of), append(said, best)
			}
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			y, iou := measures(classes, label, said)
			for k, want := range y {
				if got := float64(f.Top[0].Data()[k]); math.Abs(got-want) > 1e-6 || want < 0.05 {
					t.Errorf("%s, pass %d: y[%d] is %g, want %g", test.options, pass, k, got, want)
				}
			}
			for k, want := range iou {
				if got := float64(f.Top[1].Data()[k]); math.Abs(got-want) > 1e-6 {
					t.Errorf("%s, pass %d: class %d has %g, want %g", test.options, pass, k, got, want)
				}
			}
		}
	}
	text := layer("SegAccuracy", 2, "y", "")
	some := layertest.Values([]float32{0, 1, 2, 1, 1, 0}, 1, 1, 2, 3)
	layertest.CheckThreads(t, text, layertest.Gaussian(1, 1, 3, 2, 3), some)
	layertest.CheckAllocs(t, text, layertest.Gaussian(1, 1, 3, 2, 3), some)
}

// TestSegAccuracyState continues the counts of another layer.
func TestSegAccuracyState(t *testing.T) {
	text := layer("SegAccuracy", 2, "y", "seg_accuracy_param { reset: false }")
	labels := layertest.Values([]float32{0, 1, 2, 1, 1, 0}, 1, 1, 2, 3)
	run := func(f *layertest.Fixture) []float32 {
		t.Helper()
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(f.Top[0].Data())
	}
	whole := layertest.New(t, text, layertest.Gaussian(1, 1, 3, 2, 3), labels)
	run(whole)
	second := layertest.Gaussian(2, 1, 3, 2, 3)
	copy(whole.Bottom[0].MutableData(), second.Data())
	first := layertest.New(t, text, layertest.Gaussian(1, 1, 3, 2, 3), labels)
	run(first)
	resumed := layertest.New(t, text, second, labels)
	if err := resumed.Layer.(layers.Stateful).SetState(first.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	alone := layertest.New(t, text, second, labels)
	want := run(whole)
	if got, without := run(resumed), run(alone); !slices.Equal(got, want) || slices.Equal(without, want) {
		t.Errorf("resumed: %v, want %v; without the first pass %v", got, want, without)
	}
	if err := resumed.Layer.(layers.Stateful).SetState([]byte{1}); err == nil {
		t.Error("a state of another length was taken")
	}
}

func TestSegAccuracyErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3, 4, 5)
	text := layer("SegAccuracy", 2, "y", "")
	layertest.CheckError(t, 1, `layer "l": got scores of shape [2 3], want items x classes x height x width`, text, layertest.Gaussian(1, 2, 3), x)
	layertest.CheckError(t, 1, `layer "l": got labels of shape [2 3 4 5], want [2 1 4 5] for scores of shape [2 3 4 5]`, text, x, x)
	for _, v := range []float32{3, -1, float32(math.NaN())} {
		labels := layertest.Values(make([]float32, 40), 2, 1, 4, 5)
		labels.MutableData()[27] = v
		f := layertest.New(t, text, x, labels)
		want := fmt.Sprintf(`layer.prototxt:1:70: layer "l": label %v of item 1, place 7 of it, is out of range: the scores have 3 classes, which count from 0; ignore_label leaves out a label`, v)
		if err := f.Forward(); err == nil || err.Error() != want {
			t.Errorf("label %g: %v, want %s", v, err, want)
		}
	}
}
