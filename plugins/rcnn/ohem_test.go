package rcnn_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/prototxt"
)

// near reports whether two numbers agree to a few roundings of float32.
func near(got float32, want float64) bool {
	return math.Abs(float64(got)-want) <= 1e-5*math.Max(1, math.Abs(want))
}

// TestSmoothL1LossOHEM compares loss, losses of places and gradient with the formula in
// float64, under both names of the layer.
func TestSmoothL1LossOHEM(t *testing.T) {
	layertest.Checked(t, "SmoothL1LossOHEM", layertest.Reference)
	const n, c, h, w, weight = 3, 4, 2, 5, 1.5
	for options, m := range map[string]float64{
		"": n * h * w, "loss_param { normalization: FULL }": n * h * w, "loss_param { normalization: BATCH_SIZE }": n,
		"loss_param { normalize: false }": n, "loss_param { normalization: NONE }": 1,
		"loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 128 }": 128, "loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 0.5 }": 1,
	} {
		for _, typ := range []string{"SmoothL1LossOHEM", "SmoothL1Loss"} {
			bottoms := gaussian(3, n, c, h, w)
			f := layertest.New(t, layer(typ, 3, fmt.Sprintf(`top: "each" loss_weight: %g loss_weight: 0 %s`, weight, options)), bottoms...)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			var loss float64
			var each [n][h * w]float64
			for i, x := range bottoms[0].Data() {
				d := float64(bottoms[2].Data()[i]) * (float64(x) - float64(bottoms[1].Data()[i]))
				term, slope := math.Abs(d)-0.5, math.Copysign(1, d)
				if math.Abs(d) < 1 {
					term, slope = d*d/2, d
				}
				loss += term
				each[i/(c*h*w)][i%(h*w)] += term
				if dx := slope * weight / m; !near(bottoms[0].Diff()[i], dx) || !near(bottoms[1].Diff()[i], -dx) {
					t.Fatalf("%s %s: diff %d is %g and %g, want %g", typ, options, i, bottoms[0].Diff()[i], bottoms[1].Diff()[i], dx)
				}
			}
			if got := f.Top[0].Data()[0]; !near(got, loss/m) {
				t.Errorf("%s %s: loss %g, want %g", typ, options, got, loss/m)
			}
			if got := f.Top[1].Shape(); fmt.Sprint(got) != fmt.Sprint([]int{n, 1, h, w}) {
				t.Errorf("second top of shape %v", got)
			}
			for i, got := range f.Top[1].Data() {
				if want := each[i/(h*w)][i%(h*w)]; !near(got, want) {
					t.Fatalf("%s %s: loss of place %d is %g, want %g", typ, options, i, got, want)
				}
			}
		}
	}
}

// TestSmoothL1LossEach checks that R-CNN's layer gives the losses of items too: their
// sum is the loss.
func TestSmoothL1LossEach(t *testing.T) {
	f := layertest.New(t, layer("SmoothL1Loss", 4, `top: "each" loss_weight: 1 loss_weight: 0 smooth_l1_loss_param { sigma: 2 }`), gaussian(4, 6, 8)...)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, v := range f.Top[1].Data() {
		sum += float64(v)
	}
	if got := f.Top[0].Data()[0]; !near(got, sum/6) || f.Top[1].Count() != 6 {
		t.Errorf("loss %g, but %d items have %g", got, f.Top[1].Count(), sum)
	}
}

// TestSoftmaxWithLossOHEM compares loss, losses of items and gradient with the formula
// in float64.
func TestSoftmaxWithLossOHEM(t *testing.T) {
	layertest.Checked(t, "SoftmaxWithLossOHEM", layertest.Reference)
	layertest.Checked(t, "SoftmaxWithLoss of rfcn", layertest.Reference)
	const outer, classes, inner, weight = 5, 4, 3, 2.5
	x, labels := layertest.Uniform(1, -60, 60, outer, classes, inner), layertest.Labels(2, classes, outer, 1, inner)
	for i := range labels.MutableData() {
		if i%4 == 1 {
			labels.MutableData()[i] = 255
		}
	}
	valid := 0
	for _, v := range labels.Data() {
		if v != 255 {
			valid++
		}
	}
	for options, m := range map[string]float64{
		"": float64(valid), "normalization: FULL": outer * inner, "normalization: BATCH_SIZE": outer, "normalization: NONE": 1,
		"normalize: false": outer, "normalization: PRE_FIXED pre_fixed_normalizer: 128": 128,
	} {
		for _, typ := range []string{"SoftmaxWithLossOHEM", "SoftmaxWithLoss"} {
			f := layertest.New(t, "# gocaffe: dialect rfcn\n"+layer(typ, 2, fmt.Sprintf(
				`top: "p" top: "each" loss_weight: %g loss_weight: 0 loss_weight: 0 loss_param { ignore_label: 255 %s }`, weight, options)), x, labels)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			var loss float64
			for i, label := range labels.Data() {
				at := func(c int) int { return (i/inner*classes+c)*inner + i%inner }
				most, z, term := math.Inf(-1), 0., 0.
				for c := range classes {
					most = math.Max(most, float64(x.Data()[at(c)]))
				}
				for c := range classes {
					z += math.Exp(float64(x.Data()[at(c)]) - most)
				}
				for c := range classes {
					p, dx := math.Exp(float64(x.Data()[at(c)])-most)/z, 0.
					if label != 255 {
						dx = p * weight / m
						if c == int(label) {
							dx, term = (p-1)*weight/m, -math.Log(math.Max(p, 0x1p-126))
						}
					}
					if !near(f.Top[1].Data()[at(c)], p) || math.Abs(float64(x.Diff()[at(c)])-dx) > 1e-6*weight {
						t.Fatalf("%s %s: probability %g and diff %g, want %g and %g", typ, options, f.Top[1].Data()[at(c)], x.Diff()[at(c)], p, dx)
					}
				}
				if got := f.Top[2].Data()[i]; !near(got, term) {
					t.Fatalf("%s %s: the loss of label %d is %g, want %g", typ, options, i, got, term)
				}
				loss += term
			}
			if got := f.Top[0].Data()[0]; !near(got, loss/m) {
				t.Errorf("%s %s: loss %g, want %g", typ, options, got, loss/m)
			}
		}
	}
}

// TestSoftmaxWithLossRFCN checks that SoftmaxWithLoss of a net of R-FCN is Caffe's layer
// unless it has a third top or a fixed normalizer.
func TestSoftmaxWithLossRFCN(t *testing.T) {
	d := cudatest.Device(t)
	for options, ours := range map[string]bool{
		"": false, `top: "p" loss_weight: 1 loss_weight: 0`: false, "loss_param { normalization: PRE_FIXED }": true,
		`top: "p" top: "each" loss_weight: 1 loss_weight: 0 loss_weight: 0`: true,
	} {
		bottoms := func() []*blob.Blob { return []*blob.Blob{layertest.Gaussian(1, 4, 5), layertest.Labels(2, 5, 4)} }
		text := "# gocaffe: dialect rfcn\n" + layer("SoftmaxWithLoss", 2, options)
		f := layertest.New(t, text, bottoms()...)
		if got := strings.HasPrefix(fmt.Sprintf("%T", f.Layer), "*rcnn."); got != ours {
			t.Errorf("%s: the layer is %T", options, f.Layer)
		}
		layertest.CheckGradient(t, f, layertest.GradientOptions{Bottoms: []int{0}, Tops: []int{0}})
		layertest.CheckDevice(t, d, 1e-5, text, bottoms()...)
		layertest.CheckAllocs(t, text, bottoms()...)
	}
}

// TestHardExamples checks that the part of R-FCN's nets that chooses hard examples is
// read without a dialect, in the form of daijifeng001/R-FCN.
func TestHardExamples(t *testing.T) {
	file, err := prototxt.ParseNet("net.prototxt", []byte(`
		layer { name: "cls" type: "SoftmaxWithLoss" bottom: "cls_score" bottom: "labels" top: "a" top: "b" top: "per_roi_loss_cls"
			loss_weight: 0 loss_weight: 0 loss_weight: 0 propagate_down: false propagate_down: false }
		layer { name: "bbox" type: "SmoothL1Loss" bottom: "bbox_pred" bottom: "bbox_targets" bottom: "w" top: "c" top: "per_roi_loss_bbox"
			loss_weight: 0 loss_weight: 0 propagate_down: false propagate_down: false propagate_down: false }
		layer { name: "rpn" type: "SmoothL1Loss" bottom: "bbox_pred" bottom: "bbox_targets" bottom: "w" bottom: "w" top: "d" loss_weight: 1 smooth_l1_loss_param { sigma: 3 } }
		layer { name: "loss" type: "SoftmaxWithLoss" bottom: "cls_score" bottom: "labels" top: "e" loss_weight: 1 loss_param { ignore_label: -1 } }
		layer { name: "annotator" type: "BoxAnnotatorOHEM" bottom: "rois" bottom: "per_roi_loss_cls" bottom: "labels" bottom: "w" top: "l" top: "x"
			box_annotator_ohem_param { roi_per_img: 128 } }
		layer { name: "loss_bbox" type: "SmoothL1Loss" bottom: "bbox_pred" bottom: "bbox_targets" bottom: "x" top: "f" loss_weight: 1
			loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 256 } }`))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range file.Param.Layer {
		if info := layers.Of(l); info == nil || !info.Tops.Allows(len(l.Top)) || !info.Bottoms.Allows(len(l.Bottom)) {
			t.Errorf("layer %s is of %+v", l.GetName(), info)
		}
	}
}
