package ssd_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

const sizes = `resize_param { height: 48 width: 40 prob: 0.5 } resize_param { height: 32 width: 56 prob: 0.3 }
	resize_param { resize_mode: FIT_LARGE_SIZE_AND_PAD height: 64 width: 64 prob: 0.2 } `

// TestPolicies checks that the images of ten batches have one size, that sizes have
// about their probabilities, and that boxes stay right, with jitter too.
func TestPolicies(t *testing.T) {
	const batches = 60 * 10
	f := layertest.New(t, annotated(drawn(t, 12, 4), 2, sizes+"mirror: true", "yolo_data_jitter: 0.6"))
	defer f.Close()
	counts := make(map[string]int)
	last := ""
	for pass := range batches {
		f.Spec.Env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		size := fmt.Sprint(f.Top[0].Shape()[1:])
		if pass%10 > 0 && size != last {
			t.Fatalf("batch %d has images of shape %s, and the one before of %s", pass, size, last)
		}
		last = size
		counts[size]++
		checkBoxes(t, "jitter, "+size, f)
	}
	for size, want := range map[string]float64{"[3 48 40]": 0.5, "[3 32 56]": 0.3, "[3 64 64]": 0.2} {
		if got := float64(counts[size]) / batches; math.Abs(got-want) > 0.15 {
			t.Errorf("%.3g of the batches have size %s, want about %g", got, size, want)
		}
	}
}

// TestJitter checks how much of the image is cut: the objects seem larger by as much.
func TestJitter(t *testing.T) {
	const jitter, n = 0.5, 4000
	dir := drawn(t, 1, 1)
	f := layertest.New(t, annotated(dir, n, "", "anno_type: BBOXandSeg"))
	original := rowOf(t, f)
	f = layertest.New(t, annotated(dir, n, "resize_param { height: 48 width: 40 }", fmt.Sprintf("yolo_data_jitter: %g", jitter)))
	defer f.Close()
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	var all, half, rest, kept int
	for _, row := range rowsOf(f.Top[1].Data()) {
		if row[3] <= 0 || row[4] <= 0 || row[5] >= 1 || row[6] >= 1 {
			continue // cut
		}
		kept++
		w := float64((original[5] - original[3]) / (row[5] - row[3]))
		h := float64((original[6] - original[4]) / (row[6] - row[4]))
		switch part := math.Min(w, h); {
		case part > 1-1e-5:
			all++
		case part > 1-jitter/2:
			half++
		case part > 1-jitter-0.03: // widths are whole pixels
			rest++
		default:
			t.Fatalf("a part has %g of the width and %g of the height", w, h)
		}
	}
	// Of the images, 1/5 are whole and 1/5 have a part of at least 3/4; of the other 3/5
	// those with width and height above 3/4 too.
	if kept < n/2 || all < n*18/100 || all > n*22/100 || half < n/5 || rest < n/10 {
		t.Errorf("%d boxes, of %d images whole, %d of parts from 3/4 and %d less", kept, all, half, rest)
	}
}

func rowOf(t *testing.T, f *layertest.Fixture) []float32 {
	t.Helper()
	defer f.Close()
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), f.Top[1].Data()[:8]...)
}

// TestYOLORows compares the ground truth of YOLO's losses with the rows of SSD's.
func TestYOLORows(t *testing.T) {
	dir := drawn(t, 9, 1)
	for _, options := range []string{"", "train_diffcult: false", "yolo_data_jitter: 0", "batch_sampler { }"} {
		jitter := options
		if !strings.Contains(options, "jitter") {
			jitter += " yolo_data_jitter: 0.3"
		}
		transform := sizes + "mirror: true"
		f := layertest.New(t, annotated(dir, 9, transform, jitter))
		yolo := layertest.New(t, annotated(dir, 9, transform, options+" yolo_data_type: 1"))
		for _, f := range []*layertest.Fixture{f, yolo} {
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
		}
		want := make([]float32, 9*300*5)
		for _, row := range rowsOf(f.Top[1].Data()) {
			if row[7] != 0 && strings.Contains(options, "false") || row[0] < 0 {
				continue
			}
			copy(want[int(row[0])*1500:], []float32{row[1] - 1, (row[3] + row[5]) / 2, (row[4] + row[6]) / 2, row[5] - row[3], row[6] - row[4]})
		}
		if got := yolo.Top[1]; fmt.Sprint(got.Shape()) != "[9 1 300 5]" || fmt.Sprint(got.Data()) != fmt.Sprint(want) {
			t.Errorf("%s: ground truth of shape %v differs from the rows %v", options, got.Shape(), f.Top[1].Data())
		}
		f.Close()
		yolo.Close()
	}
}

func TestYOLOData(t *testing.T) {
	layertest.CheckData(t, cudatest.Device(t), annotated(drawn(t, 9, 1), 4, distort+expand+sizes+"mirror: true "+centered, "yolo_data_type: 1"))
}

func TestYOLODataErrors(t *testing.T) {
	dir := drawn(t, 1, 1)
	for _, test := range []struct {
		transform, options, want string
		line                     int
	}{
		{"", "yolo_data_type: 2", "yolo_data_type is 2, want 0 or 1", 4},
		{"", "yolo_data_jitter: 1", "yolo_data_jitter is 1, want 0 to less than 1", 4},
		{"", "difficult_label_warmup: true", "difficult_label_warmup is not implemented: remove it, or set train_diffcult", 4},
		{"resize_param { height: 8 width: 8 }\nresize_param { height: 8 }", "", "transform_param.resize_param has height 8 and width 0, want positive numbers", 4},
		{"resize_param { height: 8 width: 8 prob: 0.5 }\nresize_param { height: 8 width: 8 prob: 2 }", "", "resize_param: prob is 2, want 0 to 1", 4},
		{"resize_param { height: 8 width: 8 prob: 0.5 } resize_param { height: 8 width: 8 prob: 0.3 }", "", "the prob of 2 resize_param are 0.8 together, want 1", 3},
	} {
		layertest.CheckError(t, test.line, "layer \"d\": "+test.want, annotated(dir, 2, test.transform, test.options))
	}
}
