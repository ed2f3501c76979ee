package yolo_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// segmentation returns the bottoms of a YoloSeg of n images, 3 classes and h x w pixels.
func segmentation(n, h, w int) []*blob.Blob {
	x, t := layertest.Gaussian(1, n, 3, h, w), layertest.Uniform(2, 0, 1, n, 3, h, w)
	counts := make([]float32, n*3)
	for i := range t.Data() {
		if v := &t.MutableData()[i]; *v > 0.6 {
			*v = 1
		} else if *v > 0.1 {
			*v = 0
		}
		if i/(h*w)%3 == 2 && i/(h*w*3) == 0 {
			t.MutableData()[i] = 1
		}
		counts[i/(h*w)] += t.Data()[i]
	}
	return []*blob.Blob{x, t, layertest.Values(counts, n, 3)}
}

// TestYoloSeg compares loss and gradient with what the description says, in float64.
func TestYoloSeg(t *testing.T) {
	for _, n := range []int{1, 2} { // of the one image, all pixels have class 2
		bottoms := segmentation(n, 4, 5)
		x, target, counts := bottoms[0], bottoms[1].Data(), bottoms[2].Data()
		c := &lossCase{grid: gridOf(x, 1), truth: make([][]truthRow, n), bottoms: bottoms}
		terms := make(map[int]term)
		for i, v := range target {
			class, scale := i/20%3, 0.3
			if v > 0.5 {
				var with, without float64
				for image := range n {
					with += float64(counts[3*image+class])
					without += 20 - float64(counts[3*image+class])
				}
				if without > 0 {
					scale *= 2 - with/without
				}
			}
			terms[i] = term{kind: "entropy", target: float64(v), scale: scale}
		}
		c.check(t, layer("YoloSeg", 3, "yolo_seg_param { object_scale: 0.3 }"), terms, nil, nil)
	}
	layertest.Checked(t, "YoloSeg", layertest.Reference)
	layertest.Checked(t, "YoloSeg", layertest.Gradient)
}

func TestYoloSegPromises(t *testing.T) {
	layertest.CheckThreads(t, layer("YoloSeg", 3, ""), segmentation(3, 50, 70)...)
	layertest.CheckAllocs(t, layer("YoloSeg", 3, ""), segmentation(3, 50, 70)...)
	b := segmentation(2, 4, 5)
	for _, test := range []struct {
		want    string
		bottoms []*blob.Blob
	}{
		{"bottom 0 has shape [2 3], want 4 axes", []*blob.Blob{b[2], b[1], b[2]}},
		{"got bottoms of shapes [2 3 4 5] and [2 3], want as many elements", []*blob.Blob{b[0], b[2], b[2]}},
		{"bottom 2 has shape [2 3 4 5], want 2 x 3", []*blob.Blob{b[0], b[1], b[1]}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer("YoloSeg", 3, ""), test.bottoms...)
	}
}
