package cascade_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// The maps of the tests: images, anchors and size.
const (
	mapImages = 2
	mapH      = 3
	mapW      = 5
	mapStride = 8
)

var mapAnchors = [][2]float64{{20, 12}, {9, 30}} // height, width

const mapOptions = "field_h: 20 field_h: 9 field_w: 12 field_w: 30 stride: 8 "

// mapBottoms returns scores, numbers of boxes and labels: each third anchor has a class,
// and the others overlaps from 0 to 0.95.
func mapBottoms(classes int) []*blob.Blob {
	items := mapImages * len(mapAnchors)
	labels := make([]float32, items*6*mapH*mapW)
	random := layertest.Uniform(9, 0, 1, items*4*mapH*mapW).Data()
	for item := range items {
		for at := range mapH * mapW {
			put := func(channel int, v float32) { labels[(item*6+channel)*mapH*mapW+at] = v }
			r := random[(item*mapH*mapW+at)*4:]
			if (item*7+at)%3 == 0 {
				put(0, float32(1+(item+at)%3))
				put(1, float32(at%mapW)*mapStride+8*r[0])
				put(2, float32(at/mapW)*mapStride+8*r[1])
				put(3, 8+20*r[2])
				if at%2 == 0 {
					put(3, 1.5) // narrower than 2
				}
				put(4, 8+20*r[3])
				put(5, 0.8)
			} else {
				put(5, float32((item+at)%20)/20)
			}
		}
	}
	return []*blob.Blob{
		layertest.Gaussian(1, items, classes, mapH, mapW), layertest.Gaussian(2, items, 4, mapH, mapW), layertest.Values(labels, items, 6, mapH, mapW),
	}
}

// An anchor is what the float64 computations know of an anchor at a pixel.
type anchor struct {
	item, at int
	label    int
	overlap  float64
	field    [2]float64 // height, width
	x, y     float64    // of its center
	prob     []float64
	numbers  [4]float64
	truth    [4]float64 // x, y of the center, width, height
}

func anchorsOf(b []*blob.Blob) (list []anchor) {
	value := func(b *blob.Blob, item, channel, at int) float64 {
		return float64(b.Data()[(item*b.Dim(1)+channel)*mapH*mapW+at])
	}
	for item := range b[0].Dim(0) {
		for at := range mapH * mapW {
			a := anchor{
				item: item, at: at, label: int(value(b[2], item, 0, at)), overlap: value(b[2], item, 5, at), field: mapAnchors[item%len(mapAnchors)],
				x: (float64(at%mapW) + 0.5) * mapStride, y: (float64(at/mapW) + 0.5) * mapStride,
			}
			sum := 0.
			for c := range b[0].Dim(1) {
				a.prob = append(a.prob, math.Exp(value(b[0], item, c, at)))
				sum += a.prob[c]
			}
			for c := range a.prob {
				a.prob[c] /= sum
			}
			for k := range 4 {
				a.numbers[k], a.truth[k] = value(b[1], item, k, at), value(b[2], item, 1+k, at)
			}
			list = append(list, a)
		}
	}
	return list
}

// groupLoss computes the two numbers of the top, if the chosen anchors are those of the
// foreground and those for which background returns true.
func groupLoss(list []anchor, objectness, bounded, weighted, smooth bool, lambda float64, background func(a *anchor) bool) (y [2]float64) {
	var fore, back, conf, boxes, coordinates float64
	for i := range list {
		if list[i].label > 0 {
			fore++
		} else if background(&list[i]) {
			back++
		}
	}
	for i := range list {
		a := &list[i]
		if a.label == 0 && !background(a) {
			continue
		}
		class, weight := a.label, 1.
		if objectness {
			class = min(1, class)
		}
		if weighted { // bg_multiple is 4
			if weight = 0.8 * (fore + back) / back; a.label > 0 {
				weight = 0.2 * (fore + back) / fore
			}
		}
		conf -= weight * math.Log(a.prob[class])
		if a.label == 0 {
			continue
		}
		target := [4]float64{
			(a.truth[0] - a.x) / a.field[1], (a.truth[1] - a.y) / a.field[0], math.Log(math.Max(2, a.truth[2]) / a.field[1]), math.Log(math.Max(2, a.truth[3]) / a.field[0]),
		}
		for k, v := range target {
			x := a.numbers[k]
			if bounded { // field_xyr 2, field_whr 1.5
				bound := [2]float64{0.5, math.Log(1.5)}[k/2]
				m, s := (mean[k/2*2]+mean[k/2*2+1])/2, math.Sqrt(std[k/2*2]*std[k/2*2+1])
				x = math.Min((bound-m)/s, math.Max((-bound-m)/s, x))
			}
			d := math.Abs(x - (v-mean[k])/std[k])
			if smooth && d >= 1 {
				boxes += d - 0.5
			} else {
				boxes += d * d / 2
			}
			coordinates++
		}
	}
	box := lambda * boxes / coordinates
	return [2]float64{conf/(fore+back) + box, box}
}

func TestGroupLoss(t *testing.T) {
	layertest.Checked(t, "DetectionGroupLoss", layertest.Reference)
	all := func(a *anchor) bool { return a.overlap < 0.5 }
	for _, test := range []struct {
		classes                               int
		options                               string
		objectness, bounded, weighted, smooth bool
		lambda                                float64
	}{
		{4, "", false, false, false, true, 1},
		{4, `lambda: 0.5 bbox_loss_type: "Euclidean_L2" pos_neg_weighted: true`, false, false, true, false, 0.5},
		{2, "objectness: true field_xyr: 2 field_whr: 1.5", true, true, false, true, 1},
		{2, "objectness: true field_xyr: 2", true, false, false, true, 1}, // both must be given
	} {
		text := layer("DetectionGroupLoss", 3, fmt.Sprintf("loss_weight: 1 detection_group_loss_param { cls_num: %d %s %s } %s", test.classes, mapOptions, test.options, normalized))
		bottoms := func() []*blob.Blob { return mapBottoms(test.classes) }
		f := forward(t, text, bottoms()...)
		want := groupLoss(anchorsOf(bottoms()), test.objectness, test.bounded, test.weighted, test.smooth, test.lambda, all)
		if got := groupTop(f); math.Abs(got[0]-want[0]) > 1e-4 || math.Abs(got[1]-want[1]) > 1e-4 {
			t.Errorf("%s: got %v, want %v", test.options, got, want)
		}
		promises(t, text, bottoms)
		if !test.bounded { // beyond the bound the gradient is that at the bound
			layertest.CheckGradient(t, layertest.New(t, text, bottoms()...), layertest.GradientOptions{Bottoms: []int{0, 1}})
		}
	}
}

// groupTop returns the two numbers of the top.
func groupTop(f *layertest.Fixture) (y [2]float64) {
	return [2]float64{float64(f.Top[0].Data()[0]), float64(f.Top[0].Data()[1])}
}

// TestGroupBound checks the gradient of predictions beyond the bound: that at the bound.
func TestGroupBound(t *testing.T) {
	text := layer("DetectionGroupLoss", 3, "loss_weight: 1 detection_group_loss_param { cls_num: 4 field_xyr: 1 field_whr: 4 "+mapOptions+"}")
	gradient := func(bound bool) []float32 {
		b := mapBottoms(4)
		for item := range b[1].Dim(0) {
			for k := range 4 {
				plane := b[1].MutableData()[(item*4+k)*mapH*mapW:][:mapH*mapW]
				limit := float32([2]float64{1, math.Log(4)}[k/2])
				for i := range plane {
					plane[i] *= 3
					if bound {
						plane[i] = min(limit, max(-limit, plane[i]))
					}
				}
			}
		}
		f := forward(t, text, b...)
		if err := f.Backward(); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(f.Bottom[1].Diff())
	}
	if beyond, at := gradient(false), gradient(true); !slices.Equal(beyond, at) {
		t.Errorf("gradient %v, want %v", beyond, at)
	}
}

// TestGroupSampling checks which anchors of the background are chosen.
func TestGroupSampling(t *testing.T) {
	// conf returns the loss of the classes alone, for the hardest n anchors of the
	// background of each image.
	hardest := func(classes, n int, list []anchor) func(a *anchor) bool {
		chosen := make(map[[2]int]bool)
		for image := range mapImages {
			var back []anchor
			for _, a := range list {
				if a.item/len(mapAnchors) == image && a.label == 0 && a.overlap < 0.5 {
					back = append(back, a)
				}
			}
			slices.SortFunc(back, func(a, b anchor) int {
				if a.prob[0] < b.prob[0] {
					return -1
				}
				return 1
			})
			for _, a := range back[:n] {
				chosen[[2]int{a.item, a.at}] = true
			}
		}
		return func(a *anchor) bool { return chosen[[2]int{a.item, a.at}] }
	}
	for _, options := range []string{`neg_mining_type: "bootstrap" bg_multiple: 0 min_num_neg: 4`, `neg_mining_type: "bootstrap" bg_multiple: 0 min_num_neg: 4 neg_ranking_type: "conf_prob"`} {
		b := mapBottoms(4)
		list := anchorsOf(b)
		f := forward(t, layer("DetectionGroupLoss", 3, "detection_group_loss_param { cls_num: 4 "+mapOptions+options+" } "+normalized), b...)
		want := groupLoss(list, false, false, false, true, 1, hardest(4, 4, list))
		if got := groupTop(f); math.Abs(got[0]-want[0]) > 1e-4 || math.Abs(got[1]-want[1]) > 1e-4 {
			t.Errorf("%s: got %v, want %v", options, got, want)
		}
	}
	for options, want := range map[string][2]int{ // anchors of an image: foreground is 10, background with overlap < 0.5 about 10
		"batch_size: 8 bg_multiple: 1":                              {4, 4},
		"batch_size: 8 bg_multiple: 3":                              {2, 6},
		`batch_size: 8 bg_multiple: 3 neg_mining_type: "mixture"`:   {2, 6},
		`batch_size: 8 bg_multiple: 3 neg_mining_type: "bootstrap"`: {2, 6},
	} {
		b := mapBottoms(4)
		f := layertest.New(t, layer("DetectionGroupLoss", 3, "loss_weight: 1 detection_group_loss_param { cls_num: 4 "+mapOptions+options+" } "+normalized), b...)
		seen := make(map[int]bool)
		for pass := range 60 {
			f.Spec.Env.Pass = int64(pass)
			if err := f.Forward(); err != nil {
				t.Fatal(err)
			}
			if err := f.Backward(); err != nil {
				t.Fatal(err)
			}
			var fore, back int
			for i, a := range anchorsOf(b) {
				if f.Bottom[0].Diff()[(a.item*4+a.label)*mapH*mapW+a.at] != 0 {
					seen[i] = true
					if a.label > 0 {
						fore++
					} else {
						back++
						if a.overlap >= 0.5 {
							t.Fatalf("%s: an anchor with overlap %g is background", options, a.overlap)
						}
					}
				}
			}
			if fore != mapImages*want[0] || back != mapImages*want[1] {
				t.Fatalf("%s: %d of the foreground and %d of the background, want %d times %v", options, fore, back, mapImages, want)
			}
		}
		n := 0
		for _, a := range anchorsOf(b) {
			if a.label > 0 || a.overlap < 0.5 {
				n++
			}
		}
		if all := !strings.Contains(options, "bootstrap"); (len(seen) == n) != all {
			t.Errorf("%s: %d anchors were chosen, of %d", options, len(seen), n)
		}
	}
}

func TestGroupAccuracy(t *testing.T) {
	layertest.Checked(t, "DetectionGroupAccuracy", layertest.Reference)
	for _, objectness := range []bool{false, true} {
		classes, options := 4, ""
		if objectness {
			classes, options = 2, "objectness: true"
		}
		bottoms := func() []*blob.Blob { return mapBottoms(classes) }
		var all, right, fore, foreRight, overlaps float64
		for _, a := range anchorsOf(bottoms()) {
			class, best := a.label, 0
			if objectness {
				class = min(1, class)
			}
			for c, p := range a.prob {
				if p > a.prob[best] {
					best = c
				}
			}
			if class > 0 {
				var v [4]float64
				for k, x := range a.numbers {
					bound := [2]float64{1. / 3, math.Log(1.8)}[k/2]
					v[k] = math.Min(bound, math.Max(-bound, x*std[k]+mean[k]))
				}
				at := func(cx, cy, w, h float64) box {
					return box{x1: cx - w/2, y1: cy - h/2, x2: cx + w/2 - 1, y2: cy + h/2 - 1}
				}
				overlaps += sized(at(a.x+v[0]*a.field[1], a.y+v[1]*a.field[0], a.field[1]*math.Exp(v[2]), a.field[0]*math.Exp(v[3])),
					at(a.truth[0], a.truth[1], a.truth[2], a.truth[3]))
				fore++
				if best == class {
					foreRight++
				}
			} else if a.overlap >= 0.4 {
				continue
			}
			all++
			if best == class {
				right++
			}
		}
		text := layer("DetectionGroupAccuracy", 3, fmt.Sprintf(`top: "z" detection_group_accuracy_param { cls_num: %d %s field_xyr: 3 field_whr: 1.8 bg_threshold: 0.4 %s } %s`,
			classes, mapOptions, options, normalized))
		f := forward(t, text, bottoms()...)
		got := append(slices.Clone(f.Top[0].Data()), f.Top[1].Data()...)
		for i, want := range []float64{right / all, foreRight / fore, overlaps / fore} {
			if math.Abs(float64(got[i])-want) > 1e-5 || want < 0.05 {
				t.Errorf("number %d is %g, want %g", i, got[i], want)
			}
		}
		promises(t, text, bottoms)
	}
}

// TestGroupIgnored checks that a class that is ignored counts nowhere.
func TestGroupIgnored(t *testing.T) {
	b := mapBottoms(4)
	for i, v := range b[2].Data()[:b[2].Count()] {
		if i/(mapH*mapW)%6 == 0 && v > 0 {
			b[2].MutableData()[i] = 2
		}
	}
	f := forward(t, layer("DetectionGroupAccuracy", 3, `top: "z" loss_param { ignore_label: 2 } detection_group_accuracy_param { cls_num: 4 `+mapOptions+"}"), b...)
	if got := f.Top[0].Data()[1]; got != -1 || f.Top[1].Data()[0] != -1 {
		t.Errorf("accuracy of the foreground %g, overlap %g, want -1", got, f.Top[1].Data()[0])
	}
	f = forward(t, layer("DetectionGroupLoss", 3, `loss_param { ignore_label: 2 } detection_group_loss_param { cls_num: 4 `+mapOptions+"}"), b...)
	if got := groupTop(f); got[1] != 0 || !(got[0] > 0) {
		t.Errorf("loss %v", got)
	}
}

func TestGroupErrors(t *testing.T) {
	for _, test := range []struct{ want, typ, options string }{
		{"cls_num is 0, want 2 to 32767, with the background", "DetectionGroupLoss", ""},
		{"cls_num is 3, want 2 with objectness", "DetectionGroupLoss", "detection_group_loss_param { cls_num: 3 objectness: true " + mapOptions + "}"},
		{"there are 1 field_h and 0 field_w, want as many of each, at least one", "DetectionGroupAccuracy", "detection_group_accuracy_param { cls_num: 3 field_h: 4 }"},
		{"stride is 0, want 1 to 32767", "DetectionGroupAccuracy", "detection_group_accuracy_param { cls_num: 3 field_h: 4 field_w: 4 }"},
		{`neg_mining_type is "x", want random, bootstrap or mixture`, "DetectionGroupLoss", `detection_group_loss_param { cls_num: 4 neg_mining_type: "x" }`},
		{`bbox_loss_type is "x", want Smooth_L1 or Euclidean_L2`, "DetectionGroupLoss", `detection_group_loss_param { cls_num: 4 bbox_loss_type: "x" }`},
		{"bottom 0 has shape [4 4 3 5], want 4 x 3 x 3 x 5", "DetectionGroupLoss", "detection_group_loss_param { cls_num: 3 " + mapOptions + "}"},
		{"bottom 0 has 4 items, want 3 for each image, one for each anchor", "DetectionGroupLoss", "detection_group_loss_param { cls_num: 4 field_h: 2 field_w: 2 " + mapOptions + "}"},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, 3, test.options), mapBottoms(4)...)
	}
	b := mapBottoms(4)
	b[2].MutableData()[3] = 4
	f := layertest.New(t, layer("DetectionGroupLoss", 3, "detection_group_loss_param { cls_num: 4 "+mapOptions+"}"), b...)
	if err := f.Forward(); err == nil || !strings.Contains(err.Error(), "the label of item 0 at pixel 3 is 4, want 0 to 3") {
		t.Errorf("error %v", err)
	}
}
