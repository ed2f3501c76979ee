package cascade_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// detectionData is a layer with so many maps.
func detectionData(file string, maps int, options, transform string) string {
	tops := ""
	for m := range maps {
		tops += fmt.Sprintf("top: \"map%d\" ", m)
	}
	return fmt.Sprintf("layer { name: \"l\" type: \"DetectionData\" top: \"data\" %stop: \"boxes\"\ndetection_data_param { source: %q root_folder: \"%s/\" output_gt_boxes: true %s }\ntransform_param { %s } }",
		tops, file, filepath.Dir(file), options, transform)
}

// TestDetectionData checks, after all steps, that objects are where the boxes say: their
// sides are between white and black pixels.
func TestDetectionData(t *testing.T) {
	layertest.Checked(t, "DetectionData", layertest.Reference)
	file := windowFile(t, [][2]int{{96, 128}, {200, 120}, {64, 160}})
	for _, options := range []string{
		"resize_height: 96 resize_width: 128", "short_size: 96 long_size: 160", "resize_ratio: 0.75 crop_height: 64 crop_width: 80",
		"crop_short_size: 64 crop_long_size: 120 shuffle: \"random\"",
		"resize_height: 96 resize_width: 128 low_scale_ratio: 0.5 high_scale_ratio: 3 multiscale_prob: 1",
		"crop_height: 90 crop_width: 100 min_scale: 20 max_scale: 90 multiscale_prob: 0.7 min_whaspect: 0.7 max_whaspect: 1.4 cache_images: true",
		"short_size: 96 long_size: 160 template_ratio: 0.7 template_ratio: 1 template_ratio: 1.3",
	} {
		for _, transform := range []string{"", "mirror: true mean_value: 100 scale: 0.5"} {
			f := layertest.New(t, detectionData(file, 0, options+" batch_size: 3", transform))
			checked := 0
			for pass := range 20 {
				f.Spec.Env.Pass = int64(pass)
				if err := f.Forward(); err != nil {
					t.Fatal(err)
				}
				checked += checkObjects(t, options, f, transform != "")
			}
			f.Close()
			if checked < 60 {
				t.Errorf("%s: %d sides were checked", options, checked)
			}
		}
	}
}

// checkObjects compares the boxes of a batch with the pixels, and returns how many sides
// were compared.
func checkObjects(t *testing.T, what string, f *layertest.Fixture, scaled bool) (checked int) {
	t.Helper()
	h, w := f.Top[0].Dim(2), f.Top[0].Dim(3)
	for b := f.Top[1].Data(); len(b) > 0; b = b[8:] {
		row := b[:8]
		plane := f.Top[0].Data()[int(row[0])*3*h*w:][:h*w]
		cx, cy := float64(row[1]+row[3])/2, float64(row[2]+row[4])/2
		for _, side := range []struct{ x, y, dx, dy float64 }{
			{float64(row[1]), cy, -1, 0}, {float64(row[3]) + 1, cy, 1, 0}, {cx, float64(row[2]), 0, -1}, {cx, float64(row[4]) + 1, 0, 1},
		} {
			at := func(d float64) (float64, bool) {
				x, y := int(math.Floor(side.x+d*side.dx)), int(math.Floor(side.y+d*side.dy))
				if x < 0 || y < 0 || x >= w || y >= h {
					return 0, false
				}
				v := float64(plane[y*w+x])
				if scaled {
					v = v/0.5 + 100
				}
				return v, true
			}
			inside, ok1 := at(-4)
			outside, ok2 := at(7) // the last pixel becomes several when it is scaled
			if !ok1 || !ok2 {
				continue
			}
			checked++
			if inside < 215 || outside > 40 && outside != 100 { // 100 is a 0 of the border, with the mean
				t.Fatalf("%s: side at %.1f,%.1f of %v: %g inside, %g outside, in %d x %d", what, side.x, side.y, row, inside, outside, h, w)
			}
		}
	}
	return checked
}

// TestDetectionMaps compares the maps with a computation in float64 from the boxes of
// whole images, of which the last region is ignored.
func TestDetectionMaps(t *testing.T) {
	const h, w = 96, 128
	file := windowFile(t, [][2]int{{h, w}, {h, w}})
	ignored := box{x1: 0, y1: h - h/6, x2: w / 8, y2: h - 1}
	strides, fields := []int{8, 16}, [][2]float64{{24, 32}, {60, 14}} // height, width
	maps := "stride: 8 stride: 16 field_h: 24 field_h: 60 field_w: 32 field_w: 14 batch_size: 2 resize_height: 96 resize_width: 128 "
	for _, test := range []struct {
		options                   string
		fore, ignore, least, pick float64
		outside                   func(a box) bool
	}{
		{"fg_threshold: 0.3", 0.3, 0.4, 0, 0.2, nil},
		{"fg_threshold: 0.95 ignore_fg_threshold: 0.2", 0.95, 0.2, 0, 0.2, nil},
		{"fg_threshold: 0.95 pickup_iou_thr: 0.9", 0.95, 0.4, 0, 0.9, nil},
		{"fg_threshold: 0.3 min_gt_width: 40", 0.3, 0.4, 40, 0.2, nil},
		{"fg_threshold: 0.3 anchor_ignore_margin_ratio: 0.5", 0.3, 0.4, 0, 0.2, nil},
		{"fg_threshold: 0.3 anchor_ignore_iou_thr: 0.7", 0.3, 0.4, 0, 0.2, func(a box) bool { return overlap(a, box{x2: w, y2: h}, "IOFU") < 0.7 }},
	} {
		f := forward(t, detectionData(file, 2, maps+test.options, ""))
		picked, foreground := 0, 0
		for item := range 2 {
			var objects [][]float32
			for b := f.Top[3].Data(); len(b) > 0; b = b[8:] {
				if int(b[0]) == item {
					objects = append(objects, b[:8])
				}
			}
			boxOf := func(row []float32) box {
				return box{x1: float64(row[1]), y1: float64(row[2]), x2: float64(row[3]), y2: float64(row[4])}
			}
			got := func(m, channel, at int) float64 {
				size := h / strides[m] * w / strides[m]
				return float64(f.Top[1+m].Data()[(item*6+channel)*size+at])
			}
			matched, best, where := make([]bool, len(objects)), make([]float64, len(objects)), make([]int, len(objects))
			want := [2]map[int][6]float64{{}, {}}
			put := func(m, at int, label float32, o []float32, v float64) {
				b := boxOf(o)
				want[m][at] = [6]float64{float64(label), (b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, b.x2 - b.x1 + 1, b.y2 - b.y1 + 1, v}
			}
			for m, stride := range strides {
				for at := range h / stride * w / stride {
					x, y := (float64(at%(w/stride))+0.5)*float64(stride), (float64(at/(w/stride))+0.5)*float64(stride)
					fh, fw := fields[m][0], fields[m][1]
					a := box{x1: x - fw/2, y1: y - fh/2, x2: x + fw/2, y2: y + fh/2}
					out := test.outside != nil && test.outside(a)
					if strings.Contains(test.options, "margin") {
						out = a.x1 < -fw/4 || a.x2 >= w+fw/4 || a.y1 < -fh/4 || a.y2 >= h+fh/4
					}
					if out {
						want[m][at] = [6]float64{5: 1}
						continue
					}
					most, match := 0., -1
					for i, o := range objects {
						v := overlap(boxOf(o), a, "IOU")
						if v > most {
							most, match = v, i
						}
						if v > best[i] {
							best[i], where[i] = v, m
						}
					}
					switch {
					case most > test.fore:
						o := objects[match]
						label := o[5]
						if o[6] != 0 {
							label = 0
						}
						put(m, at, label, o, most)
						matched[match] = true
						foreground++
					case overlap(a, ignored, "IOFU") >= test.ignore:
						want[m][at] = [6]float64{5: 1}
					default:
						want[m][at] = [6]float64{5: most}
					}
				}
			}
			for i, o := range objects {
				if small := boxOf(o).x2-boxOf(o).x1+1 < test.least; small && o[6] == 0 {
					t.Fatalf("%s: object %v is not ignored", test.options, o)
				}
				if o[6] != 0 || matched[i] || best[i] < test.pick {
					continue
				}
				m := where[i]
				b := boxOf(o)
				at := int((b.y1+b.y2)/2)/strides[m]*(w/strides[m]) + int((b.x1+b.x2)/2)/strides[m]
				if want[m][at][0] == 0 {
					put(m, at, o[5], o, best[i])
					picked++
				}
			}
			for m := range strides {
				for at, v := range want[m] {
					for k := range v {
						if math.Abs(got(m, k, at)-v[k]) > 1e-4 {
							t.Fatalf("%s: map %d at %d: number %d is %g, want %g", test.options, m, at, k, got(m, k, at), v[k])
						}
					}
				}
			}
		}
		if (picked > 0) != (test.fore > 0.5 && test.pick < 0.5) || (foreground > 0) != (test.fore < 0.5) {
			t.Errorf("%s: %d anchors of the foreground, %d picked up", test.options, foreground, picked)
		}
	}
}

// TestDetectionOrder checks the orders of shuffled images by the sizes of batches of one.
func TestDetectionOrder(t *testing.T) {
	sizes := [][2]int{{32, 64}, {64, 32}, {40, 64}, {64, 40}, {48, 64}, {64, 48}, {56, 64}, {64, 56}}
	file := windowFile(t, sizes)
	for shuffle, high := range map[string]string{"random_aspect": "hhhhwwww", "random_mix_aspect": "hhwwhhww"} {
		f := layertest.New(t, detectionData(file, 0, fmt.Sprintf("batch_size: 1 mix_group_size: 2 shuffle: %q", shuffle), ""))
		orders := make(map[string]bool)
		for epoch := range 6 {
			kinds, order := "", ""
			var seen [][2]int
			for i := range sizes {
				f.Spec.Env.Pass = int64(epoch*len(sizes) + i)
				if err := f.Forward(); err != nil {
					t.Fatal(err)
				}
				size := [2]int{f.Top[0].Dim(2), f.Top[0].Dim(3)}
				kind := "w"
				if size[0] >= size[1] {
					kind = "h"
				}
				kinds, order, seen = kinds+kind, order+fmt.Sprint(size), append(seen, size)
			}
			other := strings.NewReplacer("h", "w", "w", "h").Replace(high)
			if kinds != high && kinds != other {
				t.Errorf("%s: order %s, want %s or %s", shuffle, kinds, high, other)
			}
			for _, s := range sizes {
				if !slices.Contains(seen, s) {
					t.Errorf("%s: no image of %v", shuffle, s)
				}
			}
			orders[order] = true
		}
		f.Close()
		if len(orders) < 5 {
			t.Errorf("%s: %d orders in 6 epochs", shuffle, len(orders))
		}
	}
}

func TestDetectionDevice(t *testing.T) {
	layertest.Checked(t, "DetectionData", layertest.Device)
	layertest.CheckData(t, cudatest.Device(t), detectionData(windowFile(t, [][2]int{{96, 128}, {200, 120}, {64, 160}}), 1,
		`stride: 8 field_h: 30 field_w: 30 batch_size: 2 short_size: 64 long_size: 96 shuffle: "random_aspect" low_scale_ratio: 0.5 high_scale_ratio: 2
		distort_param { brightness_prob: 0.5 brightness_delta: 32 saturation_prob: 0.5 saturation_lower: 0.5 saturation_upper: 1.5 }`, "mirror: true"))
}

func TestDetectionErrors(t *testing.T) {
	file := windowFile(t, [][2]int{{96, 128}})
	for options, want := range map[string]string{
		"resize_height: 3":                                       "one of resize_height and resize_width is set, want both or none",
		"short_size: 3 long_size: 4 resize_ratio: 2":             "short_size and resize_ratio are set, want one of them",
		"resize_ratio: -1":                                       "resize_ratio is -1, want a positive number",
		"short_size: 5 long_size: 4":                             "want the long ones to be longer",
		"stride: 4 field_h: 3":                                   "there are 1 stride, 1 field_h and 0 field_w, want as many of each",
		"stride: 4 field_h: 3 field_w: 2":                        "layer has 2 tops, want 3: the images, 1 maps, and the boxes with output_gt_boxes",
		"coord_num: 5":                                           "coord_num is 5, want 4",
		`shuffle: "x"`:                                           `shuffle is "x", want random, random_aspect or random_mix_aspect`,
		"min_scale: 2 max_scale: 1":                              "want the first not to be larger",
		"distort_param { brightness_prob: 2 }":                   "got 2, want 0 to 1",
		"template_ratio: 0":                                      "template_ratio is 0, want positive numbers",
		"resize_ratio: 1 crop_height: 100001 crop_width: 100001": "the part of the image",
	} {
		if _, err := layertest.SetUp(new(layers.Env), detectionData(file, 0, "batch_size: 1 "+options, "")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", options, err, want)
		}
	}
}
