package rcnn_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/rcnn"
)

func TestMain(m *testing.M) {
	layertest.Main(m,
		layertest.Exception{Type: "BoxAnnotatorOHEM", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "Proposal", Check: layertest.Gradient, Reason: "it has no gradient"},
		layertest.Exception{Type: "Proposal", Check: layertest.Device, Reason: "it runs on the host"},
	)
}

// layer returns a layer of bottoms x0, x1, ...
func layer(typ string, bottoms int, options string) string {
	text := fmt.Sprintf("layer { name: \"l\" type: %q top: \"y\" %s", typ, options)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	return text + " }"
}

// gaussian returns blobs of one shape.
func gaussian(n int, shape ...int) (b []*blob.Blob) {
	for i := range n {
		b = append(b, layertest.Gaussian(uint64(i+1), shape...))
	}
	return b
}

func TestGolden(t *testing.T) { golden(t, nil) }

func TestGoldenDevice(t *testing.T) { golden(t, cudatest.Device(t)) }

func golden(t *testing.T, d *cuda.Device) {
	layertest.GoldenIn(t, "rcnn", reference.ForksFS(t, "layers-rcnn"), d, "ROIPooling", "SmoothL1Loss")
	layertest.GoldenIn(t, "rfcn", reference.ForksFS(t, "layers-misc"), d, "PSROIPooling", "BoxAnnotatorOHEM")
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

type testCase struct {
	typ, options string
	bottoms      []*blob.Blob
	gradient     layertest.GradientOptions
}

func cases() []testCase {
	mapped := func(channels int) []*blob.Blob {
		return []*blob.Blob{layertest.Gaussian(1, 8, channels, 11, 10), regions()}
	}
	annotated := func() []*blob.Blob {
		losses := layertest.Values([]float32{0.5, 2, 3, 3, 0, 1}, 6)
		return []*blob.Blob{regions(), losses, layertest.Labels(1, 9, 6), layertest.Gaussian(1, 6, 4)}
	}
	averaged := layertest.GradientOptions{Bottoms: []int{0}}
	kinked := layertest.GradientOptions{Bottoms: []int{0, 1}}
	kinkedLoss := layertest.GradientOptions{Bottoms: []int{0, 1}, Tops: []int{0}}
	scores := layertest.GradientOptions{Bottoms: []int{0}, Tops: []int{0}}
	selected := func(shape ...int) []*blob.Blob { // with weights of 0 and 1
		b := gaussian(2, shape...)
		return append(b, layertest.Labels(3, 2, shape...))
	}
	scored := func() []*blob.Blob {
		return []*blob.Blob{layertest.Gaussian(1, 4, 5, 3), layertest.Labels(2, 5, 4, 1, 3)}
	}
	first := layertest.GradientOptions{Bottoms: []int{0}, Step: 2e-4, Tolerance: 1e-2}
	return []testCase{
		{"ROIPooling", "roi_pooling_param { pooled_h: 3 pooled_w: 2 }", mapped(2), first},
		{"ROIPooling", "roi_pooling_param { pooled_h: 7 pooled_w: 6 spatial_scale: 1.5 }", mapped(2), first},
		{"ROIPooling", "roi_pooling_param { pooled_h: 3 pooled_w: 2 pad_ratio: 0.4 }", mapped(2), first},
		{"PSROIPooling", "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }", mapped(4), averaged},
		{"PSROIPooling", "psroi_pooling_param { spatial_scale: 1.3 output_dim: 2 group_size: 3 }", mapped(18), averaged},
		{"BoxAnnotatorOHEM", `top: "z" box_annotator_ohem_param { roi_per_img: 1 ignore_label: 255 }`, annotated(), layertest.GradientOptions{}},
		{"SmoothL1Loss", "loss_weight: 1", gaussian(2, 3, 5), kinked},
		{"SmoothL1Loss", "loss_weight: 2 smooth_l1_loss_param { sigma: 3 }", gaussian(4, 3, 4, 2, 1), kinked},
		{"SmoothL1Loss", `top: "z" loss_weight: 1 loss_weight: 0`, gaussian(4, 3, 4, 2, 3), kinkedLoss},
		{"SmoothL1LossOHEM", `top: "z" loss_weight: 2 loss_weight: 0 loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 7 }`, selected(3, 4, 2, 3), kinkedLoss},
		{"SmoothL1Loss", "loss_weight: 1 loss_param { normalization: VALID }", selected(5, 8), kinked},
		{"SoftmaxWithLossOHEM", `top: "z" top: "each" loss_weight: 3 loss_weight: 0 loss_weight: 0 loss_param { ignore_label: 2 }`, scored(), scores},
		{"SoftmaxWithLossOHEM", `loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 5 }`, scored(), scores},
	}
}

func TestGradient(t *testing.T) {
	for _, c := range cases() {
		if c.typ == "BoxAnnotatorOHEM" {
			continue
		}
		layertest.CheckGradient(t, layertest.New(t, layer(c.typ, len(c.bottoms), c.options), c.bottoms...), c.gradient)
	}
}

func TestDevice(t *testing.T) {
	d := cudatest.Device(t)
	for _, c := range cases() {
		layertest.CheckDevice(t, d, 1e-5, layer(c.typ, len(c.bottoms), c.options), c.bottoms...)
	}
	x := layertest.Gaussian(1, 8, 5, 11, 10)
	for _, options := range []string{"pooled_h: 7 pooled_w: 6 spatial_scale: 2", "pooled_h: 1 pooled_w: 20 spatial_scale: 0.7", "pooled_h: 3 pooled_w: 3"} {
		layertest.CheckDevice(t, d, 0, layer("ROIPooling", 2, "roi_pooling_param { "+options+" }"), x, regions())
	}
	for _, options := range []string{"spatial_scale: 2 output_dim: 1 group_size: 5", "spatial_scale: 0.0625 output_dim: 25 group_size: 1"} {
		layertest.CheckDevice(t, d, 1e-5, layer("PSROIPooling", 2, "psroi_pooling_param { "+options+" }"),
			layertest.Gaussian(1, 8, 25, 11, 10), regions())
	}
	layertest.CheckDevice(t, d, 1e-5, layer("SmoothL1Loss", 4, "loss_weight: 1"), gaussian(4, 7, 301)...)
}

func TestPromises(t *testing.T) {
	for _, c := range cases() {
		text := layer(c.typ, len(c.bottoms), c.options)
		layertest.CheckThreads(t, text, c.bottoms...)
		layertest.CheckAllocs(t, text, c.bottoms...)
	}
}

// TestLossWeight checks that SmoothL1Loss has no weight in the loss of a net by default.
func TestLossWeight(t *testing.T) {
	f := layertest.New(t, layer("SmoothL1Loss", 2, ""), gaussian(2, 3, 5)...)
	if f.Info.Loss {
		t.Error("a net gives SmoothL1Loss the loss weight 1")
	}
}

func TestErrors(t *testing.T) {
	x, rois := layertest.Gaussian(1, 1, 2, 3, 4), layertest.Values([]float32{0, 1, 1, 2, 2}, 1, 5)
	for _, test := range []struct {
		want, typ, options string
		bottoms            []*blob.Blob
	}{
		{"pooled_w is not set", "ROIPooling", "roi_pooling_param { pooled_h: 3 }", []*blob.Blob{x, rois}},
		{"pooled_h is 0, want 1 to 32767", "ROIPooling", "roi_pooling_param { pooled_h: 0 pooled_w: 3 }", []*blob.Blob{x, rois}},
		{"spatial_scale is -1, want a positive number", "ROIPooling", "roi_pooling_param { pooled_h: 3 pooled_w: 3 spatial_scale: -1 }", []*blob.Blob{x, rois}},
		{"pad_ratio is -1, want a number from 0", "ROIPooling", "roi_pooling_param { pooled_h: 3 pooled_w: 3 pad_ratio: -1 }", []*blob.Blob{x, rois}},
		{"bottom 0 has shape [1 5], want 4 axes", "ROIPooling", "roi_pooling_param { pooled_h: 3 pooled_w: 3 }", []*blob.Blob{rois, rois}},
		{"got ROIs of shape [1 2 3 4], want R x 5: image, x1, y1, x2, y2", "ROIPooling", "roi_pooling_param { pooled_h: 3 pooled_w: 3 }", []*blob.Blob{x, x}},
		{"sigma is 0, want a number whose square is positive and finite", "SmoothL1Loss", "smooth_l1_loss_param { sigma: 0 }", []*blob.Blob{x, x}},
		{"loss_param is R-FCN's, whose layer has 2 or 3 bottoms: remove it, or the outside weights", "SmoothL1Loss", "loss_param { normalization: FULL }", []*blob.Blob{x, x, x, x}},
		{"smooth_l1_loss_param is R-CNN's, whose layer has 2 bottoms, or 4 with inside and outside weights, and no loss_param", "SmoothL1Loss", "smooth_l1_loss_param { sigma: 2 }", []*blob.Blob{x, x, x}},
		{"pre_fixed_normalizer is -1, want a positive number", "SmoothL1LossOHEM", "loss_param { normalization: PRE_FIXED pre_fixed_normalizer: -1 }", []*blob.Blob{x, x, x}},
		{"got labels of shape [1 5], which are 5, want 1 x 12 = 12, one for each place that has 2 scores", "SoftmaxWithLossOHEM", "", []*blob.Blob{x, rois}},
		{"bottoms 0 and 3 have shapes [1 2 3 4] and [1 5], want as many items of equal size", "SmoothL1Loss", "", []*blob.Blob{x, x, x, rois}},
		{"psroi_pooling_param needs \"spatial_scale\"", "PSROIPooling", "", []*blob.Blob{x, rois}},
		{"output_dim is -2, want 1 to 32767", "PSROIPooling", "psroi_pooling_param { spatial_scale: 1 output_dim: -2 group_size: 1 }", []*blob.Blob{x, rois}},
		{"bottom 0 has 2 channels, want output_dim group_size^2 = 12", "PSROIPooling", "psroi_pooling_param { spatial_scale: 1 output_dim: 3 group_size: 2 }", []*blob.Blob{x, rois}},
		{"box_annotator_ohem_param needs \"roi_per_img\"", "BoxAnnotatorOHEM", `top: "z"`, []*blob.Blob{rois, x, x, x}},
		{"roi_per_img is 0, want 1 to 2147483647", "BoxAnnotatorOHEM", `top: "z" box_annotator_ohem_param { roi_per_img: 0 }`, []*blob.Blob{rois, x, x, x}},
		{"got losses of shape [1 2 3 4], want those of 1 ROIs", "BoxAnnotatorOHEM", `top: "z" box_annotator_ohem_param { roi_per_img: 1 }`, []*blob.Blob{rois, x, x, x}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, len(test.bottoms), test.options), test.bottoms...)
	}
}

// TestPad compares ROIPooling of padded regions with that of larger regions.
func TestPad(t *testing.T) {
	x := layertest.Gaussian(1, 2, 3, 11, 10)
	small := layertest.Values([]float32{0, 2, 3, 5, 6, 1, 4, 1, 7, 8}, 2, 5)
	large := layertest.Values([]float32{0, 1, 2, 6, 7, 1, 3, -1, 8, 10}, 2, 5)
	padded := layertest.New(t, layer("ROIPooling", 2, "roi_pooling_param { pooled_h: 3 pooled_w: 2 pad_ratio: 0.25 }"), x, small)
	plain := layertest.New(t, layer("ROIPooling", 2, "roi_pooling_param { pooled_h: 3 pooled_w: 2 }"), x, large)
	for _, f := range []*layertest.Fixture{padded, plain} {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := padded.Top[0].Data(), plain.Top[0].Data(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestImages checks the error about a ROI in an image that there is not.
func TestImages(t *testing.T) {
	rois := layertest.Values([]float32{0, 1, 1, 2, 2, 1, 0, 0, 1, 1}, 2, 5)
	for _, text := range []string{
		layer("ROIPooling", 2, "roi_pooling_param { pooled_h: 3 pooled_w: 3 }"),
		layer("PSROIPooling", 2, "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }"),
	} {
		f := layertest.New(t, text, layertest.Gaussian(1, 1, 4, 3, 4), rois)
		const want = `layer "l": element 5 is 1, want 0 to 0, the number of images of bottom 0`
		if err := f.Forward(); err == nil || err.Error()[len(err.Error())-len(want):] != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
