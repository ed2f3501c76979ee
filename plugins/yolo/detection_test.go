package yolo_test

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// prediction is a candidate in float64: a row of the top without the image's number.
type prediction struct{ label, score, xmin, ymin, xmax, ymax float64 }

func boxOf(class int, score, x, y, w, h float64) prediction {
	return prediction{float64(class + 1), score, x - w/2, y - h/2, x + w/2, y + h/2}
}

func overlap(a, b prediction) float64 {
	w := math.Min(a.xmax, b.xmax) - math.Max(a.xmin, b.xmin)
	h := math.Min(a.ymax, b.ymax) - math.Max(a.ymin, b.ymin)
	if w < 0 || h < 0 {
		return 0
	}
	return w * h / ((a.xmax-a.xmin)*(a.ymax-a.ymin) + (b.xmax-b.xmin)*(b.ymax-b.ymin) - w*h)
}

// rowsOf returns the rows of the top for the candidates of each image.
func rowsOf(images [][]prediction, threshold float64) (rows [][]float64) {
	for image, all := range images {
		sort.SliceStable(all, func(i, j int) bool { return all[i].score > all[j].score })
		var kept []prediction
		for _, p := range all {
			stays := true
			for _, k := range kept {
				stays = stays && overlap(p, k) < threshold
			}
			if stays {
				kept = append(kept, p)
				rows = append(rows, []float64{float64(image), p.label, p.score, p.xmin, p.ymin, p.xmax, p.ymax})
			}
		}
	}
	if len(rows) == 0 {
		for image := range images {
			rows = append(rows, []float64{float64(image), -1, -1, -1, -1, -1, -1})
		}
	}
	return rows
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// grid is a bottom of A boxes of n numbers in float64.
type grid struct {
	x          []float32
	a, n, h, w int
}

func gridOf(b *blob.Blob, a int) grid { return grid{b.Data(), a, b.Dim(1) / a, b.Dim(2), b.Dim(3)} }

func (g grid) at(image, box, number, row, column int) float64 {
	return float64(g.x[(((image*g.a+box)*g.n+number)*g.h+row)*g.w+column])
}

// each calls f for each box of an image.
func (g grid) each(f func(row, column, box int)) {
	for row := range g.h {
		for column := range g.w {
			for box := range g.a {
				f(row, column, box)
			}
		}
	}
}

var biases = []float64{1.5, 2, 3, 1, 2.5, 3.5, 4, 2, 1, 1.2, 6, 5}

func biasText() string {
	var s strings.Builder
	for _, b := range biases {
		fmt.Fprintf(&s, " biases: %g", b)
	}
	return s.String()
}

func compareRows(t *testing.T, got *blob.Blob, want [][]float64) {
	t.Helper()
	if got.Dim(2) != len(want) || got.Count() != 7*len(want) {
		t.Fatalf("the top has shape %v, want %d rows", got.Shape(), len(want))
	}
	for i, row := range want {
		for k, v := range row {
			if g := float64(got.Data()[7*i+k]); math.Abs(g-v) > 1e-5*(1+math.Abs(v)) {
				t.Fatalf("row %d is %v, want %v", i, got.Data()[7*i:7*i+7], row)
			}
		}
	}
}

// TestYoloDetections compares the top with one computed in float64 from the description.
func TestYoloDetections(t *testing.T) {
	bottoms := []*blob.Blob{layertest.Gaussian(1, 2, 3*9, 5, 5), layertest.Gaussian(2, 2, 3*9, 3, 3)}
	for _, test := range []struct {
		n                  int
		threshold, overlap float64
	}{{1, 0.01, 0.45}, {2, 0.2, 0.3}, {2, 0.35, 1.5}, {1, 0.999, 0.5}} {
		images := make([][]prediction, 2)
		for _, b := range bottoms[:test.n] {
			g := gridOf(b, 3)
			for image := range images {
				g.each(func(i, j, k int) {
					sum, best := 0.0, 0
					for c := range 4 {
						sum += math.Exp(g.at(image, k, 5+c, i, j))
						if g.at(image, k, 5+c, i, j) > g.at(image, k, 5+best, i, j) {
							best = c
						}
					}
					score := logistic(g.at(image, k, 4, i, j)) * math.Exp(g.at(image, k, 5+best, i, j)) / sum
					if score < test.threshold {
						return
					}
					s := float64(g.h)
					images[image] = append(images[image], boxOf(best, score,
						(float64(j)+logistic(g.at(image, k, 0, i, j)))/s, (float64(i)+logistic(g.at(image, k, 1, i, j)))/s,
						math.Exp(g.at(image, k, 2, i, j))*biases[2*k]/s, math.Exp(g.at(image, k, 3, i, j))*biases[2*k+1]/s))
				})
			}
		}
		text := layer("YoloDetectionOutput", test.n, fmt.Sprintf("yolo_detection_output_param { num_classes: 4 num_box: 3 confidence_threshold: %g nms_threshold: %g %s }",
			test.threshold, test.overlap, biasText()))
		f := layertest.New(t, text, bottoms[:test.n]...)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		compareRows(t, f.Top[0], rowsOf(images, test.overlap))
	}
	layertest.Checked(t, "YoloDetectionOutput", layertest.Reference)
}

// TestYolov3Detections compares the top with one computed in float64 from the
// description.
func TestYolov3Detections(t *testing.T) {
	const classes = 4
	mask, scale := []int{3, 4, 5, 0, 1, 2}, []float64{8, 4}
	for _, test := range []struct {
		bottoms            int
		threshold, overlap float64
		gaussian           bool
	}{{1, 0.01, 0.45, false}, {2, 0.3, 0.45, false}, {2, 0.4, 1.5, false}, {2, 0.2, 0.4, true}, {2, 0.999, 0.5, false}} {
		box := 4
		if test.gaussian {
			box = 8
		}
		bottoms := []*blob.Blob{layertest.Gaussian(3, 2, 3*(box+1+classes), 3, 4), layertest.Gaussian(4, 2, 3*(box+1+classes), 6, 5)}[:test.bottoms]
		images := make([][]prediction, 2)
		for at, b := range bottoms {
			g := gridOf(b, 3)
			for image := range images {
				g.each(func(i, j, k int) {
					x := func(n int) float64 { return g.at(image, k, n, i, j) }
					numbers, there := []float64{x(0), x(1), x(2), x(3)}, logistic(x(4))
					if test.gaussian {
						numbers = []float64{x(0), x(2), x(4), x(6)}
						u := (logistic(x(1)) + logistic(x(3)) + logistic(x(5)) + logistic(x(7))) / 4
						there = logistic(x(8)) * (1 - u)
					}
					a := mask[at*len(mask)/test.bottoms+k]
					for c := range classes {
						if score := there * logistic(x(box+1+c)); score > test.threshold {
							w, h := float64(g.w), float64(g.h)
							images[image] = append(images[image], boxOf(c, score,
								(float64(j)+logistic(numbers[0]))/w, (float64(i)+logistic(numbers[1]))/h,
								math.Exp(numbers[2])*biases[2*a]/(w*scale[at]), math.Exp(numbers[3])*biases[2*a+1]/(h*scale[at])))
						}
					}
				})
			}
		}
		text := layer("Yolov3DetectionOutput", test.bottoms, fmt.Sprintf(`yolov3_detection_output_param { num_classes: 4 confidence_threshold: %g nms_threshold: %g %s
			mask_group_num: %d anchors_scale: 8 anchors_scale: 4 mask: 3 mask: 4 mask: 5 mask: 0 mask: 1 mask: 2 gaussian_box: %v }`,
			test.threshold, test.overlap, biasText(), test.bottoms, test.gaussian))
		f := layertest.New(t, text, bottoms...)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		want := rowsOf(images, test.overlap)
		if len(want) < 2 {
			t.Fatalf("%d rows are too few for a test", len(want))
		}
		compareRows(t, f.Top[0], want)
	}
	layertest.Checked(t, "Yolov3DetectionOutput", layertest.Reference)
}

func TestDetectionErrors(t *testing.T) {
	good, flat := layertest.Gaussian(1, 2, 27, 5, 5), layertest.Gaussian(1, 2, 27, 5, 4)
	options := "num_classes: 4 num_box: 3" + biasText()
	v3 := options + " anchors_scale: 8 mask: 0 mask: 1 mask: 2 mask_group_num: 1 "
	for _, test := range []struct {
		want, typ, options string
		bottoms            []*blob.Blob
	}{
		{"num_box is 0, want 1 to 4096", "YoloDetectionOutput", "num_box: 0", []*blob.Blob{good}},
		{"num_classes is 0, want 1 to 1048576", "YoloDetectionOutput", "num_classes: 0", []*blob.Blob{good}},
		{"coords is 5, want 4", "YoloDetectionOutput", options + " coords: 5", []*blob.Blob{good}},
		{"there are 0 biases, want 10: width and height of 5 anchors", "YoloDetectionOutput", "", []*blob.Blob{good}},
		{"there are 1 biases, want pairs of width and height", "YoloDetectionOutput", "biases: 1", []*blob.Blob{good}},
		{"biases: number 1 is 0, want a positive number", "YoloDetectionOutput", "biases: 1 biases: 0", []*blob.Blob{good}},
		{"nms_threshold is 0, want a positive number", "YoloDetectionOutput", options + " nms_threshold: 0", []*blob.Blob{good}},
		{"confidence_threshold is NaN, want a number", "YoloDetectionOutput", options + " confidence_threshold: nan", []*blob.Blob{good}},
		{"bottom 0 has a grid of 5 x 4, want a square", "YoloDetectionOutput", options, []*blob.Blob{flat}},
		{"bottom 0 has shape [27], want 4 axes", "YoloDetectionOutput", options, []*blob.Blob{layertest.Gaussian(1, 27)}},
		{"bottom 0 has 24 channels, want 27: for each of 3 boxes 4 numbers, objectness and 4 classes", "YoloDetectionOutput", options,
			[]*blob.Blob{layertest.Gaussian(1, 2, 24, 5, 5)}},
		{"bottom 1 has 3 images and bottom 0 2", "YoloDetectionOutput", options, []*blob.Blob{good, layertest.Gaussian(1, 3, 27, 5, 5)}},
		{"mask_group_num is 2, and there are 1 bottoms", "Yolov3DetectionOutput", options, []*blob.Blob{good}},
		{"mask has 0 anchors, want num_box (3) for each of 1 bottoms", "Yolov3DetectionOutput", options + " mask_group_num: 1", []*blob.Blob{good}},
		{"there are 0 anchors_scale, want one for each of 1 bottoms", "Yolov3DetectionOutput", strings.Replace(v3, "anchors_scale: 8", "", 1), []*blob.Blob{good}},
		{"anchors_scale is 0, want 1 to 32767", "Yolov3DetectionOutput", strings.Replace(v3, "anchors_scale: 8", "anchors_scale: 0", 1), []*blob.Blob{good}},
		{"mask has anchor 6, and the biases are those of 6 anchors", "Yolov3DetectionOutput", v3 + "mask: 6", []*blob.Blob{good}},
	} {
		param := "yolo_detection_output_param"
		if test.typ != "YoloDetectionOutput" {
			param = "yolov3_detection_output_param"
		}
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, len(test.bottoms), param+" { "+test.options+" }"), test.bottoms...)
	}
}
