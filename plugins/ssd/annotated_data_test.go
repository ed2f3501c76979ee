package ssd_test

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"google.golang.org/protobuf/proto"
)

// drawn returns a database of n images, 60k x 80k, each with one white object on black,
// whose box the record has.
func drawn(t testing.TB, n, k int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := data.Create(dir, caffepb.DataParameter_LMDB, false)
	if err != nil {
		t.Fatal(err)
	}
	h, w := 60*k, 80*k
	for i := range n {
		top, left, bottom, right := 10*k+i%7, 15*k+i%11, 38*k+i%9, 50*k+i%13
		pixels := make([]byte, 3*h*w)
		for at := range pixels {
			if y, x := at/w%h, at%w; y >= top && y < bottom && x >= left && x < right {
				pixels[at] = 255
			}
		}
		datum, err := proto.Marshal(&caffepb.Datum{Channels: proto.Int32(3), Height: proto.Int32(int32(h)), Width: proto.Int32(int32(w)), Data: pixels})
		if err != nil {
			t.Fatal(err)
		}
		object := data.Object{
			Label: 1 + i%3, Instance: i, Difficult: i%2 == 1,
			XMin: float32(left) / float32(w), YMin: float32(top) / float32(h), XMax: float32(right) / float32(w), YMax: float32(bottom) / float32(h),
		}
		if err := db.Append(fmt.Appendf(nil, "%04d", i), data.AppendAnnotated(nil, datum, []data.Object{object})); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Commit(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func annotated(dir string, batch int, transform, options string) string {
	return fmt.Sprintf("layer { name: \"d\" type: \"AnnotatedData\" top: \"data\" top: \"label\"\ndata_param { source: %q backend: LMDB batch_size: %d }\ntransform_param { %s }\nannotated_data_param { %s } }",
		dir, batch, transform, options)
}

const (
	samplers = `batch_sampler { max_sample: 1 max_trials: 1 }
		batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 } sample_constraint { min_jaccard_overlap: 0.3 } max_sample: 1 max_trials: 50 }
		batch_sampler { sampler { min_scale: 0.3 max_scale: 1 } sample_constraint { max_jaccard_overlap: 1 min_object_coverage: 0.4 } max_sample: 1 max_trials: 50 }`
	warp     = `resize_param { height: 48 width: 40 interp_mode: LINEAR interp_mode: AREA interp_mode: NEAREST interp_mode: CUBIC interp_mode: LANCZOS4 }`
	distort  = `distort_param { brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5 contrast_upper: 1.5 hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5 saturation_upper: 1.5 random_order_prob: 0.1 }`
	expand   = `expand_param { prob: 0.7 max_expand_ratio: 3 }`
	centered = `emit_constraint { emit_type: CENTER }`
)

// TestAnnotatedData draws objects and checks, after all steps, that they are where the
// boxes say: the white pixels of an image reach to the sides of its box, to a pixel or
// two.
func TestAnnotatedData(t *testing.T) {
	layertest.Checked(t, "AnnotatedData", layertest.Reference)
	dir := drawn(t, 24, 4)
	for _, transform := range []string{
		"", warp, warp + "mirror: true", expand + warp + centered, "mirror: true crop_size: 176",
		"crop_h: 200 crop_w: 160", "resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 64 width: 48 } mirror: true",
		"resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 40 width: 90 } mirror: true",
	} {
		for _, options := range []string{"", samplers} {
			if options != "" && !strings.Contains(transform, "resize") {
				continue // a crop of any size needs scaling
			}
			f := layertest.New(t, annotated(dir, 24, transform, options))
			boxes := 0
			for pass := range 6 {
				f.Spec.Env.Pass = int64(pass)
				if err := f.Forward(); err != nil {
					t.Fatal(err)
				}
				boxes += checkBoxes(t, transform+options, f)
			}
			f.Close()
			if boxes < 60 {
				t.Errorf("%s %s: only %d boxes are left", transform, options, boxes)
			}
		}
	}
}

// checkBoxes compares the boxes of a batch with the white pixels, and returns how many
// there are.
func checkBoxes(t *testing.T, what string, f *layertest.Fixture) (boxes int) {
	t.Helper()
	shape := f.Top[0].Shape()
	c, h, w := shape[1], shape[2], shape[3]
	for _, row := range rowsOf(f.Top[1].Data()) {
		if row[0] == -1 {
			continue
		}
		boxes++
		got := [4]float64{math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)}
		image := f.Top[0].Data()[int(row[0])*c*h*w:][:h*w]
		for i, v := range image {
			if v > 127 {
				x, y := float64(i%w), float64(i/w)
				got = [4]float64{min(got[0], x), min(got[1], y), max(got[2], x+1), max(got[3], y+1)}
			}
		}
		want := [4]float64{float64(row[3]) * float64(w), float64(row[4]) * float64(h), float64(row[5]) * float64(w), float64(row[6]) * float64(h)}
		for k := range got {
			if math.IsInf(got[k], 0) && (want[2]-want[0] < 2 || want[3]-want[1] < 2) {
				continue // a sliver that scaling has made grey
			}
			if math.Abs(got[k]-want[k]) > 2.5 {
				t.Fatalf("%s: the object of image %g is at %v, its box is %v, %d x %d", what, row[0], got, want, w, h)
			}
		}
		if n := int(row[2]); row[1] != float32(1+n%3) || row[7] != float32(n%2) {
			t.Fatalf("%s: object %d has label %g and difficult %g", what, n, row[1], row[7])
		}
	}
	return boxes
}

func rowsOf(x []float32) (rows [][]float32) {
	for ; len(x) >= 8; x = x[8:] {
		rows = append(rows, x[:8])
	}
	return rows
}

// TestAnnotatedDevice checks that the data depend on the seed and the pass alone.
func TestAnnotatedDevice(t *testing.T) {
	layertest.Checked(t, "AnnotatedData", layertest.Device)
	layertest.CheckData(t, cudatest.Device(t), annotated(drawn(t, 9, 1), 4, distort+expand+warp+"mirror: true mean_value: 104 mean_value: 117 mean_value: 123 "+centered, samplers))
}

// TestAnnotatedNoBoxes checks the row for a batch without objects, and the labels of
// records without a type.
func TestAnnotatedNoBoxes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := data.Create(dir, caffepb.DataParameter_LMDB, false)
	if err != nil {
		t.Fatal(err)
	}
	datum, err := proto.Marshal(&caffepb.Datum{Channels: proto.Int32(1), Height: proto.Int32(2), Width: proto.Int32(2), Data: []byte{1, 2, 3, 4}, Label: proto.Int32(7)})
	if err != nil {
		t.Fatal(err)
	}
	record := append([]byte{1<<3 | 2, byte(len(datum))}, datum...)
	if err := db.Append([]byte("a"), record); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(); err != nil {
		t.Fatal(err)
	}
	for options, want := range map[string][]float32{"": {7, 7}, "anno_type: BBOX": {-1, -1, -1, -1, -1, -1, -1, -1}} {
		f := layertest.New(t, annotated(dir, 2, "", options))
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if got := f.Top[1].Data(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: labels %v, want %v", options, got, want)
		}
		f.Close()
	}
}

func TestAnnotatedErrors(t *testing.T) {
	dir := drawn(t, 1, 1)
	for _, test := range []struct {
		transform, options, want string
		line                     int
	}{
		{"pad: 2", "", "pad does not move the boxes: AnnotatedData has expand_param", 3},
		{"max_rotation_angle: 9", "", "max_rotation_angle does not move the boxes: AnnotatedData has batch_sampler, expand_param and resize_param", 3},
		{"noise_param { prob: 0.5 }", "", "noise_param is not implemented: remove it, or set its prob to 0", 3},
		{"resize_param { resize_mode: FIT_SMALL_SIZE height: 8 width: 8 }", "", "batch_size is 2, want 1 for images of different sizes (FIT_SMALL_SIZE)", 2},
		{"resize_param { height: 8 }", "", "transform_param.resize_param has height 8 and width 0, want positive numbers", 3},
		{"crop_h: 3", "", "crop_h is 3 and crop_w 0, want both or none", 3},
		{"expand_param { max_expand_ratio: 0.5 }", "", "max_expand_ratio is 0.5, want 1 to 100", 3},
		{"", "batch_sampler { sampler { min_scale: 0 } }", "batch_sampler: min_scale is 0 and max_scale 1, want 0 < min_scale <= max_scale <= 1", 4},
		{"", "batch_sampler { sampler { min_aspect_ratio: 3 } }", "batch_sampler: min_aspect_ratio is 3 and max_aspect_ratio 1, want positive numbers in order", 4},
	} {
		layertest.CheckError(t, test.line, "layer \"d\": "+test.want, annotated(dir, 2, test.transform, test.options))
	}
	env := &layers.Env{}
	if _, err := layertest.SetUp(env, annotated(filepath.Join(dir, "no"), 2, "", "")); err == nil {
		t.Error("no error about a database that is not there")
	}
}
