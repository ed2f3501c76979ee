package cascade_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/cascade"
)

func TestMain(m *testing.M) { layertest.Main(m, exceptions()...) }

// exceptions are those of the layers that decide box by box.
func exceptions() (list []layertest.Exception) {
	for _, typ := range []string{
		"BboxAccuracy", "BoxGroupOutput", "BoxOutput", "DecodeBBox", "DetectionEvaluate", "DetectionGroupAccuracy", "FrcnnOutput", "HardMining", "ProposalTarget", "ScaleRoute",
	} {
		list = append(list,
			layertest.Exception{Type: typ, Check: layertest.Gradient, Reason: "it has no gradient"},
			layertest.Exception{Type: typ, Check: layertest.Device, Reason: "it decides on the host, box by box"})
	}
	list = append(list, layertest.Exception{Type: "DetectionGroupLoss", Check: layertest.Device, Reason: "it chooses anchors on the host"})
	for _, typ := range []string{"DetectionData", "EvalData"} {
		list = append(list, layertest.Exception{Type: typ, Check: layertest.Gradient, Reason: "it has no bottom and no weights"})
	}
	return list
}

// layer returns a layer of bottoms x0, x1, ...
func layer(typ string, bottoms int, options string) string {
	text := fmt.Sprintf("layer { name: \"l\" type: %q top: \"y\" %s", typ, options)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	return text + " }"
}

func TestGolden(t *testing.T) { golden(t, nil) }

func TestGoldenDevice(t *testing.T) { golden(t, cudatest.Device(t)) }

func golden(t *testing.T, d *cuda.Device) {
	layertest.GoldenIn(t, "cascade", reference.ForksFS(t, "layers-misc"), d, "ROIAlign")
}

// regions returns ROIs whose numbers are all below 8, so that CheckDevice, which moves
// them, makes others of them, inverted ones too. Some reach beyond a map of 11 x 10 at
// scale 1.5.
func regions() *blob.Blob {
	v := []float32{
		0, 0, 0, 7, 7,
		7, 1.5, 2, 5.75, 4,
		3, 3, 3, 3, 3,
		3, 2, 1, 4.5, 6.5,
		1, 0.25, 2, 6, 5,
		3, 6.5, 7.5, 7.75, 7.75,
	}
	return layertest.Values(v, len(v)/5, 5)
}

func TestROIAlign(t *testing.T) {
	d := cudatest.Device(t)
	bottoms := func() []*blob.Blob { return []*blob.Blob{layertest.Gaussian(1, 8, 2, 11, 10), regions()} }
	for _, options := range []string{"pooled_h: 3 pooled_w: 2", "pooled_h: 1 pooled_w: 9 spatial_scale: 1.5 pad_ratio: 0.25"} {
		text := layer("ROIAlign", 2, "roi_pooling_param { "+options+" }")
		layertest.CheckGradient(t, layertest.New(t, text, bottoms()...), layertest.GradientOptions{Bottoms: []int{0}})
		layertest.CheckDevice(t, d, 1e-5, text, bottoms()...)
		layertest.CheckThreads(t, text, bottoms()...)
		layertest.CheckAllocs(t, text, bottoms()...)
	}
}

func TestROIAlignErrors(t *testing.T) {
	x, rois := layertest.Gaussian(1, 1, 2, 3, 4), layertest.Values([]float32{0, 1, 1, 2, 2}, 1, 5)
	for _, test := range []struct {
		want, options string
		bottoms       []*blob.Blob
	}{
		{"pooled_w is not set", "pooled_h: 3", []*blob.Blob{x, rois}},
		{"pooled_h is 0, want 1 to 32767", "pooled_h: 0 pooled_w: 3", []*blob.Blob{x, rois}},
		{"spatial_scale is -1, want a positive number", "pooled_h: 3 pooled_w: 3 spatial_scale: -1", []*blob.Blob{x, rois}},
		{"pad_ratio is -0.5, want a number from 0", "pooled_h: 3 pooled_w: 3 pad_ratio: -0.5", []*blob.Blob{x, rois}},
		{"bottom 0 has shape [1 5], want 4 axes", "pooled_h: 3 pooled_w: 3", []*blob.Blob{rois, rois}},
		{"got ROIs of shape [1 2 3 4], want R x 5: image, x1, y1, x2, y2", "pooled_h: 3 pooled_w: 3", []*blob.Blob{x, x}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer("ROIAlign", 2, "roi_pooling_param { "+test.options+" }"), test.bottoms...)
	}
}
