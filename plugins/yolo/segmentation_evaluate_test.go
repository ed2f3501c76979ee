package yolo_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// TestSegmentationEvaluate compares the top with counts by hand: of pixels of one size
// and, with scores twice as fine, of the means of four.
func TestSegmentationEvaluate(t *testing.T) {
	layertest.Checked(t, "SegmentationEvaluate", layertest.Reference)
	targets := layertest.Values([]float32{
		1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, // classes 0, 1 and 2 of the first image, 2 x 2
		0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	}, 2, 3, 2, 2)
	scores := []float32{
		0.9, 0.3, 0.6, 0, 0.1, 0.2, 0, 0, 0.3, 0.9, 0, 0,
		0, 0.7, 0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	}
	fine := make([]float32, 4*len(scores))
	for i := range fine {
		x, y, plane := i%4, i/4%4, i/16
		fine[i] = scores[4*plane+y/2*2+x/2]
		switch y%2*2 + x%2 { // the mean stays
		case 0:
			fine[i] *= 1.1
		case 3:
			fine[i] *= 0.9
		}
	}
	for _, test := range []struct {
		scores *blob.Blob
		want   []float32
	}{
		// class 0: found 0.9, 0.6 and 0.7, wanted 4, both 2; class 2: found elsewhere
		{layertest.Values(scores, 2, 3, 2, 2), []float32{2. / 5, 0, 0}},
		// and -1 for class 1, which no target has
		{layertest.Values(fine, 2, 3, 4, 4), []float32{2. / 5, -1, 0}},
	} {
		f := layertest.New(t, layer("SegmentationEvaluate", 2, "segmentation_evaluate_param { num_classes: 3 }"), test.scores, targets)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		for i, want := range test.want {
			if got := f.Top[0].Data()[i]; got != want {
				t.Errorf("scores of shape %v: %v, want %v", test.scores.Shape(), f.Top[0].Data(), test.want)
				break
			}
		}
		layertest.CheckAllocs(t, layer("SegmentationEvaluate", 2, "segmentation_evaluate_param { num_classes: 3 }"), test.scores, targets)
	}
	for _, test := range []struct{ options, want string }{
		{"", "segmentation_evaluate_param.num_classes is not set"},
		{"num_classes: 3 threshold: 1.5", "threshold is 1.5, want 0 to 1"},
		{"num_classes: 2", "got bottoms of shapes [2 3 2 2] and [2 3 2 2], want N x 2 x height x width"},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer("SegmentationEvaluate", 2, "segmentation_evaluate_param { "+test.options+" }"), targets, targets)
	}
}
