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

func evalLayer(options string) string {
	text := `layer { name: "l" type: "EvalDetection" bottom: "x0" bottom: "x1" top: "y"` + "\n" +
		`eval_detection_param { side: 3 num_class: 4 num_object: 2 ` + options
	for _, b := range biases[:4] {
		text += fmt.Sprintf(" biases: %g", b)
	}
	return text + " } }"
}

// objectsOf returns n objects of two images, near the middle of the cells, and rows that
// do not count.
func objectsOf(n int) *blob.Blob {
	var rows []float32
	for i := range n {
		x, y := float32(i%3)/3+0.05, float32(i/3%3)/3+0.1
		rows = append(rows, float32(i%2), float32(1+i%3), 0, x, y, x+0.3+0.05*float32(i%4), y+0.35, 0)
	}
	rows = append(rows, -1, -1, -1, -1, -1, -1, -1, -1, 2, 1, 0, 0, 0, 1, 1, 0)
	return layertest.Values(rows, 1, 1, len(rows)/8, 8)
}

// TestEvalDetection compares with the description, in float64.
func TestEvalDetection(t *testing.T) {
	layertest.Checked(t, "EvalDetection", layertest.Reference)
	right, wrong, neither := 0, 0, 0
	for _, scoreType := range []string{"OBJ", "PROB", "MULTIPLY"} {
		x := layertest.Gaussian(3, 2, 2*9, 3, 3)
		for i, v := range x.MutableData() {
			if i/9%9 == 2 || i/9%9 == 3 {
				x.MutableData()[i] = v/3 - 0.9 // boxes of the size of the objects
			}
			if i/9%9 == 4 && i%2 == 0 {
				x.MutableData()[i] = v - 6 // scores on both sides of 0.005
			}
		}
		objects := objectsOf(18)
		f := layertest.New(t, evalLayer("threshold: 0.1 nms: 0.4 score_type: "+scoreType), x, objects)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		g := gridOf(x, 2)
		size := 4 + 4*2*9
		for image := range 2 {
			want := make([]float64, size)
			byClass := map[int][]prediction{}
			found := map[int][]bool{}
			for r := range objects.Count() / 8 {
				if o := objects.Data()[r*8:]; int(o[0]) == image {
					class := int(o[1]) - 1
					want[class]++
					byClass[class] = append(byClass[class], prediction{0, 0, float64(o[3]), float64(o[4]), float64(o[5]), float64(o[6])})
					found[class] = append(found[class], false)
				}
			}
			var all []prediction
			g.each(func(row, column, box int) {
				at := func(n int) float64 { return g.at(image, box, n, row, column) }
				class, sum := 0, 0.
				for c := range 4 {
					if at(5+c) > at(5+class) {
						class = c
					}
					sum += math.Exp(at(5 + c))
				}
				score := logistic(at(4))
				switch share := math.Exp(at(5+class)) / sum; scoreType {
				case "PROB":
					score = share
				case "MULTIPLY":
					score *= share
				}
				all = append(all, boxOf(class, score, (float64(column)+logistic(at(0)))/3, (float64(row)+logistic(at(1)))/3,
					math.Exp(at(2))*biases[2*box]/3, math.Exp(at(3))*biases[2*box+1]/3))
			})
			var kept []prediction
			for _, row := range rowsOf([][]prediction{all}, 0.4) {
				if row[2] >= 0.005 {
					kept = append(kept, prediction{row[1], row[2], row[3], row[4], row[5], row[6]})
				}
			}
			sort.SliceStable(kept, func(i, j int) bool { return kept[i].label < kept[j].label })
			for i, p := range kept {
				class := int(p.label) - 1
				out := want[4+4*i:]
				out[0], out[1] = float64(class), p.score
				best, which := 0., -1
				for k, o := range byClass[class] {
					if v := overlap(p, o); which < 0 || v > best {
						best, which = v, k
					}
				}
				switch {
				case which < 0, best >= 0.1 && found[class][which]:
					out[3] = 1
					wrong++
				case best >= 0.1:
					out[2], found[class][which] = 1, true
					right++
				default:
					neither++
				}
			}
			for i, got := range f.Top[0].Data()[image*size:][:size] {
				if math.Abs(float64(got)-want[i]) > 1e-5 {
					t.Fatalf("%s, image %d: number %d is %g, want %g", scoreType, image, i, got, want[i])
				}
			}
		}
	}
	if min(right, wrong, neither) < 3 {
		t.Errorf("%d detections are right, %d wrong, %d neither: want some of each", right, wrong, neither)
	}
}

func TestEvalDetectionPromises(t *testing.T) {
	text, x := evalLayer("nms: 0.45"), layertest.Gaussian(1, 5, 18, 3, 3)
	layertest.CheckThreads(t, text, x, objectsOf(9))
	layertest.CheckAllocs(t, text, x, objectsOf(9))
}

func TestEvalDetectionErrors(t *testing.T) {
	x := layertest.Gaussian(1, 2, 18, 3, 3)
	for _, c := range []struct {
		line          int
		options, want string
		x, objects    *blob.Blob
	}{
		{2, "", "nms is -1, want a positive number", x, objectsOf(1)},
		{2, "nms: 0.4 biases: 1", "there are 5 biases, want pairs of width and height", x, objectsOf(1)},
		{1, "nms: 0.4", "bottom 0 has a grid of 4 x 4, want 3 x 3: side", layertest.Gaussian(1, 2, 18, 4, 4), objectsOf(1)},
		{1, "nms: 0.4", "bottom 1 has shape [3 3], want rows of 8 numbers", x, layertest.Gaussian(1, 3, 3)},
	} {
		layertest.CheckError(t, c.line, `layer "l": `+c.want, evalLayer(c.options), c.x, c.objects)
	}
	for want, row := range map[string][]float32{
		"an object is of image 3, there are 2":          {3, 1, 0, 0, 0, 1, 1, 0},
		"an object of image 0 has class 5, want 1 to 4": {0, 5, 0, 0, 0, 1, 1, 0},
		"an object of image 1 has class 0, want 1 to 4": {1, 0, 0, 0, 0, 1, 1, 0},
		"an object is of image -2, there are 2":         {-2, 1, 0, 0, 0, 1, 1, 0},
	} {
		f := layertest.New(t, evalLayer("nms: 0.4"), x, layertest.Values(row, 1, 1, 1, 8))
		if err := f.Forward(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
