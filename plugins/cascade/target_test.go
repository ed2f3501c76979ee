package cascade_test

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// sized computes the overlap of boxes whose coordinates are of first and last pixels.
func sized(a, b box) float64 {
	w := math.Min(a.x2, b.x2) - math.Max(a.x1, b.x1)
	h := math.Min(a.y2, b.y2) - math.Max(a.y1, b.y1)
	if w < 0 || h < 0 {
		return 0
	}
	common := (w + 1) * (h + 1)
	return common / (a.area() + b.area() - common)
}

// encode is the inverse of decode without mean and std.
func encode(p, g box) [4]float64 {
	w, h := p.x2-p.x1+1, p.y2-p.y1+1
	return [4]float64{
		((g.x1+g.x2)/2 - (p.x1+p.x2)/2) / w, ((g.y1+g.y2)/2 - (p.y1+p.y2)/2) / h,
		math.Log((g.x2 - g.x1 + 1) / w), math.Log((g.y2 - g.y1 + 1) / h),
	}
}

// shifted returns boxes near those of ROIs, as ground truth: image, box, class, ignore.
func shifted(rois *blob.Blob, every int) *blob.Blob {
	var v []float32
	n := 0
	for i := 0; i < rois.Dim(0); i += every {
		r := rois.Data()[5*i:]
		d := float32(n%4) * 2
		ignore := float32(0)
		if n%5 == 4 {
			ignore = 1
		}
		v = append(v, r[0], r[1]+d, r[2]-d/2, r[3]+d, r[4]+1, float32(1+n%3), ignore, 0)
		n++
	}
	v = append(v, -1, -1, -1, -1, -1, -1, -1, -1)
	return layertest.Values(v, n+1, 8)
}

func TestBboxAccuracy(t *testing.T) {
	layertest.Checked(t, "BboxAccuracy", layertest.Reference)
	const n = 12
	for _, aware := range []bool{true, false} {
		width, regression := 16, normalized
		if !aware {
			width, regression = 8, normalized[:len(normalized)-1]+"cls_aware: false }"
		}
		bottoms := func() []*blob.Blob {
			rois := some(n, 2)
			near := shifted(rois, 1)
			truth := make([]float32, 6*n)
			for i := range n {
				copy(truth[6*i:], append([]float32{float32(i % 4)}, near.Data()[8*i+1:8*i+5]...))
				truth[6*i+5] = float32(i) / 11
			}
			x := layertest.Gaussian(1, n, width)
			for i, v := range x.Data() {
				x.MutableData()[i] = v / 4
			}
			return []*blob.Blob{x, rois, layertest.Values(truth, n, 6)}
		}
		b := bottoms()
		var after, before, count float64
		for i := range n {
			row := b[2].Data()[6*i:]
			if i%4 == 0 || row[5] > 0.975 {
				continue
			}
			at := width*i + 4
			if aware {
				at = width*i + 4*(i%4)
			}
			want := roi(b[2], i)
			after += sized(decode(roi(b[1], i), b[0].Data()[at:]), want)
			before += sized(roi(b[1], i), want)
			count++
		}
		text := layer("BboxAccuracy", 3, `top: "z" `+regression)
		f := forward(t, text, b...)
		for k, want := range []float64{after / count, before / count} {
			if got := float64(f.Top[k].Data()[0]); math.Abs(got-want) > 1e-5 || want < 0.2 {
				t.Errorf("top %d is %g, want %g", k, got, want)
			}
		}
		promises(t, text, bottoms)
	}
	f := forward(t, layer("BboxAccuracy", 3, ""), layertest.Gaussian(1, 2, 8), some(2, 1), layertest.Values(make([]float32, 12), 2, 6))
	if got := f.Top[0].Data()[0]; got != -1 {
		t.Errorf("without foreground: %g, want -1", got)
	}
}

func TestHardMining(t *testing.T) {
	layertest.Checked(t, "HardMining", layertest.Reference)
	images := []float32{0, 2, 0, 2, 2, 2, 1, 0}
	losses := []float32{1, 5, 2, 3, 3, 4, 0, 9}
	for _, test := range []struct {
		options string
		want    []int
	}{
		{"num_image: 3 num_roi_per_image: 1", []int{1, 6, 7}},
		{"num_image: 3 num_roi_per_image: 2", []int{1, 2, 4, 5, 6, 7}}, // image 1 has one; number 4 is as hard as 3
		{"num_image: 3", []int{0, 1, 2, 3, 4, 5, 6, 7}},
	} {
		text := layer("HardMining", 3, `top: "z" hard_mining_param { `+test.options+" }")
		bottoms := func() []*blob.Blob {
			rois := some(len(images), 1)
			for i, v := range images {
				rois.MutableData()[5*i] = v
			}
			return []*blob.Blob{layertest.Values(losses, len(losses)), rois, layertest.Gaussian(1, len(losses), 3)}
		}
		b := bottoms()
		f := forward(t, text, b...)
		for k, top := range f.Top {
			var want []float32
			for _, i := range test.want {
				n := b[k+1].CountFrom(1)
				want = append(want, b[k+1].Data()[i*n:(i+1)*n]...)
			}
			if !slices.Equal(top.Data(), want) {
				t.Errorf("%s: top %d is %v, want %v", test.options, k, top.Data(), want)
			}
		}
		promises(t, text, bottoms)
	}
}

// proposals is a layer ProposalTarget with all tops.
func proposals(options, regression string) string {
	return layer("ProposalTarget", 2, `top: "t1" top: "t2" top: "t3" top: "t4" top: "t5" top: "t6" proposal_target_param { cls_num: 4 num_img_per_batch: 2 img_width: 100 img_height: 80 `+options+" } "+regression)
}

// TestProposalTarget compares a batch of all ROIs with a computation in float64.
func TestProposalTarget(t *testing.T) {
	layertest.Checked(t, "ProposalTarget", layertest.Reference)
	bottoms := func() []*blob.Blob {
		rois := some(20, 2)
		return []*blob.Blob{rois, shifted(rois, 3)}
	}
	for _, aware := range []bool{true, false} {
		width, regression := 16, normalized
		if !aware {
			width, regression = 8, normalized[:len(normalized)-1]+"cls_aware: false }"
		}
		b := bottoms()
		var fore, back [][][]float64
		var weights float64
		for i := range b[0].Dim(0) + b[1].Dim(0) - 1 {
			row := b[0].Data()
			at := 5 * i
			if i >= b[0].Dim(0) { // ground truth is appended
				row, at = b[1].Data(), 8*(i-b[0].Dim(0))
			}
			p := box{x1: float64(row[at+1]), y1: float64(row[at+2]), x2: float64(row[at+3]), y2: float64(row[at+4])}
			image, best, match := row[at], 0., -1
			for k := range b[1].Dim(0) {
				if b[1].Data()[8*k] == image {
					if v := sized(p, roi(b[1], k)); match < 0 || v > best {
						best, match = v, k
					}
				}
			}
			targets, inside := make([]float64, width), make([]float64, width)
			rows := [][]float64{{float64(image), p.x1, p.y1, p.x2, p.y2}, {0}, targets, inside, inside, make([]float64, 6), {1}}
			switch {
			case best >= 0.6:
				truth := b[1].Data()[8*match:]
				if truth[6] != 0 {
					continue
				}
				class := int(truth[5])
				rows[1][0] = float64(class)
				g := roi(b[1], match)
				rows[5] = []float64{float64(class), g.x1, g.y1, g.x2, g.y2, best}
				if !aware {
					class = 1
				}
				for j, v := range encode(p, g) {
					targets[4*class+j] = (v - mean[j]) / std[j]
					if best <= 0.9 {
						inside[4*class+j] = 1
					}
				}
				rows[6][0] = best
				weights += best
				fore = append(fore, rows)
			case best >= 0.1 && best < 0.5:
				back = append(back, rows)
			}
		}
		all := append(slices.Clone(fore), back...)
		if len(fore) < 4 || len(back) < 4 || len(all) > 24 {
			t.Fatalf("%d of the foreground, %d of the background", len(fore), len(back))
		}
		for i, rows := range all {
			if i < len(fore) {
				rows[6][0] *= 0.25 * float64(len(all)) / weights
			} else {
				rows[6][0] *= 0.75 * float64(len(all)) / float64(len(back))
			}
		}
		text := proposals("batch_size: -1 fg_thr: 0.6 bbox_thr_hg: 0.9 iou_weighted: true", regression)
		f := forward(t, text, b...)
		for k, top := range f.Top {
			var want [][]float64
			for _, rows := range all {
				want = append(want, rows[k])
			}
			compare(t, top, want)
		}
		promises(t, text, bottoms)
	}
}

// TestProposalSampling checks how many ROIs of each kind are drawn, that all come up,
// and that the pass decides.
func TestProposalSampling(t *testing.T) {
	rois := some(60, 2)
	truth := shifted(rois, 2)
	everything := forward(t, proposals("batch_size: -1 bg_thr_lw: 0", ""), rois, truth)
	count := func(labels []float32) (fore, back int) {
		for _, v := range labels {
			if v > 0 {
				fore++
			} else {
				back++
			}
		}
		return fore, back
	}
	allFore, allBack := count(everything.Top[1].Data())
	f := layertest.New(t, proposals("batch_size: 16 bg_thr_lw: 0", ""), rois, truth)
	seen := make(map[string]int)
	var first []float32
	for pass := range 200 {
		f.Spec.Env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		if fore, back := count(f.Top[1].Data()); fore != 4 || back != 12 {
			t.Fatalf("%d of the foreground and %d of the background, want 4 and 12", fore, back)
		}
		for i := range 16 {
			seen[fmt.Sprint(f.Top[0].Data()[5*i:5*i+5])]++
		}
		if pass == 0 {
			first = slices.Clone(f.Top[0].Data())
		} else if slices.Equal(first, f.Top[0].Data()) {
			t.Errorf("pass %d has the ROIs of pass 0", pass)
		}
	}
	if len(seen) != allFore+allBack {
		t.Errorf("%d ROIs were drawn, of %d", len(seen), allFore+allBack)
	}
	var counts []int
	for _, n := range seen {
		counts = append(counts, n)
	}
	sort.Ints(counts)
	if least := 200 * min(4./float64(allFore), 12./float64(allBack)); float64(counts[0]) < least/3 {
		t.Errorf("a ROI was drawn %d times, want about %g", counts[0], least)
	}
	f.Spec.Env.Pass = 0
	if err := f.Forward(); err != nil || !slices.Equal(first, f.Top[0].Data()) {
		t.Errorf("pass 0 again has other ROIs, error %v", err)
	}
}

// TestProposalRest checks that the rest fills the batch, and the random box if there is
// nothing.
func TestProposalRest(t *testing.T) {
	rois := layertest.Values([]float32{0, 0, 0, 9, 9, 0, 50, 50, 59, 59, 0, 70, 50, 79, 59}, 3, 5)
	truth := layertest.Values([]float32{0, 0, 0, 9, 10, 2, 0, 0}, 1, 8)
	for options, want := range map[string]int{
		"batch_size: 8 append_gtbox: false": 3, "batch_size: 8": 4, "batch_size: 8 pickup_discard: false": 2, "batch_size: 2": 2,
		"batch_size: 4 fg_fraction: 0.5 append_gtbox: false": 3,
	} {
		f := forward(t, proposals(options, ""), rois, truth)
		if got := f.Top[0].Dim(0); got != want {
			t.Errorf("%s: %d ROIs, want %d", options, got, want)
		}
	}
	f := layertest.New(t, proposals("batch_size: 8 pickup_discard: false append_gtbox: false", ""), layertest.Values([]float32{0, 50, 50, 59, 59}, 1, 5), truth)
	for pass := range 50 {
		f.Spec.Env.Pass = int64(pass)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		r := roi(f.Top[0], 0)
		if f.Top[0].Dim(0) != 1 || f.Top[1].Data()[0] != 0 || r.x2-r.x1 < 31 || r.y2-r.y1 < 31 || r.x1 < 0 || r.y1 < 0 || r.x2 > 99 || r.y2 > 79 {
			t.Fatalf("got %v of class %v", f.Top[0].Data(), f.Top[1].Data())
		}
	}
}

// TestProposalMatch checks that boxes of the same columns in other rows do not overlap,
// and that of equal overlaps the first box of ground truth is taken.
func TestProposalMatch(t *testing.T) {
	rois := layertest.Values([]float32{0, 0, 0, 9, 9, 0, 0, 40, 9, 49}, 2, 5)
	truth := layertest.Values([]float32{0, 0, 0, 9, 10, 2, 0, 0, 0, 0, 0, 9, 10, 3, 0, 0}, 2, 8)
	f := forward(t, proposals("batch_size: 8 bg_thr_lw: 0 append_gtbox: false pickup_discard: false", ""), rois, truth)
	compare(t, f.Top[1], [][]float64{{2}, {0}})
}

func TestTargetErrors(t *testing.T) {
	rois, truth := some(3, 2), shifted(some(3, 2), 1)
	tops := `top: "t1" top: "t2" top: "t3" top: "t4" top: "t5" `
	for _, test := range []struct {
		want, typ, options string
		bottoms            []*blob.Blob
	}{
		{"cls_num is 0, want 2 to 32767, with the background", "ProposalTarget", tops, []*blob.Blob{rois, truth}},
		{"batch_size is 0, want 1 or more, or -1 for all", "ProposalTarget", tops + "proposal_target_param { cls_num: 3 batch_size: 0 }", []*blob.Blob{rois, truth}},
		{"fg_thr is 0.4, want bg_thr_hg, 0.5, or more", "ProposalTarget", tops + "proposal_target_param { cls_num: 3 fg_thr: 0.4 }", []*blob.Blob{rois, truth}},
		{"got ROIs of shape [4 8], want R x 5: image, x1, y1, x2, y2", "ProposalTarget", tops + "proposal_target_param { cls_num: 3 }", []*blob.Blob{truth, truth}},
		{"got ground truth of shape [3 5], want G x 7 or G x 8", "ProposalTarget", tops + "proposal_target_param { cls_num: 3 }", []*blob.Blob{rois, rois}},
		{"num_image is 0, want 1 to 32767", "HardMining", "hard_mining_param { num_image: 0 }", []*blob.Blob{layertest.Labels(1, 2, 3), rois}},
		{"layer has 2 bottoms and 2 tops, want a top for each bottom but the first", "HardMining", `top: "z"`, []*blob.Blob{layertest.Labels(1, 2, 3), rois}},
		{"got losses of shape [3 5], want one for each ROI", "HardMining", "", []*blob.Blob{rois, rois}},
		{"got the numbers of boxes of shape [3 5], want R x 8 or, with cls_aware, four for each class", "BboxAccuracy", "", []*blob.Blob{rois, rois, rois}},
		{"got ground truth of shape [3 5], want 3 x 6", "BboxAccuracy", "", []*blob.Blob{layertest.Gaussian(1, 3, 12), rois, rois}},
	} {
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, len(test.bottoms), test.options), test.bottoms...)
	}
	for want, b := range map[string][]*blob.Blob{
		"ROI 1 is of image 1, want 0 to 0, as num_img_per_batch says":                 {rois, truth},
		"ground truth 0 is of image 0 and class 5, want 0 to 0, as num_img_per_batch": {some(3, 1), layertest.Values([]float32{0, 1, 1, 2, 2, 5, 0, 0}, 1, 8)},
	} {
		f := layertest.New(t, layer("ProposalTarget", 2, tops+"proposal_target_param { cls_num: 3 num_img_per_batch: 1 }"), b...)
		if err := f.Forward(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
