package c3d_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// gray is the brightness of frame f of video v at (y, x): squares of 8 x 8 pixels, which
// a JPEG file keeps exactly.
func gray(v, f, y, x int) int { return 20 + 40*v + 5*f + 30*(y/8) + 7*(x/8) }

// videos writes two videos of eight frames, 16 x 24 pixels each, and a list of clips.
func videos(t testing.TB, list string) string {
	t.Helper()
	dir := t.TempDir()
	for v := range 2 {
		folder := filepath.Join(dir, fmt.Sprintf("v%d", v))
		if err := os.Mkdir(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		for f := 1; f <= 8; f++ {
			im := image.NewGray(image.Rect(0, 0, 24, 16))
			for i := range im.Pix {
				im.Pix[i] = byte(gray(v, f, i/24, i%24))
			}
			var file bytes.Buffer
			if err := jpeg.Encode(&file, im, &jpeg.Options{Quality: 100}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%06d.jpg", f)), file.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "list.txt"), []byte(strings.ReplaceAll(list, "v", filepath.ToSlash(dir)+"/v")), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func video(dir, field, more, transform string) string {
	text := fmt.Sprintf("layer { name: \"d\" type: \"VideoData\" top: \"data\" top: \"label\"\n%s { source: %q use_image: true %s }\n",
		field, filepath.ToSlash(dir)+"/list.txt", more)
	if transform != "" {
		text += "transform_param { " + transform + " }"
	}
	return text + "}"
}

// TestVideoData compares with the frames that were drawn.
func TestVideoData(t *testing.T) {
	layertest.Checked(t, "VideoData", layertest.Reference)
	dir := videos(t, "v0 2 7\nv1 1 9\n")
	for _, c := range []struct {
		field, options, transform string
		rate, top, left, h, w     int
		mean, scale               float32
	}{
		{"video_data_param", "batch_size: 2 new_length: 3", "", 1, 0, 0, 16, 24, 0, 1},
		{"video_data_param", "batch_size: 2 new_length: 3 sampling_rate: 2", "crop_size: 8 mean_value: 3 scale: 0.5", 2, 4, 8, 8, 8, 3, 0.5},
		{"image_data_param", "batch_size: 2 new_length: 2 crop_size: 8 mean_value: 3 scale: 0.5 show_data: 0", "", 1, 4, 8, 8, 8, 3, 0.5},
	} {
		f, err := layertest.SetUp(&layers.Env{Phase: caffepb.Phase_TEST}, video(dir, c.field, c.options, c.transform))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		length := f.Top[0].Dim(2)
		if got, want := fmt.Sprint(f.Top[0].Shape()), fmt.Sprint([]int{2, 3, length, c.h, c.w}); got != want {
			t.Fatalf("%s: shape %s, want %s", c.options, got, want)
		}
		for i, v := range f.Top[0].Data() {
			x, y, l, n := i%c.w, i/c.w%c.h, i/c.w/c.h%length, i/c.w/c.h/length/3
			want := (float32(gray(n, 2-n+l*c.rate, c.top+y, c.left+x)) - c.mean) * c.scale
			if v != want {
				t.Fatalf("%s %s: value %d (clip %d, frame %d, %d, %d) is %g, want %g", c.options, c.transform, i, n, l, y, x, v, want)
			}
		}
		if got := f.Top[1].Data(); got[0] != 7 || got[1] != 9 {
			t.Errorf("labels %v, want 7 and 9", got)
		}
	}
}

// TestVideoJitter finds clips that begin everywhere, cropped and mirrored as a whole.
func TestVideoJitter(t *testing.T) {
	dir := videos(t, "v0 8 1\n")
	f, err := layertest.SetUp(&layers.Env{Phase: caffepb.Phase_TRAIN}, video(dir, "video_data_param",
		"batch_size: 50 new_length: 2 use_temporal_jitter: true use_sampling_rate_jitter: true max_sampling_rate: 3", "crop_size: 16 mirror: true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	data := f.Top[0].Data()
	seen := map[string]bool{}
	for n := range 50 {
		first, second := data[n*3*2*256:][:256], data[(n*3*2+1)*256:][:256]
		rate := (second[0] - first[0]) / 5
		for i := range first {
			if second[i]-first[i] != rate*5 {
				t.Fatalf("clip %d: frames differ by %g at pixel %d and by %g at pixel 0", n, second[i]-first[i], i, rate*5)
			}
		}
		mirrored := first[15] < first[0]
		lowest := min(first[0], first[15])
		seen[fmt.Sprint("rate ", rate)], seen[fmt.Sprint("mirrored ", mirrored)] = true, true
		seen[fmt.Sprint("first ", int(lowest-20)/5)] = true
	}
	for _, want := range []string{"rate 1", "rate 2", "rate 3", "mirrored true", "mirrored false", "first 1", "first 4"} {
		if !seen[want] {
			t.Errorf("no clip has %s: %v", want, seen)
		}
	}
	if seen["rate 0"] || seen["rate 4"] {
		t.Errorf("some rates are none of 1 to 3: %v", seen)
	}
}

// TestVideoMean subtracts the mean of each frame, in the form of Caffe and of C3D-v1.0.
func TestVideoMean(t *testing.T) {
	dir := videos(t, "v1 3 4\n")
	values := make([]float32, 3*2*16*24)
	for i := range values {
		values[i] = float32(i%1000) / 4
	}
	shape := []int64{1, 3, 2, 16, 24}
	current, err := proto.Marshal(&caffepb.BlobProto{Shape: &caffepb.BlobShape{Dim: shape}, Data: values})
	if err != nil {
		t.Fatal(err)
	}
	var old []byte
	for i, n := range shape {
		old = protowire.AppendVarint(protowire.AppendTag(old, protowire.Number(i+1), protowire.VarintType), uint64(n))
	}
	packed, err := proto.Marshal(&caffepb.BlobProto{Diff: values}) // number 6, as their data
	if err != nil {
		t.Fatal(err)
	}
	old = append(old, packed...)
	for name, file := range map[string][]byte{"current": current, "old": old} {
		path := filepath.ToSlash(filepath.Join(dir, name))
		if err := os.WriteFile(path, file, 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := layertest.SetUp(&layers.Env{Phase: caffepb.Phase_TEST}, video(dir, "image_data_param", fmt.Sprintf("new_length: 2 mean_file: %q crop_size: 8", path), ""))
		if err != nil {
			t.Fatal(name, err)
		}
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		for i, v := range f.Top[0].Data() {
			x, y, l, c := i%8+8, i/8%8+4, i/64%2, i/128
			if want := float32(gray(1, 3+l, y, x)) - values[((c*2+l)*16+y)*24+x]; v != want {
				t.Fatalf("%s: value %d is %g, want %g", name, i, v, want)
			}
		}
		_, err = layertest.SetUp(&layers.Env{Phase: caffepb.Phase_TEST}, video(dir, "image_data_param", fmt.Sprintf("new_length: 3 mean_file: %q", path), ""))
		if err == nil || !strings.Contains(err.Error(), "the mean has shape [1 3 2 16 24], want 1 x channels x 3 x height x width") {
			t.Errorf("%s: error %v for a clip of another length", name, err)
		}
	}
}

func TestVideoDevice(t *testing.T) {
	dir := videos(t, "v0 1 7\nv1 2 9\nv0 3 8\n")
	layertest.CheckData(t, cudatest.Device(t), video(dir, "video_data_param", "batch_size: 2 new_length: 3 shuffle: true", "crop_size: 9 mirror: true"))
}

func TestVideoErrors(t *testing.T) {
	dir := videos(t, "v0 7 1\n")
	for _, c := range []struct {
		line                    int
		want, options, settings string
	}{
		{2, "use_image is false, and reading video files is not implemented: extract the frames into folders and set use_image", "use_image: false new_length: 2", ""},
		{2, "new_length is 0, want 1 to 4096 frames", "", ""},
		{2, "new_height is 5 and new_width 0, want both or none", "new_length: 2 new_height: 5", ""},
		{2, "is_color is false, want true: clips have three channels", "new_length: 2 is_color: false", ""},
		{2, "sampling_rate is 0 and max_sampling_rate 1, want 1 to 65536", "new_length: 2 sampling_rate: 0", ""},
		{3, "VideoData does not have min_side", "new_length: 2", "min_side: 7"},
	} {
		text := strings.Replace(video(dir, "video_data_param", c.options, c.settings), "use_image: true use_image: false", "use_image: false", 1)
		layertest.CheckError(t, c.line, `layer "d": `+c.want, text)
	}
	_, err := layertest.SetUp(&layers.Env{}, video(dir, "video_data_param", "new_length: 3", ""))
	if err == nil || !strings.Contains(err.Error(), "000009.jpg") {
		t.Errorf("a frame is missing: got %v", err)
	}
	_, err = layertest.SetUp(&layers.Env{}, video(dir, "video_data_param", "new_length: 4 sampling_rate: 2 use_temporal_jitter: true", ""))
	if err == nil || !strings.Contains(err.Error(), "there are 7 frames, want 8: 4 of them, 2 apart") {
		t.Errorf("too few frames: got %v", err)
	}
}
