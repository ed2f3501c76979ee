package datalayer

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

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// windowFolder writes an image of 10 x 12 pixels (height x width) and a window file
// with the given windows, and returns the file's name.
func windowFolder(t testing.TB, windows ...string) string {
	t.Helper()
	dir := t.TempDir()
	img := image.NewNRGBA(image.Rect(0, 0, 12, 10))
	for y := range 10 {
		for x := range 12 {
			img.SetNRGBA(x, y, color.NRGBA{pixelAt(y, x, 2), pixelAt(y, x, 1), pixelAt(y, x, 0), 255})
		}
	}
	f, err := os.Create(filepath.Join(dir, "a.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	f.Close()
	name := filepath.Join(dir, "windows.txt")
	text := fmt.Sprintf("# 0\na.png\n3\n10\n12\n%d\n%s\n", len(windows), strings.Join(windows, "\n"))
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// pixelAt is the image of windowFolder, with channels blue, green, red.
func pixelAt(y, x, c int) byte { return byte(y*y + 13*x + 90*c) }

func windowLayer(file, options, transform string) string {
	return fmt.Sprintf(`layer { name: "w" type: "WindowData" top: "data" top: "label"
window_data_param { source: %q root_folder: "%s/" %s } transform_param { %s } }`, file, filepath.Dir(file), options, transform)
}

// part returns rows y0 to y1 and columns x0 to x1 of the image, scaled to h x w and put
// at top and left of a square of zeros, after v·0.5 - 1 (mean 2, scale 0.5).
func part(x0, y0, x1, y1, h, w, top, left, crop int, mirrored bool) []float32 {
	im := data.Image{Channels: 3, Height: y1 - y0 + 1, Width: x1 - x0 + 1}
	for y := y0; y <= y1; y++ {
		for x := x0; x <= x1; x++ {
			im.Pix = append(im.Pix, pixelAt(y, x, 0), pixelAt(y, x, 1), pixelAt(y, x, 2))
		}
	}
	im.Resize(h, w)
	want := make([]float32, 3*crop*crop)
	for i, v := range im.Planar() {
		c, y, x := i/(h*w), i/w%h, i%w
		if mirrored {
			x = w - 1 - x
		}
		want[(c*crop+y+top)*crop+x+left] = (float32(v) - 2) * 0.5
	}
	return want
}

// TestWindowData compares windows with those worked out by hand after
// window_data_layer.cpp.
func TestWindowData(t *testing.T) {
	layertest.Checked(t, "WindowData", layertest.Reference)
	for _, tt := range []struct {
		name, window, options string
		crop                  int
		want                  func(mirrored bool) []float32
	}{
		{"warp, its own size", "3 0.8 2 3 5 6", "", 4, func(m bool) []float32 { return part(2, 3, 5, 6, 4, 4, 0, 0, 4, m) }},
		{"warp", "3 0.8 0 1 11 6", "", 5, func(m bool) []float32 { return part(0, 1, 11, 6, 5, 5, 0, 0, 5, m) }},
		// center 2, half 2, scale 8/4: -2 to 6, of 9 pixels 7 are in the image: 7·8/9 = 6.2, 2·8/9 = 1.8
		{"context", "3 0.8 0 0 3 3", "context_pad: 2", 8, func(m bool) []float32 {
			if m {
				return part(0, 0, 6, 6, 6, 6, 2, 0, 8, m)
			}
			return part(0, 0, 6, 6, 6, 6, 2, 2, 8, m)
		}},
		// centers 5 and 5, halves 1 and 3: 2 to 8 in both directions
		{"square", "3 0.8 4 2 5 7", `crop_mode: "square" cache_images: true`, 6, func(m bool) []float32 { return part(2, 2, 8, 8, 6, 6, 0, 0, 6, m) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := windowFolder(t, tt.window)
			got := run(t, new(layers.Env), windowLayer(file, tt.options+" batch_size: 1 fg_fraction: 1 scale: 0.5", fmt.Sprintf("crop_size: %d mean_value: 2", tt.crop)), 0)[0]
			if want := append(tt.want(false), 3); !slices.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			both := run(t, new(layers.Env), windowLayer(file, tt.options+" batch_size: 1 fg_fraction: 1 scale: 0.5", fmt.Sprintf("mirror: true crop_size: %d mean_value: 2", tt.crop)), upTo(20)...)
			mirrored := 0
			for _, got := range both {
				switch {
				case slices.Equal(got[:len(got)-1], tt.want(true)):
					mirrored++
				case !slices.Equal(got[:len(got)-1], tt.want(false)):
					t.Fatalf("neither the window nor its mirror image: %v", got)
				}
			}
			if mirrored == 0 || mirrored == len(both) {
				t.Errorf("%d of %d windows are mirrored", mirrored, len(both))
			}
		})
	}
}

// TestWindowBatches checks the classes of batches, and that batches depend on the seed
// and the pass.
func TestWindowBatches(t *testing.T) {
	file := windowFolder(t, "1 0.9 0 0 3 3", "2 0.5 1 1 5 5", "7 0.4 2 2 6 6", "7 0.29 3 3 9 9", "8 0 3 2 9 8", "9 0.35 3 2 9 8")
	text := windowLayer(file, "batch_size: 9 fg_fraction: 0.5 bg_threshold: 0.3", "crop_size: 4")
	seen := make(map[float32]int)
	for _, numbers := range run(t, new(layers.Env), text, upTo(20)...) {
		labels := numbers[len(numbers)-9:]
		if !slices.Equal(labels[:5], make([]float32, 5)) {
			t.Fatalf("labels %v, want five of the background first", labels)
		}
		for _, label := range labels[5:] {
			seen[label]++
		}
	}
	if len(seen) != 2 || seen[1] < 20 || seen[2] < 20 {
		t.Errorf("classes of the foreground: %v, want 1 and 2 about 40 times each", seen)
	}
	layertest.CheckData(t, cudatest.Device(t), text)
}

func TestWindowDataErrors(t *testing.T) {
	file := windowFolder(t, "1 0.9 0 0 3 3", "0 0.1 1 1 20 5")
	for _, tt := range []struct{ text, want string }{
		{windowLayer(file, "batch_size: 2", ""), "crop_size is 0 or missing, want at least 1"},
		{windowLayer(file, "batch_size: 2 context_pad: 4", "crop_size: 8"), "context_pad is 4, want less than half of crop_size 8"},
		{windowLayer(file, `batch_size: 2 crop_mode: "wrap"`, "crop_size: 8"), `crop_mode is "wrap", want warp or square`},
		{windowLayer(file, "batch_size: 2 fg_fraction: 2", "crop_size: 8"), "fg_fraction is 2, want 0 to 1"},
		{windowLayer(file, "batch_size: 2", "crop_size: 8 cutout_size: 2"), "WindowData cannot augment images: leave out cutout_size"},
		{windowLayer(file, "batch_size: 2 fg_fraction: 1 fg_threshold: 0.95", "crop_size: 8"), "has no window of the foreground"},
		{windowLayer(file, "batch_size: 2", "crop_size: 8"), `line 8: window 1,1 to 20,5 of "a.png": it does not fit the image, which is 12 x 10 (width x height)`},
		{windowLayer(filepath.Join(t.TempDir(), "none"), "batch_size: 2", "crop_size: 8"), "none"},
	} {
		f, err := layertest.SetUp(new(layers.Env), tt.text)
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	for text, want := range map[string]string{
		"":                                    "is empty",
		"# 1\na.png 3 4 5 0":                  ":1: the image has number 1, want 0: they count from 0",
		"# 0\na.png 1 4 5 0":                  ":2: the image has 1 channels, want 3: images are read in colour",
		"# 0\na.png 3 4 5 1\n0 0.9 1 1 2 2":   ":3: a window of the foreground, with overlap 0.9, has class 0, which is the background's",
		"# 0\na.png 3 4 5 2\n1 0.9 1 1 2 2":   `got "", want a class, 0 to 2147483647`,
		"# 0\na.png 3 4 5 1\n1 0.9 1 1 2 2.5": `:3: got "2.5", want a corner, -16777216 to 16777216`,
		"# 0\na.png 3 4 5 0\na":               `:3: got "a", want # and the number of an image`,
	} {
		name := filepath.Join(t.TempDir(), "windows.txt")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readWindows(name, 0.5, 0.5); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// FuzzWindows reads window files. What is read must be windows of images that are there.
func FuzzWindows(f *testing.F) {
	f.Add([]byte("# 0\na.png\n3\n10\n12\n2\n1 0.9 0 0 3 3\n0 0.1 1 1 2 2\n# 1\nb.png 3 1 1 0\n"))
	f.Add([]byte("# 0 a 3 4 5 99999999 1 0.9 1 1"))
	name := filepath.Join(f.TempDir(), "windows.txt")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := readWindows(name, 0.5, 0.3)
		if err != nil {
			return
		}
		for kind, list := range file.windows {
			for _, w := range list {
				if w.image < 0 || w.image >= len(file.images) || (w.label == 0) != (kind == 0) {
					t.Fatalf("window %+v of %d images, foreground %d", w, len(file.images), kind)
				}
			}
		}
	})
}
