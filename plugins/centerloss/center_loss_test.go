package centerloss_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/centerloss"
)

func layer(options string, more ...string) string {
	return fmt.Sprintf(`layer { name: "l" type: "CenterLoss" bottom: "x" bottom: "label" top: "loss"
		center_loss_param { %s center_filler { type: "gaussian" std: 1 } } %s }`, options, strings.Join(more, " "))
}

func TestGolden(t *testing.T) {
	counts := layertest.Golden(t, reference.GoldenFS(t, "layers"))
	if counts.Filtered == 0 && counts.Passed["CenterLoss"] != 3 {
		t.Errorf("%d cases passed, want 3", counts.Passed["CenterLoss"])
	}
}

// TestGradient checks the gradient of the features only: that of the centers is not
// the derivative.
func TestGradient(t *testing.T) {
	for _, options := range []string{"num_output: 4", `num_output: 4 distance_type: "L1"`, "num_output: 4 axis: -1"} {
		t.Run(options, func(t *testing.T) {
			x, label := layertest.Gaussian(1, 6, 5), layertest.Labels(7, 4, 6)
			if strings.Contains(options, "axis") {
				x = layertest.Gaussian(1, 3, 2, 5)
			}
			f := layertest.New(t, layer(options), x, label)
			layertest.CheckGradient(t, f, layertest.GradientOptions{Params: []int{}})
		})
	}
}

// TestCenters compares the gradient of the centers with its formula, summed over two
// passes and with a loss weight, which has no effect.
func TestCenters(t *testing.T) {
	const m, n, k = 7, 4, 3
	for _, distance := range []string{"L1", "L2"} {
		x, label := layertest.Gaussian(1, m, k), layertest.Values([]float32{0, 2, 2, 3, 2, 0, 2}, m)
		f := layertest.New(t, layer(fmt.Sprintf("num_output: %d distance_type: %q", n, distance), "loss_weight: 0.01"), x, label)
		for range 2 {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range f.Params()[0].Data() {
			sum, count := 0.0, 1.0
			for j, class := range label.Data() {
				if int(class) == i/k {
					d := float64(c) - float64(x.Data()[j*k+i%k])
					if distance == "L1" {
						d = math.Copysign(1, d)
					}
					sum += d
					count++
				}
			}
			if got, want := float64(f.Params()[0].Diff()[i]), 2*sum/count; math.Abs(got-want) > 1e-5 {
				t.Errorf("%s: gradient %d of the centers is %g, want %g", distance, i, got, want)
			}
		}
	}
}

// TestLoss compares both distances with values computed by hand.
func TestLoss(t *testing.T) {
	for distance, want := range map[string]float32{"L1": (3 + 4 + 1) / 2., "L2": (9 + 16 + 1) / 4.} {
		f := layertest.New(t, `layer { name: "l" type: "CenterLoss" bottom: "x" bottom: "label" top: "loss" center_loss_param { num_output: 2 distance_type: "`+distance+`" } }`,
			layertest.Values([]float32{3, -4, 0, 1}, 2, 2), layertest.Values([]float32{1, 0}, 2))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if got := f.Top[0].Data()[0]; got != want {
			t.Errorf("%s: loss is %g, want %g", distance, got, want)
		}
	}
}

func TestPromises(t *testing.T) {
	for _, options := range []string{"num_output: 50", `num_output: 50 distance_type: "L1"`} {
		x, label := layertest.Gaussian(1, 200, 170), layertest.Labels(7, 50, 200)
		layertest.CheckThreads(t, layer(options), x, label)
		layertest.CheckAllocs(t, layer(options), x, label)
	}
}

func TestErrors(t *testing.T) {
	x, label := layertest.Gaussian(1, 3, 4), layertest.Labels(7, 2, 3)
	for _, test := range []struct {
		line          int
		want, options string
	}{
		{2, `num_output is 0, want 1 to 2147483647`, ``},
		{3, `distance_type is "L3", want "L1" or "L2"`, "num_output: 2\ndistance_type: \"L3\""},
		{3, `axis -3 is out of range for the 2 axes of shape [3 4]`, "num_output: 2\naxis: -3"},
		{2, `filler "uniform" with min 1 and max 0`, `num_output: 2 center_filler { type: "uniform" min: 1 max: 0 }`},
	} {
		text := `layer { name: "l" type: "CenterLoss" bottom: "x" bottom: "label" top: "loss"` + "\ncenter_loss_param { " + test.options + " } }"
		layertest.CheckError(t, test.line, `layer "l": `+test.want, text, x, label)
	}
	layertest.CheckError(t, 1, `layer "l": got labels of shape [2], which are 2, want 3 x 1 = 3, one for each place that has 2 scores`,
		layer("num_output: 2"), x, layertest.Labels(7, 2, 2))
	f := layertest.New(t, layer("num_output: 2"), x, layertest.Values([]float32{0, 1, -1}, 3))
	if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "label -1 of item 2 is out of range: the scores have 2 classes, which count from 0") {
		t.Errorf("a label out of range: error %v", err)
	}
	f.Propagate[1] = true
	if err := f.Backward(); err == nil || !strings.HasSuffix(err.Error(), "layers of type CenterLoss cannot backpropagate to bottom 1") {
		t.Errorf("a gradient for the labels: error %v", err)
	}
	if err := x.Reshape(3, 5); err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "bottom has shape [3 5] and items of 5 elements, the weights are for items of 4") {
		t.Errorf("another size of the items: error %v", err)
	}
}
