package ssd_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// priors returns p boxes in an image, with variances 0.1 and 0.2.
func priors(p int) *blob.Blob {
	rng := rand.New(rand.NewPCG(1, uint64(p)))
	v := make([]float32, 8*p)
	for i := range p {
		x, y, w, h := 0.7*rng.Float32(), 0.7*rng.Float32(), 0.2+0.3*rng.Float32(), 0.2+0.3*rng.Float32()
		copy(v[4*i:], []float32{x, y, x + w, y + h})
		copy(v[4*(p+i):], []float32{0.1, 0.1, 0.2, 0.2})
	}
	return layertest.Values(v, 1, 2, 4*p)
}

// truths returns ground truth of two objects in each of n images, of classes 1 and 2.
func truths(n int) *blob.Blob {
	var v []float32
	for i := range n {
		v = append(v, float32(i), 1, 0, 0.1, 0.2, 0.4, 0.6, 0, float32(i), 2, 0, 0.4, 0.4, 0.8, 0.7, 1)
	}
	return layertest.Values(v, 1, 1, 2*n, 8)
}

// multibox returns the bottoms of a MultiBoxLoss of n images, p priors and 3 classes.
func multibox(n, p, lists int) []*blob.Blob {
	return []*blob.Blob{gaussian(n, p*lists*4), layertest.Gaussian(2, n, p*3), priors(p), truths(n)}
}

// TestMultiBoxGradient compares the gradient with the central difference, in which the
// matches stay what they are.
func TestMultiBoxGradient(t *testing.T) {
	for _, options := range []string{
		"", "code_type: CENTER_SIZE loc_weight: 0.5", "code_type: CORNER_SIZE loc_loss_type: L2 mining_type: NONE",
		"conf_loss_type: LOGISTIC", "conf_loss_type: LOGISTIC mining_type: NONE", "mining_type: HARD_EXAMPLE sample_size: 9",
		"bp_inside: true", "nms_param { nms_threshold: 0.2 top_k: 20 } use_prior_for_nms: true",
		"share_location: false mining_type: NONE", "ignore_cross_boundary_bbox: true match_type: BIPARTITE",
	} {
		t.Run(options, func(t *testing.T) {
			lists := 1
			if strings.Contains(options, "share_location") {
				lists = 3
			}
			text := layer("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 3 "+options+" }")
			// Differences of locations are large, so a step over the kink is unlikely.
			layertest.CheckGradient(t, layertest.New(t, text, multibox(2, 12, lists)...), layertest.GradientOptions{Step: 1e-3, Tolerance: 5e-3})
		})
	}
}

// detection is a big net's output: 3 images of 400 priors, 5 classes.
var detection = []*blob.Blob{gaussian(3, 1600), layertest.Uniform(2, 0, 1, 3, 2000), priors(400)}

var decided = map[string][]*blob.Blob{
	layer("DetectionOutput", 3, "detection_output_param { num_classes: 5 code_type: CENTER_SIZE nms_param { top_k: 90 } keep_top_k: 50 confidence_threshold: 0.5 }"): detection,
	layer("DetectionOutput", 3, "detection_output_param { num_classes: 5 }"):                                                                                         detection,
	layer("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE }"):                                                                        multibox(4, 500, 1),
	layer("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 3 use_prior_for_matching: false mining_type: HARD_EXAMPLE nms_param { top_k: 90 } }"):               multibox(4, 500, 1),
}

func TestDecidedThreads(t *testing.T) {
	for text, bottom := range decided {
		layertest.CheckThreads(t, text, bottom...)
	}
}

func TestDecidedAllocs(t *testing.T) {
	for text, bottom := range decided {
		layertest.CheckAllocs(t, text, bottom...)
	}
	layertest.CheckAllocs(t, layer("DetectionEvaluate", 2, "detection_evaluate_param { num_classes: 3 }"), found(), truths(2))
}

// found returns detections of the first object of truths, twice, and of another.
func found() *blob.Blob {
	return layertest.Values([]float32{
		0, 1, 0.6, 0.1, 0.2, 0.4, 0.6, 0, 1, 0.9, 0.1, 0.2, 0.4, 0.58, 1, 2, 0.8, 0.4, 0.4, 0.8, 0.7,
	}, 1, 1, 3, 7)
}

// TestEvaluate compares the rows with those computed by hand.
func TestEvaluate(t *testing.T) {
	f := layertest.New(t, layer("DetectionEvaluate", 2, "detection_evaluate_param { num_classes: 3 evaluate_difficult_gt: false }"), found(), truths(2))
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	want := []float32{
		-1, 1, 2, -1, -1, // two boxes of class 1
		-1, 2, 0, -1, -1, // and two of class 2, which are difficult
		0, 1, 0.9, 1, 0, // the higher score is right
		0, 1, 0.6, 0, 1, // the second detection of a box is wrong
		1, 2, 0.8, 0, 0, // a difficult box does not count
	}
	for i, v := range f.Top[0].Data() {
		if v != want[i] {
			t.Fatalf("rows %v, want %v", f.Top[0].Data(), want)
		}
	}
}

// TestDetectErrors checks that each mistake is reported at its place.
func TestDetectErrors(t *testing.T) {
	many := multibox(2, 6, 1)
	few := []*blob.Blob{many[0], many[1], many[2]}
	for _, test := range []struct {
		typ, options, want string
		bottom             []*blob.Blob
	}{
		{"DetectionOutput", "detection_output_param { }", "detection_output_param.num_classes is not set", few},
		{"DetectionOutput", "detection_output_param { num_classes: 3 nms_param { nms_threshold: -1 } }", "nms_threshold is -1, want 0 or more", few},
		{"DetectionOutput", "detection_output_param { num_classes: 3 nms_param { eta: 1.5 } }", "eta is 1.5, want a number above 0 and up to 1", few},
		{"MultiBoxLoss", "multibox_loss_param { num_classes: 3 background_label_id: 3 }", "background_label_id is 3, want less than num_classes, which is 3", many},
		{"MultiBoxLoss", "multibox_loss_param { num_classes: 3 share_location: false }", "share_location is false and mining_type MAX_NEGATIVE, want NONE", many},
		{"MultiBoxLoss", "multibox_loss_param { num_classes: 3 do_neg_mining: false }", "do_neg_mining is false and mining_type MAX_NEGATIVE, want them to agree", many},
		{"MultiBoxLoss", "multibox_loss_param { num_classes: 3 mining_type: HARD_EXAMPLE sample_size: 0 }", "sample_size is 0, want a positive number", many},
		{"MultiBoxLoss", "multibox_loss_param { num_classes: 3 neg_pos_ratio: -3 }", "neg_pos_ratio is -3, want 0 or more", many},
		{"MultiBoxLoss", "multibox_loss_param { num_classes: 3 map_object_to_agnostic: true }", "num_classes is 3, want 2 with map_object_to_agnostic", many},
		{"DetectionEvaluate", "detection_evaluate_param { num_classes: 3 overlap_threshold: 0 }", "overlap_threshold is 0, want a positive number", []*blob.Blob{found(), truths(1)}},
		{"DetectionEvaluate", "detection_evaluate_param { num_classes: 3 resize_param { height: 3 } }", "detection_evaluate_param.resize_param has height 3 and width 0, want positive numbers", []*blob.Blob{found(), truths(1)}},
	} {
		layertest.CheckError(t, 2, "layer \"l\": "+test.want, layer(test.typ, len(test.bottom), test.options), test.bottom...)
	}
}

// TestDetectShapes checks the errors about bottoms that do not match.
func TestDetectShapes(t *testing.T) {
	few := multibox(2, 6, 1)[:3]
	layertest.CheckError(t, 1, `layer "l": bottom 1 has shape [2 18] and so 18 elements of an image, want 24 for 6 priors and 4 classes`,
		layer("DetectionOutput", 3, "detection_output_param { num_classes: 4 }"), few...)
	layertest.CheckError(t, 1, `layer "l": priors have shape [1 1 48], want 1 x 2 x 4P for P boxes`,
		layer("DetectionOutput", 3, "detection_output_param { num_classes: 3 }"), few[0], few[1], gaussian(1, 1, 48))
	layertest.CheckError(t, 1, `layer "l": bottom 3 has shape [1 1 2 7], want 1 x 1 x rows x 8`,
		layer("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 3 }"), few[0], few[1], few[2], gaussian(1, 1, 2, 7))
}

// TestDataErrors checks the errors about data in a pass.
func TestDataErrors(t *testing.T) {
	label := truths(2)
	label.MutableData()[8+1] = 3
	background := found()
	background.MutableData()[1] = 0
	flat := priors(6)
	copy(flat.MutableData(), []float32{0.5, 0.5, 0.5, 0.6})
	b := multibox(2, 6, 1)
	for _, test := range []struct {
		text, want string
		bottom     []*blob.Blob
	}{
		{layer("MultiBoxLoss", 4, "multibox_loss_param { num_classes: 3 }"), "ground truth, row 1: label 3, want 0 to 2", []*blob.Blob{b[0], b[1], b[2], label}},
		{layer("DetectionEvaluate", 2, "detection_evaluate_param { num_classes: 3 }"), "detections, row 0: label 0 is that of the background", []*blob.Blob{background, truths(1)}},
		{layer("DetectionOutput", 3, "detection_output_param { num_classes: 3 code_type: CENTER_SIZE }"), "prior 0: prior box {0.5 0.5 0.5 0.6} has width 0", []*blob.Blob{b[0], b[1], flat}},
	} {
		err := layertest.New(t, test.text, test.bottom...).Forward()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
}
