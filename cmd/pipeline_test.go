package gocaffecmd

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shapesNet is a small net for images of shapes.
const shapesNet = `name: "shapes"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mean_file: "mean.binaryproto" crop_size: 20 mirror: true scale: 0.0078125 }
  data_param { source: "train_lmdb" batch_size: 24 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { mean_file: "mean.binaryproto" crop_size: 20 scale: 0.0078125 }
  data_param { source: "test_lmdb" batch_size: 20 backend: LMDB } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 12 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 4 stride: 4 } }
layer { name: "features" type: "InnerProduct" bottom: "pool1" top: "features" inner_product_param { num_output: 16 weight_filler { type: "xavier" } } }
layer { name: "relu2" type: "ReLU" bottom: "features" top: "features" }
layer { name: "scores" type: "InnerProduct" bottom: "features" top: "scores" inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "scores" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "scores" bottom: "label" top: "loss" }`

// drawShape draws a disc, a square or a cross of random brightness, size and place, with
// noise.
func drawShape(kind int, r *rand.Rand) *image.NRGBA {
	const size = 24
	im := image.NewNRGBA(image.Rect(0, 0, size, size))
	back, front := byte(r.IntN(100)), byte(155+r.IntN(100))
	radius, cx, cy := 5+r.Float64()*3, 10+r.Float64()*4, 10+r.Float64()*4
	for y := range size {
		for x := range size {
			dx, dy := math.Abs(float64(x)-cx), math.Abs(float64(y)-cy)
			inside := dx*dx+dy*dy < radius*radius
			switch kind {
			case 1:
				inside = max(dx, dy) < radius
			case 2:
				inside = min(dx, dy) < 2 && max(dx, dy) < radius
			}
			v := float64(back)
			if inside {
				v = float64(front)
			}
			v = min(255, max(0, v+10*r.NormFloat64()))
			im.SetNRGBA(x, y, color.NRGBA{R: byte(v), G: byte(v * 0.8), B: byte(v * 0.6), A: 255})
		}
	}
	return im
}

// TestPipeline takes a folder of 300 images through everything that one does with
// images: databases, mean, training, its log as tables and pictures, a deployed net,
// classification, features.
func TestPipeline(t *testing.T) {
	t.Chdir(t.TempDir())
	classes := []string{"disc", "square", "cross"}
	const images, tests = 300, 60
	r := rand.New(rand.NewPCG(1, 1))
	var lists [2]strings.Builder
	var sums [3]float64 // of blue, green and red of the images of training
	truth := make(map[string]int)
	for i := range images {
		kind := i % 3
		im := drawShape(kind, r)
		path := fmt.Sprintf("%s/image %03d.png", classes[kind], i)
		var b bytes.Buffer
		if err := png.Encode(&b, im); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join("photos", classes[kind]), 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join("photos", path), b.String())
		truth[path] = kind
		part := 0
		if i >= images-tests {
			part = 1
		} else {
			for k, v := range im.Pix {
				if k%4 < 3 {
					sums[2-k%4] += float64(v)
				}
			}
		}
		fmt.Fprintf(&lists[part], "%s %d\n", path, kind)
	}
	write(t, "train.txt", lists[0].String())
	write(t, "test.txt", lists[1].String())
	write(t, "net.prototxt", shapesNet)
	write(t, "labels.txt", strings.Join(classes, "\r\n"))
	write(t, "solver.prototxt", `net: "net.prototxt" test_iter: 3 test_interval: 50 base_lr: 0.02 momentum: 0.9 weight_decay: 0.001
lr_policy: "step" gamma: 0.2 stepsize: 150 display: 10 max_iter: 200 snapshot_prefix: "shapes" random_seed: 1`)

	mustRun(t, "convert", "imageset", "--shuffle", "photos", "train.txt", "train_lmdb")
	mustRun(t, "convert", "imageset", "photos", "test.txt", "test_lmdb")
	means, _ := mustRun(t, "compute-mean", "train_lmdb", "mean.binaryproto")
	for c, sum := range sums {
		_, text, _ := strings.Cut(means, fmt.Sprintf("mean_value channel [%d]: ", c))
		text, _, _ = strings.Cut(text, "\n")
		if want := sum / (images - tests) / (24 * 24); math.Abs(atof(t, text)-want) > 1e-3 {
			t.Errorf("the mean of channel %d is %s, want %g", c, text, want)
		}
	}
	_, log := mustRun(t, "train", "--solver", "solver.prototxt")
	write(t, "train.log", log)

	mustRun(t, "parse-log", "train.log", ".")
	rows, results := readCSV(t, "train.log.train"), readCSV(t, "train.log.test")
	if len(rows) != 1+20 || len(results) != 1+5 {
		t.Errorf("%d rows of training and %d of tests, want 21 and 6 with the headers", len(rows), len(results))
	}
	column := slices.Index(results[0], "accuracy")
	if column < 0 {
		t.Fatalf("the table of tests has the columns %v", results[0])
	}
	last := atof(t, results[len(results)-1][column])
	if last < 0.9 {
		t.Errorf("the accuracy is %g, want 0.9", last)
	}
	mustRun(t, "plot", "train.log", "--output", "train.svg")
	mustRun(t, "plot", "train.log", "--output", "train.png")
	if svg := readFile(t, "train.svg"); !strings.Contains(svg, "<svg") || !strings.Contains(svg, "accuracy") {
		t.Error("train.svg has no curve of the accuracy")
	}
	if _, err := png.Decode(strings.NewReader(readFile(t, "train.png"))); err != nil {
		t.Error(err)
	}
	screen, _ := mustRun(t, "plot", "train.log")
	for line := range strings.Lines(screen) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("plot prints %d columns: %s", n, line)
		}
	}

	const weights = "shapes_iter_200.caffemodel"
	mustRun(t, "deploy", "--model", "net.prototxt", "--weights", weights, "-o", "deployed")
	mustRun(t, "test", "--model", "net.prototxt", "--weights", weights, "--iterations", "all", "--predictions", "want.csv")
	want := readCSV(t, "want.csv")[1:]
	mustRun(t, "classify", "deployed/deploy.prototxt", "deployed/deploy.caffemodel", "--list", "test.txt", "--root", "photos",
		"--labels", "labels.txt", "--top-k", "1", "--batch", "7", "-o", "classes.csv")
	found := readCSV(t, "classes.csv")[1:]
	if len(found) != tests || len(want) != tests {
		t.Fatalf("%d images are classified, %d tested, want %d", len(found), len(want), tests)
	}
	right := 0
	for i, row := range found {
		path := strings.TrimPrefix(filepath.ToSlash(row[0]), "photos/")
		class, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		if class == truth[path] {
			right++
		}
		if want[i][0] != fmt.Sprintf("%08d_%s", i, path) || want[i][2] != row[2] || row[3] != classes[class] || math.Abs(atof(t, want[i][3])-atof(t, row[4])) > 1e-5 {
			t.Errorf("%s: classify says %v, test %v", path, row, want[i])
		}
	}
	if accuracy := float64(right) / tests; math.Abs(accuracy-last) > 1e-6 {
		t.Errorf("classify is right on %g of the images, the training's test on %g", accuracy, last)
	}

	mustRun(t, "extract-features", "--model", "net.prototxt", "--weights", weights, "--blobs", "features,label", "--output", "features.npy,label.npy")
	features, label := readArray(t, "features.npy"), readArray(t, "label.npy")
	if !slices.Equal(features.Shape, []int{tests, 16}) || !slices.Equal(label.Shape, []int{tests}) {
		t.Fatalf("features of shape %v, labels of shape %v", features.Shape, label.Shape)
	}
	near := 0 // whose nearest other features are of the same class
	for i := range tests {
		best, least := -1, math.Inf(1)
		for k := range tests {
			distance := 0.0
			for j := range 16 {
				d := float64(features.Data[16*i+j] - features.Data[16*k+j])
				distance += d * d
			}
			if k != i && distance < least {
				best, least = k, distance
			}
		}
		if label.Data[best] == label.Data[i] {
			near++
		}
	}
	if near < tests*9/10 {
		t.Errorf("the nearest features of %d of %d images are of the same class", near, tests)
	}
}
