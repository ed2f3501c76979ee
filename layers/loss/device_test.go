package loss_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// deviceLabels returns labels of so many classes for n places; every seventh is -1.
func deviceLabels(classes int, shape ...int) *blob.Blob {
	b := layertest.Uniform(3, 0, float32(classes), shape...)
	for i, v := range b.Data() {
		b.MutableData()[i] = float32(int(v))
		if i%7 == 3 {
			b.MutableData()[i] = -1
		}
	}
	return b
}

// TestDevice compares the passes on a GPU with those on the host.
func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, param := range []string{
		"ignore_label: -1", "ignore_label: -1 normalization: FULL", "ignore_label: -1 normalization: NONE",
		"ignore_label: -1 normalization: BATCH_SIZE",
	} {
		text := `layer { type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "loss" loss_weight: 0.5 loss_param { ` + param + ` } }`
		for _, classes := range []int{10, 300} {
			layertest.CheckDevice(t, d, 1e-5, text, layertest.Gaussian(1, 30, classes), deviceLabels(classes, 30))
			layertest.CheckDevice(t, d, 1e-5, text, layertest.Gaussian(1, 3, classes, 5, 4), deviceLabels(classes, 3, 5, 4))
		}
	}
}

// TestDeviceWeights does so for weights of classes and of items.
func TestDeviceWeights(t *testing.T) {
	d := cudatest.Device(t)
	x, scores := layertest.Gaussian(1, 6, 3, 5, 4), layertest.Gaussian(1, 6, 3, 5, 4)
	for _, shape := range [][]int{{6, 5, 4}, {6}} {
		layertest.CheckDevice(t, d, 1e-5, weighted("SoftmaxWithLoss", "ignore_label: -1", 0.5, 0, 3), x, deviceLabels(3, 6, 5, 4), layertest.Uniform(2, 0, 3, shape...))
	}
	for _, shape := range [][]int{{6, 3, 5, 4}, {6}} {
		layertest.CheckDevice(t, d, 1e-5, weighted("SigmoidCrossEntropyLoss", "ignore_label: -1", 0.5, 0, 3), scores, deviceLabels(2, 6, 3, 5, 4), layertest.Uniform(2, 0, 3, shape...))
	}
	layertest.CheckDevice(t, d, 1e-5, strings.Replace(weighted("SoftmaxWithLoss", "", 0.5, 0, 3), `bottom: "w"`, "", 1), layertest.Gaussian(1, 30, 3), layertest.Labels(7, 3, 30))
	layertest.CheckDevice(t, d, 1e-5, weighted("SigmoidCrossEntropyLoss", "normalization: VALID"), layertest.Gaussian(1, 30), layertest.Uniform(2, 0, 1, 30), layertest.Uniform(2, 0, 3, 30))
}

// TestDeviceOthers does so for the other layers that have a loss or a measure.
func TestDeviceOthers(t *testing.T) {
	d := cudatest.Device(t)
	g := layertest.Gaussian
	layertest.CheckDevice(t, d, 1e-5, `layer { type: "EuclideanLoss" bottom: "x" bottom: "z" top: "loss" loss_weight: 3 }`,
		g(1, 30, 7, 25), g(2, 30, 7, 25))
	labels := layertest.Values([]float32{0, 3, 1, 2, 2}, 5)
	for _, norm := range []string{"L1", "L2"} {
		layertest.CheckDevice(t, d, 1e-5, `layer { type: "HingeLoss" bottom: "x" bottom: "t" top: "loss" loss_weight: 0.5 hinge_loss_param { norm: `+norm+` } }`,
			g(1, 5, 2, 2), labels)
	}
	for _, param := range []string{"", "ignore_label: -1", "ignore_label: -1 normalization: VALID", "normalization: FULL", "normalization: VALID"} {
		text := `layer { type: "SigmoidCrossEntropyLoss" bottom: "x" bottom: "t" top: "loss" loss_weight: 2 loss_param { ` + param + ` } }`
		layertest.CheckDevice(t, d, 1e-5, text, g(1, 30, 7, 25), deviceLabels(2, 30, 7, 25))
		layertest.CheckDevice(t, d, 1e-5, text, layertest.Values([]float32{-100, -20, 0, 20, 100}, 5), layertest.Uniform(1, 0, 1, 5))
	}
	layertest.CheckDevice(t, d, 1e-5, `layer { type: "MultinomialLogisticLoss" bottom: "x" bottom: "t" top: "loss" loss_weight: 2 }`,
		layertest.Uniform(1, 0, 1, 5, 2, 2), labels)
	for _, param := range []string{"ignore_label: -1", "ignore_label: -1 normalization: BATCH_SIZE"} {
		text := `layer { type: "InfogainLoss" bottom: "x" bottom: "t" bottom: "h" top: "loss" loss_weight: 0.5 loss_param { ` + param + ` } }`
		layertest.CheckDevice(t, d, 1e-5, text, g(1, 30, 10), deviceLabels(10, 30), g(2, 10, 10))
		layertest.CheckDevice(t, d, 1e-5, text, g(1, 3, 4, 5, 4), deviceLabels(4, 3, 5, 4), g(2, 16))
	}
	for _, param := range []string{"margin: 4", "margin: 10 legacy_version: true"} {
		layertest.CheckDevice(t, d, 1e-5, `layer { type: "ContrastiveLoss" bottom: "a" bottom: "b" bottom: "s" top: "loss" loss_weight: 3 contrastive_loss_param { `+param+` } }`,
			g(1, 300, 7), g(2, 300, 7), deviceLabels(2, 300))
	}
	for _, param := range []string{"", "top_k: 3", "top_k: 0", "min_is_better: true top_k: 2"} {
		text := `layer { type: "Accuracy" bottom: "x" bottom: "t" top: "a" top: "c" accuracy_param { ignore_label: -1 ` + param + ` } }`
		nan := float32(math.NaN()) // is not right; of equal ones none is right
		layertest.CheckDevice(t, d, 0, text, layertest.Values([]float32{1, 2, 3, nan, nan, nan, 2, 2, 2}, 3, 3), layertest.Values([]float32{2, 0, 1}, 3))
		layertest.CheckDevice(t, d, 0, text, g(1, 300, 10), deviceLabels(10, 300))
		layertest.CheckDevice(t, d, 0, text, g(1, 3, 4, 5, 4), deviceLabels(4, 3, 5, 4))
	}
}

// TestDeviceLabels checks that a label out of range is found on a GPU, the first
// one if there are several, and told once.
func TestDeviceLabels(t *testing.T) {
	for _, typ := range []string{"SoftmaxWithLoss", "MultinomialLogisticLoss", "HingeLoss", "Accuracy"} {
		t.Run(typ, func(t *testing.T) { testDeviceLabels(t, typ) })
	}
}

func testDeviceLabels(t *testing.T, typ string) {
	env := &layers.Env{Device: cudatest.Device(t)}
	f, err := layertest.SetUp(env, `layer { name: "l" type: "`+typ+`" bottom: "x" bottom: "t" top: "y" }`,
		layertest.Gaussian(1, 5, 4), layertest.Values([]float32{0, 3, 1, 4.5, -7}, 5))
	if err != nil {
		t.Fatal(err)
	}
	const want = "label 4.5 of item 3 is out of range: the scores have 4 classes"
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
	copy(f.Bottom[1].MutableData(), []float32{0, 1, 2, 3, 0})
	if err := f.Forward(); err != nil {
		t.Errorf("the error is told twice: %v", err)
	}
}
