package normface_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/normface"
)

// layer returns the text of a layer with the first few of the bottoms a, b, c and of
// the tops x, y.
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

// pass runs both passes and returns the first bottom's diff. Elements that were not
// written are NaN.
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
		{1, `layer has 3 bottoms, but only update_center_only uses the last one`, layer("InnerDistance", 3, 1, ""), []*blob.Blob{x, gaussian(2, 4), label}},
		{1, `the second bottom, the centers, has shape [2 5], which does not fit items of 4 elements`, layer("InnerDistance", 2, 1, ""), []*blob.Blob{x, gaussian(2, 5)}},
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
		{2, `bias_gamma is -1 and bias_power 0.5, want a bias_gamma of 0 or more, or a whole bias_power`,
			layer("LabelSpecificAdd", 2, 1, "label_specific_add_param { bias_gamma: -1 bias_power: 0.5 }"), []*blob.Blob{x, label}},
	} {
		layertest.CheckError(t, test.line, `layer "l": `+test.want, test.text, test.bottom...)
	}
}

// TestLabels checks the errors for the value of a label and for its gradient.
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
