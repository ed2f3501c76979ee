package rcnn_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/data"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// roidb returns a database of n images of 7 x 5 pixels, the number of which is added to
// all pixels, with an object at the pixels 1 to 3 and 2 to 3, and a difficult one.
func roidb(t testing.TB, n, channels int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := data.Create(dir, caffepb.DataParameter_LMDB, false)
	if err != nil {
		t.Fatal(err)
	}
	const h, w = 5, 7
	for i := range n {
		pixels := make([]byte, channels*h*w)
		for at := range pixels {
			c, y, x := at/(h*w), at/w%h, at%w
			pixels[at] = byte(y*37 + x*53 + c*91 + x*y*11 + i)
		}
		datum, err := proto.Marshal(&caffepb.Datum{Channels: proto.Int32(int32(channels)), Height: proto.Int32(h), Width: proto.Int32(w), Data: pixels})
		if err != nil {
			t.Fatal(err)
		}
		object := data.Object{Label: 1 + i%3, XMin: 1. / w, YMin: 2. / h, XMax: 4. / w, YMax: 4. / h}
		hard := data.Object{Label: 1 + i%3, XMin: 0, YMin: 0, XMax: 1, YMax: 1, Difficult: true}
		if err := db.Append(fmt.Appendf(nil, "%04d", i), data.AppendAnnotated(nil, datum, []data.Object{object, hard})); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Commit(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func roiText(dir, train string) string {
	return pythonLayer("roi_data_layer.layer", "RoIDataLayer", fmt.Sprintf("{'num_classes': 4, 'source': %q, 'TRAIN': {%s}}", dir, train), 0, 3)
}

// TestRoIData compares images, sizes and objects with what OpenCV 4.6 makes of them:
// cv2.resize of the image less PIXEL_MEANS, as it is and flipped, with factors 13/7 and
// 0.6.
func TestRoIData(t *testing.T) {
	noPython(t)
	type pixel struct {
		y, x, c int
		v       float32
	}
	for _, c := range []struct {
		options     string
		height      int
		width       int
		scale       float32
		plain, flip []pixel
	}{
		{"'SCALES': [10], 'MAX_SIZE': 13", 9, 13, 13. / 7,
			[]pixel{{0, 0, 0, -102.9801025390625}, {0, 1, 1, -8.638808250427246}, {4, 6, 2, 96.84368133544922}, {8, 12, 0, 115.0198974609375}, {4, 1, 1, 69.02391052246094}, {8, 1, 2, -18.925548553466797}},
			[]pixel{{0, 0, 0, -40.980098724365234}, {0, 1, 1, 20.745807647705078}, {4, 6, 2, 96.84368133544922}, {8, 12, 0, 45.019901275634766}, {4, 1, 1, -37.626976013183594}, {8, 1, 2, -8.617853164672852}}},
		{"'SCALES': [3]", 3, 4, 0.6,
			[]pixel{{0, 0, 0, -71.75787353515625}, {0, 1, 1, 15.386825561523438}, {1, 2, 2, -18.43838119506836}, {2, 3, 0, 18.464365005493164}, {1, 1, 1, -56.94649887084961}, {2, 1, 2, -45.10504913330078}},
			[]pixel{{0, 0, 0, -25.535654067993164}, {0, 1, 1, -41.94649887084961}, {1, 2, 2, 52.228294372558594}, {2, 3, 0, 94.90877532958984}, {1, 1, 1, 93.05349731445312}, {2, 1, 2, 56.228309631347656}}},
	} {
		f := layertest.New(t, roiText(roidb(t, 1, 3), c.options))
		seen := make(map[bool]int)
		for pass := range 4 {
			f.Spec.Env.Pass = int64(pass)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			if got := f.Top[0].Shape(); !slices.Equal(got, []int{1, 3, c.height, c.width}) {
				t.Fatalf("%s: image of shape %v", c.options, got)
			}
			differ := func(want []pixel) string {
				for _, p := range want {
					if got := f.Top[0].Data()[(p.c*c.height+p.y)*c.width+p.x]; math.Abs(float64(got-p.v)) > 2e-4 {
						return fmt.Sprintf("pixel %d, %d of channel %d is %v, want %v", p.y, p.x, p.c, got, p.v)
					}
				}
				return ""
			}
			plain, flip := differ(c.plain), differ(c.flip)
			if plain != "" && flip != "" {
				t.Fatalf("%s: %s; flipped: %s", c.options, plain, flip)
			}
			flipped := plain != ""
			seen[flipped]++
			if got := f.Top[1].Data(); got[0] != float32(c.height) || got[1] != float32(c.width) || math.Abs(float64(got[2]-c.scale)) > 1e-6 {
				t.Errorf("%s: im_info is %v", c.options, got)
			}
			want := []float32{1 * c.scale, 2 * c.scale, 3 * c.scale, 3 * c.scale, 1}
			if flipped {
				want[0], want[2] = 3*c.scale, 5*c.scale
			}
			got := f.Top[2].Data()
			if !slices.Equal(f.Top[2].Shape(), []int{1, 5}) || !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-5 }) {
				t.Errorf("%s: objects %v of shape %v, want %v", c.options, got, f.Top[2].Shape(), want)
			}
		}
		f.Close()
		if seen[false] != 2 || seen[true] != 2 {
			t.Errorf("%s: %d passes with the image and %d with the flipped one, want 2 and 2", c.options, seen[false], seen[true])
		}
	}
}

// TestRoIDataGrey checks that a grey image has three equal planes, but for their means,
// and that difficult objects are there if they are asked for.
func TestRoIDataGrey(t *testing.T) {
	noPython(t)
	f := layertest.New(t, roiText(roidb(t, 1, 1), "'USE_FLIPPED': False, 'USE_DIFFICULT': True, 'SCALES': [5]"))
	defer f.Close()
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	for i, v := range f.Top[0].Data() {
		at := i % 35
		if want := float64((at%35/7*37+at%7*53+at/7*(at%7)*11)&255) - []float64{102.9801, 115.9465, 122.7717}[i/35]; math.Abs(float64(v)-want) > 1e-4 {
			t.Fatalf("value %d is %v, want %v", i, v, want)
		}
	}
	if want := []float32{1, 2, 3, 3, 1, 0, 0, 6, 4, 1}; !slices.Equal(f.Top[2].Data(), want) {
		t.Errorf("objects %v, want %v", f.Top[2].Data(), want)
	}
}

// TestRoIDataPasses checks that an epoch has each image twice, and that the data depend
// on the seed and the pass alone.
func TestRoIDataPasses(t *testing.T) {
	noPython(t)
	text := roiText(roidb(t, 6, 3), "'SCALES': [4, 5, 6]")
	layertest.CheckData(t, cudatest.Device(t), text)
	f := layertest.New(t, roiText(roidb(t, 6, 3), "'SCALES': [5]"))
	defer f.Close()
	count := make(map[float32]int)
	for pass := range 12 {
		f.Spec.Env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		count[slices.Min(f.Top[0].Data()[:35])]++
	}
	if len(count) < 4 {
		t.Errorf("images %v, want 6", count)
	}
	for v, n := range count {
		if n%2 != 0 {
			t.Errorf("image with the least value %g came %d times, want twice", v, n)
		}
	}
}

// endToEnd is a net of Faster R-CNN with few and small layers.
const endToEnd = `
	layer { name: "input-data" type: "Python" top: "data" top: "im_info" top: "gt_boxes"
		python_param { module: "roi_data_layer.layer" layer: "RoIDataLayer" param_str: "{'num_classes': 4%s}" } }
	layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 8 kernel_size: 5 stride: 4 pad: 2 weight_filler { type: "xavier" } } }
	layer { name: "rpn_cls_score" type: "Convolution" bottom: "conv" top: "rpn_cls_score" convolution_param { num_output: 6 kernel_size: 1 weight_filler { type: "xavier" } } }
	layer { name: "rpn_bbox_pred" type: "Convolution" bottom: "conv" top: "rpn_bbox_pred" convolution_param { num_output: 12 kernel_size: 1 weight_filler { type: "xavier" } } }
	layer { name: "rpn_cls_score_reshape" type: "Reshape" bottom: "rpn_cls_score" top: "rpn_cls_score_reshape" reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
	layer { name: "rpn-data" type: "Python" bottom: "rpn_cls_score" bottom: "gt_boxes" bottom: "im_info" bottom: "data"
		top: "rpn_labels" top: "rpn_bbox_targets" top: "rpn_bbox_inside_weights" top: "rpn_bbox_outside_weights"
		python_param { module: "rpn.anchor_target_layer" layer: "AnchorTargetLayer" param_str: "{'feat_stride': 4, 'scales': [1]%[1]s}" } }
	layer { name: "rpn_loss_cls" type: "SoftmaxWithLoss" bottom: "rpn_cls_score_reshape" bottom: "rpn_labels" propagate_down: true propagate_down: false
		top: "rpn_cls_loss" loss_weight: 1 loss_param { ignore_label: -1 normalize: true } }
	layer { name: "rpn_loss_bbox" type: "SmoothL1Loss" bottom: "rpn_bbox_pred" bottom: "rpn_bbox_targets" bottom: "rpn_bbox_inside_weights"
		bottom: "rpn_bbox_outside_weights" top: "rpn_loss_bbox" loss_weight: 1 smooth_l1_loss_param { sigma: 3 } }
	layer { name: "rpn_cls_prob" type: "Softmax" bottom: "rpn_cls_score_reshape" top: "rpn_cls_prob" }
	layer { name: "rpn_cls_prob_reshape" type: "Reshape" bottom: "rpn_cls_prob" top: "rpn_cls_prob_reshape" reshape_param { shape { dim: 0 dim: 6 dim: -1 dim: 0 } } }
	layer { name: "proposal" type: "Python" bottom: "rpn_cls_prob_reshape" bottom: "rpn_bbox_pred" bottom: "im_info" top: "rpn_rois"
		python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "{'feat_stride': 4, 'scales': [1]%[1]s}" } }
	layer { name: "roi-data" type: "Python" bottom: "rpn_rois" bottom: "gt_boxes"
		top: "rois" top: "labels" top: "bbox_targets" top: "bbox_inside_weights" top: "bbox_outside_weights"
		python_param { module: "rpn.proposal_target_layer" layer: "ProposalTargetLayer" param_str: "{'num_classes': 4%[1]s}" } }
	layer { name: "pool" type: "ROIPooling" bottom: "conv" bottom: "rois" top: "pool" roi_pooling_param { pooled_w: 3 pooled_h: 3 spatial_scale: 0.25 } }
	layer { name: "cls_score" type: "InnerProduct" bottom: "pool" top: "cls_score" inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
	layer { name: "bbox_pred" type: "InnerProduct" bottom: "pool" top: "bbox_pred" inner_product_param { num_output: 16 weight_filler { type: "xavier" } } }
	layer { name: "loss_cls" type: "SoftmaxWithLoss" bottom: "cls_score" bottom: "labels" propagate_down: true propagate_down: false top: "loss_cls" loss_weight: 1 }
	layer { name: "loss_bbox" type: "SmoothL1Loss" bottom: "bbox_pred" bottom: "bbox_targets" bottom: "bbox_inside_weights" bottom: "bbox_outside_weights"
		top: "loss_bbox" loss_weight: 1 }`

// TestEndToEnd trains a net of Faster R-CNN for some steps, without Python: its four
// losses go down. Without a source the net is checked all the same, and says so when it
// is to train.
func TestEndToEnd(t *testing.T) {
	noPython(t)
	cfg := filepath.Join(t.TempDir(), "cfg.yml")
	if err := os.WriteFile(cfg, fmt.Appendf(nil, "EXP_DIR: small\nPIXEL_MEANS: [[[100, 100, 100]]]\nTRAIN:\n  HAS_RPN: True\n  SCALES: [40]\n  RPN_MIN_SIZE: 2\n  BATCH_SIZE: 24\n  SOURCE: %s\n", roidb(t, 3, 3)), 0o644); err != nil {
		t.Fatal(err)
	}
	build := func(options string) *net.Net {
		file, err := prototxt.ParseNet("net.prototxt", fmt.Appendf(nil, endToEnd, options))
		if err != nil {
			t.Fatal(err)
		}
		n, err := net.New(file, net.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close() })
		return n
	}
	n := build(", 'cfg': '" + cfg + "'")
	var losses [2]float64
	const steps = 60
	for step := range steps {
		if err := n.ClearParamDiffs(); err != nil {
			t.Fatal(err)
		}
		loss, err := n.Forward(t.Context())
		if err == nil {
			err = n.Backward(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		losses[step*2/steps] += float64(loss)
		for _, p := range n.Params() {
			for i, d := range p.Blob.Diff() {
				p.Blob.MutableData()[i] -= 0.0003 * d
			}
		}
	}
	if !(losses[1] < 0.7*losses[0]) {
		t.Errorf("the sums of the losses of both halves of the training are %v", losses)
	}
	_, err := build("").Forward(t.Context())
	if err == nil || !strings.Contains(err.Error(), `layer "input-data": RoIDataLayer has no data: name a database that gocaffe convert annoset has written`) {
		t.Errorf("error %v", err)
	}
	file, err := prototxt.ParseNet("net.prototxt", fmt.Appendf(nil, endToEnd, ""))
	if err != nil {
		t.Fatal(err)
	}
	imitated, err := net.New(file, net.Options{Synthetic: new(net.Synthetic)})
	if err != nil {
		t.Fatal(err)
	}
	defer imitated.Close()
	if loss, err := imitated.Forward(t.Context()); err != nil || !(loss > 0) {
		t.Errorf("with made-up data the loss is %v, error %v", loss, err)
	}
}

func TestRoIDataErrors(t *testing.T) {
	noPython(t)
	text := func(params string, tops int) string {
		return pythonLayer("roi_data_layer.layer", "RoIDataLayer", params, 0, tops)
	}
	layertest.CheckError(t, 2, `layer "l": RoIDataLayer has 4 tops, want 3 (data, im_info, gt_boxes) or 6 (data, rois, labels, targets, inside and outside weights)`,
		text("'num_classes': 4", 4))
	layertest.CheckError(t, 2, `layer "l": IMS_PER_BATCH is 2, want 1: a region proposal network takes one image`, text("{'num_classes': 4, 'TRAIN': {'IMS_PER_BATCH': 2}}", 3))
	f := layertest.New(t, text("'num_classes': 4", 6))
	for i, want := range [][]int{{2, 3, 600, 1000}, {1, 5}, {1, 1, 1, 1}, {1, 16}, {1, 16}, {1, 16}} {
		if got := f.Top[i].Shape(); !slices.Equal(got, want) {
			t.Errorf("top %d has shape %v, want %v", i, got, want)
		}
	}
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), "takes proposals of another program, which is not implemented") {
		t.Errorf("error %v", err)
	}
}
