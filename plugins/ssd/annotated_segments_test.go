package ssd_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// segmented returns a database of n images, 80 x 120, each with one white object on
// black, and of label images that have the given value where the object is.
func segmented(t testing.TB, n int, value byte) string {
	t.Helper()
	const h, w = 80, 120
	dir := filepath.Join(t.TempDir(), "db")
	db, err := data.Create(dir, caffepb.DataParameter_LMDB, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		object := image.Rect(20+i%9, 10+i%7, 70+i%13, 50+i%11)
		label := image.NewGray(image.Rect(0, 0, w, h))
		pixels := make([]byte, 3*h*w)
		for at := range pixels {
			if p := image.Pt(at%w, at/w%h); p.In(object) {
				pixels[at] = 255
				label.SetGray(p.X, p.Y, color.Gray{Y: value})
			}
		}
		var file bytes.Buffer
		if err := png.Encode(&file, label); err != nil {
			t.Fatal(err)
		}
		datum, err := proto.Marshal(&caffepb.Datum{Channels: proto.Int32(3), Height: proto.Int32(h), Width: proto.Int32(w), Data: pixels})
		if err != nil {
			t.Fatal(err)
		}
		datum = protowire.AppendBytes(protowire.AppendTag(datum, 8, protowire.BytesType), file.Bytes()) // seg_label
		record := data.AppendAnnotated(nil, datum, []data.Object{{
			Label: 1, XMin: float32(object.Min.X) / w, YMin: float32(object.Min.Y) / h, XMax: float32(object.Max.X) / w, YMax: float32(object.Max.Y) / h,
		}})
		// the type, boxes and segments: of two values the last counts
		record = protowire.AppendVarint(protowire.AppendTag(record, 2, protowire.VarintType), 1)
		if err := db.Append(fmt.Appendf(nil, "%04d", i), record); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Commit(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func segmentsText(dir string, batch int, transform, options string) string {
	return strings.Replace(annotated(dir, batch, transform, options), `top: "label"`, `top: "label" top: "seg"`, 1)
}

// labelMap returns a file with the classes of pixels 0, 1 and 2.
func labelMap(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "map.prototxt")
	text := `item { name: "nothing" label: 0 label_id: 0 } item { name: "a" label: 1 label_id: 3 r: 9 } item { name: "b" label: 2 label_id: 2 }`
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSegments checks that the third top has the object's class where the first has its
// white pixels, after jitter, scaling and mirroring.
func TestSegments(t *testing.T) {
	const h, w, scale = 64, 96, 2
	classes := fmt.Sprintf("single_class: false label_map_file: %q ", labelMap(t))
	for _, test := range []struct {
		value         byte
		options       string
		planes, class int
	}{{255, "", 1, 0}, {1, classes, 3, 2}, {2, classes, 3, 1}} {
		transform := fmt.Sprintf("mirror: true resize_param { height: %d width: %d interp_mode: AREA }", h, w)
		f := layertest.New(t, segmentsText(segmented(t, 12, test.value), 12, transform, test.options+"yolo_data_type: 1 seg_scales: 2"))
		defer f.Close()
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		top := f.Top[2]
		if fmt.Sprint(top.Shape()) != fmt.Sprint([]int{12, test.planes, h / scale, w / scale}) {
			t.Fatalf("the third top has shape %v", top.Shape())
		}
		white, wrong := 0.0, 0.0
		for i, v := range top.Data() {
			x, y, plane, item := i%(w/scale), i/(w/scale)%(h/scale), i/(w*h/scale/scale)%test.planes, i/(w*h/scale/scale)/test.planes
			if plane != test.class {
				if v != 0 {
					t.Fatalf("class %d has a pixel of value %g", plane+1, v)
				}
				continue
			}
			mean := 0.0 // of the image's pixels
			for k := range scale * scale {
				mean += float64(f.Top[0].Data()[(item*3*h+y*scale+k/scale)*w+x*scale+k%scale]) / (255 * scale * scale)
			}
			white += mean
			if test.options == "" { // the border is sharp, and where it is depends on rounding
				if mean > 0.3 && mean < 0.5 {
					continue
				}
				mean = math.Round(mean + 0.1)
			}
			wrong += math.Abs(float64(v) - mean)
		}
		if white < 12*100 || wrong > 0.01*white {
			t.Errorf("class %d of pixels %d: %.4g white pixels, %.4g of the third top are wrong", test.class+1, test.value, white, wrong)
		}
	}
}

func TestSegmentsData(t *testing.T) {
	layertest.CheckData(t, cudatest.Device(t), segmentsText(segmented(t, 9, 255), 4, distort+"mirror: true resize_param { height: 40 width: 48 }", "yolo_data_type: 1 seg_resize_height: 10 seg_resize_width: 12"))
}

func TestSegmentsErrors(t *testing.T) {
	dir := segmented(t, 1, 1)
	for _, test := range []struct {
		transform, options, want string
		line                     int
	}{
		{"expand_param { max_expand_ratio: 2 }", "", "expand_param does not move the pixels of the third top", 3},
		{"crop_size: 8", "", "a crop does not move the pixels of the third top: AnnotatedData has batch_sampler", 3},
		{"resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 8 width: 8 }", "", "resize_mode FIT_LARGE_SIZE_AND_PAD does not move the pixels of the third top, want WARP", 3},
		{"", "seg_scales: 0", "seg_scales is 0, want 1 or more", 4},
		{"", "single_class: false", "label_map_file is missing, which says what the pixels of the third top are", 4},
		{"", "single_class: false label_map_file: 'nowhere'", "open nowhere: no such file or directory", 4},
		{"", "seg_resize_height: -1", "seg_resize_height is -1 and seg_resize_width 0, want 0 or more", 4},
	} {
		layertest.CheckError(t, test.line, "layer \"d\": "+test.want, segmentsText(dir, 2, test.transform, test.options))
	}
	if _, err := layertest.SetUp(&layers.Env{}, segmentsText(drawn(t, 1, 1), 1, "", "")); err == nil || !strings.Contains(err.Error(), "the record has no label image, which the third top needs") {
		t.Errorf("error %v about a record without a label image", err)
	}
}
