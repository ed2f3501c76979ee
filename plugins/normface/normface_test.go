package normface_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/normface"
)

// layer returns the text of a layer with bottoms a, b, c and tops x, y, as many
// as wanted.
func layer(typ string, bottoms, tops int, more string) string {
	var s strings.Builder
	fmt.Fprintf(&s, `layer { name: "l" type: %q`, typ)
	for i := range bottoms {
		fmt.Fprintf(&s, " bottom: %q", "abc"[i:i+1])
	}
	for i := range tops {
		fmt.Fprintf(&s, " top: %q", "xy"[i:i+1])
	}
	return s.String() + "\n" + more + " }"
}

func gaussian(shape ...int) *blob.Blob { return layertest.Gaussian(1, shape...) }

const filler = ` weight_filler { type: "gaussian" std: 1 } `

// TestGolden runs the golden cases of NormFace's layers.
func TestGolden(t *testing.T) {
	layertest.Golden(t, reference.GoldenFS(t, "layers"))
	layertest.Golden(t, reference.ForksFS(t, "layers-normface"))
}

func TestGradient(t *testing.T) {
	second := layertest.Gaussian(2, 4, 5)
	for _, test := range []struct {
		name   string
		text   string
		opts   layertest.GradientOptions
		bottom []*blob.Blob
	}{
		{"flip", layer("Flip", 1, 1, ""), layertest.GradientOptions{}, []*blob.Blob{gaussian(2, 1, 2, 3)}},
		{"flip both", layer("Flip", 1, 1, "flip_param { flip_height: true }"), layertest.GradientOptions{}, []*blob.Blob{gaussian(2, 3, 3, 2)}},
		{"flip one axis", layer("Flip", 1, 1, ""), layertest.GradientOptions{}, []*blob.Blob{gaussian(3)}},

		{"normalize", layer("Normalize", 1, 1, ""), layertest.GradientOptions{}, []*blob.Blob{gaussian(3, 5)}},
		{"normalize places", layer("Normalize", 1, 1, ""), layertest.GradientOptions{Step: 3e-3}, []*blob.Blob{gaussian(2, 4, 2, 3)}},
		{"normalize in place", layer("Normalize", 1, 0, `top: "a"`), layertest.GradientOptions{Step: 3e-3}, []*blob.Blob{gaussian(2, 4, 2, 3)}},
		{"normalize norm", layer("Normalize", 1, 2, "normalize_param { bp_norm: true }"), layertest.GradientOptions{}, []*blob.Blob{gaussian(2, 4, 2, 1)}},
		{"normalize no norm", layer("Normalize", 1, 2, ""), layertest.GradientOptions{Tops: []int{0}}, []*blob.Blob{gaussian(2, 4, 2, 1)}},
		{"normalize L1", layer("Normalize", 1, 2, `normalize_param { normalize_type: "L1" bp_norm: true }`), layertest.GradientOptions{KinkRange: 0.02}, []*blob.Blob{gaussian(3, 5)}},
		{"normalize L1 in place", layer("Normalize", 1, 0, `top: "a" normalize_param { normalize_type: "L1" }`), layertest.GradientOptions{KinkRange: 0.02}, []*blob.Blob{gaussian(3, 5)}},

		{"distance", layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 4"+filler+"}"), layertest.GradientOptions{}, []*blob.Blob{gaussian(3, 5)}},
		{"distance axes", layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 4 axis: -2"+filler+"}"), layertest.GradientOptions{}, []*blob.Blob{gaussian(3, 2, 5)}},
		{"distance L1", layer("InnerDistance", 1, 1, `inner_distance_param { num_output: 4 distance_type: "L1"`+filler+"}"), layertest.GradientOptions{Step: 1e-3, Tolerance: 2e-2}, []*blob.Blob{gaussian(3, 5)}},
		{"distance two", layer("InnerDistance", 2, 1, ""), layertest.GradientOptions{}, []*blob.Blob{gaussian(3, 5), second}},
		{"distance two L1", layer("InnerDistance", 2, 1, `inner_distance_param { distance_type: "L1" }`), layertest.GradientOptions{Step: 1e-3, Tolerance: 2e-2}, []*blob.Blob{gaussian(3, 5), second}},
		{"distance normalized", layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 4 normalize: true"+filler+"}"), layertest.GradientOptions{Params: []int{}}, []*blob.Blob{gaussian(3, 5)}},

		{"contrastive", layer("GeneralContrastiveLoss", 2, 2, "general_contrastive_loss_param { positive_margin: 0.1 negative_weight: 0.7 positive_weight: 1.5 }"),
			layertest.GradientOptions{Kink: 1, KinkRange: 0.02}, []*blob.Blob{layertest.Uniform(1, 0, 2, 4, 5), layertest.Labels(7, 5, 4)}},
		{"contrastive exp", layer("GeneralContrastiveLoss", 2, 1, "general_contrastive_loss_param { exp_negative_weight: true negative_margin: 5 }"),
			layertest.GradientOptions{Kink: 1, KinkRange: 0.02}, []*blob.Blob{layertest.Uniform(1, 0, 2, 4, 5), layertest.Labels(7, 5, 4)}},
		{"contrastive max negative", layer("GeneralContrastiveLoss", 2, 1, "general_contrastive_loss_param { max_negative_only: true }"),
			layertest.GradientOptions{Kink: 1, KinkRange: 0.02}, []*blob.Blob{layertest.Uniform(1, 0, 2, 4, 5), layertest.Labels(7, 5, 4)}},
		{"contrastive max positive", layer("GeneralContrastiveLoss", 2, 1, "general_contrastive_loss_param { max_positive_only: true }"),
			layertest.GradientOptions{Kink: 1, KinkRange: 0.02}, []*blob.Blob{layertest.Uniform(1, 0, 2, 4, 5), layertest.Labels(7, 5, 4)}},
		{"contrastive positive first", layer("GeneralContrastiveLoss", 2, 1, "general_contrastive_loss_param { positive_first: true positive_upper_bound: 0.8 }"),
			layertest.GradientOptions{Kink: 1, KinkRange: 0.02}, []*blob.Blob{layertest.Uniform(1, 0, 2, 4, 5), layertest.Labels(7, 5, 4)}},

		{"add", layer("LabelSpecificAdd", 2, 2, "label_specific_add_param { bias: -0.5 }"), layertest.GradientOptions{Tops: []int{0}}, []*blob.Blob{layertest.Uniform(1, 1, 2, 4, 5), layertest.Labels(7, 5, 4)}},
		{"rescale", layer("LabelSpecificRescale", 2, 2, "label_specific_rescale_param { positive_weight: 0.5 negative_weight: 3 }"), layertest.GradientOptions{Tops: []int{0}}, []*blob.Blob{gaussian(4, 5), layertest.Labels(7, 5, 4)}},
		{"rescale in place", layer("LabelSpecificRescale", 2, 0, `top: "a" label_specific_rescale_param { positive_weight: -0.5 for_ip: true }`), layertest.GradientOptions{KinkRange: 0.02}, []*blob.Blob{gaussian(4, 5), layertest.Labels(7, 5, 4)}},
		{"rescale bias fix", layer("LabelSpecificRescale", 2, 1, "label_specific_rescale_param { positive_weight: 0.5 bias_fix: true }"), layertest.GradientOptions{}, []*blob.Blob{gaussian(4, 5), layertest.Labels(7, 5, 4)}},
		{"rescale power", layer("LabelSpecificRescale", 2, 1, "label_specific_rescale_param { positive_weight: 1.5 power_on_positive: true }"), layertest.GradientOptions{Step: 3e-3}, []*blob.Blob{layertest.Uniform(1, -2, -1, 4, 5), layertest.Labels(7, 5, 4)}},
		{"rescale power in place", layer("LabelSpecificRescale", 2, 0, `top: "a" label_specific_rescale_param { positive_weight: 0.5 power_on_positive: true }`), layertest.GradientOptions{Step: 3e-3}, []*blob.Blob{layertest.Uniform(1, 1, 2, 4, 5), layertest.Labels(7, 5, 4)}},
		{"rescale not in test", layer("LabelSpecificRescale", 2, 1, "phase: TEST label_specific_rescale_param { positive_weight: 0.5 negative_weight: 3 }"), layertest.GradientOptions{}, []*blob.Blob{gaussian(4, 5), layertest.Labels(7, 5, 4)}},
		{"add in place", layer("LabelSpecificAdd", 2, 0, `top: "a" label_specific_add_param { bias: -0.5 }`), layertest.GradientOptions{}, []*blob.Blob{layertest.Uniform(1, 1, 2, 4, 5), layertest.Labels(7, 5, 4)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := layertest.New(t, test.text, test.bottom...)
			if test.opts.Tolerance == 0 {
				test.opts.Tolerance = 3e-3
			}
			layertest.CheckGradient(t, f, test.opts)
		})
	}
}

// pass runs both passes and returns the diff of the first bottom, in which what
// was not written is NaN.
func pass(t *testing.T, f *layertest.Fixture) []float32 {
	t.Helper()
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if dx := f.Bottom[0].MutableDiff(); !f.Top[0].SharesDiff(f.Bottom[0]) {
		for i := range dx {
			dx[i] = float32(math.NaN())
		}
	}
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	return f.Bottom[0].Diff()
}

func equal(t *testing.T, what string, got []float32, want ...float32) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Abs(float64(a)-float64(b)) <= 1e-6 }) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// TestUpdateCenterOnly checks that a center learns from the items of its class
// alone, with learned centers and with given ones.
func TestUpdateCenterOnly(t *testing.T) {
	const options = "inner_distance_param { num_output: 2 update_center_only: true"
	x, label := layertest.Values([]float32{1, 2, 5, 7}, 4, 1), layertest.Values([]float32{0, 1, 0, 0}, 4)
	dy := []float32{1, 10, 2, 20, 3, 30, 4, 40}

	f := layertest.New(t, layer("InnerDistance", 2, 1, options+" weight_filler { value: 1 } }"), x, label)
	copy(f.Top[0].MutableDiff(), dy)
	pass(t, f)
	equal(t, "distances", f.Top[0].Data(), 0, 0, 1, 1, 16, 16, 36, 36)
	equal(t, "gradient of the centers", f.Params()[0].Diff(), 2*(1*0+3*(1-5)+4*(1-7)), 2*20*(1-2))
	equal(t, "gradient of the items", x.Diff(), 0, 2*(2+20)*1, 2*(3+30)*4, 2*(4+40)*6)

	centers := layertest.Values([]float32{1, 1}, 2, 1)
	f = layertest.New(t, layer("InnerDistance", 3, 1, options+` distance_type: "L1" }`), x, centers, label)
	copy(f.Top[0].MutableDiff(), dy)
	pass(t, f)
	equal(t, "distances", f.Top[0].Data(), 0, 0, 1, 1, 4, 4, 6, 6)
	equal(t, "gradient of the centers", centers.Diff(), -3-4, -20)
	equal(t, "gradient of the items", x.Diff(), 0, 22, 33, 44)
	if len(f.Params()) != 0 {
		t.Errorf("layer with given centers has %d blobs of weights", len(f.Params()))
	}
}

// TestSmallDistance checks that a distance that is small against the numbers
// keeps its digits.
func TestSmallDistance(t *testing.T) {
	f := layertest.New(t, layer("InnerDistance", 2, 1, ""), layertest.Values([]float32{1000, 1000.0625}, 1, 2), layertest.Values([]float32{1000, 1000}, 1, 2))
	pass(t, f)
	equal(t, "distance", f.Top[0].Data(), 0.0625*0.0625)
}

// TestContrastive checks the options of GeneralContrastiveLoss by hand.
func TestContrastive(t *testing.T) {
	d := []float32{
		0.5, 0.2, 3, // true class 0
		0.25, 6, 0.5, // true class 1
	}
	label := layertest.Values([]float32{0, 1}, 2)
	for _, test := range []struct {
		options string
		loss    float32
		means   []float32
		dx      []float32
	}{
		{"", (0.5 + 0.8 + 4 + 0.75 + 0.5) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, -1}},
		{"positive_weight: 2 negative_weight: 3 positive_margin: 0.1 positive_outlier_thresh: 10 negative_margin: 0.4", (2*(0.4+5.9) + 3*(0.2+0.15)) / 2, []float32{6.3 / 2, 0.35 / 4},
			[]float32{2, -3, 0, -3, 2, 0}},
		{"exp_negative_weight: true", (0.5 + 0.8187308 + 4 + 0.7788008 + 0.6065307) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -0.8187308, 0, -0.7788008, 0, -0.6065307}},
		{"max_negative_only: true", (0.5 + 0.8 + 4 + 0.75) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, 0}},
		// Of class 0, the true one, the term 0.9·1 is larger than 0.8.
		{"max_negative_only: true positive_weight: 1.8", (0.9 + 7.2 + 0.75) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1.8, 0, 0, -1, 0, 0}},
		{"max_positive_only: true positive_outlier_thresh: 9", (0.5 + 0.8 + 0.75 + 0.5) / 2, []float32{6.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, -1}},
		{"positive_first: true", (0.5 + 0.8 + 4) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, 0, 1, 0}},
		{"positive_first: true max_positive_only: true", (0.5 + 0.8) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, 0, 1, 0}},
		{"normalize_negative: 0.5", (0.5 + 0.8 + 4 + 0.75 + 0.5) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1. / 3, 0, -1. / 3, 0, -1. / 3}}, // 3/0.5/2 items
		{"normalize_negative: 2", (0.5 + 0.8 + 4 + 0.75 + 0.5) / 2, []float32{4.5 / 2, (0.8 + 0.75 + 0.5) / 4},
			[]float32{1, -1, 0, -1, 0, -1}},
	} {
		f := layertest.New(t, layer("GeneralContrastiveLoss", 2, 2, "loss_weight: 4 general_contrastive_loss_param { "+test.options+" }"), layertest.Values(d, 2, 3), label)
		dx := pass(t, f)
		equal(t, test.options+": loss", f.Top[0].Data(), test.loss)
		equal(t, test.options+": means", f.Top[1].Data(), test.means...)
		for i := range test.dx {
			test.dx[i] *= 4. / 2 // loss weight over items
		}
		equal(t, test.options+": gradient", dx, test.dx...)
	}
	// The values of the third bottom count, the gradient goes to the first.
	first := layertest.Values(make([]float32, 6), 2, 3)
	f := layertest.New(t, layer("GeneralContrastiveLoss", 3, 1, ""), first, label, layertest.Values(d, 2, 3))
	equal(t, "three bottoms: gradient", pass(t, f), 0.5, -0.5, 0, -0.5, 0, -0.5)
}

// TestIntraMAE checks the running mean, over passes and over a restart.
func TestIntraMAE(t *testing.T) {
	make := func() *layertest.Fixture {
		return layertest.New(t, layer("GeneralContrastiveLoss", 2, 2, "general_contrastive_loss_param { add_intra_mae: true max_negative_margin: 0.025 }"),
			layertest.Values([]float32{1, 0.5}, 1, 2), layertest.Values([]float32{0}, 1))
	}
	f := make()
	pass(t, f)
	equal(t, "loss of pass 1", f.Top[0].Data(), 1+0.5)
	equal(t, "means of pass 1", f.Top[1].Data(), 1, 0.5, 0.01)
	restored := make()
	if err := restored.Layer.(layers.Stateful).SetState(f.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	pass(t, restored)
	equal(t, "loss of pass 2", restored.Top[0].Data(), 1+0.51)
	equal(t, "means of pass 2", restored.Top[1].Data(), 1, 0.51, 0.0199)
	pass(t, restored)
	equal(t, "means of pass 3", restored.Top[1].Data(), 1, 0.5199, 0.025)
	if err := f.Layer.(layers.Stateful).SetState([]byte("abc")); err == nil {
		t.Error("a wrong state: no error")
	}
}

// TestTriplet checks the options of GeneralTripletLoss by hand.
func TestTriplet(t *testing.T) {
	d := []float32{
		0.5, 0.25, 0.625, 3, // true class 0: 1 and 2 are too near
		2, 2, 0, 2, // true class 2: none is
		1, 1.5, 1.5, 1.25, // true class 2: all are
	}
	label := layertest.Values([]float32{0, 2, 2}, 3)
	for _, test := range []struct {
		options string
		loss    float32
		dx      []float32
	}{
		{"margin: 0.5", (0.75 + 0.375 + 1 + 0.5 + 0.75) / 3, []float32{1, -1, -1, 0, 0, 0, 1, 0, -1, -1, 1, -1}},
		{"margin: 0.5 positive_weight: 2 negative_weight: 3", 3 * (0.75 + 0.375 + 1 + 0.5 + 0.75) / 3, []float32{2, -3, -3, 0, 0, 0, 2, 0, -3, -3, 2, -3}},
		{"margin: 0.5 add_center_loss: false", (0.75 + 0.375 + 1 + 0.5 + 0.75) / 3, []float32{1, -1, -1, 0, 0, 0, 0, 0, -1, -1, 1, -1}},
		{"margin: 0.5 hardest_only: true", (0.75 + 1) / 3., []float32{1, -1, 0, 0, 0, 0, 1, 0, -1, 0, 1, 0}},
		{"margin: 0.5 positive_first: true add_center_loss: false", (0.75 + 0.375) / 3, []float32{1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 1, 0}},
	} {
		for _, weights := range [][]float32{nil, {2, 0.5, 1}} {
			bottom := []*blob.Blob{layertest.Values(d, 3, 4), label}
			if weights != nil {
				bottom = append(bottom, layertest.Values(weights, 3))
			}
			f := layertest.New(t, layer("GeneralTripletLoss", len(bottom), 2, "loss_weight: 6 general_triplet_loss_param { "+test.options+" }"), bottom...)
			dx := pass(t, f)
			equal(t, test.options+": loss", f.Top[0].Data(), test.loss)
			equal(t, test.options+": means", f.Top[1].Data(), (0.5+0+1.5)/3, (0.25+0.625+3+2+2+2+1+1.5+1.25)/9)
			want := slices.Clone(test.dx)
			for i := range want {
				want[i] *= 2 // loss weight over items
				if weights != nil {
					want[i] *= weights[i/4]
				}
			}
			equal(t, test.options+": gradient", dx, want...)
		}
	}
}

// TestLabelSpecificAdd checks where the bias is added, how it sets in, and
// that TEST leaves the scores alone.
func TestLabelSpecificAdd(t *testing.T) {
	x, label := layertest.Values([]float32{3, 1, 0.5, 2}, 2, 2), layertest.Values([]float32{0, 0}, 2)
	f := layertest.New(t, layer("LabelSpecificAdd", 2, 2, "label_specific_add_param { bias: -0.75 }"), x, label)
	pass(t, f)
	equal(t, "scores", f.Top[0].Data(), 2.25, 1, 0.5, 2)
	equal(t, "bias", f.Top[1].Data(), -0.75)
	f = layertest.New(t, layer("LabelSpecificAdd", 2, 2, "phase: TEST label_specific_add_param { bias: -0.75 transform_test: true }"), x, label)
	pass(t, f)
	equal(t, "scores in TEST", f.Top[0].Data(), 3, 1, 0.5, 2)
	equal(t, "bias in TEST", f.Top[1].Data(), 0)

	const options = "label_specific_add_param { bias_base: -1 bias_gamma: 0.5 bias_power: 2 bias_min: -0.9 bias_max: 0.5 }"
	biases := func(f *layertest.Fixture, n int) (b []float32) {
		for range n {
			pass(t, f)
			b = append(b, f.Top[1].Data()[0])
		}
		return b
	}
	f = layertest.New(t, layer("LabelSpecificAdd", 2, 2, options), x, label)
	equal(t, "biases", biases(f, 2), -0.9, 0.25) // -1 is below the least; 1.5² - 2
	restored := layertest.New(t, layer("LabelSpecificAdd", 2, 2, options), x, label)
	if err := restored.Layer.(layers.Stateful).SetState(f.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	if got := string(restored.Layer.(layers.Stateful).State()); got != "2" {
		t.Errorf("state is %q, want 2 passes", got)
	}
	equal(t, "biases after a restart", biases(restored, 1), 0.5)
	if err := f.Layer.(layers.Stateful).SetState([]byte("-1")); err == nil {
		t.Error("a wrong state: no error")
	}
}

// TestLabelSpecificRescale checks the options by hand, in both phases.
func TestLabelSpecificRescale(t *testing.T) {
	label := layertest.Values([]float32{0, 1, 0}, 3)
	values := []float32{4, 2, 1, -4, -1, 2} // of true classes: 4, -4, -1
	for _, test := range []struct {
		options string
		y       []float32
		w       float32
		dx      []float32 // for diffs of 1
	}{
		{"positive_weight: 0.5 negative_weight: 3", []float32{2, 6, 3, -2, -0.5, 6}, 0.5, []float32{0.5, 3, 3, 0.5, 0.5, 3}},
		{"positive_weight: 0.5 for_ip: true", []float32{2, 2, 1, -4, -1, 2}, 0.5, []float32{0.5, 1, 1, 1, 1, 1}},
		{"positive_weight: 0.5 bias_fix: true", []float32{2.5, 2, 1, -1.5, 0, 2}, 0.5, []float32{0.5, 1, 1, 0.5, 0.5, 1}},
		// 0.5/sqrt(4), 0.5/sqrt(1)
		{"positive_weight: 0.5 bias_fix: true power_on_positive: true", []float32{2, 2, 1, -2, -1, 2}, 0.5, []float32{0.25, 1, 1, 0.25, 0.5, 1}},
		{"positive_weight: 1 bias_fix: true power_on_positive: true positive_lower_bound: 5 negative_upper_bound: -5", values, 1, []float32{1, 1, 1, 1, 1, 1}},
		{"positive_weight: 5 positive_weight_base: 6 gamma: 0.5 power: 2 iteration: 1", []float32{6, 2, 1, -6, -1.5, 2}, 1.5, []float32{1.5, 1, 1, 1.5, 1.5, 1}}, // 6/(1+0.5·2)²
	} {
		for _, inPlace := range []bool{false, true} {
			x := layertest.Values(values, 3, 2)
			text := layer("LabelSpecificRescale", 2, 2, "label_specific_rescale_param { "+test.options+" }")
			if inPlace {
				text = layer("LabelSpecificRescale", 2, 0, `top: "a" top: "w" label_specific_rescale_param { `+test.options+" }")
			}
			f := layertest.New(t, text, x, label)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			for i := range f.Top[0].MutableDiff() {
				f.Top[0].MutableDiff()[i] = 1
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			equal(t, test.options+": scores", f.Top[0].Data(), test.y...)
			equal(t, test.options+": weight", f.Top[1].Data(), test.w)
			equal(t, test.options+": gradient", x.Diff(), test.dx...)
		}
	}

	x := layertest.Values(values, 3, 2)
	const options = "label_specific_rescale_param { positive_weight: 0.5 negative_weight: 3 positive_weight_base: 9 "
	f := layertest.New(t, layer("LabelSpecificRescale", 2, 2, "phase: TEST "+options+"}"), x, label)
	pass(t, f)
	equal(t, "scores in TEST", f.Top[0].Data(), values...)
	equal(t, "weight in TEST", f.Top[1].Data(), 0.5)
	f = layertest.New(t, layer("LabelSpecificRescale", 2, 2, "phase: TEST "+options+"rescale_test: true }"), x, label)
	pass(t, f)
	equal(t, "scores in TEST with rescale_test", f.Top[0].Data(), 2, 6, 3, -2, -0.5, 6)
}

// TestLabelSpecificRescaleState checks how the weight changes from pass to pass,
// and over a restart.
func TestLabelSpecificRescaleState(t *testing.T) {
	const text = "label_specific_rescale_param { positive_weight_base: 6 gamma: 1 positive_weight_min: 1.75 positive_weight_max: 2.5 }"
	make := func() *layertest.Fixture {
		return layertest.New(t, layer("LabelSpecificRescale", 2, 2, text), gaussian(2, 3), layertest.Values([]float32{0, 2}, 2))
	}
	f := make()
	for _, want := range []float32{2.5, 2} { // 6/2, 6/3
		pass(t, f)
		equal(t, "weight", f.Top[1].Data(), want)
	}
	restored := make()
	if err := restored.Layer.(layers.Stateful).SetState(f.Layer.(layers.Stateful).State()); err != nil {
		t.Fatal(err)
	}
	pass(t, restored)
	equal(t, "weight after a restart", restored.Top[1].Data(), 1.75) // 6/4
	if err := f.Layer.(layers.Stateful).SetState([]byte("-1")); err == nil {
		t.Error("a wrong state: no error")
	}
}

// TestBPNorm checks that the gradient of the length is passed on only if asked
// for.
func TestBPNorm(t *testing.T) {
	for options, want := range map[string][]float32{"": {0, 0}, "bp_norm: true": {5 * 0.6, 5 * 0.8}} {
		f := layertest.New(t, layer("Normalize", 1, 2, "normalize_param { "+options+" }"), layertest.Values([]float32{3, 4}, 1, 2))
		f.Top[1].MutableDiff()[0] = 5
		equal(t, options+": gradient", pass(t, f), want...)
	}
}

// TestNormalizeZero checks that features of length 0 stay finite.
func TestNormalizeZero(t *testing.T) {
	for _, typ := range []string{"L1", "L2"} {
		x := layertest.Values(make([]float32, 3), 1, 3)
		f := layertest.New(t, layer("Normalize", 1, 1, "normalize_param { normalize_type: \""+typ+"\" }"), x)
		pass(t, f)
		equal(t, typ, f.Top[0].Data(), 0, 0, 0)
		equal(t, typ+": gradient", x.Diff(), 0, 0, 0)
	}
}

func TestPromises(t *testing.T) {
	d, label := layertest.Uniform(1, 0, 2, 200, 50), layertest.Labels(7, 50, 200)
	for _, test := range []struct {
		text   string
		bottom []*blob.Blob
	}{
		{layer("Flip", 1, 1, "flip_param { flip_height: true }"), []*blob.Blob{gaussian(6, 5, 37, 41)}},
		{layer("Normalize", 1, 2, "normalize_param { bp_norm: true }"), []*blob.Blob{gaussian(6, 5, 37, 41)}},
		{layer("Normalize", 1, 1, ""), []*blob.Blob{gaussian(200, 170)}},
		{layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 50 normalize: true"+filler+"}"), []*blob.Blob{gaussian(200, 170)}},
		{layer("InnerDistance", 2, 1, `inner_distance_param { distance_type: "L1" }`), []*blob.Blob{gaussian(200, 170), layertest.Gaussian(2, 50, 170)}},
		{layer("InnerDistance", 2, 1, "inner_distance_param { num_output: 50 update_center_only: true"+filler+"}"), []*blob.Blob{gaussian(200, 170), label}},
		{layer("GeneralContrastiveLoss", 2, 2, "general_contrastive_loss_param { add_intra_mae: true }"), []*blob.Blob{d, label}},
		{layer("GeneralTripletLoss", 2, 2, "general_triplet_loss_param { hardest_only: true }"), []*blob.Blob{d, label}},
		{layer("LabelSpecificAdd", 2, 2, "label_specific_add_param { bias_base: -1 }"), []*blob.Blob{d, label}},
		{layer("LabelSpecificRescale", 2, 2, "label_specific_rescale_param { positive_weight_base: 2 negative_weight: 3 }"), []*blob.Blob{d, label}},
	} {
		layertest.CheckThreads(t, test.text, test.bottom...)
		layertest.CheckAllocs(t, test.text, test.bottom...)
	}
}

func TestErrors(t *testing.T) {
	x, label := gaussian(3, 4), layertest.Labels(7, 2, 3)
	for _, test := range []struct {
		line   int
		want   string
		text   string
		bottom []*blob.Blob
	}{
		{1, `bottom has shape [1 1 1 1 1], want at most 4 axes`, layer("Flip", 1, 1, ""), []*blob.Blob{gaussian(1, 1, 1, 1, 1)}},
		{2, `top 0 is also bottom 0: layers of type Flip do not work in place`, layer("Flip", 1, 0, `top: "a"`), []*blob.Blob{x}},
		{1, `bottom has shape [1 1 1 1 1], want at most 4 axes`, layer("Normalize", 1, 1, ""), []*blob.Blob{gaussian(1, 1, 1, 1, 1)}},
		{2, `normalize_type is "L3", want "L2" or "L1"`, layer("Normalize", 1, 1, `normalize_param { normalize_type: "L3" }`), []*blob.Blob{x}},
		{1, `num_output is 0, want 1 to 2147483647`, layer("InnerDistance", 1, 1, ""), []*blob.Blob{x}},
		{3, `distance_type is "l2", want "L2" or "L1"`, layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 2\ndistance_type: \"l2\" }"), []*blob.Blob{x}},
		{2, `transpose is true, which is not supported, as in the layer's source`, layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 2 transpose: true }"), []*blob.Blob{x}},
		{2, `update_center_only needs the labels as the last bottom, layer has 1 bottom`, layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 2 update_center_only: true }"), []*blob.Blob{x}},
		{1, `layer has 3 bottoms, the last of which only update_center_only uses`, layer("InnerDistance", 3, 1, ""), []*blob.Blob{x, gaussian(2, 4), label}},
		{1, `the second bottom, the centers, has shape [2 5], which does not fit items of 4 numbers`, layer("InnerDistance", 2, 1, ""), []*blob.Blob{x, gaussian(2, 5)}},
		{2, `filler "gaussian" with std 0, want more than 0`, layer("InnerDistance", 1, 1, `inner_distance_param { num_output: 2 weight_filler { type: "gaussian" std: 0 } }`), []*blob.Blob{x}},
		{2, `axis 2 is out of range for the 2 axes of shape [3 4]`, layer("InnerDistance", 1, 1, "inner_distance_param { num_output: 2 axis: 2 }"), []*blob.Blob{x}},
		{1, `bottom has shape [3 1], want items of distances to at least 2 classes`, layer("GeneralContrastiveLoss", 2, 1, ""), []*blob.Blob{gaussian(3, 1), label}},
		{2, `normalize_negative is 0, want more than 0`, layer("GeneralContrastiveLoss", 2, 1, "general_contrastive_loss_param { normalize_negative: 0 }"), []*blob.Blob{x, label}},
		{1, `got bottoms of shapes [3 4] and [3 5], want as many values as distances`, layer("GeneralContrastiveLoss", 3, 1, ""), []*blob.Blob{x, label, gaussian(3, 5)}},
		{1, `got labels of shape [2], which are 2, want 3 x 1 = 3, one for each place that has 4 scores`, layer("GeneralTripletLoss", 2, 1, ""), []*blob.Blob{x, layertest.Labels(7, 2, 2)}},
		{1, `got weights of shape [3 4], want one for each of the 3 items`, layer("GeneralTripletLoss", 3, 1, ""), []*blob.Blob{x, label, gaussian(3, 4)}},
		{1, `bottom has shape [3], want at least 2 axes`, layer("LabelSpecificAdd", 2, 1, ""), []*blob.Blob{gaussian(3), label}},
		{1, `bottom has shape [3], want at least 2 axes`, layer("LabelSpecificRescale", 2, 1, ""), []*blob.Blob{gaussian(3), label}},
		{3, `gamma is -1, want 0 or more`, layer("LabelSpecificRescale", 2, 1, "label_specific_rescale_param {\ngamma: -1 }"), []*blob.Blob{x, label}},
		{2, `bias_gamma is -1, want 0 or more`, layer("LabelSpecificAdd", 2, 1, "label_specific_add_param { bias_gamma: -1 }"), []*blob.Blob{x, label}},
	} {
		layertest.CheckError(t, test.line, `layer "l": `+test.want, test.text, test.bottom...)
	}
}

// TestLabels checks the errors about labels, of a value and of their gradient.
func TestLabels(t *testing.T) {
	for typ, options := range map[string]string{
		"GeneralContrastiveLoss": "", "GeneralTripletLoss": "", "LabelSpecificAdd": "", "LabelSpecificRescale": "",
		"InnerDistance": "inner_distance_param { num_output: 4 update_center_only: true }",
	} {
		f := layertest.New(t, layer(typ, 2, 1, options), gaussian(2, 4), layertest.Values([]float32{3, 4}, 2))
		if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "label 4 of item 1 is out of range: the scores have 4 classes, which count from 0") {
			t.Errorf("%s: a label out of range: error %v", typ, err)
		}
		if f.Propagate[1] {
			t.Errorf("%s: the labels have a gradient", typ)
		}
		f.Propagate[1] = true
		if err := f.Backward(); err == nil || !strings.HasSuffix(err.Error(), "layers of type "+typ+" cannot backpropagate to bottom 1") {
			t.Errorf("%s: a gradient for the labels: error %v", typ, err)
		}
	}
}
