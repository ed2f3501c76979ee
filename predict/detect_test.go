package predict

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
	"github.com/gocaffe/gocaffe/net"
	_ "github.com/gocaffe/gocaffe/plugins/ssd"
)

// finds is a layer of tests whose tops are set by a function.
type finds struct{}

// find computes the tops of layers TestDetectionOutput and TestRegions.
var find func(bottom, top []*blob.Blob)

func init() {
	for _, name := range []string{"TestDetectionOutput", "TestRegions"} {
		layers.Register(layers.Info{
			Type: name, Bottoms: layers.AtLeast(1), Tops: layers.AtLeast(1),
			New: func(*layers.Spec) (layers.Layer, error) { return finds{}, nil },
		})
	}
}

func (finds) SetUp(_, _ []*blob.Blob) error { return nil }

func (finds) Reshape(_, top []*blob.Blob) error {
	if len(top) == 1 {
		return top[0].Reshape(1, 1, 1, rowLength)
	}
	for i, width := range []int{5, 3, 12} {
		if err := top[i].Reshape(2, width); err != nil {
			return err
		}
	}
	return nil
}

func (finds) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	find(bottom, top)
	return nil
}

func (finds) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error { return nil }

// set gives a blob its shape and data.
func set(t *testing.T, b *blob.Blob, values []float32, shape ...int) {
	t.Helper()
	if err := b.Reshape(shape...); err != nil {
		t.Fatal(err)
	}
	copy(b.MutableData(), values)
}

func newDetector(t *testing.T, text string, o DetectOptions) *Detector {
	t.Helper()
	d, err := NewDetector(newNet(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func detect(t *testing.T, d *Detector, images ...*data.Image) [][]Detection {
	t.Helper()
	found, err := d.Detect(context.Background(), images...)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sameDetections compares detections, with boxes up to a thousandth of a pixel.
func sameDetections(t *testing.T, what string, got, want []Detection) {
	t.Helper()
	equal := len(got) == len(want)
	for i := 0; equal && i < len(got); i++ {
		a, b := got[i], want[i]
		equal = a.Class == b.Class && math.Abs(float64(a.Score-b.Score)) < 1e-6
		for k, v := range []float32{a.Box.XMin - b.Box.XMin, a.Box.YMin - b.Box.YMin, a.Box.XMax - b.Box.XMax, a.Box.YMax - b.Box.YMax} {
			equal = equal && k < 4 && math.Abs(float64(v)) < 1e-3
		}
	}
	if !equal {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

const rowsNet = `layer { name: "data" type: "Input" top: "data" %s input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
layer { name: "found" type: "TestDetectionOutput" bottom: "data" top: "found" }`

// TestDetectRows compares boxes in pixels with those computed by hand, for two images of
// different sizes in a pass and one in the next.
func TestDetectRows(t *testing.T) {
	batches := []int{}
	find = func(bottom, top []*blob.Blob) {
		batches = append(batches, bottom[0].Dim(0))
		if len(batches) == 2 {
			set(t, top[0], []float32{0, -1, -1, -1, -1, -1, -1}, 1, 1, 1, 7) // SSD finds nothing
			return
		}
		set(t, top[0], []float32{
			0, 2, 0.5, 0.1, 0.2, 0.3, 0.4,
			0, 7, 0.875, 0, 0, 1, 1,
			0, 1, 0.5, -0.5, 0.5, 0.5, 1.5,
			0, 1, 0.25, 0.2, 0.2, 0.4, 0.4,
			1, 3, 0.75, 0.5, 0.5, 1, 1,
		}, 1, 1, 5, 7)
	}
	d := newDetector(t, fmt.Sprintf(rowsNet, ""), DetectOptions{Threshold: 0.5})
	images := []*data.Image{noise(1, 3, 100, 50), noise(2, 3, 8, 10), noise(3, 3, 4, 5)}
	found := detect(t, d, images...)
	if !slices.Equal(batches, []int{2, 1}) || len(found) != 3 || d.Classes() != 0 || d.Mode() != data.Color {
		t.Fatalf("batches %v, %d results, %d classes", batches, len(found), d.Classes())
	}
	sameDetections(t, "image 0", found[0], []Detection{
		{7, 0.875, boxes.Box{XMin: 0, YMin: 0, XMax: 50, YMax: 100}},
		{1, 0.5, boxes.Box{XMin: 0, YMin: 50, XMax: 25, YMax: 100}},
		{2, 0.5, boxes.Box{XMin: 5, YMin: 20, XMax: 15, YMax: 40}},
	})
	sameDetections(t, "image 1", found[1], []Detection{{3, 0.75, boxes.Box{XMin: 5, YMin: 4, XMax: 10, YMax: 8}}})
	sameDetections(t, "image 2", found[2], nil)

	// Of an image scaled to 8 x 10 the net sees the part in the centre, 4 x 5 at 2, 2.
	find = func(_, top []*blob.Blob) { set(t, top[0], []float32{0, 1, 1, 0.2, 0.5, 1, 1}, 1, 1, 1, 7) }
	d = newDetector(t, fmt.Sprintf(rowsNet, ""), DetectOptions{Preparation: &Preparation{Height: 8, Width: 10}})
	sameDetections(t, "the part in the centre", detect(t, d, noise(1, 3, 80, 100))[0], []Detection{{1, 1, boxes.Box{XMin: 30, YMin: 40, XMax: 70, YMax: 60}}})
	// And of one scaled to 2 x 3 it sees a pixel more on each side.
	d = newDetector(t, fmt.Sprintf(rowsNet, "transform_param { pad: 1 }"), DetectOptions{})
	sameDetections(t, "with padding", detect(t, d, noise(1, 3, 20, 30))[0], []Detection{{1, 1, boxes.Box{XMin: 0, YMin: 10, XMax: 30, YMax: 20}}})
}

// TestDetectNMS has three boxes of which the second overlaps the first one by 0.6 and
// the third one, of another class, wholly.
func TestDetectNMS(t *testing.T) {
	rows := []float32{
		0, 1, 0.5, 0, 0, 1, 0.5,
		0, 1, 0.75, 0, 0.125, 1, 0.625,
		0, 2, 0.25, 0, 0, 1, 0.5,
	}
	find = func(_, top []*blob.Blob) { set(t, top[0], rows, 1, 1, 3, 7) }
	for nms, want := range map[float32][]float32{0: {0.75, 0.5, 0.25}, 0.59: {0.75, 0.25}, 0.61: {0.75, 0.5, 0.25}} {
		var scores []float32
		for _, f := range detect(t, newDetector(t, fmt.Sprintf(rowsNet, ""), DetectOptions{NMS: nms}), noise(1, 3, 8, 8))[0] {
			scores = append(scores, f.Score)
		}
		if !slices.Equal(scores, want) {
			t.Errorf("overlap %g: scores %v, want %v", nms, scores, want)
		}
	}
}

// TestDetectSSD runs a net with a layer DetectionOutput, whose priors and biases give two
// boxes.
func TestDetectSSD(t *testing.T) {
	const constant = `layer { name: "%s" type: "InnerProduct" bottom: "data" top: "%[1]s" inner_product_param { num_output: %d weight_filler { value: 0 } } }
`
	n := newNet(t, `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param { kernel_size: 4 stride: 4 } }
layer { name: "priors" type: "PriorBox" bottom: "pool" bottom: "data" top: "priors" prior_box_param { min_size: 4 variance: 0.1 } }
`+fmt.Sprintf(constant, "loc", 16)+fmt.Sprintf(constant, "conf", 12)+`
layer { name: "out" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "out" detection_output_param { num_classes: 3 confidence_threshold: 0.1 } }`)
	for _, p := range n.Params() {
		switch p.Blob.Count() {
		case 16:
			p.Blob.MutableData()[4*3] = 2.5 // moves the left edge of the last prior, which begins in the middle, by 0.25
		case 12:
			p.Blob.MutableData()[0*3+2] = 0.9 // the first prior is of class 2
			p.Blob.MutableData()[3*3+1] = 0.4
		}
	}
	d, err := NewDetector(n, DetectOptions{})
	if err != nil || d.Classes() != 3 || d.Mode() != data.Gray {
		t.Fatalf("error %v, want 3 classes", err)
	}
	sameDetections(t, "SSD", detect(t, d, noise(1, 1, 40, 80))[0], []Detection{
		{2, 0.9, boxes.Box{XMin: 0, YMin: 0, XMax: 40, YMax: 20}},
		{1, 0.4, boxes.Box{XMin: 60, YMin: 20, XMax: 80, YMax: 40}},
	})
}

const regionsNet = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 24 dim: 24 } } }
layer { name: "im_info" type: "Input" top: "im_info" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "r" type: "TestRegions" bottom: "data" bottom: "im_info" top: "rois" top: "cls_prob" top: "bbox_pred" }
layer { name: "s" type: "Softmax" bottom: "cls_prob" top: "s" }
layer { name: "silence" type: "Silence" bottom: "s" bottom: "rois" bottom: "bbox_pred" }`

// TestDetectRegions compares the boxes of an R-CNN net with the formulas of
// py-faster-rcnn in float64, and its input with what that net is given.
func TestDetectRegions(t *testing.T) {
	rois := []float32{0, 10, 20, 49, 79, 0, 12, 22, 51, 81}
	scores := []float32{0.1, 0.2, 0.7, 0.05, 0.85, 0.6}
	codes := make([]float32, 24)
	for i := range codes {
		codes[i] = float32(i%5-2) / 8
	}
	var input []float32
	var shape []int
	var info []float32
	width := 12
	find = func(bottom, top []*blob.Blob) {
		input, shape, info = slices.Clone(bottom[0].Data()), slices.Clone(bottom[0].Shape()), slices.Clone(bottom[1].Data())
		set(t, top[0], rois, 2, 5)
		set(t, top[1], scores, 2, 3)
		set(t, top[2], codes, 2, width)
	}
	// decode returns the box of region r with the code that begins at from.
	decode := func(r, from int, scale, w, h float64, means, stds []float64) boxes.Box {
		var edge, code [4]float64
		for k := range 4 {
			edge[k] = float64(rois[5*r+1+k]) / scale
			code[k] = float64(codes[from+k])*stds[k] + means[k]
		}
		ow, oh := edge[2]-edge[0]+1, edge[3]-edge[1]+1
		cx, cy := edge[0]+ow/2+code[0]*ow, edge[1]+oh/2+code[1]*oh
		pw, ph := math.Exp(code[2])*ow, math.Exp(code[3])*oh
		clip := func(v, most float64) float32 { return float32(min(max(v, 0), most-1)) }
		return boxes.Box{XMin: clip(cx-pw/2, w), YMin: clip(cy-ph/2, h), XMax: clip(cx+pw/2, w), YMax: clip(cy+ph/2, h)}
	}
	none, ones := make([]float64, 4), []float64{1, 1, 1, 1}

	// 60 x 80 (height x width) to a shorter side of 120, so twice as large.
	im := noise(1, 3, 60, 80)
	d := newDetector(t, regionsNet, DetectOptions{ShortSide: 120, LongSide: 200, Threshold: 0.1, NMS: 1})
	if d.Classes() != 3 {
		t.Errorf("%d classes, want 3", d.Classes())
	}
	got := detect(t, d, im)[0]
	sameDetections(t, "own boxes of classes", got, []Detection{
		{1, 0.85, decode(1, 12+4, 2, 80, 60, none, ones)}, {2, 0.7, decode(0, 8, 2, 80, 60, none, ones)},
		{2, 0.6, decode(1, 12+8, 2, 80, 60, none, ones)}, {1, 0.2, decode(0, 4, 2, 80, 60, none, ones)},
	})
	if !slices.Equal(shape, []int{1, 3, 120, 160}) || !slices.Equal(info, []float32{120, 160, 2}) {
		t.Errorf("shape %v, im_info %v", shape, info)
	}
	double := *im
	double.Resize(120, 160)
	for c, mean := range []float64{102.9801, 115.9465, 122.7717} {
		for _, at := range [][2]int{{0, 0}, {77, 31}, {119, 159}} {
			want := pixel(&double, c, at[0], at[1]) - mean
			if v := float64(input[(c*120+at[0])*160+at[1]]); math.Abs(v-want) > 1e-4 {
				t.Errorf("channel %d at %v is %g, want %g", c, at, v, want)
			}
		}
	}

	d = newDetector(t, regionsNet, DetectOptions{ShortSide: 120, LongSide: 200, Preparation: &Preparation{ChannelSwap: []int{0, 1, 2}}})
	detect(t, d, im)
	if want := pixel(&double, 2, 0, 0) - 122.7717; math.Abs(float64(input[0])-want) > 1e-4 {
		t.Errorf("red first: %g, want %g", input[0], want)
	}

	// The default suppression, 0.3, leaves one box of each class where both are the
	// regions, which overlap by 0.86.
	learned := codes
	codes = make([]float32, 24)
	d = newDetector(t, regionsNet, DetectOptions{ShortSide: 120, LongSide: 200, Threshold: 0.1})
	if got := detect(t, d, im)[0]; len(got) != 2 || got[0].Score != 0.85 || got[1].Score != 0.7 {
		t.Errorf("after suppression %v", got)
	}
	codes = learned

	// The longer side limits the scale to 1.5; the weights lack means and deviations.
	means, stds := []float64{0.1, -0.1, 0.05, 0.2}, []float64{0.5, 0.25, 2, 0.125}
	d = newDetector(t, regionsNet, DetectOptions{
		ShortSide: 100, LongSide: 120, Threshold: 0.65, BoxMeans: []float32{0.1, -0.1, 0.05, 0.2}, BoxStds: []float32{0.5, 0.25, 2, 0.125},
	})
	sameDetections(t, "with deviations", detect(t, d, im)[0], []Detection{
		{1, 0.85, decode(1, 12+4, 1.5, 80, 60, means, stds)}, {2, 0.7, decode(0, 8, 1.5, 80, 60, means, stds)},
	})
	each := make([]float32, 12)
	for i := range each {
		each[i] = float32(i) / 8
	}
	d = newDetector(t, regionsNet, DetectOptions{ShortSide: 60, LongSide: 80, Threshold: 0.8, BoxStds: each})
	sameDetections(t, "with deviations of each class", detect(t, d, im)[0], []Detection{
		{1, 0.85, decode(1, 12+4, 1, 80, 60, none, []float64{0.5, 0.625, 0.75, 0.875})},
	})

	// R-FCN has one box for all classes, after that of the background.
	width = 8
	d = newDetector(t, regionsNet, DetectOptions{ShortSide: 60, LongSide: 80, Threshold: 0.65})
	sameDetections(t, "a box for all classes", detect(t, d, im)[0], []Detection{
		{1, 0.85, decode(1, 8+4, 1, 80, 60, none, ones)}, {2, 0.7, decode(0, 4, 1, 80, 60, none, ones)},
	})

	// The sizes of py-faster-rcnn.
	d = newDetector(t, regionsNet, DetectOptions{})
	detect(t, d, noise(1, 3, 30, 40))
	detect(t, d, noise(1, 3, 20, 40))
	if !slices.Equal(info, []float32{500, 1000, 25}) {
		t.Errorf("im_info %v, want a longer side of 1000", info)
	}
	width = 9
	if _, err := d.Detect(context.Background(), im); err == nil || !strings.Contains(err.Error(), "bbox_pred has 9 elements for each region") {
		t.Errorf("error %v", err)
	}
}

func TestDetectErrors(t *testing.T) {
	nan := float32(math.NaN())
	var rows []float32
	find = func(_, top []*blob.Blob) {
		if len(top) == 1 {
			set(t, top[0], rows, 1, 1, 1, 7)
		}
	}
	plain := fmt.Sprintf(rowsNet, "")
	for _, tt := range []struct {
		net  string
		o    DetectOptions
		want string
	}{
		{plain, DetectOptions{NMS: 2}, "the overlap for suppression is 2, want 0 to 1"},
		{plain, DetectOptions{ShortSide: 600}, `are for R-CNN's nets, which have an input "im_info"`},
		{plain, DetectOptions{Blob: "fc7"}, `the net has no blob "fc7"; its blobs are data, found`},
		{plain, DetectOptions{Blob: "data"}, `the detections "data" have the shape [2 3 4 5], want 1 x 1 x N x 7`},
		{plain, DetectOptions{Batch: -1}, "the batch size is -1, want 1 or more"},
		{plain + "\n" + `layer { name: "more" type: "TestDetectionOutput" bottom: "data" top: "more" }`, DetectOptions{}, "the net has 2 blobs with detections (found, more): name one"},
		{strings.ReplaceAll(linear, "%OPTIONS%", ""), DetectOptions{}, "the net finds no boxes: want the top of a layer such as DetectionOutput, 1 x 1 x N x 7, or the input im_info and the blobs of R-CNN's nets; its outputs are scores"},
		{`layer { name: "in" type: "Input" top: "rois" input_param { shape { dim: 1 dim: 5 } } }` + "\n" + strings.ReplaceAll(strings.Replace(regionsNet, `top: "rois"`, `top: "regions"`, 1), `bottom: "rois"`, `bottom: "regions"`),
			DetectOptions{}, "the net is given its regions, by the input \"rois\""},
		{regionsNet, DetectOptions{ShortSide: 700, LongSide: 600}, "the shorter side of images has 700 pixels, the longer one at most 600"},
		{regionsNet, DetectOptions{Preparation: &Preparation{ChannelSwap: []int{0, 1, 5}}}, "the order of the channels is 0 1 5"},
		{regionsNet, DetectOptions{Batch: 2}, "the batch size is 2; R-CNN's nets take 1"},
		{regionsNet, DetectOptions{BoxStds: make([]float32, 5)}, "there are 5 means or deviations of boxes, want 4, or 4 for each of the 3 classes"},
		{regionsNet, DetectOptions{Preparation: &Preparation{Height: 300, Width: 300}}, "R-CNN's nets take the sizes of their sides"},
		{regionsNet, DetectOptions{Preparation: &Preparation{Mean: meanOf(3, 4, 5)}}, "there is a mean image; R-CNN's nets"},
		{strings.ReplaceAll(regionsNet, `"bbox_pred"`, `"box"`), DetectOptions{}, `the net has the input "im_info", as those of R-CNN, and no blob "bbox_pred"; its blobs are `},
	} {
		if _, err := NewDetector(newNet(t, tt.net), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %s", tt.o, err, tt.want)
		}
	}
	for _, tt := range []struct {
		row  []float32
		want string
	}{
		{[]float32{2, 1, 0.5, 0, 0, 1, 1}, "a detection has the image 2 and the class 1, want an image below 1"},
		{[]float32{0, -2, 0.5, 0, 0, 1, 1}, "a detection has the image 0 and the class -2"},
		{[]float32{nan, 1, 0.5, 0, 0, 1, 1}, "a detection has the image NaN"},
		{[]float32{0, 1, nan, 0, 0, 1, 1}, "a detection is NaN"},
		{[]float32{0, 1, 0.5, 0, nan, 1, 1}, "a detection is NaN"},
	} {
		rows = tt.row
		if _, err := newDetector(t, plain, DetectOptions{}).Detect(context.Background(), noise(1, 3, 4, 4)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: error %v, want %s", tt.row, err, tt.want)
		}
	}
	rows = []float32{0, 1, 1, 0, 0, 1, 1}
	if _, err := newDetector(t, plain, DetectOptions{}).Detect(context.Background(), noise(1, 3, 4, 4), noise(1, 3, 4, 4), noise(1, 1, 4, 4)); err == nil ||
		!strings.Contains(err.Error(), "image 2: the image has 1 channels, the input of the net 3") {
		t.Errorf("error %v", err)
	}
}

// TestDetectShared checks that the detections of a net whose blobs share memory stay.
func TestDetectShared(t *testing.T) {
	find = func(_, top []*blob.Blob) { set(t, top[0], []float32{0, 1, 1, 0, 0, 1, 1}, 1, 1, 1, 7) }
	text := fmt.Sprintf(rowsNet, "") + `
layer { name: "scale" type: "Power" bottom: "found" top: "scaled" power_param { scale: 100 } }
layer { name: "more" type: "Power" bottom: "scaled" top: "more" power_param { scale: 100 } }
layer { name: "sum" type: "Reduction" bottom: "more" top: "sum" }`
	file, err := net.Parse("test.prototxt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, net.Options{Memory: new(net.Memory), ForwardOnly: true, State: &caffepb.NetState{Phase: caffepb.Phase_TEST.Enum()}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	d, err := NewDetector(n, DetectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sameDetections(t, "shared memory", detect(t, d, noise(1, 3, 4, 5))[0], []Detection{{1, 1, boxes.Box{XMax: 5, YMax: 4}}})
}

// TestDetectFiles reads three files, of which one is missing.
func TestDetectFiles(t *testing.T) {
	find = func(_, top []*blob.Blob) { set(t, top[0], []float32{0, 1, 1, 0, 0, 1, 1}, 1, 1, 1, 7) }
	d := newDetector(t, fmt.Sprintf(rowsNet, ""), DetectOptions{Batch: 1})
	dir := t.TempDir()
	paths := []string{dir + "/a.png", dir + "/absent.png", dir + "/b.png"}
	for i, size := range map[int]image.Rectangle{0: image.Rect(0, 0, 6, 4), 2: image.Rect(0, 0, 12, 10)} {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(size)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paths[i], b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	err := d.Files(context.Background(), paths, func(i int, im *data.Image, found []Detection, err error) error {
		if err != nil {
			lines = append(lines, fmt.Sprint(i, " error"))
			return nil
		}
		lines = append(lines, fmt.Sprint(i, " ", im.Width, " ", found[0].Box))
		return nil
	})
	if want := []string{"0 6 {0 0 6 4}", "1 error", "2 12 {0 0 12 10}"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("error %v, got %q, want %q", err, lines, want)
	}
}
