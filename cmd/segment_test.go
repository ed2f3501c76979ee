package gocaffecmd

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	_ "github.com/gocaffe/gocaffe/plugins/segmentation"
	"google.golang.org/protobuf/proto"
)

// scene draws a red rectangle and a green disc on grey, with noise, and the classes of the
// pixels: 0, 1 and 2, and 255 on the edge of the rectangle.
func scene(r *rand.Rand, h, w int) (im *image.NRGBA, labels *image.Gray) {
	im, labels = image.NewNRGBA(image.Rect(0, 0, w, h)), image.NewGray(image.Rect(0, 0, w, h))
	x0, y0 := r.IntN(w/2), r.IntN(h/2)
	x1, y1 := x0+w/4+r.IntN(w/4), y0+h/4+r.IntN(h/4)
	cx, cy, radius := r.IntN(w), r.IntN(h), 5+r.IntN(5)
	for y := range h {
		for x := range w {
			c, label := [3]int{110, 110, 110}, 0
			if x >= x0 && x < x1 && y >= y0 && y < y1 {
				c, label = [3]int{190, 80, 80}, 1
				if x == x0 || y == y0 || x == x1-1 || y == y1-1 {
					label = 255
				}
			}
			if (x-cx)*(x-cx)+(y-cy)*(y-cy) < radius*radius {
				c, label = [3]int{80, 170, 90}, 2
			}
			for k := range c {
				c[k] = max(0, min(c[k]+r.IntN(81)-40, 255))
			}
			im.SetNRGBA(x, y, color.NRGBA{byte(c[0]), byte(c[1]), byte(c[2]), 255})
			labels.SetGray(x, y, color.Gray{Y: byte(label)})
		}
	}
	return im, labels
}

func encodePNG(t *testing.T, path string, im image.Image) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, im); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return im
}

// littleSegNet is an encoder and a decoder with a pooling mask, for three classes.
const littleSegNet = `name: "little"
layer { name: "data" type: "DenseImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mean_value: 110 scale: 0.02 }
  dense_image_data_param { source: "train.txt" batch_size: 4 shuffle: true mirror: true crop_height: 32 crop_width: 40 } }
layer { name: "data" type: "DenseImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { mean_value: 110 scale: 0.02 }
  dense_image_data_param { source: "test.txt" batch_size: 4 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "bn1" type: "BN" bottom: "conv1" top: "conv1" bn_param { scale_filler { value: 1 } shift_filler { value: 0.001 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" top: "pool1_mask" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "up" type: "Upsample" bottom: "conv2" bottom: "pool1_mask" top: "up" upsample_param { scale: 2 } }
layer { name: "both" type: "Concat" bottom: "up" bottom: "conv1" top: "both" }
layer { name: "scores" type: "Convolution" bottom: "both" top: "scores" convolution_param { num_output: 3 kernel_size: 5 pad: 2 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 weight_by_label_freqs: true class_weighting: 0.6 class_weighting: 1.3 class_weighting: 1.6 } }
layer { name: "accuracy" type: "SegAccuracy" bottom: "scores" bottom: "label" top: "accuracy" include { phase: TEST } seg_accuracy_param { ignore_label: 255 } }
`

const littleInput = `layer { name: "data" type: "Input" top: "data" transform_param { mean_value: 110 scale: 0.02 } input_param { shape { dim: 1 dim: 3 dim: 36 dim: 48 } } }
`

// TestSegmentationNet trains a small SegNet on scenes, tests it and labels the pixels of
// images with it.
func TestSegmentationNet(t *testing.T) {
	t.Chdir(t.TempDir())
	r := rand.New(rand.NewPCG(1, 2))
	for _, set := range []string{"train", "test"} {
		var list strings.Builder
		for i := range map[string]int{"train": 40, "test": 8}[set] {
			im, labels := scene(r, 36, 48)
			name := fmt.Sprintf("%s%02d.png", set, i)
			encodePNG(t, name, im)
			encodePNG(t, "labels_"+name, labels)
			fmt.Fprintf(&list, "%s labels_%[1]s\n", name)
		}
		write(t, set+".txt", list.String())
	}
	write(t, "net.prototxt", littleSegNet)
	write(t, "solver.prototxt", `net: "net.prototxt" type: "Adam" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 random_seed: 3
		max_iter: 120 test_iter: 2 test_interval: 1000 snapshot_prefix: "little" snapshot: 60`)
	mustRun(t, "train", "--solver", "solver.prototxt")
	first, err := os.ReadFile("little_iter_120.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	// Resumed training sees the same images.
	mustRun(t, "train", "--solver", "solver.prototxt", "--snapshot", "little_iter_60.solverstate")
	if again, err := os.ReadFile("little_iter_120.caffemodel"); err != nil || !slices.Equal(again, first) {
		t.Errorf("the weights of resumed training differ, error %v", err)
	}
	stdout, stderr := mustRun(t, "test", "--model", "net.prototxt", "--weights", "little_iter_120.caffemodel", "--iterations", "2", "--logtostderr")
	measured := regexp.MustCompile(`accuracy = ([\d.]+)`).FindAllStringSubmatch(stdout+stderr, -1)
	for i, m := range measured[max(0, len(measured)-3):] {
		if v, err := strconv.ParseFloat(m[1], 64); err != nil || v < 0.9 || v > 1 {
			t.Errorf("measure %d is %s, want 0.9 at least", i, m[1])
		}
	}
	if len(measured) < 3 {
		t.Errorf("no measures of SegAccuracy in\n%s%s", stdout, stderr)
	}
	write(t, "inference.prototxt", littleInput+littleSegNet[strings.Index(littleSegNet, `layer { name: "conv1"`):strings.Index(littleSegNet, `layer { name: "loss"`)])
	mustRun(t, "segment", "inference.prototxt", "little_iter_120.caffemodel", "test0*.png", "--palette", "grey", "--masks", "masks", "--overlay", "overlays")
	same, counted := 0, 0
	for i := range 8 {
		name := fmt.Sprintf("test%02d.png", i)
		got, want := grey(t, "masks/"+name), grey(t, "labels_"+name)
		if got.Rect != want.Rect {
			t.Fatalf("%s has the size %v, want %v", name, got.Rect, want.Rect)
		}
		for at, label := range want.Pix {
			if label == 255 {
				continue
			}
			counted++
			if got.Pix[at] == label {
				same++
			}
		}
	}
	if share := float64(same) / float64(counted); !(share > 0.95) {
		t.Errorf("%.3f of the pixels have their class, want more than 0.95", share)
	}
}

// TestDeploySegmentation deploys a net of layers that stock Caffe knows, but for its data and
// its measures.
func TestDeploySegmentation(t *testing.T) {
	t.Chdir(t.TempDir())
	im, labels := scene(rand.New(rand.NewPCG(1, 2)), 24, 30)
	encodePNG(t, "a.png", im)
	encodePNG(t, "labels.png", labels)
	write(t, "list.txt", "a.png labels.png\n")
	for _, data := range []string{
		`layer { name: "data" type: "DenseImageData" top: "data" top: "label" transform_param { mean_value: 110 } dense_image_data_param { source: "list.txt" batch_size: 1 } }`,
		`layer { name: "data" type: "ImageSegData" top: "data" top: "label" transform_param { mean_value: 110 } image_data_param { source: "list.txt" label_type: PIXEL } }`,
	} {
		write(t, "net.prototxt", data+`
layer { name: "scores" type: "Convolution" bottom: "data" top: "scores" convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "msra" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" loss_param { ignore_label: 255 } }
layer { name: "accuracy" type: "SegAccuracy" bottom: "scores" bottom: "label" top: "accuracy" include { phase: TEST } seg_accuracy_param { ignore_label: 255 } }`)
		mustRun(t, "weights", "--init", "net.prototxt", "--to", "w.caffemodel", "--force")
		stdout, _ := mustRun(t, "deploy", "--model", "net.prototxt", "--weights", "w.caffemodel", "-o", "deployed", "--force")
		if !strings.Contains(stdout, "input data: 1 x 3 x 24 x 30") || !strings.Contains(stdout, "output prob") || !strings.Contains(stdout, "accuracy (SegAccuracy)") {
			t.Errorf("deploy:\n%s", stdout)
		}
		stdout, _ = mustRun(t, "segment", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "a.png", "--masks", "masks")
		if got := readPNG(t, "masks/a.png").Bounds(); got != im.Rect || !strings.Contains(stdout, "%") {
			t.Errorf("a label image of %v, want %v\n%s", got, im.Rect, stdout)
		}
	}
}

func grey(t *testing.T, path string) *image.Gray {
	t.Helper()
	im, ok := readPNG(t, path).(*image.Gray)
	if !ok {
		t.Fatalf("%s is no grey image", path)
	}
	return im
}

// segmentFolder has a net whose scores of three classes are blue, green and red, one that has
// their labels, weights, and images: a.png is red on the left, where its upper half is also
// somewhat blue, and green on the right; b.jpg is blue.
func segmentFolder(t *testing.T) []string {
	t.Helper()
	t.Chdir(t.TempDir())
	const input = `layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 6 } } } `
	write(t, "net.prototxt", input+`layer { name: "scores" type: "Power" bottom: "data" top: "scores" }`)
	write(t, "labels.prototxt", input+`layer { name: "labels" type: "ArgMax" bottom: "data" top: "labels" argmax_param { axis: 1 } }`)
	weights, err := proto.Marshal(&caffepb.NetParameter{Name: proto.String("channels")})
	if err != nil {
		t.Fatal(err)
	}
	write(t, "w.caffemodel", string(weights))
	a, b := image.NewNRGBA(image.Rect(0, 0, 60, 40)), image.NewNRGBA(image.Rect(0, 0, 30, 20))
	for y := range 40 {
		for x := range 60 {
			c := color.NRGBA{R: 200, A: 255}
			if y < 20 {
				c.B = 100
			}
			if x >= 30 {
				c = color.NRGBA{G: 180, A: 255}
			}
			a.SetNRGBA(x, y, c)
			b.SetNRGBA(x, y, color.NRGBA{B: 90, A: 255})
		}
	}
	encodePNG(t, "a.png", a)
	encodePNG(t, "b.jpg", b) // read by its content
	return []string{"segment", "net.prototxt", "w.caffemodel", "a.png", "b.jpg"}
}

// TestSegment compares the output in all formats with what the images have.
func TestSegment(t *testing.T) {
	args := segmentFolder(t)
	write(t, "names.txt", "blue\ngreen\nred\n")
	for _, net := range []string{"net.prototxt", "labels.prototxt"} {
		args[1] = net
		stdout, stderr := mustRun(t, append(args, "--labels", "names.txt", "--batch", "2")...)
		const want = `a.png
   50.00 %    1  green
   50.00 %    2  red
b.jpg
  100.00 %    0  blue
`
		if stdout != want || strings.Contains(stderr, "warning") {
			t.Errorf("%s: got\n%swant\n%s\n%s", net, stdout, want, stderr)
		}
	}
	args[1] = "net.prototxt"
	stdout, _ := mustRun(t, append(args, "--format", "csv", "--palette", "camvid")...)
	if want := "image,class,label,pixels,share\na.png,1,building,1200,0.5\na.png,2,pole,1200,0.5\nb.jpg,0,sky,600,1\n"; stdout != want {
		t.Errorf("csv: got\n%swant\n%s", stdout, want)
	}
	mustRun(t, append(args, "-o", "out.json", "--masks", "masks", "--overlay", "drawn")...)
	text, err := os.ReadFile("out.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []segmented
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) != 2 {
		t.Fatalf("%v in\n%s", err, text)
	}
	a := rows[0]
	if a.Image != "a.png" || a.Width != 60 || a.Height != 40 || a.Mask != filepath.Join("masks", "a.png") ||
		!slices.Equal(a.Classes, []classShare{{1, "", 1200, 0.5}, {2, "", 1200, 0.5}}) {
		t.Errorf("json: %+v", a)
	}
	mask, ok := readPNG(t, "masks/a.png").(*image.Paletted)
	if !ok || mask.Rect != image.Rect(0, 0, 60, 40) {
		t.Fatalf("the mask is %T of %v", mask, mask.Bounds())
	}
	for at, class := range mask.Pix {
		if want := byte(2 - at%60/30); class != want {
			t.Fatalf("pixel %d has the class %d, want %d", at, class, want)
		}
	}
	if got := color.NRGBAModel.Convert(mask.Palette[2]); got != (color.NRGBA{G: 128, A: 255}) {
		t.Errorf("class 2 has the colour %v, want VOC's green", got)
	}
	// Half red 200, half VOC's green 128; and the class of black stays clear.
	if got := color.NRGBAModel.Convert(readPNG(t, "drawn/a.png").At(5, 30)); got != (color.NRGBA{R: 100, G: 64, A: 255}) {
		t.Errorf("a pixel under its class has the colour %v", got)
	}
	if _, err := os.Stat("masks/b.png"); err != nil {
		t.Error(err)
	}
	file, err := os.Open("drawn/b.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if im, err := jpeg.Decode(file); err != nil {
		t.Error(err)
	} else if _, _, blue, _ := im.At(9, 9).RGBA(); blue>>8 < 80 || blue>>8 > 100 { // 90 before
		t.Errorf("a pixel of VOC's black class has blue %d", blue>>8)
	}
	// Another size of the input, and images of a folder that cannot be read.
	if err := os.Mkdir("img", 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, "img/bad.png", "no image")
	code, stdout, stderr := run("segment", "net.prototxt", "w.caffemodel", "img", "b.jpg", "--images-dim", "10,20")
	if code != 1 || stdout != "b.jpg\n  100.00 %    0\n" || !strings.Contains(stderr, "img/bad.png") || !strings.Contains(stderr, "1 of 2 images could not be read") {
		t.Errorf("code %d\n%s\n%s", code, stdout, stderr)
	}
}

// TestPaletteFile reads palettes in all forms.
func TestPaletteFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "lines.txt", "# colours\n\n1 2 3 first class\n#0a0B0c\n 255, 0,0,  red \r\n")
	paletted := image.NewPaletted(image.Rect(0, 0, 2, 2), color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{10, 11, 12, 255}, color.NRGBA{255, 0, 0, 255}})
	encodePNG(t, "paletted.png", paletted)
	row := image.NewNRGBA(image.Rect(0, 0, 3, 1))
	for i, c := range paletted.Palette {
		row.Set(i, 0, c)
	}
	encodePNG(t, "row.png", row)
	want := []color.RGBA{{1, 2, 3, 255}, {10, 11, 12, 255}, {255, 0, 0, 255}}
	for name, names := range map[string][]string{"lines.txt": {"first class", "", "red"}, "paletted.png": nil, "row.png": nil} {
		p, err := readPalette(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(p.colors, want) || !slices.Equal(p.names, names) {
			t.Errorf("%s: %v, %q", name, p.colors, p.names)
		}
	}
	for name, want := range map[string]struct {
		n    int
		last string
	}{"voc": {256, ""}, "cityscapes": {19, "bicycle"}, "camvid": {11, "bicyclist"}, "camvid12": {12, "bicyclist"}, "grey": {256, ""}} {
		p, err := readPalette(t.Context(), name)
		if err != nil || len(p.colors) != want.n || want.last != "" && p.names[want.n-1] != want.last || p.grey != (name == "grey") {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	// As VOC's development kit has them.
	for class, want := range map[int]color.RGBA{1: {128, 0, 0, 255}, 2: {0, 128, 0, 255}, 7: {128, 128, 128, 255}, 15: {192, 128, 128, 255}, 20: {0, 64, 128, 255}, 255: {224, 224, 192, 255}} {
		if got := vocColors()[class]; got != want {
			t.Errorf("class %d of VOC has the colour %v, want %v", class, got, want)
		}
	}
	encodePNG(t, "square.png", image.NewNRGBA(image.Rect(0, 0, 2, 2)))
	for text, want := range map[string]string{
		"1 2\n":                        `line 1: got "1 2", want "R G B name" or "#RRGGBB name"`,
		"\n1 2 300":                    "line 2: 300, want 0 to 255",
		"":                             "the file has 0 colours, want 1 to 256",
		strings.Repeat("1 2 3\n", 257): "the file has 257 colours, want 1 to 256",
	} {
		write(t, "bad.txt", text)
		if _, err := readPalette(t.Context(), "bad.txt"); err == nil || err.Error() != "--palette bad.txt: "+want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
	for name, want := range map[string]string{
		"square.png": "--palette square.png: the image is 2 x 2 (height x width), want one with a palette, or with one row or one column",
		"VOC":        `--palette is "VOC", want voc, cityscapes, camvid, camvid12, grey or a file: `,
	} {
		if _, err := readPalette(t.Context(), name); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestSegmentErrors(t *testing.T) {
	args := segmentFolder(t)
	write(t, "two.txt", "0 0 0\n1 1 1\n")
	for want, more := range map[string][]string{
		"--opacity is 2, want 0 to 1":                                           {"--opacity", "2"},
		"--masks and --overlay are one folder":                                  {"--masks", "x", "--overlay", "./x"},
		`--format is "caffe", want text, csv or json`:                           {"--format", "caffe"},
		"--output x.npy: want a name that ends in .csv or .json":                {"-o", "x.npy"},
		"--format is for standard output":                                       {"-o", "x.csv", "--format", "csv"},
		"--palette two.txt has 2 colours, the net 3 classes":                    {"--palette", "two.txt"},
		"two.txt: the file has 2 labels, the net 3 classes":                     {"--labels", "two.txt"},
		"--masks .: the copy of a.png would replace a.png; want another folder": {"--masks", "."},
		`net.prototxt: the net has no blob "x"; its blobs are data, scores`:     {"--scores", "x"},
		`--images-dim is "5", want height and width`:                            {"--images-dim", "5"},
		"--batch is -1, want a positive number":                                 {"--batch", "-1"},
	} {
		code, _, stderr := run(append(slices.Clone(args), more...)...)
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%q: code %d\n%s\nwant %s", more, code, stderr, want)
		}
	}
}
