package segmentation_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// size is the height and width of image i of a set.
type size func(i int) (height, width int)

func same(height, width int) size { return func(int) (int, int) { return height, width } }

// labelAt is the label of the pixel in row y and column x of image i.
func labelAt(i, y, x int) int { return (3*i + 5*y + 7*x) % 19 }

// written writes n images and their labels, and a list with a line for each, and returns
// the list. A pixel says where it is: blue is the column, green the row and red the
// number of the image.
func written(t testing.TB, n int, of size, line func(image, labels string) string) string {
	t.Helper()
	dir := t.TempDir()
	var list strings.Builder
	for i := range n {
		h, w := of(i)
		im, labels := image.NewNRGBA(image.Rect(0, 0, w, h)), image.NewGray(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				im.SetNRGBA(x, y, color.NRGBA{R: byte(i), G: byte(y), B: byte(x), A: 255})
				labels.SetGray(x, y, color.Gray{Y: byte(labelAt(i, y, x))})
			}
		}
		names := [2]string{filepath.Join(dir, fmt.Sprintf("image%02d", i)), filepath.Join(dir, fmt.Sprintf("labels%02d", i))}
		for k, content := range []image.Image{im, labels} {
			f, err := os.Create(names[k])
			if err != nil {
				t.Fatal(err)
			}
			if err := bmp.Encode(f, content); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Fprintln(&list, line(names[0], names[1]))
	}
	return listOf(t, dir, list.String())
}

func listOf(t testing.TB, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func pairsOf(image, labels string) string { return image + " " + labels }

func dense(list, options, more string) string {
	return fmt.Sprintf("layer { name: \"d\" type: \"DenseImageData\" top: \"data\" top: \"label\"\ndense_image_data_param { source: %q %s }\n%s }", list, options, more)
}

func seg(list, options, more string) string {
	return fmt.Sprintf("layer { name: \"d\" type: \"ImageSegData\" top: \"data\" top: \"label\" top: \"dim\"\nimage_data_param { source: %q %s }\n%s }", list, options, more)
}

// seen is what the pixels of a batch say about it.
type seen struct {
	images, corners map[int]int
	mirrored, plain int
}

// look checks that each label is that of its pixel, from what the pixels say, after
// several passes.
func look(t *testing.T, text string, passes, height, width int, scale, mean float32) seen {
	t.Helper()
	f := layertest.New(t, text)
	defer f.Close()
	s := seen{images: make(map[int]int), corners: make(map[int]int)}
	for pass := range passes {
		f.Spec.Env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		data, labels := f.Top[0], f.Top[1]
		if want := []int{data.Dim(0), 3, height, width}; !slices.Equal(data.Shape(), want) || !slices.Equal(labels.Shape(), []int{want[0], 1, height, width}) {
			t.Fatalf("%s: tops of shapes %v and %v, want images %v", text, data.Shape(), labels.Shape(), want)
		}
		plane := height * width
		value := func(n, c, at int) int { return int(data.Data()[(n*3+c)*plane+at]/scale + mean + 0.5) }
		for n := range data.Dim(0) {
			first, next := value(n, 0, 0), value(n, 0, 1)
			step := next - first
			switch step {
			case 1:
				s.plain++
			case -1:
				s.mirrored++
			default:
				t.Fatalf("%s: neighbours are of columns %d and %d", text, first, next)
			}
			s.images[value(n, 2, 0)]++
			s.corners[value(n, 1, 0)*1000+min(first, value(n, 0, width-1))]++
			for at := range plane {
				x, y, i := value(n, 0, at), value(n, 1, at), value(n, 2, at)
				if x != first+step*(at%width) || y != value(n, 1, 0)+at/width {
					t.Fatalf("%s: pixel %d of image %d is of row %d and column %d", text, at, i, y, x)
				}
				if got, want := labels.Data()[n*plane+at], float32(labelAt(i, y, x)); got != want {
					t.Fatalf("%s: label %g at row %d, column %d of image %d, want %g", text, got, y, x, i, want)
				}
			}
		}
	}
	return s
}

// TestPairs compares labels with what their pixels say, after crops and mirrors.
func TestPairs(t *testing.T) {
	layertest.Checked(t, "DenseImageData", layertest.Reference)
	layertest.Checked(t, "ImageSegData", layertest.Reference)
	list := written(t, 7, same(20, 30), pairsOf)
	for _, test := range []struct {
		text          string
		height, width int
		corners       int  // how many at least
		mirrored      bool // some are
	}{
		{dense(list, "batch_size: 5", ""), 20, 30, 1, false},
		{dense(list, "batch_size: 5 shuffle: true rand_skip: 3", ""), 20, 30, 1, false},
		{dense(list, "batch_size: 5 mirror: true", ""), 20, 30, 1, true},
		{dense(list, "batch_size: 5 mirror: true crop_height: 9 crop_width: 12", ""), 9, 12, 60, true},
		{dense(list, "batch_size: 5 crop_height: 20 crop_width: 29", "phase: TEST"), 20, 29, 2, false},
		{dense(list, "batch_size: 5 crop_height: 9 crop_width: 12", "transform_param { scale: 0.5 mean_value: 40 }"), 9, 12, 60, false},
		{seg(list, "batch_size: 5 label_type: PIXEL", ""), 20, 30, 1, false},
		{seg(list, "batch_size: 5 label_type: PIXEL shuffle: true", "transform_param { mirror: true }"), 20, 30, 1, true},
		{seg(list, "batch_size: 5 label_type: PIXEL", "transform_param { mirror: true crop_size: 11 scale: 0.5 mean_value: 40 }"), 11, 11, 60, true},
		{seg(list, "batch_size: 5 label_type: PIXEL", "transform_param { crop_height: 11 crop_width: 14 scale_factors: 1 }"), 11, 14, 60, false},
		{seg(list, "batch_size: 5 label_type: PIXEL", "phase: TEST transform_param { crop_height: 10 crop_width: 14 }"), 10, 14, 1, false},
	} {
		scale, mean := float32(1), float32(0)
		if strings.Contains(test.text, "scale: 0.5") {
			scale, mean = 0.5, 40
		}
		s := look(t, test.text, 30, test.height, test.width, scale, mean)
		if len(s.images) != 7 || len(s.corners) < test.corners || test.corners == 1 && len(s.corners) != 1 || (s.mirrored > 0) != test.mirrored || s.plain == 0 {
			t.Errorf("%s: %+v, want 7 images, %d corners or more", test.text, s, test.corners)
		}
		if test.mirrored && (s.mirrored < s.plain/2 || s.plain < s.mirrored/2) {
			t.Errorf("%s: %d mirrored and %d others", test.text, s.mirrored, s.plain)
		}
		if strings.Contains(test.text, "crop_height: 10 crop_width: 14") && s.corners[5008] == 0 {
			t.Errorf("%s: corners %v, want the centre", test.text, s.corners)
		}
	}
}

// TestPairsScaled checks sizes, and labels that are scaled to the nearest, in blocks.
func TestPairsScaled(t *testing.T) {
	list := written(t, 2, same(20, 30), pairsOf)
	for _, test := range []struct {
		text                   string
		h, w, labelsH, labelsW int
		at                     func(y, x int) (int, int) // where a label is from
	}{
		{dense(list, "batch_size: 2 new_height: 40 new_width: 15", ""), 40, 15, 40, 15, func(y, x int) (int, int) { return y / 2, x * 2 }},
		{dense(list, "batch_size: 2 new_height: 40 new_width: 60 label_divide_factor: 4", ""), 40, 60, 10, 15, func(y, x int) (int, int) { return y * 2, x * 2 }},
		{seg(list, "batch_size: 2 label_type: PIXEL new_height: 40 new_width: 15", ""), 40, 15, 40, 15, func(y, x int) (int, int) { return y / 2, x * 2 }},
		{seg(list, "batch_size: 2 label_type: PIXEL", "transform_param { scale_factors: 0.5 crop_height: 10 crop_width: 15 }"), 10, 15, 10, 15, func(y, x int) (int, int) { return y * 2, x * 2 }},
	} {
		f := layertest.New(t, test.text)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.Top[0].Shape(), []int{2, 3, test.h, test.w}) || !slices.Equal(f.Top[1].Shape(), []int{2, 1, test.labelsH, test.labelsW}) {
			t.Fatalf("%s: shapes %v and %v", test.text, f.Top[0].Shape(), f.Top[1].Shape())
		}
		for i, got := range f.Top[1].Data() {
			y, x := test.at(i/test.labelsW%test.labelsH, i%test.labelsW)
			if want := float32(labelAt(i/test.labelsW/test.labelsH, y, x)); got != want {
				t.Fatalf("%s: label %d is %g, want %g", test.text, i, got, want)
			}
		}
		// Red is the number of the image everywhere, and stays so.
		if red := f.Top[0].Data()[5*test.h*test.w:]; slices.Min(red) != 1 || slices.Max(red) != 1 {
			t.Errorf("%s: red of image 1 is %g to %g", test.text, slices.Min(red), slices.Max(red))
		}
		f.Close()
	}
}

// TestPairsPadded has images of several sizes, smaller than the crop or larger.
func TestPairsPadded(t *testing.T) {
	sizes := func(i int) (int, int) { return 6 + 4*i, 20 - 3*i }
	list := written(t, 4, sizes, pairsOf)
	text := seg(list, "batch_size: 4 label_type: PIXEL ignore_label: 200", "phase: TEST transform_param { crop_height: 12 crop_width: 16 mean_value: 100 }")
	f := layertest.New(t, text)
	defer f.Close()
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		h, w := sizes(n)
		top, left := max(0, (h-12)/2), max(0, (w-16)/2)
		if got, want := f.Top[2].Data()[2*n:][:2], []float32{float32(min(h, 12)), float32(min(w, 16))}; !slices.Equal(got, want) || !slices.Equal(f.Top[2].Shape(), []int{4, 1, 1, 2}) {
			t.Errorf("image %d: size %v in a top of shape %v, want %v", n, got, f.Top[2].Shape(), want)
		}
		for at := range 12 * 16 {
			y, x := top+at/16, left+at%16
			label, green := float32(200), float32(0) // the mean, from which the mean is subtracted
			if y < h && x < w {
				label, green = float32(labelAt(n, y, x)), float32(y)-100
			}
			if got := f.Top[1].Data()[n*12*16+at]; got != label {
				t.Fatalf("image %d: label %g at row %d, column %d, want %g", n, got, y, x, label)
			}
			if got := f.Top[0].Data()[(3*n+1)*12*16+at]; got != green {
				t.Fatalf("image %d: green %g at row %d, column %d, want %g", n, got, y, x, green)
			}
		}
	}
	one := layertest.New(t, dense(list, "batch_size: 1", ""))
	defer one.Close()
	for pass := range 4 {
		one.Spec.Env.Pass = int64(pass)
		if err := one.Forward(); err != nil {
			t.Fatal(err)
		}
		if h, w := sizes(pass); !slices.Equal(one.Top[1].Shape(), []int{1, 1, h, w}) {
			t.Errorf("pass %d: labels of shape %v, want %d x %d", pass, one.Top[1].Shape(), h, w)
		}
	}
}

// TestLabelTypes has a label for each image, and none.
func TestLabelTypes(t *testing.T) {
	labels := 0
	list := written(t, 3, same(4, 5), func(image, _ string) string { labels++; return image + fmt.Sprintf(" %d", 10*labels) })
	for option, want := range map[string][]float32{
		"":                                  {10, 20, 30},
		"label_type: IMAGE":                 {10, 20, 30},
		"label_type: NONE":                  {255, 255, 255},
		"label_type: NONE ignore_label: 11": {11, 11, 11},
	} {
		f := layertest.New(t, seg(list, "batch_size: 3 "+option, ""))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		for i, got := range f.Top[1].Data() {
			if got != want[i/20] || len(f.Top[1].Data()) != 60 {
				t.Fatalf("%q: label %d is %g, want %g", option, i, got, want[i/20])
			}
		}
		f.Close()
	}
}

// TestPairsAnywhere repeats batches with one to four threads, after a resume and on a
// device.
func TestPairsAnywhere(t *testing.T) {
	list := written(t, 7, same(20, 30), pairsOf)
	d := cudatest.Device(t)
	const options = "batch_size: 3 shuffle: true rand_skip: 4 "
	layertest.CheckData(t, d, dense(list, options+"mirror: true crop_height: 9 crop_width: 12", "transform_param { distort_param { brightness_prob: 0.5 brightness_delta: 32 } }"))
	layertest.CheckData(t, d, seg(list, options+"label_type: PIXEL", "transform_param { mirror: true crop_size: 18 scale_factors: 0.5 scale_factors: 1.25 scale_factors: 0.75 }"))
}

// TestPalette warns of labels that are colours.
func TestPalette(t *testing.T) {
	dir := t.TempDir()
	grey := make(color.Palette, 20)
	for i := range grey {
		grey[i] = color.Gray{Y: byte(i)}
	}
	for name, palette := range map[string]color.Palette{"grey.png": grey, "colors.png": {color.NRGBA{A: 255}, color.NRGBA{R: 128, A: 255}}} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, image.NewPaletted(image.Rect(0, 0, 4, 3), palette)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"grey.png": false, "colors.png": true} {
		list := listOf(t, dir, "colors.png "+name+"\n")
		for _, text := range []string{
			dense(list, fmt.Sprintf("batch_size: 1 root_folder: %q", dir+"/"), ""),
			dense(list, fmt.Sprintf("batch_size: 1 root_folder_image: %q root_folder_label: %[1]q", dir+"/"), ""),
			seg(list, fmt.Sprintf("label_type: PIXEL root_folder: %q", dir+"/"), ""),
		} {
			warned := false
			env := &layers.Env{Observer: event.Func(func(e any) {
				if note, ok := e.(*event.Note); ok && strings.Contains(note.Text, "has a palette") {
					warned = true
				}
			})}
			f, err := layertest.SetUp(env, text)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if warned != want {
				t.Errorf("%s: warned: %v, want %v", text, warned, want)
			}
		}
	}
}

func TestPairsErrors(t *testing.T) {
	list := written(t, 2, func(i int) (int, int) { return 8, 9 + i }, pairsOf)
	other := written(t, 1, same(4, 5), func(image, _ string) string {
		return image + " " + filepath.Join(filepath.Dir(list), "labels00")
	})
	short := listOf(t, t.TempDir(), "\na.png\n")
	numbers := written(t, 1, same(4, 5), func(image, _ string) string { return image + " 256" })
	absent := listOf(t, t.TempDir(), "no/a.png no/b.png\n")
	empty := listOf(t, t.TempDir(), "\n")
	for _, test := range []struct {
		line       int
		want, text string
	}{
		{2, "source is missing, want a file that lists images and their labels", strings.Replace(dense("", "", ""), `source: ""`, "", 1)},
		{2, "batch_size is 0 or missing, want at least 1", dense(list, "", "")},
		{2, "new_height is 3 and new_width 0, want both or none", dense(list, "new_height: 3", "")},
		{2, "crop_height is 3 and crop_width 0, want both or none", dense(list, "batch_size: 1 crop_height: 3", "")},
		{2, "label_divide_factor is 0, want 1 or more", dense(list, "batch_size: 1 label_divide_factor: 0", "")},
		{2, "label_divide_factor is 2, want 1 with crop_height", dense(list, "batch_size: 1 label_divide_factor: 2 crop_height: 1 crop_width: 1", "")},
		{2, "root_folder stands for both root_folder_image and root_folder_label, which are set too", dense(list, `batch_size: 1 root_folder: "a" root_folder_label: "b"`, "")},
		{3, "mirror does not move the labels: use mirror, crop_height and crop_width of dense_image_data_param", dense(list, "batch_size: 1", "transform_param { mirror: true }")},
		{3, "crop_size does not move the labels: use mirror, crop_height and crop_width of dense_image_data_param", dense(list, "batch_size: 1", "transform_param { crop_size: 3 }")},
		{3, "max_rotation_angle does not move the labels", dense(list, "batch_size: 1", "transform_param { max_rotation_angle: 3 }")},
		{3, "pad does not move the labels", seg(list, "", "transform_param { pad: 3 }")},
		{3, "force_color and force_gray are for databases: image_data_param has is_color", seg(list, "", "transform_param { force_gray: true }")},
		{2, "ignore_label is 256, want 0 to 255", seg(list, "ignore_label: 256", "")},
		{2, "mirror has no effect here in ImageSegData: use transform_param", seg(list, "mirror: true", "")},
		{3, "ImageSegData has no mean_file, as in its source: use mean_value", seg(list, "", `transform_param { mean_file: "m" }`)},
		{3, "want crop_size, or both crop_height and crop_width", seg(list, "", "transform_param { crop_size: 3 crop_width: 3 }")},
		{3, "crop_height is 0 and crop_width 3, want both or none", seg(list, "", "transform_param { crop_width: 3 }")},
		{3, "scale_factors needs crop_size, or crop_height and crop_width", seg(list, "", "transform_param { scale_factors: 1 }")},
		{3, "scale_factors is -1, want more than 0, and at most 100", seg(list, "", "transform_param { crop_size: 4 scale_factors: -1 }")},
		{2, short + `:2: got "a.png", want an image and its labels, two words with a blank between them`, dense(short, "batch_size: 1", "")},
		{2, "the list " + empty + " is empty", dense(empty, "batch_size: 1", "")},
		{2, "skipping 223 of 1 images leaves none", dense(absent, "batch_size: 1 rand_skip: 1000", "")},
		{2, other + ":1: the image has 8 x 9 labels (height x width), want 4 x 5", dense(other, "batch_size: 1", "")},
		{2, list + ":1: the image is 8 x 9 (height x width), less than its crop of 9 x 1", dense(list, "batch_size: 1 crop_height: 9 crop_width: 1", "")},
		{2, list + ":1: the image has 8 x 9 labels (height x width), want 4 x 4", dense(list, "batch_size: 1 label_divide_factor: 2", "")},
		{2, list + ":1: the image is 8 x 9 (height x width), which label_divide_factor 10 leaves nothing of", dense(list, "batch_size: 1 label_divide_factor: 10", "")},
		{2, numbers + `:1: the label is "256", want a whole number from 0 to 255; label_type: PIXEL is for lists of label images`, seg(numbers, "", "")},
	} {
		layertest.CheckError(t, test.line, `layer "d": `+test.want, test.text)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	layertest.CheckError(t, 2, `layer "d": `+absent+`:1: "no/a.png": no such file (working directory `+dir+`)`, dense(absent, "batch_size: 1", ""))
	f := layertest.New(t, dense(list, "batch_size: 2", ""))
	defer f.Close()
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), ":2: the record has shape 3 x 8 x 10, the first of its batch 3 x 8 x 9") {
		t.Errorf("images of two sizes: %v", err)
	}
}
