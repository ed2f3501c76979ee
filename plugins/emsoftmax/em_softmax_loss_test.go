package emsoftmax_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/common"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/layers/loss"
	"github.com/gocaffe/gocaffe/parallel"
	_ "github.com/gocaffe/gocaffe/plugins/emsoftmax"
)

// layer returns the text of a layer with both tops.
func layer(options string, more ...string) string {
	return fmt.Sprintf(`layer { name: "em" type: "EMSoftmaxLoss" bottom: "x" bottom: "label" top: "loss" top: "score"
		em_softmax_param { %s } %s }`, options, strings.Join(more, " "))
}

const gaussian = ` weight_filler { type: "gaussian" std: 1 } `

func TestGolden(t *testing.T) {
	counts := layertest.Golden(t, reference.GoldenFS(t, "layers"))
	if counts.Filtered == 0 && counts.Passed["EMSoftmaxLoss"] != 13 {
		t.Errorf("%d cases passed, want 13", counts.Passed["EMSoftmaxLoss"])
	}
}

// TestGradient compares the exact gradient with the central difference. The
// diversity term uses cross products with 6 classes of 2 elements, and Gram matrices
// with 3 classes of 5 elements.
func TestGradient(t *testing.T) {
	for _, v := range []int{1, 2, 3, 5} {
		for _, normalize := range []string{"CLASS", "FROBENIUS", "NONE"} {
			for _, size := range []struct{ k, d int }{{3, 5}, {6, 2}} {
				for _, more := range []string{
					"lambda: 0.7 m: 0.4",
					"lambda: 3 hsic_scale: true",
				} {
					std := 1.0
					if normalize == "NONE" {
						std = 0.5 // a large term would leave the loss too few digits for the difference
					}
					options := fmt.Sprintf(`num_output: %d V: %d normalize: %s %s weight_filler { type: "gaussian" std: %g }`, size.k, v, normalize, more, std)
					t.Run(fmt.Sprintf("V%d/%s/%dx%d/%s", v, normalize, size.k, size.d, more), func(t *testing.T) {
						f := layertest.New(t, layer(options), layertest.Gaussian(1, 4, size.d), layertest.Labels(7, size.k, 4))
						layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 3e-3, Tolerance: 5e-3})
					})
				}
			}
		}
	}
}

// TestGradientOptions checks what TestGradient does not: phase TEST, other axes,
// normalizations and labels to ignore.
func TestGradientOptions(t *testing.T) {
	for name, test := range map[string]struct {
		text  string
		x     *blob.Blob
		label *blob.Blob
	}{
		"test":         {layer("num_output: 4 V: 3 m: 2 lambda: 1"+gaussian, "phase: TEST"), layertest.Gaussian(1, 3, 5), layertest.Labels(7, 4, 3)},
		"test one":     {layer("num_output: 4 m: 2"+gaussian, "phase: TEST"), layertest.Gaussian(1, 3, 5), layertest.Labels(7, 4, 3)},
		"four axes":    {layer("num_output: 4 V: 2 m: 1" + gaussian), layertest.Gaussian(1, 3, 2, 1, 2), layertest.Labels(7, 4, 3)},
		"last axis":    {layer("num_output: 4 V: 2 m: 1 axis: -1" + gaussian), layertest.Gaussian(1, 3, 2, 4), layertest.Values([]float32{0, 1, 2, 3, 1, 1}, 3, 2)},
		"ignore":       {layer("num_output: 4 V: 2 m: 1"+gaussian, "loss_param { ignore_label: 2 }"), layertest.Gaussian(1, 4, 3), layertest.Values([]float32{2, 1, 0, 2}, 4)},
		"full":         {layer("num_output: 4 V: 2"+gaussian, "loss_param { ignore_label: 2 normalization: FULL }"), layertest.Gaussian(1, 4, 3), layertest.Values([]float32{2, 1, 0, 2}, 4)},
		"none":         {layer("num_output: 4 V: 2"+gaussian, "loss_param { normalization: NONE }"), layertest.Gaussian(1, 4, 3), layertest.Labels(7, 4, 4)},
		"large margin": {layer("num_output: 3 V: 2 m: 50" + gaussian), layertest.Gaussian(1, 4, 3), layertest.Labels(7, 3, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			f := layertest.New(t, test.text, test.x, test.label)
			layertest.CheckGradient(t, f, layertest.GradientOptions{Step: 3e-3, Tolerance: 1e-2})
		})
	}
}

// TestFiller checks that the classifiers start out different, each with the spread
// of an InnerProduct of its size.
func TestFiller(t *testing.T) {
	const k, d = 100, 400
	for _, test := range []struct {
		filler string
		std    float64
	}{
		{"", math.Sqrt(1.0 / d)},
		{`weight_filler { type: "msra" }`, math.Sqrt(2.0 / d)},
		{`weight_filler { type: "xavier" variance_norm: FAN_OUT }`, math.Sqrt(1.0 / k)},
	} {
		f := layertest.New(t, layer("num_output: 100 V: 2 "+test.filler), layertest.Gaussian(1, 1, d), layertest.Labels(7, k, 1))
		w := f.Params()[0]
		if got := fmt.Sprint(w.Shape()); got != "[2 100 400]" {
			t.Fatalf("weights have shape %v, want [2 100 400]", got)
		}
		var dot float64
		for v := range 2 {
			var squares float64
			for i, x := range w.Data()[v*k*d : (v+1)*k*d] {
				squares += float64(x) * float64(x)
				dot += float64(x) * float64(w.Data()[i]) / 2
			}
			if got := math.Sqrt(squares / (k * d)); math.Abs(got/test.std-1) > 0.02 {
				t.Errorf("%s: classifier %d has a spread of %g, want %g", test.filler, v, got, test.std)
			}
		}
		// One half is the square of the first itself, the rest is noise of 1/√(kd) = 0.005.
		if correlation := 2*dot/(k*d*test.std*test.std) - 1; math.Abs(correlation) > 0.03 {
			t.Errorf("%s: the classifiers have a correlation of %g", test.filler, correlation)
		}
	}
}

func TestPromises(t *testing.T) {
	for _, options := range []string{
		"num_output: 100 V: 2 lambda: 0.1 m: 1",
		"num_output: 30 V: 5 lambda: 0.1 normalize: FROBENIUS",
		"num_output: 300 V: 3 lambda: 0.1 normalize: NONE",
		"num_output: 100",
	} {
		for _, phase := range []string{"phase: TRAIN", "phase: TEST"} {
			x, label := layertest.Gaussian(1, 1500, 50), layertest.Labels(7, 30, 1500)
			layertest.CheckThreads(t, layer(options+gaussian, phase), x, label)
			layertest.CheckAllocs(t, layer(options+gaussian, phase), x, label)
		}
	}
}

func TestErrors(t *testing.T) {
	x, label := layertest.Gaussian(1, 3, 4), layertest.Labels(7, 2, 3)
	for _, test := range []struct {
		line          int
		want, options string // options from line 2 on
	}{
		{1, `num_output is missing, want the number of classes`, ``},
		{2, `num_output is missing, want the number of classes`, `em_softmax_param { m: 1 }`},
		{3, `num_output is 1, want the number of classes, 2 to 2147483647`, "em_softmax_param {\nnum_output: 1 }"},
		{2, `num_output is 0, want the number of classes, 2 to 2147483647`, `em_softmax_param { num_output: 0 }`},
		{4, `m is -0.5, want a margin of 0 or more`, "em_softmax_param {\nnum_output: 2\nm: -0.5 }"},
		{2, `m is +Inf, want a margin of 0 or more`, `em_softmax_param { num_output: 2 m: inf }`},
		{2, `m is NaN, want a margin of 0 or more`, `em_softmax_param { num_output: 2 m: nan }`},
		{3, `lambda is -1, want a weight of 0 or more`, "em_softmax_param { num_output: 2\nlambda: -1 }"},
		{3, `V is 0, want 1 to 2147483647 classifiers`, "em_softmax_param { num_output: 2\nV: 0 }"},
		{2, `weights: blob shape [100000 100000 4] has more than 2147483647 elements`, `em_softmax_param { num_output: 100000 V: 100000 }`},
		{3, `axis 2 is out of range for the 2 axes of shape [3 4]`, "em_softmax_param { num_output: 2\naxis: 2 }"},
		{2, `unknown filler type "msr", did you mean "msra"? (known types: constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear, gaussian_unitball)`,
			`em_softmax_param { num_output: 2 weight_filler { type: "msr" } }`},
		{2, `filler "bilinear": blob has shape [2 4], want 4 axes and the last two equal`,
			`em_softmax_param { num_output: 2 V: 2 weight_filler { type: "bilinear" } }`},
		{2, `shape [3 2 4] of the file does not match shape [2 2 4]`,
			`em_softmax_param { num_output: 2 V: 2 } blobs { shape { dim: 3 dim: 2 dim: 4 } data: [` + strings.Repeat("0,", 23) + `0] }`},
	} {
		text := `layer { name: "em" type: "EMSoftmaxLoss" bottom: "x" bottom: "label" top: "loss"` + "\n" + test.options + " }"
		layertest.CheckError(t, test.line, `layer "em": `+test.want, text, x, label)
	}
	layertest.CheckError(t, 1, `layer "em": got labels of shape [3 2], which are 6, want 3 x 1 = 3, one for each place that has 2 scores`,
		layer("num_output: 2"), x, layertest.Values(make([]float32, 6), 3, 2))
	layertest.CheckError(t, 1, `layer "em": got bottoms of shapes [3 4] and [4], want the same first axis`,
		layer("num_output: 2"), x, layertest.Labels(7, 2, 4))
}

// TestBatchErrors checks errors during a pass.
func TestBatchErrors(t *testing.T) {
	for _, bad := range []float32{2, -1, float32(math.NaN())} {
		f := layertest.New(t, layer("num_output: 2 V: 2"), layertest.Gaussian(1, 3, 4), layertest.Values([]float32{0, 1, bad}, 3))
		err := f.Forward()
		if want := fmt.Sprintf(`layer.prototxt:1:62: layer "em": label %v of item 2 is out of range: the scores have 2 classes, which count from 0`, bad); err == nil || err.Error() != want {
			t.Errorf("label %g: error %v, want %s", bad, err, want)
		}
	}
	f := layertest.New(t, layer("num_output: 2"), layertest.Gaussian(1, 3, 4), layertest.Labels(7, 2, 3))
	f.Propagate[1] = true
	if err := f.Backward(); err == nil || !strings.Contains(err.Error(), "layers of type EMSoftmaxLoss cannot backpropagate to bottom 1") {
		t.Errorf("a gradient for the labels: error %v", err)
	}
	if err := f.Bottom[0].Reshape(3, 5); err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), "bottom has shape [3 5] and items of 5 elements, the weights are for items of 4") {
		t.Errorf("another size of the features: error %v", err)
	}
}

// TestStored checks that weights in the net's file replace those of the filler.
func TestStored(t *testing.T) {
	f := layertest.New(t, layer("num_output: 2 V: 2", "blobs { shape { dim: 2 dim: 2 dim: 1 } data: [1, 2, 3, 4] }"),
		layertest.Values([]float32{1}, 1, 1), layertest.Labels(7, 2, 1))
	if got := f.Params()[0].Data(); !slices.Equal(got, []float32{1, 2, 3, 4}) {
		t.Errorf("weights are %v, want [1 2 3 4]", got)
	}
}

// TestNotTrained checks that no gradient is computed for weights that are not
// trained.
func TestNotTrained(t *testing.T) {
	f := layertest.New(t, layer("num_output: 2 V: 2 lambda: 1"), layertest.Gaussian(1, 3, 4), layertest.Labels(7, 2, 3))
	f.Layer.(layers.ParamPropagator).SetParamPropagateDown(0, false)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(f.Params()[0].Diff(), func(g float32) bool { return g != 0 }) {
		t.Error("weights that are not trained have a gradient")
	}
	if !slices.ContainsFunc(f.Bottom[0].Diff(), func(g float32) bool { return g != 0 }) {
		t.Error("the features have no gradient")
	}
}

func TestMACs(t *testing.T) {
	for options, want := range map[string]int64{
		"num_output: 10":                              3 * 10 * 4,
		"num_output: 10 V: 5":                         3 * 5 * 10 * 4,
		"num_output: 2 V: 2 lambda: 1":                3*2*2*4 + 2*2*2*2*4, // two Gram matrices and their products
		"num_output: 10 V: 2 lambda: 1":               3*2*10*4 + 3*4*4*10, // one cross product and two products with it
		"num_output: 10 V: 2 lambda: 1 } phase: TEST": 3 * 10 * 4,          // one classifier
	} {
		f := layertest.New(t, strings.Replace(layer(options), "phase: TEST }", "phase: TEST", 1), layertest.Gaussian(1, 3, 4), layertest.Labels(7, 2, 3))
		if got := f.Layer.(layers.Counter).MACs(); got != want {
			t.Errorf("%s: %d multiply-adds, want %d", options, got, want)
		}
	}
}

// BenchmarkLoss measures both passes, and those of the layers that it replaces, for
// LiuNet's batch and features.
func BenchmarkLoss(b *testing.B) {
	const m, d = 128, 256
	pool := parallel.NewPool(0)
	defer pool.Close()
	for _, k := range []int{10, 100, 1000} {
		x, label := layertest.Gaussian(1, m, d), layertest.Labels(7, k, m)
		run := func(name string, fixtures func() []*layertest.Fixture) {
			b.Run(fmt.Sprintf("K=%d/%s", k, name), func(b *testing.B) {
				fs := fixtures()
				for b.Loop() {
					for _, f := range fs {
						if err := f.Forward(); err != nil {
							b.Fatal(err)
						}
					}
					for _, f := range slices.Backward(fs) {
						if err := f.Backward(); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
		setUp := func(text string, bottom ...*blob.Blob) *layertest.Fixture {
			f, err := layertest.SetUp(&layers.Env{Workers: pool, Phase: caffepb.Phase_TRAIN}, text, bottom...)
			if err != nil {
				b.Fatal(err)
			}
			return f
		}
		run("softmax", func() []*layertest.Fixture {
			ip := setUp(fmt.Sprintf(`layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: %d weight_filler { type: "msra" } } }`, k), x)
			return []*layertest.Fixture{ip, setUp(`layer { type: "SoftmaxWithLoss" bottom: "y" bottom: "label" top: "loss" }`, ip.Top[0], label)}
		})
		for _, v := range []int{1, 2, 5} {
			run(fmt.Sprintf("V=%d", v), func() []*layertest.Fixture {
				return []*layertest.Fixture{setUp(layer(fmt.Sprintf(`num_output: %d m: 1 lambda: 0.1 V: %d`, k, v)), x, label)}
			})
		}
	}
}
