package rcnn_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// pythonLayer returns a layer of type Python with bottoms x0, x1, ... and tops.
func pythonLayer(module, class, params string, bottoms, tops int) string {
	text := fmt.Sprintf("layer { name: \"l\" type: \"Python\"\npython_param { module: %q layer: %q param_str: %q }", module, class, params)
	for i := range bottoms {
		text += fmt.Sprintf(" bottom: \"x%d\"", i)
	}
	for i := range tops {
		text += fmt.Sprintf(" top: \"y%d\"", i)
	}
	return text + " }"
}

// noPython has no Python be found, so that Go's layers run.
func noPython(t testing.TB) { t.Setenv("GOCAFFE_PYTHON", filepath.Join(t.TempDir(), "none")) }

// A scene is what the layers of a region proposal network work on.
type scene struct {
	scores, deltas, info, objects, rois *blob.Blob
	h, w, anchors                       int
}

func newScene(seed uint64, h, w, anchors int) scene {
	r := rand.New(rand.NewPCG(seed, 1))
	height, width := float32(16*h-7), float32(16*w-3)
	s := scene{
		scores: layertest.Uniform(seed, 0, 1, 1, 2*anchors, h, w), deltas: layertest.Gaussian(seed+1, 1, 4*anchors, h, w),
		info: layertest.Values([]float32{height, width, 1.3}, 1, 3), h: h, w: w, anchors: anchors,
	}
	for i := range s.deltas.MutableData() {
		s.deltas.MutableData()[i] *= 0.3
	}
	var objects, rois []float32
	for i := range 6 {
		x, y := r.Float32()*width*0.6, r.Float32()*height*0.6
		objects = append(objects, x, y, min(x+20+r.Float32()*150, width-1), min(y+20+r.Float32()*150, height-1), float32(1+i%5))
	}
	for range 200 {
		k := r.IntN(6)
		rois = append(rois, 0)
		for j := range 4 {
			rois = append(rois, objects[5*k+j]+float32(r.NormFloat64())*30)
		}
	}
	s.objects, s.rois = layertest.Values(objects, 6, 5), layertest.Values(rois, 200, 5)
	return s
}

// The anchors at the first place, as the comment in generate_anchors.py lists them for
// scales 8, 16 and 32, moved by its 1-based coordinates.
var anchors9 = [][4]float64{
	{-84, -40, 99, 55}, {-176, -88, 191, 103}, {-360, -184, 375, 199},
	{-56, -56, 71, 71}, {-120, -120, 135, 135}, {-248, -248, 263, 263},
	{-36, -80, 51, 95}, {-80, -168, 95, 183}, {-168, -344, 183, 359},
}

func iou(a, b [4]float64) float64 {
	w, h := math.Min(a[2], b[2])-math.Max(a[0], b[0])+1, math.Min(a[3], b[3])-math.Max(a[1], b[1])+1
	if w <= 0 || h <= 0 {
		return 0
	}
	area := func(x [4]float64) float64 { return (x[2] - x[0] + 1) * (x[3] - x[1] + 1) }
	return w * h / (area(a) + area(b) - w*h)
}

// at returns anchor k of place x, y.
func at(k, x, y int) (box [4]float64) {
	for j, v := range anchors9[k] {
		box[j] = v + float64(16*[]int{x, y}[j%2])
	}
	return box
}

// naiveProposals computes the ROIs and their scores in float64.
func naiveProposals(s scene, pre, post int, minSize float64, keepSmall bool) (rois [][4]float64, scores []float64) {
	type candidate struct {
		box   [4]float64
		score float64
	}
	var all []candidate
	info := s.info.Data()
	for y := range s.h {
		for x := range s.w {
			for k := range s.anchors {
				value := func(b *blob.Blob, c int) float64 { return float64(b.Data()[(c*s.h+y)*s.w+x]) }
				a := at(k, x, y)
				w, h := a[2]-a[0]+1, a[3]-a[1]+1
				cx, cy := a[0]+w/2+w*value(s.deltas, 4*k), a[1]+h/2+h*value(s.deltas, 4*k+1)
				w, h = w*math.Exp(value(s.deltas, 4*k+2)), h*math.Exp(value(s.deltas, 4*k+3))
				limit := func(v, size float64) float64 { return math.Max(0, math.Min(v, size-1)) }
				height, width := float64(info[0]), float64(info[1])
				c := candidate{[4]float64{limit(cx-w/2, width), limit(cy-h/2, height), limit(cx+w/2, width), limit(cy+h/2, height)}, value(s.scores, s.anchors+k)}
				if least := minSize * float64(info[2]); c.box[2]-c.box[0]+1 < least || c.box[3]-c.box[1]+1 < least {
					if !keepSmall {
						continue
					}
					c.score = 0
				}
				all = append(all, c)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	for _, c := range all[:min(pre, len(all))] {
		if len(rois) < post && !slices.ContainsFunc(rois, func(o [4]float64) bool { return iou(o, c.box) > 0.7 }) {
			rois, scores = append(rois, c.box), append(scores, c.score)
		}
	}
	return rois, scores
}

// TestProposals compares Proposal and ProposalLayer with the computation in float64.
func TestProposals(t *testing.T) {
	layertest.Checked(t, "Proposal", layertest.Reference)
	noPython(t)
	s := newScene(1, 17, 21, 9)
	const options = `proposal_param { ratio: 0.5 ratio: 1 ratio: 2 scale: 8 scale: 16 scale: 32 pre_nms_topn: 2500 post_nms_topn: 1500 min_size: 90 }`
	for name, c := range map[string]struct {
		text      string
		pre, post int
		minSize   float64
		keepSmall bool
	}{
		"C++":   {`layer { name: "l" type: "Proposal" bottom: "x0" bottom: "x1" bottom: "x2" top: "y0" top: "y1" ` + options + ` }`, 2500, 1500, 90, true},
		"TEST":  {strings.Replace(proposalText("'feat_stride': 16", 2), "name:", "phase: TEST name:", 1), 6000, 300, 16, false},
		"TRAIN": {proposalText("{'feat_stride': 16, 'scales': !!python/tuple [8, 16, 32]}", 2), 12000, 2000, 16, false},
		"options": {proposalText("{'feat_stride': 16, 'TRAIN': {'RPN_PRE_NMS_TOP_N': 900, 'RPN_POST_NMS_TOP_N': 0, 'RPN_MIN_SIZE': 120}}", 2),
			900, 1 << 30, 120, false},
	} {
		f := layertest.New(t, c.text, s.scores, s.deltas, s.info)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		rois, scores := naiveProposals(s, c.pre, c.post, c.minSize, c.keepSmall)
		if got := f.Top[0].Dim(0); got != len(rois) || got < 30 || f.Top[1].Count() != got {
			t.Fatalf("%s: %d ROIs and %d scores, want %d", name, got, f.Top[1].Count(), len(rois))
		}
		for i, want := range rois {
			row := f.Top[0].Data()[5*i:][:5]
			for j, w := range want {
				if row[0] != 0 || math.Abs(float64(row[1+j])-w) > 1e-3 || math.Abs(float64(f.Top[1].Data()[i])-scores[i]) > 1e-6 {
					t.Fatalf("%s: ROI %d is %v with score %v, want %v with %v", name, i, row, f.Top[1].Data()[i], want, scores[i])
				}
			}
		}
	}
}

func proposalText(params string, tops int) string {
	return pythonLayer("rpn.proposal_layer", "ProposalLayer", params, 3, tops)
}

// naiveTargets returns what is to be predicted for the box of an object.
func naiveTargets(a, o [4]float64) [4]float64 {
	w, h, ow, oh := a[2]-a[0]+1, a[3]-a[1]+1, o[2]-o[0]+1, o[3]-o[1]+1
	return [4]float64{(o[0] + ow/2 - a[0] - w/2) / w, (o[1] + oh/2 - a[1] - h/2) / h, math.Log(ow / w), math.Log(oh / h)}
}

func objectsOf(b *blob.Blob) (boxes [][4]float64, class []float32) {
	for x := b.Data(); len(x) >= 5; x = x[5:] {
		boxes, class = append(boxes, [4]float64{float64(x[0]), float64(x[1]), float64(x[2]), float64(x[3])}), append(class, x[4])
	}
	return boxes, class
}

// TestAnchorTarget compares the labels, targets and weights of all anchors with a matrix
// of all overlaps, in float64.
func TestAnchorTarget(t *testing.T) {
	noPython(t)
	s := newScene(5, 27, 31, 9)
	objects, _ := objectsOf(s.objects)
	for _, c := range []struct {
		options     string
		batch       int
		clobber     bool
		positive    float64
		border, std float64
	}{
		{"{'feat_stride': 16, 'TRAIN': {'RPN_BATCHSIZE': 30000}}", 30000, false, -1, 0, 1},
		{"{'feat_stride': 16}", 256, false, -1, 0, 1},
		{"{'feat_stride': 16, 'TRAIN': {'RPN_BATCHSIZE': 24, 'RPN_POSITIVE_WEIGHT': 0.25}}", 24, false, 0.25, 0, 1},
		{"{'feat_stride': 16, 'allowed_border': 24, 'TRAIN': {'RPN_BATCHSIZE': 30000, 'RPN_CLOBBER_POSITIVES': True, 'RPN_NORMALIZE_TARGETS': True, 'RPN_NORMALIZE_STDS': [0.5, 0.5, 0.5, 0.5]}}",
			30000, true, -1, 24, 0.5},
	} {
		f := layertest.New(t, pythonLayer("rpn.anchor_target_layer", "AnchorTargetLayer", c.options, 4, 4), s.scores, s.objects, s.info, s.scores)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		best := make([]float64, len(objects))
		each := func(do func(k, x, y int, a [4]float64)) {
			for y := range s.h {
				for x := range s.w {
					for k := range anchors9 {
						a := at(k, x, y)
						if a[0] >= -c.border && a[1] >= -c.border && a[2] < float64(s.info.Data()[1])+c.border && a[3] < float64(s.info.Data()[0])+c.border {
							do(k, x, y, a)
						}
					}
				}
			}
		}
		each(func(_, _, _ int, a [4]float64) {
			for i, o := range objects {
				best[i] = math.Max(best[i], iou(a, o))
			}
		})
		var count [2]int // anchors of each label
		for _, v := range f.Top[0].Data() {
			if v >= 0 {
				count[int(v)]++
			}
		}
		var possible [2]int
		each(func(k, x, y int, a [4]float64) {
			label, most, object := -1, 0., 0
			for i, o := range objects {
				if v := iou(a, o); v > most {
					most, object = v, i
				}
			}
			negative := most < 0.3
			if negative {
				label = 0
			}
			for i, o := range objects {
				if iou(a, o) == best[i] {
					label = 1
				}
			}
			if most >= 0.7 {
				label = 1
			}
			if c.clobber && negative {
				label = 0
			}
			if label >= 0 {
				possible[label]++
			}
			value := func(top, channel int) float64 { return float64(f.Top[top].Data()[(channel*s.h+y)*s.w+x]) }
			got := int(value(0, k))
			if got != label && got != -1 {
				t.Fatalf("%s: anchor %d of %d, %d has label %d, want %d or -1", c.options, k, x, y, got, label)
			}
			target, weight := naiveTargets(a, objects[object]), 0.
			switch {
			case got < 0:
			case c.positive < 0:
				weight = 1 / float64(count[0]+count[1])
			case got == 1:
				weight = c.positive / float64(count[1])
			default:
				weight = (1 - c.positive) / float64(count[0])
			}
			for j, v := range target {
				if math.Abs(value(1, 4*k+j)-v/c.std) > 1e-5 || value(2, 4*k+j) != float64(max(got, 0)) || math.Abs(value(3, 4*k+j)-weight) > 1e-7 {
					t.Fatalf("%s: anchor %d of %d, %d: target %g, weights %g and %g, want %g, %d and %g",
						c.options, k, x, y, value(1, 4*k+j), value(2, 4*k+j), value(3, 4*k+j), v/c.std, max(got, 0), weight)
				}
			}
		})
		want := [2]int{0, min(possible[1], c.batch/2)}
		want[0] = min(possible[0], c.batch-want[1])
		if count != want || possible[1] < 10 {
			t.Errorf("%s: %v anchors of labels 0 and 1, want %v, at most %v", c.options, count, want, possible)
		}
	}
}

// TestProposalTarget compares the ROIs that are drawn, and their targets, with the
// description.
func TestProposalTarget(t *testing.T) {
	noPython(t)
	s := newScene(9, 27, 31, 9)
	objects, class := objectsOf(s.objects)
	candidates, _ := objectsOf(layertest.Values(append(rowsWithoutImage(s.rois.Data()), s.objects.Data()...), 206, 5))
	for _, c := range []struct {
		options    string
		batch      int
		classes    int
		low        float64
		std        [4]float64
		everything bool
	}{
		{"'num_classes': 6", 128, 6, 0, [4]float64{0.1, 0.1, 0.2, 0.2}, false},
		{"'num_classes': 2", 128, 2, 0, [4]float64{0.1, 0.1, 0.2, 0.2}, false},
		{"{'num_classes': 21, 'TRAIN': {'BATCH_SIZE': -1, 'BG_THRESH_LO': 0.1, 'BBOX_NORMALIZE_TARGETS': False}}", 0, 21, 0.1, [4]float64{1, 1, 1, 1}, true},
	} {
		f := layertest.New(t, pythonLayer("rpn.proposal_target_layer", "ProposalTargetLayer", c.options, 2, 5), s.rois, s.objects)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		var fg, bg int
		for _, box := range candidates {
			most := 0.
			for _, o := range objects {
				most = math.Max(most, iou(box, o))
			}
			if most >= 0.5 {
				fg++
			} else if most >= c.low {
				bg++
			}
		}
		if !c.everything {
			fg = min(fg, c.batch/4)
			bg = min(bg, c.batch-fg)
		}
		if n := f.Top[0].Dim(0); n != fg+bg || fg < 20 || bg < 20 {
			t.Fatalf("%s: %d ROIs, want %d + %d", c.options, n, fg, bg)
		}
		seen := make(map[[4]float64]bool)
		for i := range fg + bg {
			row := f.Top[0].Data()[5*i:]
			box := [4]float64{float64(row[1]), float64(row[2]), float64(row[3]), float64(row[4])}
			if seen[box] || !slices.Contains(candidates, box) {
				t.Fatalf("%s: ROI %d is drawn twice, or none that was proposed: %v", c.options, i, box)
			}
			seen[box] = true
			most, object := 0., 0
			for k, o := range objects {
				if v := iou(box, o); v > most {
					most, object = v, k
				}
			}
			label, column := float32(0), -1
			if i < fg {
				label, column = class[object], min(int(class[object]), c.classes-1)
			}
			if f.Top[1].Data()[i] != label || (most >= 0.5) != (i < fg) {
				t.Fatalf("%s: ROI %d has label %g and overlaps by %g, want label %g", c.options, i, f.Top[1].Data()[i], most, label)
			}
			target := naiveTargets(box, objects[object])
			for j := range 4 * c.classes {
				want, weight := 0., float32(0)
				if j/4 == column {
					want, weight = target[j%4]/c.std[j%4], 1
				}
				at := 4*c.classes*i + j
				if got := f.Top[2].Data()[at]; math.Abs(float64(got)-want) > 1e-4 || f.Top[3].Data()[at] != weight || f.Top[4].Data()[at] != weight {
					t.Fatalf("%s: ROI %d: target %d is %g with weights %g and %g, want %g with %g", c.options, i, j, got, f.Top[3].Data()[at], f.Top[4].Data()[at], want, weight)
				}
			}
		}
	}
}

func rowsWithoutImage(x []float32) (rows []float32) {
	for ; len(x) >= 5; x = x[5:] {
		rows = append(append(rows, x[1:5]...), 0)
	}
	return rows
}

func TestPythonPromises(t *testing.T) {
	noPython(t)
	s := newScene(3, 19, 23, 9)
	for text, bottoms := range map[string][]*blob.Blob{
		proposalText("'feat_stride': 16", 2): {s.scores, s.deltas, s.info},
		pythonLayer("rpn.anchor_target_layer", "AnchorTargetLayer", "{'feat_stride': 16, 'scales': [4, 8]}", 3, 4): {s.scores, s.objects, s.info},
		pythonLayer("rpn.proposal_target_layer", "ProposalTargetLayer", "'num_classes': 6", 2, 5):                  {s.rois, s.objects},
	} {
		layertest.CheckThreads(t, text, bottoms...)
		layertest.CheckAllocs(t, text, bottoms...)
	}
}

// TestNoObjects checks that an image without objects has a background.
func TestNoObjects(t *testing.T) {
	noPython(t)
	s := newScene(3, 27, 31, 9)
	none := layertest.Values(nil, 0, 5)
	for text, bottoms := range map[string][]*blob.Blob{
		pythonLayer("rpn.anchor_target_layer", "AnchorTargetLayer", "'feat_stride': 16", 3, 4):    {s.scores, none, s.info},
		pythonLayer("rpn.proposal_target_layer", "ProposalTargetLayer", "'num_classes': 6", 2, 5): {s.rois, none},
	} {
		f := layertest.New(t, text, bottoms...)
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		var background int
		for _, top := range f.Top[:2] {
			for _, v := range top.Data() {
				if v == 0 && len(bottoms) == 3 && top == f.Top[0] || v == 0 && len(bottoms) == 2 && top == f.Top[1] {
					background++
				}
			}
		}
		if want := map[int]int{2: 128, 3: 256}[len(bottoms)]; background != want {
			t.Errorf("%s: %d of the background, want %d", text, background, want)
		}
	}
}

func TestPythonErrors(t *testing.T) {
	noPython(t)
	s := newScene(3, 9, 7, 9)
	cfg := filepath.Join(t.TempDir(), "cfg.yml")
	if err := os.WriteFile(cfg, []byte("TRAIN:\n  RPN_BATCHSIZES: 3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	proposal := []*blob.Blob{s.scores, s.deltas, s.info}
	for _, test := range []struct {
		want, text string
		bottoms    []*blob.Blob
	}{
		{"param_str: feat_stride is 0, want the pixels of the image from one place of the map to the next", proposalText("", 1), proposal},
		{`param_str: line 1: unknown key "strides", want TEST, TRAIN, cfg, feat_stride, ratios, scales`, proposalText("{'feat_stride': 16, 'strides': 3}", 1), proposal},
		{`param_str: got "16", want a mapping, {'key': value}`, proposalText("16", 1), proposal},
		{"param_str: scales is [0], want positive numbers", proposalText("{'feat_stride': 16, 'scales': [0]}", 1), proposal},
		{"param_str: " + cfg + `: TRAIN: line 2: unknown key "RPN_BATCHSIZES", did you mean "RPN_BATCHSIZE"?`, proposalText("{'feat_stride': 16, 'cfg': '"+cfg+"'}", 1), proposal},
		{"param_str: RPN_NMS_THRESH is 2, want 0 to 1", proposalText("{'feat_stride': 16, 'TRAIN': {'RPN_NMS_THRESH': 2}}", 1), proposal},
		{"param_str: BBOX_NORMALIZE_STDS has 1 numbers, want 4: of x, y, width and height", proposalText("{'feat_stride': 16, 'TRAIN': {'BBOX_NORMALIZE_STDS': [1]}}", 1), proposal},
		{"param_str: num_classes is 1, want the number of classes, 2 or more with the background",
			pythonLayer("rpn.proposal_target_layer", "ProposalTargetLayer", "'num_classes': 1", 2, 5), []*blob.Blob{s.rois, s.objects}},
	} {
		layertest.CheckError(t, 2, `layer "l": `+test.want, test.text, test.bottoms...)
	}
	layertest.CheckError(t, 2, `layer "l": got shape [1 18 9 7], want 1 x 24 x H x W: one image and 12 anchors`, proposalText("{'feat_stride': 16, 'scales': [4, 8, 16, 32]}", 1), proposal...)
	layertest.CheckError(t, 2, `layer "l": ProposalLayer has 2 bottoms, want 3`, pythonLayer("rpn.proposal_layer", "ProposalLayer", "'feat_stride': 16", 2, 1), proposal[:2]...)
	layertest.CheckError(t, 2, `layer "l": got objects of shape [1 3], want G x 5: x1, y1, x2, y2, class`,
		pythonLayer("rpn.anchor_target_layer", "AnchorTargetLayer", "'feat_stride': 16", 3, 4), s.scores, s.info, s.info)
	f := layertest.New(t, pythonLayer("rpn.proposal_target_layer", "ProposalTargetLayer", "'num_classes': 4", 2, 5), s.rois, s.objects)
	if err := f.Forward(); err == nil || !strings.HasSuffix(err.Error(), `layer "l": object 3 has class 4, want 1 to 3: num_classes is 4`) {
		t.Errorf("error %v", err)
	}
}
