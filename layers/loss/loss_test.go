package loss

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	_ "github.com/gocaffe/gocaffe/layers/common" // Bias is in front of some golden cases
	"github.com/gocaffe/gocaffe/layers/layertest"
)

func TestGolden(t *testing.T) {
	counts := layertest.Golden(t, reference.GoldenFS(t, "layers"))
	if counts.Filtered > 0 {
		return
	}
	for _, typ := range lossTypes() {
		if counts.Passed[typ] < 4 {
			t.Errorf("%s: %d cases passed, want at least 4", typ, counts.Passed[typ])
		}
	}
}

// lossTypes returns the types of this package.
func lossTypes() []string {
	pkg := layers.Lookup("EuclideanLoss").Package()
	return slices.DeleteFunc(layers.Types(), func(typ string) bool { return layers.Lookup(typ).Package() != pkg })
}

// labels returns a blob of labels that go through the classes, every third one
// replaced by odd.
func labels(classes, odd int, shape ...int) *blob.Blob {
	b := layertest.Uniform(0, 0, 1, shape...)
	for i := range b.Data() {
		b.MutableData()[i] = float32(i * 7 % classes)
		if i%3 == 2 {
			b.MutableData()[i] = float32(odd)
		}
	}
	return b
}

func TestGradient(t *testing.T) {
	softmax := func(options string) string {
		return fmt.Sprintf(`layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" %s }`, options)
	}
	hinge := func(norm string) string {
		return fmt.Sprintf(`layer { name: "loss" type: "HingeLoss" bottom: "x" bottom: "t" top: "l" hinge_loss_param { norm: %s } }`, norm)
	}
	sigmoid := func(options string) string {
		return fmt.Sprintf(`layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "l" %s }`, options)
	}
	const multinomial = `layer { name: "loss" type: "MultinomialLogisticLoss" bottom: "x" bottom: "t" top: "l" }`
	const euclidean = `layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "l" }`
	// The hinge has no derivative at 1 and at -1, L2 no second one.
	kink := layertest.GradientOptions{Kink: 1, KinkRange: 0.02}

	for _, c := range []struct {
		name, text string
		x, t       *blob.Blob
		opts       layertest.GradientOptions
	}{
		{"softmax", softmax(""), layertest.Gaussian(1, 4, 5), labels(5, 0, 4), layertest.GradientOptions{}},
		{"softmax one item", softmax(""), layertest.Gaussian(2, 1, 3), labels(3, 0, 1), layertest.GradientOptions{}},
		{"softmax places", softmax(""), layertest.Gaussian(3, 2, 3, 2, 3), labels(3, 1, 2, 2, 3), layertest.GradientOptions{}},
		{"softmax last axis", softmax("softmax_param { axis: -1 }"), layertest.Gaussian(4, 2, 3, 4), labels(4, 1, 2, 3), layertest.GradientOptions{}},
		{"softmax ignore", softmax("loss_param { ignore_label: -1 }"), layertest.Gaussian(5, 2, 3, 4), labels(3, -1, 2, 4), layertest.GradientOptions{}},
		{"softmax none", softmax("loss_param { normalization: NONE }"), layertest.Gaussian(6, 2, 3, 4), labels(3, 1, 2, 4), layertest.GradientOptions{}},
		{"hinge L1", hinge("L1"), layertest.Gaussian(7, 5, 4), labels(4, 3, 5), kink},
		{"hinge L2", hinge("L2"), layertest.Gaussian(8, 3, 2, 2, 2), labels(8, 3, 3, 1), kink},
		{"sigmoid", sigmoid(""), layertest.Gaussian(9, 3, 5), layertest.Uniform(10, 0, 1, 3, 5), layertest.GradientOptions{}},
		{"sigmoid one", sigmoid(""), layertest.Gaussian(9, 1, 1), layertest.Uniform(10, 0, 1, 1), layertest.GradientOptions{}},
		{"sigmoid ignore", sigmoid("loss_param { ignore_label: 2 normalization: VALID }"), layertest.Gaussian(9, 3, 4), labels(2, 2, 3, 4), layertest.GradientOptions{}},
		{"multinomial", multinomial, layertest.Uniform(13, 0.1, 1, 4, 5), labels(5, 0, 4), layertest.GradientOptions{}},
		{"multinomial axes", multinomial, layertest.Uniform(14, 0.1, 1, 3, 2, 2, 1), labels(4, 3, 3), layertest.GradientOptions{}},
		{"euclidean", euclidean, layertest.Gaussian(9, 3, 5), layertest.Gaussian(10, 3, 5), layertest.GradientOptions{}},
		{"euclidean one", euclidean, layertest.Gaussian(11, 1, 1), layertest.Gaussian(12, 1), layertest.GradientOptions{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			layertest.CheckGradient(t, layertest.New(t, c.text, c.x, c.t), c.opts)
		})
	}
}

// TestGradientOfThree checks the losses of three bottoms.
func TestGradientOfThree(t *testing.T) {
	text := func(typ, options string) string {
		return fmt.Sprintf(`layer { name: "loss" type: %q bottom: "x" bottom: "t" bottom: "h" top: "l" %s }`, typ, options)
	}
	infogain := func(options string) string { return text("InfogainLoss", options) }
	contrastive := func(options string) string {
		return text("ContrastiveLoss", "contrastive_loss_param { "+options+" }")
	}
	const classWeights = "loss_param { ignore_label: -1 weight_by_label_freqs: true class_weighting: 0.5 class_weighting: 0 class_weighting: 3 }"
	similar := layertest.Values([]float32{1, 0, 0, 1, 0}, 5)
	for _, c := range []struct {
		name, text string
		bottom     []*blob.Blob
	}{
		{"infogain", infogain(""), []*blob.Blob{layertest.Gaussian(1, 4, 3), labels(3, 0, 4), layertest.Gaussian(2, 3, 3)}},
		{"infogain places", infogain("loss_param { ignore_label: -1 }"), []*blob.Blob{layertest.Gaussian(1, 2, 3, 2, 2), labels(3, -1, 2, 2, 2), layertest.Gaussian(2, 9)}},
		{"infogain last axis", infogain("infogain_loss_param { axis: -1 }"), []*blob.Blob{layertest.Gaussian(1, 2, 3, 4), labels(4, 1, 2, 3), layertest.Gaussian(2, 4, 4)}},
		{"softmax", text("SoftmaxWithLoss", classWeights), []*blob.Blob{layertest.Gaussian(1, 2, 3, 2, 2), labels(3, -1, 2, 2, 2), layertest.Uniform(2, 0, 3, 2, 2, 2)}},
		{"softmax items", text("SoftmaxWithLoss", ""), []*blob.Blob{layertest.Gaussian(1, 3, 4, 2), labels(4, 1, 3, 2), layertest.Uniform(2, 0, 3, 3)}},
		{"sigmoid", text("SigmoidCrossEntropyLoss", classWeights), []*blob.Blob{layertest.Gaussian(1, 2, 3, 2), layertest.Uniform(3, 0, 1, 2, 3, 2), layertest.Uniform(2, 0, 3, 2, 3, 2)}},
		{"sigmoid items", text("SigmoidCrossEntropyLoss", ""), []*blob.Blob{layertest.Gaussian(1, 3, 4), layertest.Uniform(3, 0, 1, 3, 4), layertest.Uniform(2, 0, 3, 3)}},
		// No distance is near a margin, where there is a kink.
		{"contrastive", contrastive("margin: 5"), []*blob.Blob{layertest.Gaussian(3, 5, 4), layertest.Gaussian(4, 5, 4), similar}},
		{"contrastive apart", contrastive("margin: 0.1"), []*blob.Blob{layertest.Gaussian(3, 5, 4, 1, 1), layertest.Gaussian(4, 5, 4, 1, 1), similar}},
		{"contrastive legacy", contrastive("margin: 30 legacy_version: true"), []*blob.Blob{layertest.Gaussian(3, 5, 4), layertest.Gaussian(4, 5, 4), similar}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := layertest.New(t, c.text, c.bottom...)
			if f.Propagate[2] {
				t.Error("force_backward reaches bottom 2")
			}
			layertest.CheckGradient(t, f, layertest.GradientOptions{})
		})
	}
}

func TestThreads(t *testing.T) {
	layertest.CheckThreads(t, `layer { type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "l" loss_param { ignore_label: 255 normalization: VALID } }`,
		layertest.Gaussian(1, 40, 5, 300), labels(2, 255, 40, 5, 300))
	layertest.CheckThreads(t, `layer { type: "MultinomialLogisticLoss" bottom: "x" bottom: "t" top: "l" }`,
		layertest.Uniform(1, 0.1, 1, 60, 1000), labels(1000, 7, 60))
	layertest.CheckThreads(t, `layer { type: "InfogainLoss" bottom: "x" bottom: "t" bottom: "h" top: "l" loss_param { ignore_label: 255 } }`,
		layertest.Gaussian(1, 40, 5, 300), labels(5, 255, 40, 300), layertest.Gaussian(2, 5, 5))
	layertest.CheckThreads(t, `layer { type: "ContrastiveLoss" bottom: "x" bottom: "t" bottom: "s" top: "l" contrastive_loss_param { margin: 50 } }`,
		layertest.Gaussian(1, 60, 1000), layertest.Gaussian(2, 60, 1000), labels(2, 1, 60))
	// 40 × 300 places and 60,000 numbers are several parts for each loop.
	layertest.CheckThreads(t, `layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" loss_param { ignore_label: 255 } }`,
		layertest.Gaussian(1, 40, 5, 300), labels(5, 255, 40, 300))
	layertest.CheckThreads(t, `layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" }`,
		layertest.Gaussian(2, 9000, 3), labels(3, 1, 9000))
	layertest.CheckThreads(t, `layer { type: "EuclideanLoss" bottom: "x" bottom: "t" top: "l" }`,
		layertest.Gaussian(3, 20, 3000), layertest.Gaussian(4, 20, 3000))
	layertest.CheckThreads(t, `layer { type: "HingeLoss" bottom: "x" bottom: "t" top: "l" hinge_loss_param { norm: L2 } }`,
		layertest.Gaussian(5, 60, 1000), labels(1000, 7, 60))
	layertest.CheckThreads(t, `layer { type: "Accuracy" bottom: "x" bottom: "t" top: "a" top: "c" accuracy_param { ignore_label: 255 } }`,
		layertest.Gaussian(6, 40, 5, 300), labels(5, 255, 40, 300))
}

func TestAllocs(t *testing.T) {
	scores := func() *blob.Blob { return layertest.Gaussian(1, 40, 5, 300) }
	places := func() *blob.Blob { return labels(5, 255, 40, 300) }
	layertest.CheckAllocs(t, `layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" top: "p" loss_param { ignore_label: 255 } }`, scores(), places())
	layertest.CheckAllocs(t, `layer { type: "Accuracy" bottom: "x" bottom: "t" top: "a" top: "c" accuracy_param { ignore_label: 255 } }`, scores(), places())
	layertest.CheckAllocs(t, `layer { type: "EuclideanLoss" bottom: "x" bottom: "t" top: "l" }`, scores(), scores())
	layertest.CheckAllocs(t, `layer { type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "l" loss_param { ignore_label: 1 } }`, scores(), scores())
	layertest.CheckAllocs(t, `layer { type: "MultinomialLogisticLoss" bottom: "x" bottom: "t" top: "l" }`, scores(), labels(1500, 3, 40))
	layertest.CheckAllocs(t, `layer { type: "InfogainLoss" bottom: "x" bottom: "t" bottom: "h" top: "l" top: "p" loss_param { ignore_label: 255 } }`, scores(), places(), layertest.Gaussian(2, 25))
	layertest.CheckAllocs(t, `layer { type: "ContrastiveLoss" bottom: "x" bottom: "t" bottom: "s" top: "l" }`,
		layertest.Gaussian(1, 60, 1000), layertest.Gaussian(2, 60, 1000), labels(2, 1, 60))
	layertest.CheckAllocs(t, `layer { type: "HingeLoss" bottom: "x" bottom: "t" top: "l" }`, scores(), labels(1500, 3, 40))
}

// TestErrors checks that what does not fit is an error with its place, not a
// crash.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		want       string
		x, t       []int
	}{
		{"labels", `layer {
  name: "loss" type: "SoftmaxWithLoss"
  bottom: "x"
  bottom: "t" top: "l"
}`, 4, `layer "loss": got labels of shape [3 2], which are 6, want 3 x 1 = 3, one for each place that has 5 scores`,
			[]int{3, 5}, []int{3, 2}},
		{"items", `layer {
  name: "loss" type: "SoftmaxWithLoss"
  bottom: "x"
  bottom: "t" top: "l"
}`, 4, `layer "loss": got bottoms of shapes [3 5] and [4], want the same first axis`,
			[]int{3, 5}, []int{4}},
		{"scalar", `layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "l" }`,
			1, `layer "loss": got bottoms of shapes [] and [], want the same first axis`, nil, nil},
		{"axis", `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l"
  softmax_param { axis: 2 } }`,
			2, `layer "loss": axis 2 is out of range for the 2 axes of shape [3 5]`, []int{3, 5}, []int{3}},
		{"normalize type", `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" softmax_param {
  normalize_type: "L2" } }`,
			2, `layer "loss": normalize_type is "L2", only "Softmax" is supported`, []int{3, 5}, []int{3}},
		{"in place", `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t"
  top: "x" }`,
			2, `layer "loss": top 0 is also bottom 0: layers of type SoftmaxWithLoss do not work in place`, []int{3, 5}, []int{3}},
		{"accuracy axis", `layer { name: "a" type: "Accuracy" bottom: "x" bottom: "t" top: "l" accuracy_param { axis: -3 } }`,
			1, `layer "a": axis -3 is out of range for the 2 axes of shape [3 5]`, []int{3, 5}, []int{3}},
		{"top_k", `layer { name: "a" type: "Accuracy" bottom: "x" bottom: "t" top: "l" accuracy_param { top_k: 6 } }`,
			1, `layer "a": got top_k 6, want at most 5, the number of classes`, []int{3, 5}, []int{3}},
		{"accuracy labels", `layer { name: "a" type: "Accuracy" bottom: "x" bottom: "t" top: "l" }`,
			1, `layer "a": got labels of shape [3], which are 3, want 3 x 4 = 12, one for each place that has 5 scores`, []int{3, 5, 4}, []int{3}},
		{"accuracy in place", `layer { name: "a" type: "Accuracy" bottom: "x" bottom: "t" top: "t" }`,
			1, `layer "a": top 0 is also bottom 1: layers of type Accuracy do not work in place`, []int{3, 5}, []int{3}},
		{"sizes", `layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "l" }`,
			1, `layer "loss": got bottoms of shapes [3 5] and [3 4], want items of equal size`, []int{3, 5}, []int{3, 4}},
		{"targets", `layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "l" }`,
			1, `layer "loss": got bottoms of shapes [3 5] and [3 4], want as many targets as scores`, []int{3, 5}, []int{3, 4}},
		{"probabilities", `layer { name: "loss" type: "MultinomialLogisticLoss" bottom: "x" bottom: "t" top: "l" }`,
			1, `layer "loss": got labels of shape [3 5], which are 15, want 3 x 1 = 3, one for each place that has 5 scores`, []int{3, 5}, []int{3, 5}},
		{"no matrix", `layer { name: "loss" type: "InfogainLoss" bottom: "x" bottom: "t" top: "l" }`,
			1, `layer "loss": the matrix is missing: give its file as source, or a third bottom`, []int{3, 5}, []int{3}},
		{"no file", `layer { name: "loss" type: "InfogainLoss" bottom: "x" bottom: "t" top: "l" infogain_loss_param {
  source: "nothing.binaryproto" } }`,
			2, `layer "loss": open nothing.binaryproto: no such file or directory`, []int{3, 5}, []int{3}},
		{"no message", `layer { name: "loss" type: "InfogainLoss" bottom: "x" bottom: "t" top: "l" infogain_loss_param {
  source: "loss_test.go" } }`,
			2, `layer "loss": loss_test.go is not a BlobProto message`, []int{3, 5}, []int{3}},
		{"normalize", `layer { name: "loss" type: "InfogainLoss" bottom: "x" bottom: "t" top: "l" loss_param { normalize: true } }`,
			1, `layer "loss": InfogainLoss has no option normalize: use normalization`, []int{3, 5}, []int{3}},
		{"class weights", `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l"
  loss_param { weight_by_label_freqs: true class_weighting: 1 class_weighting: 2 } }`,
			2, `layer "loss": there are 2 class_weighting, want 5, one for each class`, []int{3, 5}, []int{3}},
		{"channel weights", `layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "l"
  loss_param { weight_by_label_freqs: true class_weighting: 1 } }`,
			2, `layer "loss": there are 1 class_weighting, want 5, one for each class`, []int{3, 5}, []int{3, 5}},
		{"negative weight", `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" loss_param { weight_by_label_freqs: true class_weighting: 1
  class_weighting: -1 } }`,
			2, `layer "loss": class_weighting is -1, want 0 or more`, []int{3, 5}, []int{3}},
		{"weights missing", `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" loss_param { weight_by_label_freqs: true } }`,
			1, `layer "loss": weight_by_label_freqs is true and class_weighting is missing, want a weight for each class`, []int{3, 5}, []int{3}},
		{"weights not switched on", `layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" loss_param { class_weighting: 2 } }`,
			1, `layer "loss": class_weighting has no effect without weight_by_label_freqs: true; write that, or false to train without weights`, []int{3, 5}, []int{3}},
		{"weights of another type", `layer { name: "loss" type: "InfogainLoss" bottom: "x" bottom: "t" top: "l" loss_param { weight_by_label_freqs: true class_weighting: 1 } }`,
			1, `layer "loss": layers of type InfogainLoss have no weights of classes: SoftmaxWithLoss and SigmoidCrossEntropyLoss have`, []int{3, 5}, []int{3}},
		{"hinge labels", `layer { name: "loss" type: "HingeLoss" bottom: "x" bottom: "t" top: "l" }`,
			1, `layer "loss": got labels of shape [3 5], which are 15, want 3 x 1 = 3, one for each place that has 5 scores`, []int{3, 5}, []int{3, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			layertest.CheckError(t, c.line, c.want, c.text, layertest.Gaussian(1, c.x...), layertest.Gaussian(2, c.t...))
		})
	}
}

// TestLabelOutOfRange feeds labels that are no class to everything that reads
// labels.
func TestLabelOutOfRange(t *testing.T) {
	for _, c := range []struct {
		typ, options string
		x            []int
		label        float32
		want         string // "" for a label that is allowed
	}{
		{"SoftmaxWithLoss", "", []int{4, 5}, 5, `label 5 of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"SoftmaxWithLoss", "", []int{4, 5}, -1, `label -1 of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"SoftmaxWithLoss", "", []int{4, 5}, 4.9, ""},
		{"SoftmaxWithLoss", "", []int{4, 5}, -0.9, ""},
		{"SoftmaxWithLoss", "", []int{4, 5}, float32(math.NaN()), `label NaN of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"SoftmaxWithLoss", "", []int{4, 5}, float32(math.Inf(1)), `label +Inf of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"SoftmaxWithLoss", "", []int{4, 5}, 3e9, `label 3e+09 of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"SoftmaxWithLoss", "loss_param { ignore_label: 9 }", []int{4, 5}, 9, ""},
		{"SoftmaxWithLoss", "loss_param { ignore_label: 9 }", []int{4, 5}, 8, `label 8 of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"SoftmaxWithLoss", "", []int{1, 5, 4}, 7, `label 7 of item 0, place 2 of it, is out of range: the scores have 5 classes, which count from 0`},
		{"Accuracy", "", []int{4, 5}, 5, `label 5 of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"Accuracy", "accuracy_param { ignore_label: -1 }", []int{4, 5}, -1, ""},
		{"MultinomialLogisticLoss", "", []int{4, 5}, 5, `label 5 of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"HingeLoss", "", []int{4, 5}, 5, `label 5 of item 2 is out of range: the scores have 5 classes, which count from 0`},
		{"HingeLoss", "", []int{4, 5, 2}, 9, ""},
		{"HingeLoss", "", []int{4, 5}, -2, `label -2 of item 2 is out of range: the scores have 5 classes, which count from 0`},
	} {
		t.Run(fmt.Sprint(c.typ, " ", c.options, " ", c.label), func(t *testing.T) {
			text := fmt.Sprintf("layer { name: \"l\" type: %q bottom: \"x\"\n bottom: \"t\" top: \"y\" %s }", c.typ, c.options)
			shape := []int{4}
			if c.x[0] == 1 {
				shape = []int{1, 4}
			}
			labels := layertest.Values([]float32{0, 1, c.label, 2}, shape...)
			f := layertest.New(t, text, layertest.Gaussian(1, c.x...), labels)
			err := f.Forward()
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && err == nil:
				t.Errorf("no error, want %q", c.want)
			case c.want != "":
				if want := `layer.prototxt:2:10: layer "l": ` + c.want; err.Error() != want {
					t.Errorf("error %q, want %q", err, want)
				}
			}
		})
	}
}

// TestNoGradient asks for gradients that do not exist.
func TestNoGradient(t *testing.T) {
	for _, c := range []struct {
		typ    string
		bottom int
	}{{"SoftmaxWithLoss", 1}, {"MultinomialLogisticLoss", 1}, {"HingeLoss", 1}, {"Accuracy", 0}, {"Accuracy", 1}} {
		f := layertest.New(t, fmt.Sprintf(`layer { name: "l" type: %q bottom: "x" bottom: "t" top: "y" }`, c.typ),
			layertest.Gaussian(1, 3, 2), labels(2, 0, 3))
		if f.Propagate[c.bottom] {
			t.Errorf("%s: force_backward reaches bottom %d", c.typ, c.bottom)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		f.Propagate[c.bottom] = true
		if err := f.Backward(); err == nil {
			t.Errorf("%s: no error for a gradient of bottom %d", c.typ, c.bottom)
		}
	}
	if f := layertest.New(t, `layer { type: "EuclideanLoss" bottom: "x" bottom: "t" top: "y" }`, layertest.Gaussian(1, 3, 2), layertest.Gaussian(2, 3, 2)); !f.Propagate[1] {
		t.Error("EuclideanLoss: force_backward does not reach bottom 1")
	}
}

// TestMatrixShape checks that the matrix fits the classes.
func TestMatrixShape(t *testing.T) {
	layertest.CheckError(t, 3, `layer "loss": the matrix has shape [3 3], want 5 x 5 elements for 5 classes`, `layer { name: "loss" type: "InfogainLoss"
 bottom: "x" bottom: "t"
 bottom: "h" top: "l" }`, layertest.Gaussian(1, 3, 5), labels(5, 0, 3), layertest.Gaussian(1, 3, 3))
	layertest.CheckError(t, 1, `layer "loss": got shape [4], want 3 elements, one for each pair`,
		`layer { name: "loss" type: "ContrastiveLoss" bottom: "a" bottom: "b" bottom: "s" top: "l" }`,
		layertest.Gaussian(1, 3, 5), layertest.Gaussian(1, 3, 5), layertest.Gaussian(1, 4))
	layertest.CheckError(t, 1, `layer "loss": got bottoms of shapes [3 5 2 1] and [3 5 2 1], want vectors of equal length on axis 1`,
		`layer { name: "loss" type: "ContrastiveLoss" bottom: "a" bottom: "b" bottom: "s" top: "l" }`,
		layertest.Gaussian(1, 3, 5, 2, 1), layertest.Gaussian(1, 3, 5, 2, 1), layertest.Gaussian(1, 3))
}

// TestWeightShape checks that the third bottom fits the labels.
func TestWeightShape(t *testing.T) {
	layertest.CheckError(t, 3, `layer "loss": got weights of shape [3 2], which are 6, want 12, one for each label, or 3, one for each item`, `layer { name: "loss" type: "SoftmaxWithLoss"
 bottom: "x" bottom: "t"
 bottom: "w" top: "l" }`, layertest.Gaussian(1, 3, 5, 4), labels(5, 0, 3, 4), layertest.Gaussian(1, 3, 2))
}

// TestLargeScores checks that no loss overflows, and that small ones are not rounded off.
func TestLargeScores(t *testing.T) {
	f := layertest.New(t, `layer { type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "l" loss_param { normalization: NONE } }`,
		layertest.Values([]float32{-20, 1000, -1000}, 3), layertest.Values([]float32{0, 1, 0}, 3))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	if got, want := float64(f.Top[0].Data()[0]), math.Log1p(math.Exp(-20)); !(math.Abs(got-want) <= 1e-6*want) {
		t.Errorf("loss %g, want %g", got, want)
	}
}

// TestEmptyBatch runs a batch of no items, which counts as one item where a loss has
// a normalizer. Losses that are a mean of the items refuse it.
func TestEmptyBatch(t *testing.T) {
	for _, typ := range []string{"MultinomialLogisticLoss", "HingeLoss"} {
		layertest.CheckError(t, 1, `bottom has shape [0 3] and so no items, over which `+typ+` takes a mean`,
			fmt.Sprintf(`layer { type: %q bottom: "x" bottom: "t" top: "y" }`, typ), layertest.Gaussian(1, 0, 3), layertest.Gaussian(1, 0))
	}
	for _, typ := range []string{"SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "Accuracy"} {
		target := layertest.Gaussian(1, 0)
		if typ == "SigmoidCrossEntropyLoss" {
			target = layertest.Gaussian(1, 0, 3)
		}
		f := layertest.New(t, fmt.Sprintf(`layer { type: %q bottom: "x" bottom: "t" top: "y" }`, typ),
			layertest.Gaussian(1, 0, 3), target)
		if err := f.Forward(); err != nil {
			t.Fatal(typ, err)
		}
		if err := f.Backward(); err != nil {
			t.Fatal(typ, err)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, typ := range lossTypes() {
		if info := layers.Lookup(typ); info.Doc == "" || info.Group != "loss" {
			t.Errorf("%s: group %q, doc %q", typ, info.Group, info.Doc)
		}
	}
}
