package cascade_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/meanap"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// windowFile writes images of those heights and widths, each black with white objects,
// and a window file with the objects and, at the end, a region that is ignored. It
// returns the file's name.
func windowFile(t testing.TB, sizes [][2]int) string {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	for i, size := range sizes {
		h, w := size[0], size[1]
		im := image.NewGray(image.Rect(0, 0, w, h))
		fmt.Fprintf(&text, "# %d\n%d.png\n3 %d %d\n2\n", i, i, h, w)
		for k := range 2 {
			x, y := w/8+k*w/2, h/6+k*h/2
			for v := y; v < y+h/4; v++ {
				for u := x; u < x+w/4; u++ {
					im.SetGray(u, v, color.Gray{255})
				}
			}
			fmt.Fprintf(&text, "%d %d %d %d %d %d %d\n", 1+(i+k)%3, k, (i+k)%2, x, y, x+w/4-1, y+h/4-1)
		}
		fmt.Fprintf(&text, "1\n0 %d %d %d\n", h-h/6, w/8, h-1)
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i, ".png")))
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
	name := filepath.Join(dir, "windows.txt")
	if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func evalData(file, options, transform string) string {
	return fmt.Sprintf("layer { name: \"l\" type: \"EvalData\" top: \"data\" top: \"boxes\" top: \"sizes\"\neval_data_param { source: %q root_folder: \"%s/\" batch_size: 1 %s }\ntransform_param { %s } }",
		file, filepath.Dir(file), options, transform)
}

// TestEvalData checks sizes and boxes of images in turn, and that objects are where the
// boxes say.
func TestEvalData(t *testing.T) {
	layertest.Checked(t, "EvalData", layertest.Reference)
	file := windowFile(t, [][2]int{{96, 128}, {200, 120}, {64, 320}})
	for _, test := range []struct {
		options string
		want    [][2]int
	}{
		{"", [][2]int{{96, 128}, {192, 128}, {64, 320}}},
		{"short_size: 64 long_size: 160", [][2]int{{64, 96}, {96, 64}, {64, 160}}}, // 64 x 85.3, 106.7 x 64, 64 x 320
		{"resize_height: 80 resize_width: 161", [][2]int{{96, 160}, {96, 160}, {96, 160}}},
	} {
		f := layertest.New(t, evalData(file, test.options, "mean_value: 10 mean_value: 20 mean_value: 30 scale: 0.5"))
		for pass := range 5 {
			f.Spec.Env.Pass = int64(pass)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			h, w := test.want[pass%3][0], test.want[pass%3][1]
			if got, want := fmt.Sprint(f.Top[0].Shape(), f.Top[1].Shape(), f.Top[2].Shape()), fmt.Sprint([]int{1, 3, h, w}, []int{2, 8, 1, 1}, []int{1, 2, 1, 1}); got != want {
				t.Fatalf("%s: pass %d: shapes %s, want %s", test.options, pass, got, want)
			}
			if got := f.Top[2].Data(); got[0] != float32(h) || got[1] != float32(w) {
				t.Errorf("%s: sizes %v", test.options, got)
			}
			for k := range 2 {
				row := f.Top[1].Data()[8*k:][:8]
				if row[0] != 0 || row[5] != float32(1+(pass%3+k)%3) || row[6] != float32(k) || row[7] != float32((pass%3+k)%2) {
					t.Errorf("%s: row %v", test.options, row)
				}
				for c, mean := range []float32{10, 20, 30} {
					plane := f.Top[0].Data()[c*h*w:][:h*w]
					inside := plane[int(row[2]+row[4])/2*w+int(row[1]+row[3])/2]
					if outside := plane[int(row[2]+row[4])/2*w+int(row[1])-3]; inside != (255-mean)*0.5 || outside != -mean*0.5 {
						t.Errorf("%s: channel %d is %v inside and %v outside of %v", test.options, c, inside, outside, row)
					}
				}
			}
		}
		f.Close()
	}
}

func TestEvalDataDevice(t *testing.T) {
	layertest.Checked(t, "EvalData", layertest.Device)
	layertest.CheckData(t, cudatest.Device(t), evalData(windowFile(t, [][2]int{{96, 128}, {200, 120}, {64, 320}}), "short_size: 64 long_size: 160", ""))
}

func TestWindowErrors(t *testing.T) {
	file := windowFile(t, [][2]int{{96, 128}})
	for _, test := range []struct{ want, options, transform string }{
		{"resize_height is 0 and resize_width 3, want both or none", "resize_width: 3", ""},
		{"short_size is 3 and long_size 0, want both or none", "short_size: 3", ""},
		{"mirror is not used by EvalData: leave it out", "", "mirror: true"},
		{"there are 2 mean_value, want 1 or 3", "", "mean_value: 1 mean_value: 2"},
	} {
		if _, err := layertest.SetUp(new(layers.Env), evalData(file, test.options, test.transform)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %s", err, test.want)
		}
	}
	for text, want := range map[string]string{
		"":                                      "is empty",
		"x 0":                                   `:1: got "x", want # and the number of an image`,
		"# 1 a.png":                             "the image has number 1, want 0",
		"# 0 a.png 1":                           "the image has 1 channels, want 3",
		"# 0 a.png 3 4 5 1\n0 0 0 1 1 2 2 0":    `:2: got "0", want a class, 1 to`,
		"# 0 a.png 3 4 5 1\n1 0 2 1 1 2 2 0":    `:2: got "2", want whether the object is difficult, 0 to 1`,
		"# 0 a.png 3 4 5\n1\n1 0 0 1 1 2":       `got "", want a coordinate`,
		"# 0 a.png 3 4 5 0":                     "want the number of ignored regions",
		"# 0 a.png 3 4 5 0 1 1 1 2":             "want a coordinate",
		"# 0\na.png 3 4 5 0 0 # 1 no.png 3 4 5": "want the number of objects",
	} {
		name := filepath.Join(t.TempDir(), "w.txt")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := layertest.SetUp(new(layers.Env), evalData(name, "", "")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", text, err, want)
		}
	}
}

// sizeFile writes a file with names and sizes of images.
func sizeFile(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sizes.txt")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestDetectionEvaluate compares the layer with rows worked out by hand.
func TestDetectionEvaluate(t *testing.T) {
	layertest.Checked(t, "DetectionEvaluate", layertest.Reference)
	detections := []float32{
		0, -1, -1, -1, -1, -1, -1, // no box
		0, 0, 0, 19, 19, 1, 0.5, // the first object, found again
		0, 0, 0, 19, 19, 1, 0.9, // the first object
		0, 40, 40, 59, 59, 1, 0.8, // nothing
		0, 100, 100, 119, 119, 1, 0.7, // the difficult object
		0, 0, 0, 9, 9, 2, 0.6, // a class without objects in this image
		1, -1, -1, -1, -1, -1, -1,
		1, 0, 0, 9, 14, 2, 0.4, // 29 of 39 rows of its object, in the original
	}
	truth := []float32{
		0, 0, 0, 19, 19, 1, 0, 0,
		0, 100, 100, 119, 119, 1, 0, 1,
		1, 0, 0, 9, 19, 2, 0, 0,
		-1, -1, -1, -1, -1, -1, -1, -1,
	}
	sizes := []float32{300, 400, 300, 400}
	for _, test := range []struct {
		difficult bool
		want      [][]float64
	}{
		{false, [][]float64{
			{-1, 1, 1, -1, -1}, {-1, 2, 1, -1, -1},
			{0, 1, 0.9, 1, 0}, {0, 1, 0.8, 0, 1}, {0, 1, 0.7, 0, 0}, {0, 1, 0.5, 0, 1}, {0, 2, 0.6, 0, 1}, {1, 2, 0.4, 1, 0},
		}},
		{true, [][]float64{
			{-1, 1, 2, -1, -1}, {-1, 2, 1, -1, -1},
			{0, 1, 0.9, 1, 0}, {0, 1, 0.8, 0, 1}, {0, 1, 0.7, 1, 0}, {0, 1, 0.5, 0, 1}, {0, 2, 0.6, 0, 1}, {1, 2, 0.4, 1, 0},
		}},
	} {
		text := "# gocaffe: dialect cascade\n" + layer("DetectionEvaluate", 3, fmt.Sprintf(
			"detection_evaluate_param { num_classes: 3 overlap_threshold: 0.74 evaluate_difficult_gt: %v name_size_file: %q }",
			test.difficult, sizeFile(t, "a 600 400\nb 600 400\n")))
		f := forward(t, text, layertest.Values(detections, 8, 7), layertest.Values(truth, 4, 8), layertest.Values(sizes, 2, 2))
		compare(t, f.Top[0], test.want)
		if !meanap.IsRows(f.Top[0].Shape()) {
			t.Errorf("shape %v", f.Top[0].Shape())
		}
	}
}

// TestOriginalSize checks that overlaps are those in the original images, of which each
// has its own size: of twice as many columns, 2 of 4 are a smaller part than 1 of 2.
func TestOriginalSize(t *testing.T) {
	text := "# gocaffe: dialect cascade\n" + layer("DetectionEvaluate", 3, fmt.Sprintf(
		"detection_evaluate_param { num_classes: 2 overlap_threshold: 0.6 name_size_file: %q }", sizeFile(t, "a 100 100\nb 100 1000\n")))
	detections, truth := []float32{0, 0, 0, 1, 9, 1, 0.5}, []float32{0, 0, 0, 2, 9, 1, 0, 0}
	f := layertest.New(t, text, layertest.Values(detections, 1, 7), layertest.Values(truth, 1, 8), layertest.Values([]float32{100, 100}, 1, 2))
	for pass, want := range []float32{1, 0, 1} { // 2 of 3 columns, 11 of 21
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if got := f.Top[0].Data()[5+3]; got != want {
			t.Errorf("pass %d: %g true positives, want %g", pass, got, want)
		}
	}
}
