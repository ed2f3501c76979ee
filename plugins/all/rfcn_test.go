package all

import (
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// TestRFCN checks that in a net of R-FCN with hard examples, which has SmoothL1Loss with
// two bottoms as nets of SSD do, the layer is R-CNN's.
func TestRFCN(t *testing.T) {
	file, err := prototxt.ParseNetIn("", "rfcn.prototxt", []byte(`
		layer { name: "pool" type: "PSROIPooling" bottom: "x" bottom: "rois" top: "box"
			psroi_pooling_param { spatial_scale: 0.0625 output_dim: 8 group_size: 7 } }
		layer { name: "loss" type: "SmoothL1Loss" bottom: "box" bottom: "target" top: "loss" }
		layer { name: "choose" type: "BoxAnnotatorOHEM" bottom: "rois" bottom: "loss" bottom: "label" bottom: "weight" top: "l" top: "w"
			box_annotator_ohem_param { roi_per_img: 128 } }`))
	if err != nil {
		t.Fatal(err)
	}
	if info := layers.Of(file.Param.GetLayer()[1]); info == nil || !slices.Contains(info.Dialects, "rcnn") {
		t.Errorf("SmoothL1Loss is %+v, want that of rcnn", info)
	}
}
