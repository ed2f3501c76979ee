package bn_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/bn"
)

const fillers = `slope_filler { type: "uniform" min: 0.5 max: 1.5 } bias_filler { type: "gaussian" std: 1 } `

func layer(options string, more ...string) string {
	return fmt.Sprintf(`layer { name: "l" type: "BN" bottom: "x" top: "y" bn_param { %s } %s }
# gocaffe: dialect lsoftmax`, options, strings.Join(more, " "))
}

func inPlace(options string, more ...string) string {
	return strings.Replace(layer(options, more...), `top: "y"`, `top: "x"`, 1)
}

// pspnet is a layer of the other dialect.
func pspnet(text string) string {
	return strings.Replace(text, "dialect lsoftmax", "dialect pspnet", 1)
}

func TestGolden(t *testing.T) { golden(t, nil) }

func golden(t *testing.T, d *cuda.Device) {
	counts := layertest.GoldenIn(t, "lsoftmax", reference.GoldenFS(t, "layers"), d, "BN")
	if counts.Filtered == 0 && counts.Passed["BN"] != 8 {
		t.Errorf("%d cases passed, want 8", counts.Passed["BN"])
	}
	counts = layertest.GoldenIn(t, "pspnet", reference.ForksFS(t, "layers-pspnet"), d, "BN")
	if counts.Filtered == 0 && counts.Passed["BN"] != 9 {
		t.Errorf("%d cases of PSPNet passed, want 9", counts.Passed["BN"])
	}
}

func TestGradient(t *testing.T) {
	for _, shape := range [][]int{{4, 3, 2, 5}, {7, 3}} {
		for name, test := range map[string]struct {
			text   string
			params []int
		}{
			"train":           {layer(fillers), []int{0, 1}},
			"train/in place":  {inPlace(fillers), []int{0, 1}},
			"eps":             {layer(fillers + "eps: 0.1"), []int{0, 1}},
			"test":            {layer(fillers, "phase: TEST"), []int{0, 1}},
			"test/in place":   {inPlace(fillers, "phase: TEST"), []int{0, 1}},
			"frozen":          {layer(fillers + "frozen: true"), []int{}},
			"frozen/in place": {inPlace(fillers + "frozen: true"), []int{}},
		} {
			for dialect, text := range map[string]string{"": test.text, "/pspnet": pspnet(test.text)} {
				t.Run(fmt.Sprint(name, dialect, shape), func(t *testing.T) {
					f := layertest.New(t, text, layertest.Gaussian(1, shape...))
					for i, v := range []float32{0.3, -0.2, 0.1, 1.3, 0.7, 2} {
						f.Params()[2+i/3].MutableData()[i%3] = v
					}
					layertest.CheckGradient(t, f, layertest.GradientOptions{Params: test.params, Tolerance: 3e-3})
				})
			}
		}
	}
}

// TestNoBottomGradient checks that slope and bias get their gradients even if the
// bottom needs none.
func TestNoBottomGradient(t *testing.T) {
	diffs := func(propagate bool) string {
		f := layertest.New(t, layer(fillers), layertest.Gaussian(1, 4, 3, 5))
		f.Propagate[0] = propagate
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		layers.NewRand(1).Gaussian(nil, 0, 0, 1, f.Top[0].MutableDiff())
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(f.Params()[0].Diff(), f.Params()[1].Diff())
	}
	if with, without := diffs(true), diffs(false); with != without || with == "[0 0 0] [0 0 0]" {
		t.Errorf("gradients of slope and bias are %s, with that of the bottom %s", without, with)
	}
}

// TestStatistics compares the running statistics after two passes with values
// computed by hand, and checks that TEST and frozen do not change them.
func TestStatistics(t *testing.T) {
	x := layertest.Values([]float32{1, 10, 3, 10}, 2, 2) // channels (1,3) and (10,10)
	for text, want := range map[string]string{
		layer("momentum: 0.5 eps: 0.25"):      "[1.5 7.5] [0.92082 1.75]", // ½(½·0 + ½·2) + ½·2, ½(½ + ½·2/√5) + ½·2/√5
		layer("momentum: 0.5 frozen: true"):   "[0 0] [1 1]",
		layer("momentum: 0.5", "phase: TEST"): "[0 0] [1 1]",
		layer("momentum: 0 eps: 0.0625"):      "[2 10] [0.970142 4]", // 1/√(1+1/16)
	} {
		f := layertest.New(t, text, x)
		for range 2 {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprintf("%.6g %.6g", f.Params()[2].Data(), f.Params()[3].Data()); got != want {
			t.Errorf("%s: running statistics are %s, want %s", text, got, want)
		}
	}
}

// TestWarning checks when the log warns that weight decay shrinks the statistics.
func TestWarning(t *testing.T) {
	const two = "param { lr_mult: 1 decay_mult: 0 } param { lr_mult: 1 decay_mult: 0 }"
	for _, test := range []struct {
		more string
		want bool
	}{
		{"", true},
		{two, true},
		{two + "param { lr_mult: 0 }", true},
		{two + "param { lr_mult: 0 } param { decay_mult: 0 }", false},
		{two + "phase: TEST", false},
		{"bn_param { frozen: true }", false},
	} {
		var log []string
		env := &layers.Env{Observer: event.Func(func(e any) {
			if note, ok := e.(*event.Note); ok && note.Level == event.Warning && note.Layer == "l" {
				log = append(log, note.Text)
			}
		})}
		text := `layer { name: "l" type: "BN" bottom: "x" top: "y" ` + test.more + " }\n# gocaffe: dialect lsoftmax"
		if _, err := layertest.SetUp(env, text, layertest.Gaussian(1, 2, 3)); err != nil {
			t.Fatal(err)
		}
		if got := len(log) == 1 && strings.HasPrefix(log[0], "weight decay"); got != test.want || len(log) > 1 {
			t.Errorf("%s: log has %q, want a warning: %v", test.more, log, test.want)
		}
	}
}

func TestPromises(t *testing.T) {
	for _, options := range []string{"", "frozen: true"} {
		for _, phase := range []string{"phase: TRAIN", "phase: TEST"} {
			for _, shape := range [][]int{{6, 5, 37, 41}, {301, 170}} {
				x := layertest.Gaussian(1, shape...)
				for _, text := range []string{layer(fillers+options, phase), inPlace(fillers+options, phase)} {
					layertest.CheckThreads(t, text, x)
					layertest.CheckAllocs(t, text, x)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3)
	for _, test := range []struct {
		line    int
		want    string
		options string // from line 2 on
		bottom  *blob.Blob
	}{
		{1, `bottom has shape [7], want at least 2 axes`, "", layertest.Gaussian(1, 7)},
		{3, `momentum is 1.5, want 0 to 1`, "bn_param {\nmomentum: 1.5 }", x},
		{2, `momentum is NaN, want 0 to 1`, "bn_param { momentum: nan }", x},
		{2, `eps is -1, want 0 or more`, "bn_param { eps: -1 }", x},
		{2, `filler "gaussian" with std -1, want more than 0`, `bn_param { slope_filler { type: "gaussian" std: -1 } }`, x},
		{2, `unknown filler type "constnat", did you mean "constant"? (known types: constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear, gaussian_unitball)`,
			`bn_param { bias_filler { type: "constnat" } }`, x},
		{2, `layer has 2 blobs of weights, want at least 3`, `blobs { shape { dim: 1 dim: 1 } data: 1 } blobs { shape { dim: 1 dim: 1 } data: 1 }`, layertest.Gaussian(1, 2, 1)},
	} {
		layertest.CheckError(t, test.line, `layer "l": `+test.want, `layer { name: "l" type: "BN" bottom: "x" top: "y"`+"\n"+test.options+" }\n# gocaffe: dialect lsoftmax", test.bottom)
	}
	f := layertest.New(t, layer(""), x)
	if err := f.Bottom[0].Reshape(3, 2); err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "bottom has shape [3 2], want 3 channels on axis 1") {
		t.Errorf("another number of channels: error %v", err)
	}
}

// TestLargeMean checks that a mean far from 0 does not reduce accuracy.
func TestLargeMean(t *testing.T) {
	x := layertest.Gaussian(1, 4, 1, 50)
	for i := range x.MutableData() {
		x.MutableData()[i] += 1000
	}
	f, err := layertest.SetUp(&layers.Env{Phase: caffepb.Phase_TRAIN}, layer("slope_filler { value: 1 }"), x)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for _, v := range f.Top[0].Data() {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	// x has 24 bits, of which the mean takes 10: 2⁻¹⁴ of a standard deviation.
	if math.Abs(sum/200) > 1e-4 || math.Abs(squares/200-1) > 1e-3 {
		t.Errorf("mean %g, variance %g, want 0 and 1", sum/200, squares/200)
	}
}
