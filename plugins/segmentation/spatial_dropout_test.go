package segmentation_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/layers/layertest"
)

func dropout(paramStr, top string) string {
	return fmt.Sprintf("layer { name: \"l\" type: \"Python\" bottom: \"x0\" top: %q\npython_param { module: \"spatial_dropout\" layer: \"SpatialDropoutLayer\" param_str: %q } }", top, paramStr)
}

// TestSpatialDropout checks that whole planes are dropped, as often as p says, that the
// others and the gradients are scaled, and that a pass repeats.
func TestSpatialDropout(t *testing.T) {
	const planes, size = 50 * 40, 6
	x := layertest.Uniform(1, 0.5, 1.5, 50, 40, 2, 3)
	for _, top := range []string{"y", "x0"} {
		before := slices.Clone(x.Data())
		f := layertest.New(t, dropout("{'phase': 'TRAIN', 'p': '0.25'}", top), x)
		pass := func(number int64) (dropped []bool) {
			t.Helper()
			copy(x.MutableData(), before)
			f.Spec.Env.Pass = number
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			dy := f.Top[0].MutableDiff()
			for i := range dy {
				dy[i] = float32(i)
			}
			forward := slices.Clone(f.Top[0].Data())
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			for p := range planes {
				factor := float32(1 / 0.75)
				if forward[p*size] == 0 {
					factor = 0
				}
				dropped = append(dropped, factor == 0)
				for i := p * size; i < (p+1)*size; i++ {
					if got, want := forward[i], factor*before[i]; got != want {
						t.Fatalf("element %d of plane %d is %g, want %g", i-p*size, p, got, want)
					}
					if got, want := f.Bottom[0].Diff()[i], factor*float32(i); got != want {
						t.Fatalf("gradient %d of plane %d is %g, want %g", i-p*size, p, got, want)
					}
				}
			}
			return dropped
		}
		first, second := pass(0), pass(1)
		if n := count(first); n < planes/5 || n > planes*3/10 {
			t.Errorf("%d of %d planes are dropped, want a quarter", n, planes)
		}
		if slices.Equal(first, second) || !slices.Equal(first, pass(0)) {
			t.Error("two passes drop the same planes, or one does not repeat")
		}
		copy(x.MutableData(), before)
	}
	test := layertest.New(t, dropout("{'phase': 'TEST', 'p': '0.25'}", "y"), x)
	if err := test.Forward(); err != nil {
		t.Fatal(err)
	}
	for i, v := range test.Top[0].Data() {
		if want := float32(1/0.75) * x.Data()[i]; v != want {
			t.Fatalf("in testing element %d is %g, want %g", i, v, want)
		}
	}
	small := layertest.Gaussian(1, 3, 4, 2, 2)
	layertest.CheckGradient(t, layertest.New(t, dropout("{'phase': 'TRAIN', 'p': 0.5}", "y"), small), layertest.GradientOptions{Step: 1e-2, Tolerance: 1e-3})
	layertest.CheckThreads(t, dropout("{'phase': 'TRAIN', 'p': 0.5}", "y"), small)
	layertest.CheckAllocs(t, dropout("{'phase': 'TRAIN', 'p': 0.5}", "y"), small)
	for paramStr, want := range map[string]string{
		"{'phase': 'TRAIN', 'p': '1'}": `param_str is "{'phase': 'TRAIN', 'p': '1'}", want p above 0 and below 1, and phase: {'phase': 'TRAIN', 'p': '0.1'}`,
		"{'p': '0.5'}":                 `param_str is "{'p': '0.5'}", want p above 0 and below 1, and phase: {'phase': 'TRAIN', 'p': '0.1'}`,
	} {
		layertest.CheckError(t, 2, `layer "l": `+want, dropout(paramStr, "y"), small)
	}
	layertest.CheckError(t, 1, `layer "l": the bottom has shape [3], want items x channels and more axes`, dropout("{'phase': 'TEST', 'p': '0.5'}", "y"), layertest.Gaussian(1, 3))
}

func count(of []bool) (n int) {
	for _, v := range of {
		if v {
			n++
		}
	}
	return n
}
