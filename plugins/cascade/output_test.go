package cascade_test

import (
	"math"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

const normalized = "bbox_reg_param { bbox_mean: 0.1 bbox_mean: -0.1 bbox_mean: 0.05 bbox_mean: 0 bbox_std: 0.5 bbox_std: 0.4 bbox_std: 0.3 bbox_std: 0.2 }"

var (
	mean = [4]float64{0.1, -0.1, 0.05, 0}
	std  = [4]float64{0.5, 0.4, 0.3, 0.2}
)

// A box of the computation in float64, with what it is sorted by.
type box struct{ x1, y1, x2, y2, score float64 }

// decode computes the box of four normalized numbers relative to a prior: center and
// size of the prior, moved and scaled.
func decode(p box, t []float32) box {
	var v [4]float64
	for k := range v {
		v[k] = float64(t[k])*std[k] + mean[k]
	}
	w, h := p.x2-p.x1+1, p.y2-p.y1+1
	cx, cy := (p.x1+p.x2)/2+v[0]*w, (p.y1+p.y2)/2+v[1]*h
	w, h = w*math.Exp(v[2]), h*math.Exp(v[3])
	return box{x1: cx - (w-1)/2, y1: cy - (h-1)/2, x2: cx + (w-1)/2, y2: cy + (h-1)/2}
}

func (b box) area() float64 {
	if b.x2 < b.x1 || b.y2 < b.y1 {
		return 0
	}
	return (b.x2 - b.x1 + 1) * (b.y2 - b.y1 + 1)
}

// overlap computes the overlap of a with b, where a is the better box.
func overlap(a, b box, mode string) float64 {
	w, h := math.Min(a.x2, b.x2)-math.Max(a.x1, b.x1), math.Min(a.y2, b.y2)-math.Max(a.y1, b.y1)
	if w < 0 || h <= 0 || a.area() == 0 || b.area() == 0 {
		return 0
	}
	common := (w + 1) * (h + 1)
	switch mode {
	case "IOMU":
		return common / math.Min(a.area(), b.area())
	case "IOFU":
		return common / a.area()
	}
	return common / (a.area() + b.area() - common)
}

// suppress sorts boxes and returns those that do not overlap a better one that stays.
func suppress(all []box, most int, threshold float64, mode string) (stay []box) {
	sort.SliceStable(all, func(i, j int) bool { return all[i].score > all[j].score })
	if most > 0 {
		all = all[:min(most, len(all))]
	}
	for _, b := range all {
		if !slices.ContainsFunc(stay, func(s box) bool { return overlap(s, b, mode) > threshold }) {
			stay = append(stay, b)
		}
	}
	return stay
}

// compare compares a top with rows of numbers.
func compare(t *testing.T, top *blob.Blob, want [][]float64) {
	t.Helper()
	if shape := []int{len(want), len(want[0]), 1, 1}; !slices.Equal(top.Shape(), shape) {
		t.Fatalf("top has shape %v, want %v", top.Shape(), shape)
	}
	for i, row := range want {
		for k, v := range row {
			if got := float64(top.Data()[i*len(row)+k]); math.Abs(got-v) > 1e-4*math.Max(1, math.Abs(v)) {
				t.Errorf("row %d: got %v, want %v", i, top.Data()[i*len(row):][:len(row)], row)
				break
			}
		}
	}
}

func forward(t *testing.T, text string, bottoms ...*blob.Blob) *layertest.Fixture {
	t.Helper()
	f := layertest.New(t, text, bottoms...)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	return f
}

// promises checks what all layers promise, with new bottoms for each check.
func promises(t *testing.T, text string, bottoms func() []*blob.Blob) {
	t.Helper()
	layertest.CheckThreads(t, text, bottoms()...)
	layertest.CheckAllocs(t, text, bottoms()...)
}

// some returns n ROIs of an image of 64 x 48, images below the limit.
func some(n, images int) *blob.Blob {
	v := layertest.Uniform(5, 0, 1, n, 4).Data()
	rois := make([]float32, 0, 5*n)
	for i := range n {
		x, y := 40*v[4*i], 30*v[4*i+1]
		rois = append(rois, float32(i%images), x, y, x+4+20*v[4*i+2], y+4+14*v[4*i+3])
	}
	return layertest.Values(rois, n, 5)
}

func roi(b *blob.Blob, i int) box {
	r := b.Data()[i*b.CountFrom(1):]
	return box{x1: float64(r[1]), y1: float64(r[2]), x2: float64(r[3]), y2: float64(r[4])}
}

func TestDecodeBBox(t *testing.T) {
	layertest.Checked(t, "DecodeBBox", layertest.Reference)
	bottoms := func() []*blob.Blob {
		rois := some(12, 3)
		copy(rois.MutableData()[5*4:], []float32{2, 9, 9, 8, 9}) // ends before it begins, and so does its box
		return []*blob.Blob{layertest.Gaussian(1, 12, 8), rois}
	}
	truth := make([]float32, 12*6)
	for i := range 12 {
		truth[6*i+5] = []float32{0, 0.5, 0.89, 0.9, 1}[i%5]
	}
	train := layer("DecodeBBox", 2, normalized)
	test := layer("DecodeBBox", 2, "phase: TEST "+normalized)
	third := layer("DecodeBBox", 3, "decode_bbox_param { gt_iou_thr: 0.9 } "+normalized)
	for _, text := range []string{train, test, third} {
		b := bottoms()
		if text == third {
			b = append(b, layertest.Values(truth, 12, 6))
		}
		var want [][]float64
		for i := range 12 {
			d := decode(roi(b[1], i), b[0].Data()[8*i+4:])
			if text != test && d.x2 < d.x1 || text == third && i%5 > 2 {
				continue
			}
			want = append(want, []float64{float64(b[1].Data()[5*i]), d.x1, d.y1, d.x2, d.y2})
		}
		if full := len(want) == 12; full != (text == test) {
			t.Fatalf("%d boxes are left", len(want))
		}
		compare(t, forward(t, text, b...).Top[0], want)
		promises(t, text, func() []*blob.Blob {
			if text == third {
				return append(bottoms(), layertest.Values(truth, 12, 6))
			}
			return bottoms()
		})
	}
}

func TestScaleRoute(t *testing.T) {
	layertest.Checked(t, "ScaleRoute", layertest.Reference)
	sizes := []float64{10, 40, 20, 63, 64, 5, 32, 39}
	var rois []float32
	for i, s := range sizes {
		rois = append(rois, float32(i), 3, 7, float32(3+s/2-1), float32(7+2*s-1)) // of s/2 x 2s pixels
	}
	for _, test := range []struct {
		options string
		want    []int
	}{
		{"low_scale: 20 high_scale: 40", []int{2, 6, 7}},
		{"low_scale: 40", []int{1, 3, 4}},
		{"high_scale: 20", []int{0, 5}},
		{"", []int{0, 1, 2, 3, 4, 5, 6, 7}},
		{"low_scale: 11 high_scale: 12", []int{0}},
		{"low_scale: 100 high_scale: 400", []int{4}},
		{"low_scale: 1 high_scale: 4", []int{5}},
	} {
		text := layer("ScaleRoute", 2, `top: "z" scale_route_param { `+test.options+" }")
		bottoms := func() []*blob.Blob {
			return []*blob.Blob{layertest.Values(rois, len(sizes), 5), layertest.Gaussian(1, len(sizes), 2, 3)}
		}
		b := bottoms()
		f := forward(t, text, b...)
		for k, top := range f.Top {
			var want []float32
			for _, i := range test.want {
				n := b[k].CountFrom(1)
				want = append(want, b[k].Data()[i*n:(i+1)*n]...)
			}
			if top.Dim(0) != len(test.want) || !slices.Equal(top.Data(), want) {
				t.Errorf("%s: top %d is %v with shape %v, want %v", test.options, k, top.Data(), top.Shape(), want)
			}
		}
		promises(t, text, bottoms)
	}
}

func TestBoxGroupOutput(t *testing.T) {
	layertest.Checked(t, "BoxGroupOutput", layertest.Reference)
	const images = 2
	maps := []struct {
		h, w, stride int
		fh, fw       []float64
	}{{6, 8, 8, []float64{16, 30}, []float64{20, 12}}, {3, 4, 16, []float64{40}, []float64{24}}}
	bottoms := func() (b []*blob.Blob) {
		for i, m := range maps {
			n := images * len(m.fh)
			b = append(b, layertest.Uniform(uint64(7+i), 0, 1, n, 2, m.h, m.w), layertest.Gaussian(uint64(3+i), n, 4, m.h, m.w))
		}
		return b
	}
	for _, test := range []struct {
		mode      string
		threshold float64
		options   string
		best      int
		limit     int
	}{
		{"IOU", 0.3, "iou_thr: 0.3", 0, 0},
		{"IOMU", 0.5, `nms_type: "IOMU" max_nms_num: 25`, 25, 0},
		{"IOFU", 0.4, `nms_type: "IOFU" iou_thr: 0.4 max_post_nms_num: 3`, 0, 3},
	} {
		b := bottoms()
		var rows, scored [][]float64
		for image := range images {
			var all []box
			for m, mp := range maps {
				for k := range mp.fh {
					item := image*len(mp.fh) + k
					for at := range mp.h * mp.w {
						score := float64(1 - b[2*m].Data()[item*2*mp.h*mp.w+at])
						var v [4]float64
						for j := range v {
							v[j] = float64(b[2*m+1].Data()[(item*4+j)*mp.h*mp.w+at])*std[j] + mean[j]
						}
						for j, bound := range []float64{0.25, 0.25, math.Log(1.5), math.Log(1.5)} {
							v[j] = math.Max(-bound, math.Min(bound, v[j]))
						}
						w, h := mp.fw[k]*math.Exp(v[2]), mp.fh[k]*math.Exp(v[3])
						x := (float64(at%mp.w)+0.5)*float64(mp.stride) + v[0]*mp.fw[k] - w/2
						y := (float64(at/mp.w)+0.5)*float64(mp.stride) + v[1]*mp.fh[k] - h/2
						c := box{math.Max(0, x), math.Max(0, y), math.Min(x+w-1, 64), math.Min(y+h-1, 48), score}
						if score >= 0.4 && c.x2-c.x1+1 >= 11 && c.y2-c.y1+1 >= 11 {
							all = append(all, c)
						}
					}
				}
			}
			stay := suppress(all, test.best, test.threshold, test.mode)
			if test.limit > 0 {
				stay = stay[:min(len(stay), test.limit)]
			}
			if len(stay) < 3 || len(stay) == len(all) {
				t.Fatalf("%d of %d boxes stay", len(stay), len(all))
			}
			for _, s := range stay {
				rows = append(rows, []float64{float64(image), s.x1, s.y1, s.x2, s.y2})
				scored = append(scored, []float64{float64(image), s.x1, s.y1, s.x2, s.y2, s.score})
			}
		}
		text := layer("BoxGroupOutput", 4, `top: "z" box_group_output_param { fg_thr: 0.4 min_size: 11 field_xyr: 4 field_whr: 1.5 `+
			`box_group_param { field_h: 16 field_h: 30 field_w: 20 field_w: 12 stride: 8 } `+
			`box_group_param { field_h: 40 field_w: 24 stride: 16 } `+test.options+" } "+normalized)
		f := forward(t, text, b...)
		compare(t, f.Top[0], rows)
		compare(t, f.Top[1], scored)
		promises(t, text, bottoms)
	}
}

func TestBoxOutput(t *testing.T) {
	layertest.Checked(t, "BoxOutput", layertest.Reference)
	const images, classes = 2, 3
	maps := []struct {
		h, w, rate int
		fh, fw     float64
	}{{6, 8, 8, 16, 20}, {3, 4, 16, 40, 24}}
	bottoms := func() (b []*blob.Blob) {
		for i, m := range maps {
			x := layertest.Gaussian(uint64(3+i), images, classes+4, m.h, m.w)
			for k, v := range x.Data() {
				x.MutableData()[k] = float32(math.Round(float64(v)*8)) / 8 // equal scores, too
			}
			b = append(b, x)
		}
		return b
	}
	for _, test := range []struct {
		mode      string
		threshold float64
		options   string
		best      int
		limit     int
	}{
		{"IOU", 0.3, "iou_thr: 0.3", 0, 0},
		{"IOMU", 0.5, `nms_type: "IOMU" max_nms_num: 25`, 25, 0},
		{"IOFU", 0.4, `nms_type: "IOFU" iou_thr: 0.4 max_post_nms_num: 3`, 0, 3},
	} {
		b := bottoms()
		var rows, scored [][]float64
		for image := range images {
			var all []box
			for m, mp := range maps {
				size := mp.h * mp.w
				for at := range size {
					value := func(channel int) float64 { return float64(b[m].Data()[(image*(classes+4)+channel)*size+at]) }
					score := math.Max(value(1), value(2)) - value(0)
					var v [4]float64
					for j, bound := range []float64{0.25, 0.25, math.Log(1.5), math.Log(1.5)} {
						v[j] = math.Max(-bound, math.Min(bound, value(classes+j)*std[j]+mean[j]))
					}
					w, h := mp.fw*math.Exp(v[2]), mp.fh*math.Exp(v[3])
					x := (float64(at%mp.w)+0.5)*float64(mp.rate) + v[0]*mp.fw - w/2
					y := (float64(at/mp.w)+0.5)*float64(mp.rate) + v[1]*mp.fh - h/2
					c := box{math.Max(0, x), math.Max(0, y), math.Min(math.Max(0, x)+w, 64), math.Min(math.Max(0, y)+h, 48), score}
					if score >= 0.4 && c.x2-c.x1 >= 11 && c.y2-c.y1 >= 11 {
						all = append([]box{c}, all...) // the last of equal scores is the first
					}
				}
			}
			n := len(all)
			sort.SliceStable(all, func(i, j int) bool { return all[i].score > all[j].score })
			if test.best > 0 {
				all = all[:min(test.best, n)]
			}
			var stay []box
			for _, c := range all {
				area := func(b box) float64 { return (b.x2 - b.x1) * (b.y2 - b.y1) }
				if !slices.ContainsFunc(stay, func(s box) bool {
					common := math.Max(0, math.Min(s.x2, c.x2)-math.Max(s.x1, c.x1)) * math.Max(0, math.Min(s.y2, c.y2)-math.Max(s.y1, c.y1))
					whole := map[string]float64{"IOU": area(s) + area(c) - common, "IOMU": math.Min(area(s), area(c)), "IOFU": area(s)}[test.mode]
					return common/whole > test.threshold
				}) {
					stay = append(stay, c)
				}
			}
			if test.limit > 0 {
				stay = stay[:min(len(stay), test.limit)]
			}
			if len(stay) < 3 || len(stay) == n {
				t.Fatalf("%d of %d boxes stay", len(stay), n)
			}
			for _, s := range stay {
				rows = append(rows, []float64{float64(image), s.x1, s.y1, s.x2, s.y2})
				scored = append(scored, []float64{float64(image), s.x1, s.y1, s.x2, s.y2, s.score})
			}
		}
		text := layer("BoxOutput", 2, `top: "z" box_output_param { fg_thr: 0.4 min_size: 11 field_xyr: 4 field_whr: 1.5 `+
			`field_h: 16 field_w: 20 downsample_rate: 8 field_h: 40 field_w: 24 downsample_rate: 16 `+test.options+" } "+normalized)
		f := forward(t, text, b...)
		compare(t, f.Top[0], rows)
		compare(t, f.Top[1], scored)
		promises(t, text, bottoms)
	}
	x := layertest.Gaussian(1, 1, 5, 2, 2)
	layertest.CheckError(t, 1, `layer "l": bottom 0 has shape [1 5 2 2], want N x (classes + 4) x H x W, at least two classes`,
		layer("BoxOutput", 1, "box_output_param { field_h: 1 field_w: 1 downsample_rate: 1 }"), x)
	layertest.CheckError(t, 1, `layer "l": there are 1 bottoms, 0 field_h, 0 field_w and 1 downsample_rate, want as many of each`,
		layer("BoxOutput", 1, "box_output_param { downsample_rate: 1 }"), x)
}

// TestNoProposal checks the rows of BoxGroupOutput if there is no box.
func TestNoProposal(t *testing.T) {
	text := layer("BoxGroupOutput", 2, `top: "z" box_group_output_param { fg_thr: 2 box_group_param { field_h: 16 field_w: 20 stride: 8 } }`)
	f := forward(t, text, layertest.Uniform(1, 0, 1, 2, 2, 3, 4), layertest.Gaussian(2, 2, 4, 3, 4))
	compare(t, f.Top[0], [][]float64{{0, 1, 1, 10, 10}})
	compare(t, f.Top[1], [][]float64{{0, 0, 0, 0, 0, 0}})
}

func TestFrcnnOutput(t *testing.T) {
	layertest.Checked(t, "FrcnnOutput", layertest.Reference)
	const n, classes = 30, 4
	for _, test := range []struct {
		aware   bool
		limit   int
		options string
	}{
		{true, 0, ""},
		{true, 7, "max_det_num: 7"},
		{false, 0, ""},
		{false, 1000, "max_det_num: 1000"},
	} {
		width, regression := 4*classes, normalized
		if !test.aware {
			width, regression = 8, strings.Replace(normalized, "{", "{ cls_aware: false", 1)
		}
		bottoms := func() []*blob.Blob {
			return []*blob.Blob{
				layertest.Uniform(3, 0, 1, n, classes), layertest.Gaussian(4, n, width), some(n, 1), layertest.Values([]float32{48, 64}, 1, 2),
			}
		}
		b := bottoms()
		type found struct {
			class int
			box
		}
		var all []found
		for c := 1; c < classes; c++ {
			var candidates []box
			for i := range n {
				at := width*i + 4
				if test.aware {
					at = width*i + 4*c
				}
				d := decode(roi(b[2], i), b[1].Data()[at:])
				d = box{math.Max(0, d.x1), math.Max(0, d.y1), math.Min(64, d.x2), math.Min(48, d.y2), float64(b[0].Data()[i*classes+c])}
				if d.score >= 0.25 {
					candidates = append(candidates, d)
				}
			}
			for _, s := range suppress(candidates, 0, 0.35, "IOU") {
				all = append(all, found{c, s})
			}
		}
		if test.limit > 0 && len(all) > test.limit {
			sort.SliceStable(all, func(i, j int) bool { return all[i].score > all[j].score })
			all = all[:test.limit]
			sort.SliceStable(all, func(i, j int) bool { return all[i].class < all[j].class })
		}
		want := [][]float64{{0, -1, -1, -1, -1, -1, -1}}
		for _, f := range all {
			want = append(want, []float64{0, f.x1, f.y1, f.x2, f.y2, float64(f.class), f.score})
		}
		text := layer("FrcnnOutput", 4, "frcnn_output_param { conf_thr: 0.25 iou_thr: 0.35 "+test.options+" } "+regression)
		compare(t, forward(t, text, b...).Top[0], want)
		promises(t, text, bottoms)
	}
}

// TestOneRow checks what the fork makes of boxes with one row or one column in common:
// only a column counts.
func TestOneRow(t *testing.T) {
	for _, test := range []struct {
		second []float32
		want   int
	}{
		{[]float32{0, 0, 9, 9, 18}, 2},
		{[]float32{0, 9, 0, 18, 9}, 1},
	} {
		rois := layertest.Values(append([]float32{0, 0, 0, 9, 9}, test.second...), 2, 5)
		f := forward(t, layer("FrcnnOutput", 4, "frcnn_output_param { iou_thr: 0.01 }"), layertest.Values([]float32{0, 0.9, 0, 0.8}, 2, 2),
			layertest.Values(make([]float32, 16), 2, 8), rois, layertest.Values([]float32{48, 64}, 1, 2))
		if got := f.Top[0].Dim(0) - 1; got != test.want {
			t.Errorf("%d boxes stay beside %v, want %d", got, test.second, test.want)
		}
	}
}

func TestOutputErrors(t *testing.T) {
	x, maps, rois := layertest.Gaussian(1, 1, 8), layertest.Gaussian(1, 2, 4, 3, 5), layertest.Values([]float32{0, 1, 1, 2, 2}, 1, 5)
	size := layertest.Values([]float32{48, 64}, 1, 2)
	group := func(options string) string {
		return "box_group_output_param { box_group_param { field_h: 8 field_w: 9 stride: 4 } " + options + " }"
	}
	for _, test := range []struct {
		want, typ, options string
		bottoms            []*blob.Blob
	}{
		{"there are 4 bbox_mean and 0 bbox_std, want four of each or none", "DecodeBBox", "bbox_reg_param { bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 }", []*blob.Blob{x, rois}},
		{"bbox_std is [1 1 0 1], want positive numbers", "DecodeBBox", "bbox_reg_param { bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 bbox_mean: 0 bbox_std: 1 bbox_std: 1 bbox_std: 0 bbox_std: 1 }", []*blob.Blob{x, rois}},
		{"got predictions of shape [1 5], want 1 x 8", "DecodeBBox", "", []*blob.Blob{rois, rois}},
		{"got ROIs of shape [1 8], want 1 x 5", "DecodeBBox", "", []*blob.Blob{x, x}},
		{"there are 3 bottoms in phase TEST, want 2", "DecodeBBox", "phase: TEST", []*blob.Blob{x, rois, rois}},
		{"low_scale is 0, want a positive number", "ScaleRoute", "scale_route_param { low_scale: 0 }", []*blob.Blob{rois}},
		{"high_scale is 3, want a positive number, not below low_scale", "ScaleRoute", "scale_route_param { low_scale: 4 high_scale: 3 }", []*blob.Blob{rois}},
		{"got shape [2 4 3 5], want 1 items, as many as ROIs", "ScaleRoute", `top: "z"`, []*blob.Blob{rois, maps}},
		{"there are 2 bottoms and 0 box_group_param, want two bottoms for each", "BoxGroupOutput", "", []*blob.Blob{maps, maps}},
		{`nms_type is "IOX", want IOU, IOMU or IOFU`, "BoxGroupOutput", group(`nms_type: "IOX"`), []*blob.Blob{maps, maps}},
		{"field_whr is -1, want a positive number", "BoxGroupOutput", group("field_whr: -1"), []*blob.Blob{maps, maps}},
		{"map 1 has 1 field_h and 0 field_w, want as many of each, at least one", "BoxGroupOutput", group("box_group_param { field_h: 1 }"), []*blob.Blob{maps, maps}},
		{"map 1 has stride 0, want 1 to 32767", "BoxGroupOutput", group("box_group_param { field_h: 1 field_w: 1 }"), []*blob.Blob{maps, maps}},
		{"bottom 1 has shape [1 8], want 4 axes", "BoxGroupOutput", group(""), []*blob.Blob{maps, x}},
		{"got 2 channels, want 4", "BoxGroupOutput", group(""), []*blob.Blob{maps, layertest.Gaussian(1, 2, 2, 3, 5)}},
		{"got shape [2 4 5 3], want 1 items for each of 2 images, and the size of the map, 3 x 5", "BoxGroupOutput", group(""), []*blob.Blob{maps, layertest.Gaussian(1, 2, 4, 5, 3)}},
		{"got the numbers of boxes of shape [1 5], want 1 x 32", "FrcnnOutput", "", []*blob.Blob{x, rois, rois, size}},
		{"got ROIs of shape [1 8], want 1 x 5 or 1 x 6", "FrcnnOutput", "bbox_reg_param { cls_aware: false }", []*blob.Blob{x, x, x, size}},
		{"got the size of the image of shape [1 5], want 1 x 2", "FrcnnOutput", "bbox_reg_param { cls_aware: false }", []*blob.Blob{x, x, rois, rois}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, len(test.bottoms), test.options), test.bottoms...)
	}
}
