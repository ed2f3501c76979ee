package common_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/common"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

func layer(options string) string {
	return `layer { name: "l" bottom: "x" top: "y" ` + options + ` }`
}

func inPlace(options string) string {
	return `layer { name: "l" bottom: "x" top: "x" ` + options + ` }`
}

func two(options string) string {
	return `layer { name: "l" bottom: "x" bottom: "f" top: "y" ` + options + ` }`
}

const (
	noise = `filler { type: "gaussian" std: 1 } `
	both  = `weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } `
)

// TestGolden runs Caffe's golden cases.
func TestGolden(t *testing.T) { layertest.Golden(t, reference.GoldenFS(t, "layers")) }

func TestGradient(t *testing.T) {
	g := func(shape ...int) *blob.Blob { return layertest.Gaussian(1701, shape...) }
	tests := []struct {
		name, layer string
		bottom      []*blob.Blob
		params      []int
	}{
		{"ip", layer(`type: "InnerProduct" inner_product_param { num_output: 4 ` + both + `}`), []*blob.Blob{g(3, 2, 5)}, nil},
		{"ip/1", layer(`type: "InnerProduct" inner_product_param { num_output: 1 ` + both + `}`), []*blob.Blob{g(1, 1)}, nil},
		{"ip/transpose", layer(`type: "InnerProduct" inner_product_param { num_output: 4 transpose: true ` + both + `}`), []*blob.Blob{g(3, 5)}, nil},
		{"ip/axis", layer(`type: "InnerProduct" inner_product_param { num_output: 4 axis: -1 bias_term: false ` + both + `}`), []*blob.Blob{g(3, 2, 5)}, nil},
		{"ip/two", two(`type: "InnerProduct" inner_product_param { ` + both + `}`), []*blob.Blob{g(3, 5), g(4, 5)}, nil},
		{"ip/two transpose", two(`type: "InnerProduct" inner_product_param { transpose: true ` + both + `}`), []*blob.Blob{g(3, 5), g(5, 4)}, nil},
		{"bn", layer(`type: "BatchNorm"`), []*blob.Blob{g(4, 3, 2, 5)}, nil},
		{"bn/in place", inPlace(`type: "BatchNorm"`), []*blob.Blob{g(4, 3, 2, 5)}, nil},
		{"bn/groups", layer(`type: "BatchNorm" batch_norm_param { stats_batch_size: 2 }`), []*blob.Blob{g(4, 3, 2, 5)}, nil},
		{"bn/groups in place", inPlace(`type: "BatchNorm" batch_norm_param { stats_batch_size: 2 }`), []*blob.Blob{g(4, 3, 2, 5)}, nil},
		{"bn/two axes", layer(`type: "BatchNorm" batch_norm_param { eps: 0.1 }`), []*blob.Blob{g(7, 3)}, nil},
		{"bn/global", layer(`type: "BatchNorm" batch_norm_param { use_global_stats: true eps: 1 }`), []*blob.Blob{g(7, 3)}, nil},
		{"scale", layer(`type: "Scale" scale_param { bias_term: true ` + noise + `}`), []*blob.Blob{g(2, 3, 4, 5)}, nil},
		{"scale/in place", inPlace(`type: "Scale" scale_param { bias_term: true ` + noise + `}`), []*blob.Blob{g(2, 3, 4, 5)}, nil},
		{"scale/scalar", layer(`type: "Scale" scale_param { num_axes: 0 axis: 2 ` + noise + `}`), []*blob.Blob{g(2, 3, 4)}, nil},
		{"scale/all", layer(`type: "Scale" scale_param { num_axes: -1 axis: 0 ` + noise + `}`), []*blob.Blob{g(2, 3, 4)}, nil},
		{"scale/middle", inPlace(`type: "Scale" scale_param { num_axes: 2 axis: -3 ` + noise + `}`), []*blob.Blob{g(2, 3, 4, 2)}, nil},
		{"scale/two", two(`type: "Scale" scale_param { bias_term: true }`), []*blob.Blob{g(2, 3, 4), g(3, 4)}, nil},
		{"bias", layer(`type: "Bias" bias_param { ` + noise + `}`), []*blob.Blob{g(2, 3, 4, 5)}, nil},
		{"bias/in place", inPlace(`type: "Bias" bias_param { num_axes: 0 ` + noise + `}`), []*blob.Blob{g(2, 3)}, nil},
		{"bias/two", two(`type: "Bias" bias_param { axis: 0 }`), []*blob.Blob{g(2, 3, 4), g(2, 3)}, nil},
		{"dropout", layer(`type: "Dropout" dropout_param { dropout_ratio: 0.3 }`), []*blob.Blob{g(3, 5, 7)}, nil},
		{"dropout/in place", inPlace(`type: "Dropout"`), []*blob.Blob{g(3, 5, 7)}, nil},
		{"parameter", `layer { name: "l" type: "Parameter" top: "y" parameter_param { shape { dim: 2 dim: 3 } blob_filler { type: "gaussian" } } }`, nil, nil},
		{"mvn", layer(`type: "MVN"`), []*blob.Blob{g(2, 3, 4, 2)}, nil},
		{"mvn/in place", inPlace(`type: "MVN"`), []*blob.Blob{g(2, 3, 5)}, nil},
		{"mvn/across", layer(`type: "MVN" mvn_param { across_channels: true }`), []*blob.Blob{g(2, 3, 4)}, nil},
		{"mvn/mean", layer(`type: "MVN" mvn_param { normalize_variance: false }`), []*blob.Blob{g(2, 3, 4)}, nil},
		{"mvn/mean in place", inPlace(`type: "MVN" mvn_param { normalize_variance: false across_channels: true }`), []*blob.Blob{g(2, 7)}, nil},
		{"embed", layer(`type: "Embed" embed_param { num_output: 3 input_dim: 5 ` + both + `}`), []*blob.Blob{layertest.Values([]float32{4, 0, 1, 1, 4, 4}, 2, 3)}, nil},
		{"embed/no bias", layer(`type: "Embed" embed_param { num_output: 1 input_dim: 2 bias_term: false ` + both + `}`), []*blob.Blob{layertest.Values([]float32{1}, 1)}, nil},
		{"dropout/test", layer(`type: "Dropout" phase: TEST`), []*blob.Blob{g(3, 5)}, nil},
		{"dropout/scaled in test", layer(`type: "Dropout" phase: TEST dropout_param { scale_train: false }`), []*blob.Blob{g(3, 5)}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := layertest.New(t, test.layer, test.bottom...)
			if test.name == "bn/global" {
				copy(f.Params()[1].MutableData(), []float32{1, 2, 3})
				f.Params()[2].MutableData()[0] = 2
				test.params = []int{} // the statistics have no gradient
			}
			layertest.CheckGradient(t, f, layertest.GradientOptions{Params: test.params, Tolerance: 3e-3})
		})
	}
}

func TestPromises(t *testing.T) {
	for name, options := range map[string]string{
		"ip":           `type: "InnerProduct" inner_product_param { num_output: 37 ` + both + `}`,
		"ip/transpose": `type: "InnerProduct" inner_product_param { num_output: 37 transpose: true ` + both + `}`,
		"bn":           `type: "BatchNorm"`,
		"bn/global":    `type: "BatchNorm" phase: TEST`,
		"scale":        `type: "Scale" scale_param { bias_term: true ` + noise + `}`,
		"bias":         `type: "Bias" bias_param { ` + noise + `}`,
		"dropout":      `type: "Dropout"`,
		"mvn":          `type: "MVN"`,
		"mvn/mean":     `type: "MVN" mvn_param { normalize_variance: false across_channels: true }`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, shape := range [][]int{{6, 5, 37, 41}, {301, 170}} {
				x := layertest.Gaussian(1, shape...)
				layertest.CheckThreads(t, layer(options), x)
				layertest.CheckAllocs(t, layer(options), x)
				if name[:2] != "ip" {
					layertest.CheckThreads(t, inPlace(options), x)
					layertest.CheckAllocs(t, inPlace(options), x)
				}
			}
		})
	}
}

// TestEmbedPromises checks what TestPromises does for a bottom of whole numbers.
func TestEmbedPromises(t *testing.T) {
	text := layer(`type: "Embed" embed_param { num_output: 170 input_dim: 1000 ` + both + `}`)
	words := func() *blob.Blob { return layertest.Uniform(1, 0, 1000, 20, 80) } // without fractions
	layertest.CheckThreads(t, text, words())
	layertest.CheckAllocs(t, text, words())
}

// TestEmbedRange feeds numbers without a vector.
func TestEmbedRange(t *testing.T) {
	for _, v := range []float32{10, -1, 1e10, float32(math.NaN())} {
		f := layertest.New(t, layer(`type: "Embed" embed_param { num_output: 3 input_dim: 10 }`), layertest.Values([]float32{9, 9, v}, 3))
		want := fmt.Sprintf(`layer.prototxt:1:27: layer "l": element 2 is %v, want 0 to 9, the number of a vector`, v)
		if err := f.Forward(); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestMVN checks mean and variance of the result, also where the mean is far from 0.
func TestMVN(t *testing.T) {
	x := layertest.Gaussian(1, 3, 4, 500)
	for i := range x.MutableData() {
		x.MutableData()[i] = 1000 + 0.1*x.Data()[i]
	}
	f := layertest.New(t, layer(`type: "MVN"`), x)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		var sum, squares float64
		for _, v := range f.Top[0].Data()[i*500 : (i+1)*500] {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		if mean, variance := sum/500, squares/500; math.Abs(mean) > 1e-3 || math.Abs(variance-1) > 1e-3 {
			t.Errorf("vector %d has mean %g and variance %g, want 0 and 1", i, mean, variance)
		}
	}
}

// TestDropout checks the share of what is dropped, what the rest is multiplied
// by, and that the mask is a function of seed, name and pass.
func TestDropout(t *testing.T) {
	const ratio = 0.3
	run := func(seed uint64, name string, pass int64) []float32 {
		env := &layers.Env{Seed: seed, Pass: pass}
		x := layertest.Uniform(1, 1, 1, 100, 100)
		f, err := layertest.SetUp(env, fmt.Sprintf(`layer { name: %q type: "Dropout" bottom: "x" top: "y" dropout_param { dropout_ratio: %g } }`, name, ratio), x)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		return f.Top[0].Data()
	}
	base := run(1, "d", 0)
	dropped := 0
	for _, v := range base {
		switch {
		case v == 0:
			dropped++
		case math.Abs(float64(v)-1/(1-ratio)) > 1e-6:
			t.Fatalf("1 becomes %g, want 0 or %g", v, 1/(1-ratio))
		}
	}
	if limit := 5 * math.Sqrt(ratio*(1-ratio)*10000); math.Abs(float64(dropped)-ratio*10000) > limit {
		t.Errorf("%d of 10000 are dropped, want %g within %g", dropped, ratio*10000, limit)
	}
	// Two independent masks agree in a share of ratio² + (1-ratio)² = 0.58.
	same := func(a []float32) float64 {
		n := 0
		for i, v := range a {
			if v == base[i] {
				n++
			}
		}
		return float64(n) / 10000
	}
	if s := same(run(1, "d", 0)); s != 1 {
		t.Errorf("the same pass drops others: %g of the mask are equal", s)
	}
	for what, mask := range map[string][]float32{"seed": run(2, "d", 0), "name": run(1, "e", 0), "pass": run(1, "d", 1)} {
		if s := same(mask); math.Abs(s-0.58) > 0.03 {
			t.Errorf("another %s: %g of the mask are equal, want 0.58", what, s)
		}
	}
}

// TestDropoutScaleTrain checks that with scale_train false testing multiplies, and
// training does not.
func TestDropoutScaleTrain(t *testing.T) {
	x := layertest.Gaussian(1, 400)
	for _, c := range []struct {
		phase caffepb.Phase
		want  []float32 // of 1
	}{{caffepb.Phase_TRAIN, []float32{0, 1}}, {caffepb.Phase_TEST, []float32{0.75}}} {
		f, err := layertest.SetUp(&layers.Env{Phase: c.phase}, layer(`type: "Dropout" dropout_param { dropout_ratio: 0.25 scale_train: false }`), x)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		seen := map[float32]int{}
		for i, y := range f.Top[0].Data() {
			seen[y/x.Data()[i]]++
		}
		for _, factor := range c.want {
			if seen[factor] < 50 {
				t.Errorf("%v: %v of 400 elements have the factor %g, want many; all: %v", c.phase, seen[factor], factor, seen)
			}
			delete(seen, factor)
		}
		if n := len(seen); n > 2 && c.phase == caffepb.Phase_TRAIN {
			t.Errorf("%v: elements have the factors %v, want %v", c.phase, seen, c.want)
		}
	}
}

// TestDropoutSamplesInTest checks that with sample_weights_test testing drops elements, other
// ones in each pass.
func TestDropoutSamplesInTest(t *testing.T) {
	x := layertest.Gaussian(1, 400)
	env := &layers.Env{Phase: caffepb.Phase_TEST}
	f, err := layertest.SetUp(env, layer(`type: "Dropout" dropout_param { dropout_ratio: 0.5 sample_weights_test: true }`), x)
	if err != nil {
		t.Fatal(err)
	}
	var passes [2][]float32
	for pass := range passes {
		env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		passes[pass] = slices.Clone(f.Top[0].Data())
		dropped := 0
		for i, y := range passes[pass] {
			switch y {
			case 0:
				dropped++
			case 2 * x.Data()[i]:
			default:
				t.Fatalf("pass %d: element %d is %g, from %g", pass, i, y, x.Data()[i])
			}
		}
		if dropped < 150 || dropped > 250 {
			t.Errorf("pass %d: %d of 400 elements are dropped", pass, dropped)
		}
	}
	if slices.Equal(passes[0], passes[1]) {
		t.Error("both passes drop the same elements")
	}
}

// TestBatchNormParams checks that the net sees that statistics are not trained.
func TestBatchNormParams(t *testing.T) {
	f := layertest.New(t, layer(`type: "BatchNorm" param { lr_mult: 0 decay_mult: 3 }`), layertest.Gaussian(1, 2, 3))
	if n := len(f.Spec.Param.GetParam()); n != 3 {
		t.Fatalf("layer has %d param fields, want 3", n)
	}
	for i, p := range f.Spec.Param.GetParam() {
		if p.GetLrMult() != 0 {
			t.Errorf("lr_mult of blob %d is %g, want 0", i, p.GetLrMult())
		}
	}
	if d := f.Spec.Param.GetParam()[0].GetDecayMult(); d != 3 {
		t.Errorf("decay_mult of blob 0 is %g, want 3", d)
	}
}

// TestBatchNormEmpty has a batch without items, which leaves the running statistics as they are.
func TestBatchNormEmpty(t *testing.T) {
	f := layertest.New(t, layer(`type: "BatchNorm"`), layertest.Gaussian(1, 2, 3, 4))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	var want [3][]float32
	for i, p := range f.Params() {
		want[i] = slices.Clone(p.Data())
	}
	if err := errors.Join(f.Bottom[0].Reshape(0, 3, 4), f.Layer.Reshape(f.Bottom, f.Top), f.Forward(), f.Backward()); err != nil {
		t.Fatal(err)
	}
	for i, p := range f.Params() {
		if !slices.Equal(p.Data(), want[i]) {
			t.Errorf("blob %d is %v, want %v as before", i, p.Data(), want[i])
		}
	}
}

// TestScaleFrozen checks that a layer in place whose factors are not trained
// keeps no copy of the bottom and still computes the other gradients.
func TestScaleFrozen(t *testing.T) {
	f := layertest.New(t, inPlace(`type: "Scale" scale_param { bias_term: true filler { value: 3 } }`), layertest.Gaussian(1, 2, 3))
	f.Layer.(layers.ParamPropagator).SetParamPropagateDown(0, false)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	copy(f.Top[0].MutableDiff(), []float32{1, 2, 3, 4, 5, 6})
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	if d := f.Params()[0].Diff()[0]; d != 0 {
		t.Errorf("gradient of the factor is %g, want none", d)
	}
	if d := f.Params()[1].Diff()[0]; d != 5 {
		t.Errorf("gradient of the summand is %g, want 1+4", d)
	}
	if d := f.Bottom[0].Diff()[1]; d != 6 {
		t.Errorf("gradient of the bottom is %g, want 2·3", d)
	}
}

// TestScaleLimits checks that each pass brings the factors into the range that
// NormFace's fields give, and that they stay there.
func TestScaleLimits(t *testing.T) {
	f := layertest.New(t, `layer { type: "Scale" bottom: "x" top: "y" scale_param { min_value: 0.5 max_value: 2 } }`,
		layertest.Values([]float32{1, 1, 1}, 1, 3))
	a := f.Params()[0]
	copy(a.MutableData(), []float32{-1, 1.5, 7})
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0.5, 1.5, 2} {
		if y, a := f.Top[0].Data()[i], a.Data()[i]; y != want || a != want {
			t.Errorf("top %d is %g and its factor %g, want %g", i, y, a, want)
		}
	}
}

// TestScaleLimitsOfBottom checks that factors from a bottom are limited where
// they are stored too, as in NormFace's fork, and that the gradients follow.
func TestScaleLimitsOfBottom(t *testing.T) {
	f := layertest.New(t, two(`type: "Scale" scale_param { min_value: 2 }`), layertest.Values([]float32{1, 4}, 1, 2), layertest.Values([]float32{-1, 3}, 2))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	copy(f.Top[0].MutableDiff(), []float32{5, 7})
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		got, want []float32
	}{
		{"top", f.Top[0].Data(), []float32{2, 12}},
		{"factors", f.Bottom[1].Data(), []float32{2, 3}},
		{"gradient of the bottom", f.Bottom[0].Diff(), []float32{5 * 2, 7 * 3}},
		{"gradient of the factors", f.Bottom[1].Diff(), []float32{5 * 1, 7 * 4}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, test.got, test.want)
		}
	}
}

// TestStoredWeights checks that weights in the net's file take the place of
// those of the filler.
func TestStoredWeights(t *testing.T) {
	text := `layer { name: "l" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 }
		blobs { shape { dim: 2 dim: 3 } data: [1, 2, 3, 4, 5, 6] }
		blobs { shape { dim: %d } data: [7, 8] } }`
	x := layertest.Values([]float32{1, 0, -1}, 1, 3)
	f := layertest.New(t, fmt.Sprintf(text, 2), x)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if y := f.Top[0].Data(); y[0] != 5 || y[1] != 6 {
		t.Errorf("top is %v, want [5 6]", y)
	}
	layertest.CheckError(t, 3, `layer "l": shape [3] of the file does not match shape [2]`, fmt.Sprintf(text, 3), x)
	layertest.CheckError(t, 2, `layer "l": layer has 1 blobs of weights, want at least 2`,
		"layer { name: \"l\" type: \"InnerProduct\" bottom: \"x\" top: \"y\" inner_product_param { num_output: 1 }\nblobs { shape { dim: 1 dim: 3 } data: [1, 2, 3] } }", x)
}

func TestErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3, 4)
	tests := []struct {
		line          int
		want          string
		typ, options  string // options from line 2 on
		bottom, other *blob.Blob
	}{
		{2, `num_output is 0, want 1 to 2147483647`, "InnerProduct", "inner_product_param { }", x, nil},
		{3, `num_output is 4000000000, want 1 to 2147483647`, "InnerProduct", "inner_product_param {\n num_output: 4000000000 }", x, nil},
		{2, `weights: blob shape [2000000000 12] has more than 2147483647 elements`, "InnerProduct", "inner_product_param { num_output: 2000000000 }", x, nil},
		{2, `axis 3 is out of range for the 3 axes of shape [2 3 4]`, "InnerProduct", "inner_product_param { num_output: 1 axis: 3 }", x, nil},
		{2, `unknown filler type "xaver", did you mean "xavier"? (known types: constant, uniform, gaussian, positive_unitball, xavier, msra, bilinear, gaussian_unitball)`,
			"InnerProduct", `inner_product_param { num_output: 1 weight_filler { type: "xaver" } }`, x, nil},
		{2, `filler "bilinear": blob has shape [1 12], want 4 axes and the last two equal`,
			"InnerProduct", `inner_product_param { num_output: 1 weight_filler { type: "bilinear" } }`, x, nil},
		{1, `the second bottom, the weights, has shape [5 11], which does not fit items of 12 elements`, "InnerProduct", "", x, layertest.Gaussian(1, 5, 11)},
		{1, `bottom has shape [7], want at least 2 axes`, "BatchNorm", "", layertest.Gaussian(1, 7), nil},
		{2, `bottom has 6 items, want a multiple of stats_batch_size 4`, "BatchNorm", "batch_norm_param { stats_batch_size: 4 }", layertest.Gaussian(1, 6, 2), nil},
		{3, `lr_mult of blob 1 is 1, want 0: the statistics of BatchNorm are not trained`, "BatchNorm", "param { lr_mult: 0 }\nparam { decay_mult: 0 }", x, nil},
		{2, `num_axes is -2, want 0 or more, or -1 for all axes to the last`, "Scale", "scale_param { num_axes: -2 }", x, nil},
		{2, `num_axes is 3, but from axis 1 on bottom has fewer axes: its shape is [2 3 4]`, "Scale", "scale_param { num_axes: 3 }", x, nil},
		{3, `min_value 2 is above max_value 1`, "Scale", "scale_param { max_value: 1\nmin_value: 2 }", x, nil},
		{2, `axis -4 is out of range for the 3 axes of shape [2 3 4]`, "Bias", "bias_param { axis: -4 }", x, nil},
		{1, `shape [3 5] does not fit bottom of shape [2 3 4] from axis 1 on`, "Bias", "", x, layertest.Gaussian(1, 3, 5)},
		{1, `shape [3 4 5] from axis 1 on has more axes than bottom, whose shape is [2 3 4]`, "Scale", "", x, layertest.Gaussian(1, 3, 4, 5)},
		{2, `num_output is 0, want 1 to 2147483647`, "Embed", "embed_param { input_dim: 3 }", x, nil},
		{2, `input_dim is 0, want 1 to 2147483647`, "Embed", "embed_param { num_output: 3 }", x, nil},
		{2, `dropout_ratio is 1, want at least 0 and less than 1`, "Dropout", "dropout_param { dropout_ratio: 1 }", x, nil},
		{2, `dropout_ratio is -0.1, want at least 0 and less than 1`, "Dropout", "dropout_param { dropout_ratio: -0.1 }", x, nil},
	}
	for _, test := range tests {
		bottoms, names := []*blob.Blob{test.bottom}, `bottom: "x"`
		if test.other != nil {
			bottoms, names = append(bottoms, test.other), names+` bottom: "f"`
		}
		text := fmt.Sprintf("layer { name: \"l\" type: %q %s top: \"y\"\n%s }", test.typ, names, test.options)
		layertest.CheckError(t, test.line, `layer "l": `+test.want, text, bottoms...)
	}
}

// TestBatchNormGroups compares groups of items with a layer that sees one after the
// other, and their running statistics with sums in float64.
func TestBatchNormGroups(t *testing.T) {
	x := layertest.Gaussian(1, 6, 3, 2, 5)
	env := &layers.Env{Phase: caffepb.Phase_TRAIN}
	all, err := layertest.SetUp(env, layer(`type: "BatchNorm" batch_norm_param { stats_batch_size: 2 moving_average_fraction: 0.5 }`), x)
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Forward(); err != nil {
		t.Fatal(err)
	}
	var mean, variance [3]float64
	for g := range 3 {
		for c := range 3 {
			var sum, squares float64
			for i := range 20 {
				v := float64(x.Data()[((2*g+i/10)*3+c)*10+i%10])
				sum, squares = sum+v, squares+v*v
			}
			m := sum / 20
			v := squares/20 - m*m
			mean[c], variance[c] = mean[c]/2+m, variance[c]/2+v*20/19
			for i := range 20 {
				at := ((2*g+i/10)*3+c)*10 + i%10
				want := (float64(x.Data()[at]) - m) / math.Sqrt(v+1e-5)
				if got := float64(all.Top[0].Data()[at]); math.Abs(got-want) > 1e-5 {
					t.Fatalf("group %d, channel %d: value %d is %g, want %g", g, c, i, got, want)
				}
			}
		}
	}
	weights := all.Params()
	for c := range 3 {
		if got := float64(weights[0].Data()[c]); math.Abs(got-mean[c]) > 1e-5 {
			t.Errorf("running mean of channel %d is %g, want %g", c, got, mean[c])
		}
		if got := float64(weights[1].Data()[c]); math.Abs(got-variance[c]) > 1e-5 {
			t.Errorf("running variance of channel %d is %g, want %g", c, got, variance[c])
		}
	}
	if got := weights[2].Data()[0]; got != 1.75 {
		t.Errorf("factor is %g, want 1.75", got)
	}
}

// TestBatchNormLargeMean checks that a mean far from 0 costs no accuracy.
func TestBatchNormLargeMean(t *testing.T) {
	x := layertest.Gaussian(1, 4, 1, 50)
	for i := range x.MutableData() {
		x.MutableData()[i] += 1000
	}
	f, err := layertest.SetUp(&layers.Env{Phase: caffepb.Phase_TRAIN}, layer(`type: "BatchNorm"`), x)
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
