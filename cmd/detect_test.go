package gocaffecmd

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg"
	"image/png"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers/boxes"
	_ "github.com/gocaffe/gocaffe/plugins/rcnn"
	_ "github.com/gocaffe/gocaffe/plugins/ssd"
	"google.golang.org/protobuf/proto"
)

// detectNet finds bright quarters of an image: their mean is the score of class 1, and
// half of it that of class 2.
const detectNet = `name: "quarters"
layer { name: "data" type: "Input" top: "data" transform_param { scale: 0.00392156862745098 } input_param { shape { dim: 2 dim: 1 dim: 8 dim: 8 } } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "zero" type: "Power" bottom: "mean" top: "zero" power_param { scale: 0 } }
layer { name: "half" type: "Power" bottom: "mean" top: "half" power_param { scale: 0.5 } }
layer { name: "locs" type: "Concat" bottom: "zero" bottom: "zero" bottom: "zero" bottom: "zero" top: "locs" }
layer { name: "confs" type: "Concat" bottom: "zero" bottom: "mean" bottom: "half" top: "confs" }
layer { name: "loc_last" type: "Permute" bottom: "locs" top: "loc_last" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "loc" type: "Flatten" bottom: "loc_last" top: "loc" }
layer { name: "conf_last" type: "Permute" bottom: "confs" top: "conf_last" permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "conf" type: "Flatten" bottom: "conf_last" top: "conf" }
layer { name: "priors" type: "PriorBox" bottom: "mean" bottom: "data" top: "priors" prior_box_param { min_size: 4 } }
layer { name: "out" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "out" detection_output_param { num_classes: 3 confidence_threshold: 0.1 } }`

// detectFolder has the net, an empty file of weights, labels, and images in img: the upper
// right quarter of a.png is white, b.png is black, the left half of c.jpg is white.
func detectFolder(t *testing.T) []string {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "net.prototxt", detectNet)
	weights, err := proto.Marshal(&caffepb.NetParameter{Name: proto.String("quarters")})
	if err != nil {
		t.Fatal(err)
	}
	write(t, "w.caffemodel", string(weights))
	write(t, "map.prototxt", `item { name: "bg" label: 0 } item { name: "q" label: 1 display_name: "bright quarter" }`)
	for name, white := range map[string]image.Rectangle{
		"a.png": image.Rect(200, 0, 400, 100), "b.png": {}, "c.jpg": image.Rect(0, 0, 200, 200),
	} {
		im := image.NewGray(image.Rect(0, 0, 400, 200))
		draw.Draw(im, white, image.White, image.Point{}, draw.Src)
		var b strings.Builder
		if err := png.Encode(&b, im); err != nil {
			t.Fatal(err)
		}
		write(t, "img-"+name, b.String()) // PNG under the name of JPEG is read by its content
	}
	return []string{"detect", "net.prototxt", "w.caffemodel", "img-a.png", "img-b.png", "img-c.jpg"}
}

// TestDetect compares the output in all formats with what the images have.
func TestDetect(t *testing.T) {
	args := detectFolder(t)
	stdout, stderr := mustRun(t, append(args, "--labels", "map.prototxt")...)
	const want = `img-a.png
  1.0000  bright quarter    200     0   400   100
  0.5000  2                 200     0   400   100
img-b.png  nothing found
img-c.jpg
  1.0000  bright quarter      0     0   200   100
  1.0000  bright quarter      0   100   200   200
  0.5000  2                   0     0   200   100
  0.5000  2                   0   100   200   200
`
	if stdout != want || strings.Contains(stderr, "warning") {
		t.Errorf("got\n%swant\n%s\n%s", stdout, want, stderr)
	}
	stdout, _ = mustRun(t, append(args, "--threshold", "0.6", "--format", "csv")...)
	const csv = `image,class,label,score,xmin,ymin,xmax,ymax
img-a.png,1,,1,200,0,400,100
img-c.jpg,1,,1,0,0,200,100
img-c.jpg,1,,1,0,100,200,200
`
	if stdout != csv {
		t.Errorf("got\n%swant\n%s", stdout, csv)
	}
	mustRun(t, append(args, "-o", "out.json", "--labels", "map.prototxt")...)
	var images []searched
	if err := json.Unmarshal([]byte(readFile(t, "out.json")), &images); err != nil || len(images) != 3 {
		t.Fatalf("%d images, error %v", len(images), err)
	}
	first := foundObject{Class: 1, Label: "bright quarter", Score: 1, XMin: 200, XMax: 400, YMax: 100}
	if images[0].Image != "img-a.png" || images[0].Width != 400 || images[0].Height != 200 || images[0].Objects[0] != first {
		t.Errorf("object %+v", images[0])
	}
	if images[1].Objects == nil || len(images[1].Objects) != 0 || len(images[2].Objects) != 4 {
		t.Errorf("objects %v and %v, want none and 4", images[1].Objects, images[2].Objects)
	}

	// The other class is a box of its own; a lower overlap changes nothing, as the boxes of
	// a class touch only.
	if lines, _ := mustRun(t, append(args, "--nms", "0.01", "--format", "csv", "--threshold", "0.6")...); lines != csv {
		t.Errorf("with --nms\n%s", lines)
	}
	// Images that cannot be read are named, the others go on.
	code, stdout, stderr := run(append(args, "absent.png", "--format", "csv", "--threshold", "0.6")...)
	if code != 1 || stdout != csv || !strings.Contains(stderr, "absent.png") || !strings.HasSuffix(stderr, "gocaffe: 1 of 4 images could not be read\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestDetectDraw looks at the pixels of the copies, which are twice as large.
func TestDetectDraw(t *testing.T) {
	args := detectFolder(t)
	if err := os.Mkdir("more", 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, "more/img-a.png", readFile(t, "img-b.png"))
	mustRun(t, append(args, "more", "--threshold", "0.6", "--draw", "out/drawn", "--labels", "map.prototxt")...)
	open := func(path, format string) image.Image {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		im, got, err := image.Decode(file)
		if err != nil || got != format || im.Bounds() != image.Rect(0, 0, 800, 400) {
			t.Fatalf("%s: error %v, format %s, bounds %v", path, err, got, im.Bounds())
		}
		return im
	}
	a, colour := open("out/drawn/img-a.png", "png"), classColour(1)
	for _, at := range [][2]int{{400, 100}, {401, 100}, {799, 100}, {600, 199}, {790, 0}} {
		if got := a.At(at[0], at[1]); got != colour {
			t.Errorf("pixel %v is %v, want %v, the edge of the box", at, got, colour)
		}
	}
	for at, want := range map[[2]int]color.RGBA{{399, 100}: {A: 255}, {402, 100}: {255, 255, 255, 255}, {600, 200}: {A: 255}, {600, 100}: {255, 255, 255, 255}} {
		if got := color.RGBAModel.Convert(a.At(at[0], at[1])); got != want {
			t.Errorf("pixel %v is %v, want %v", at, got, want)
		}
	}
	// The label is below the upper edge: "bright quarter 1.00" of 19 characters, 7 x 13 each.
	ink := 0
	for y := range 13 {
		for x := 400; x < 400+19*7+3; x++ {
			switch color.RGBAModel.Convert(a.At(x, y)) {
			case color.RGBA{A: 255}:
				ink++
			case colour:
			default:
				t.Fatalf("pixel %d, %d of the label is %v", x, y, a.At(x, y))
			}
		}
	}
	if ink < 200 || ink > 800 {
		t.Errorf("%d pixels of the label are black", ink)
	}
	if b := open("out/drawn/img-b.png", "png"); fmt.Sprint(b.At(0, 0)) != fmt.Sprint(color.RGBA{A: 255}) {
		t.Errorf("a pixel of an image without objects is %v", b.At(0, 0))
	}
	open("out/drawn/img-c.jpg", "jpeg")
	open("out/drawn/img-a-2.png", "png") // the other img-a.png
}

// TestDetectWidth has long labels.
func TestDetectWidth(t *testing.T) {
	args := detectFolder(t)
	write(t, "long.txt", strings.Repeat("cliff dwelling, ", 9)+"\nü\n")
	stdout, _ := mustRun(t, append(args, "--labels", "long.txt")...)
	for line := range strings.Lines(stdout) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestDetectRefuses(t *testing.T) {
	args := detectFolder(t)
	write(t, "few.txt", "a\n")
	write(t, "plain.prototxt", detectNet[:strings.Index(detectNet, `layer { name: "out"`)])
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--threshold", "1.5"}, "--threshold is 1.5, want 0 to 1"},
		{[]string{"--nms", "-1"}, "--nms is -1, want 0 to 1"},
		{[]string{"--format", "xml"}, `--format is "xml", want text, csv or json`},
		{[]string{"-o", "x.npy"}, "--output x.npy: want a name that ends in .csv or .json"},
		{[]string{"-o", "x.csv", "--format", "json"}, "--format is for standard output"},
		{[]string{"--labels", "few.txt"}, "few.txt: the file has 1 labels, the net 3 classes with the background"},
		{[]string{"--draw", "."}, "--draw .: the copy of img-a.png would replace img-a.png; want another folder"},
		{[]string{"--draw", "net.prototxt"}, "--draw: mkdir net.prototxt"},
		{[]string{"--short-side", "300"}, `net.prototxt: a size of the sides, and means and deviations of boxes, are for R-CNN's nets, which have an input "im_info"`},
		{[]string{"--detections", "fc7"}, `net.prototxt: the net has no blob "fc7"`},
	} {
		code, stdout, stderr := run(append(slices.Clone(args), tt.args...)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %s%s, want %s", tt.args, code, stdout, stderr, tt.want)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"detect", "net.prototxt", "w.caffemodel"}, "detect: there are no images: want files, folders, patterns, or --list FILE"},
		{[]string{"detect", "net.prototxt", "w.caffemodel", "no*.png"}, `no file matches "no*.png"`},
		{[]string{"detect", "plain.prototxt", "w.caffemodel", "img-a.png"}, "plain.prototxt: the net finds no boxes: want the top of a layer such as DetectionOutput"},
		{[]string{"detect", "net.prototxt"}, "detect: requires at least 2 arg(s), only received 1; usage: gocaffe detect MODEL WEIGHTS IMAGE..."},
		{[]string{"detect.py", "in.csv", "out.csv"}, "unknown command \"detect.py\", use `gocaffe detect`"},
	} {
		if code, _, stderr := run(tt.args...); code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %s, want %s", tt.args, code, stderr, tt.want)
		}
	}
}

// rcnnNet is a small net as those of Faster R-CNN are, with the weights of its fillers.
const rcnnNet = `name: "rcnn"
input: "data" input_shape { dim: 1 dim: 3 dim: 224 dim: 224 }
input: "im_info" input_shape { dim: 1 dim: 3 }
layer { name: "feat" type: "Convolution" bottom: "data" top: "feat" convolution_param { num_output: 8 kernel_size: 16 stride: 16 weight_filler { type: "gaussian" std: 0.003 } } }
layer { name: "rpn_cls_score" type: "Convolution" bottom: "feat" top: "rpn_cls_score" convolution_param { num_output: 18 kernel_size: 1 weight_filler { type: "msra" } } }
layer { name: "rpn_bbox_pred" type: "Convolution" bottom: "feat" top: "rpn_bbox_pred" convolution_param { num_output: 36 kernel_size: 1 weight_filler { type: "gaussian" std: 0.02 } } }
layer { name: "two" type: "Reshape" bottom: "rpn_cls_score" top: "two" reshape_param { shape { dim: 0 dim: 2 dim: -1 dim: 0 } } }
layer { name: "rpn_cls_prob" type: "Softmax" bottom: "two" top: "rpn_cls_prob" }
layer { name: "back" type: "Reshape" bottom: "rpn_cls_prob" top: "back" reshape_param { shape { dim: 0 dim: 18 dim: -1 dim: 0 } } }
layer { name: "proposal" type: "Python" bottom: "back" bottom: "rpn_bbox_pred" bottom: "im_info" top: "rois"
  python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "'feat_stride': 16" } }
layer { name: "pool" type: "ROIPooling" bottom: "feat" bottom: "rois" top: "pool" roi_pooling_param { pooled_w: 3 pooled_h: 3 spatial_scale: 0.0625 } }
layer { name: "cls_score" type: "InnerProduct" bottom: "pool" top: "cls_score" inner_product_param { num_output: 3 weight_filler { type: "msra" } } }
layer { name: "cls_prob" type: "Softmax" bottom: "cls_score" top: "cls_prob" }
layer { name: "bbox_pred" type: "InnerProduct" bottom: "pool" top: "bbox_pred" inner_product_param { num_output: 12 weight_filler { type: "gaussian" std: 0.02 } } }`

// TestDetectRegions checks what holds for any weights: boxes are in the image, those of a
// class do not overlap by more than 0.3, and what the deviations scale moves them.
func TestDetectRegions(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "rcnn.prototxt", rcnnNet)
	writePNG(t, "a.png", 160, 120, 3)
	mustRun(t, "weights", "--init", "rcnn.prototxt", "--seed", "2", "--to", "rcnn.caffemodel")
	find := func(more ...string) []foundObject {
		stdout, _ := mustRun(t, append([]string{"detect", "rcnn.prototxt", "rcnn.caffemodel", "a.png", "--format", "json", "--threshold", "0.1"}, more...)...)
		var images []searched
		if err := json.Unmarshal([]byte(stdout), &images); err != nil || len(images) != 1 {
			t.Fatalf("%d images, error %v", len(images), err)
		}
		return images[0].Objects
	}
	objects := find()
	classes := make(map[int]int)
	for i, o := range objects {
		classes[o.Class]++
		if !(o.XMin >= 0 && o.YMin >= 0 && o.XMax <= 159 && o.YMax <= 119 && o.XMin <= o.XMax && o.YMin <= o.YMax && o.Score >= 0.1) {
			t.Errorf("object %+v is not in the image", o)
		}
		for _, other := range objects[:i] {
			if other.Class == o.Class && boxes.Overlap(boxOf(o), boxOf(other), 1) > 0.3 {
				t.Errorf("objects %+v and %+v overlap", other, o)
			}
		}
	}
	if classes[0] > 0 || classes[1] == 0 || classes[2] == 0 {
		t.Errorf("%v objects of each class, want no background and some of the classes 1 and 2", classes)
	}
	if len(find("--nms", "0.7")) <= len(objects) {
		t.Errorf("with --nms 0.7 there are not more than %d objects", len(objects))
	}
	if other := find("--bbox-stds", "0.1,0.1,0.2,0.2"); slices.Equal(other, objects) {
		t.Error("--bbox-stds changes nothing")
	}
	if other := find("--short-side", "300", "--long-side", "500"); slices.Equal(other, objects) {
		t.Error("--short-side changes nothing")
	}
	code, _, stderr := run("detect", "rcnn.prototxt", "rcnn.caffemodel", "a.png", "--images-dim", "300,300")
	if code != 1 || !strings.Contains(stderr, "R-CNN's nets take the sizes of their sides") {
		t.Errorf("--images-dim: exit code %d, %s", code, stderr)
	}
}

func boxOf(o foundObject) boxes.Box {
	return boxes.Box{XMin: o.XMin, YMin: o.YMin, XMax: o.XMax, YMax: o.YMax}
}
