package yolo_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

// A term is what one predicted number adds to the energy whose gradient the layer
// computes: a function of the number that is at 0 at the target.
type term struct {
	kind   string // square, sigmoid (squared), or entropy
	target float64
	scale  float64
	slope  float64 // kind "slope": the gradient itself
}

// act returns what is compared with the target.
func (t term) act(x float64) float64 {
	if t.kind == "square" {
		return x
	}
	return logistic(x)
}

// energy returns the term for a number.
func (t term) energy(x float64) float64 {
	switch a := t.act(x); t.kind {
	case "slope":
		return t.slope * x
	case "entropy":
		return -t.scale * (t.target*math.Log(a) + (1-t.target)*math.Log(1-a))
	default:
		return t.scale * (a - t.target) * (a - t.target) / 2
	}
}

// error returns the error as the descriptions have it.
func (t term) error(x float64) float64 {
	a := t.act(x)
	switch t.kind {
	case "slope":
		return t.slope
	case "sigmoid":
		return t.scale * (a - t.target) * a * (1 - a)
	}
	return t.scale * (a - t.target)
}

// rect is a box by center and size.
type rect struct{ x, y, w, h float64 }

func (r rect) corners() prediction { return boxOf(0, 0, r.x, r.y, r.w, r.h) }

// truthRow is a row of ground truth.
type truthRow struct {
	class int
	rect
}

// lossCase is a net's grid with ground truth.
type lossCase struct {
	grid
	classes int
	truth   [][]truthRow // by image
	bottoms []*blob.Blob
}

// newLossCase returns predictions of n images of h x w cells, 3 boxes and 4 classes,
// and a few objects in each image.
func newLossCase(n, h, w int) *lossCase {
	rng := rand.New(rand.NewPCG(7, uint64(h)))
	c := &lossCase{classes: 4}
	x := layertest.Gaussian(5, n, 27, h, w)
	c.grid = gridOf(x, 3)
	labels := make([]float32, n*300*5)
	for image := range n {
		var rows []truthRow
		for t := range 8 * image {
			r := truthRow{rng.IntN(4), rect{rng.Float64(), rng.Float64(), 0.06 + 0.35*rng.Float64(), 0.06 + 0.3*rng.Float64()}}
			if t == 3 { // two objects in a place
				r.rect = rows[2].rect
			}
			at := labels[(image*300+t)*5:]
			at[0], at[1], at[2], at[3], at[4] = float32(r.class), float32(r.x), float32(r.y), float32(r.w), float32(r.h)
			rows = append(rows, truthRow{r.class, rect{float64(at[1]), float64(at[2]), float64(at[3]), float64(at[4])}})
		}
		c.truth = append(c.truth, rows)
	}
	c.bottoms = []*blob.Blob{x, layertest.Values(labels, n, 1, 300, 5)}
	return c
}

// index returns where a number is in the bottom.
func (c *lossCase) index(image, box, number, row, column int) int {
	return (((image*c.a+box)*c.n+number)*c.h+row)*c.w + column
}

// check compares the loss with that of the terms, the diff with their errors and, as
// central differences, with their energy.
func (c *lossCase) check(t *testing.T, text string, terms map[int]term, more func(x []float64) float64, loss func(errors []float64) float64) {
	t.Helper()
	f := layertest.New(t, text, c.bottoms...)
	if err := f.Forward(); err != nil {
		t.Fatal(err)
	}
	n := float64(len(c.truth))
	x, errors := make([]float64, len(c.x)), make([]float64, len(c.x))
	for i, v := range c.x {
		x[i] = float64(v)
		if term, ok := terms[i]; ok {
			errors[i] = term.error(x[i])
		}
	}
	if more != nil { // terms of several numbers
		for i := range x {
			if _, ok := terms[i]; !ok {
				errors[i] = centralDifference(more, x, i)
			}
		}
	}
	want := 0.0
	if loss != nil {
		want = loss(errors)
	} else {
		for _, e := range errors {
			want += e * e
		}
		want /= n
	}
	if got := float64(f.Top[0].Data()[0]); math.Abs(got-want) > 2e-5*math.Abs(want) {
		t.Errorf("%s: loss %g, want %g", text, got, want)
	}
	f.Top[0].MutableDiff()[0] = 3
	if err := f.Backward(); err != nil {
		t.Fatal(err)
	}
	for i, got := range f.Bottom[0].Diff() {
		slope := errors[i]
		if term, ok := terms[i]; ok {
			slope = centralDifference(func(x []float64) float64 { return term.energy(x[i]) }, x, i)
		}
		if want := 3 * slope / n; math.Abs(float64(got)-want) > 1e-5*(1+math.Abs(want)) {
			t.Fatalf("%s: diff %d is %g, central difference %g", text, i, got, want)
		}
	}
}

func centralDifference(f func(x []float64) float64, x []float64, i int) float64 {
	const step = 1e-5
	at := x[i]
	x[i] = at + step
	above := f(x)
	x[i] = at - step
	below := f(x)
	x[i] = at
	return (above - below) / (2 * step)
}

// predicted returns a box; the sizes of its anchor are in fractions.
func (c *lossCase) predicted(image, k, row, column int, w, h float64) rect {
	x := func(n int) float64 { return c.at(image, k, n, row, column) }
	return rect{
		(float64(column) + logistic(x(0))) / float64(c.w), (float64(row) + logistic(x(1))) / float64(c.h),
		w * math.Exp(x(2)), h * math.Exp(x(3)),
	}
}

// TestRegionLoss compares loss and gradient with what the description says, in float64.
func TestRegionLoss(t *testing.T) {
	for _, o := range []struct {
		bias, rescore                 int
		object, class, nothing, coord float64
		thresh                        float64
	}{{1, 1, 5, 1, 1, 1, 0.6}, {1, 0, 1, 2, 0.5, 5, 0.2}, {0, 1, 2, 1, 1, 3, 0.1}} {
		c := newLossCase(3, 4, 4)
		s := float64(c.w)
		terms := make(map[int]term)
		var classes []struct{ at, class int } // softmaxes
		for image, rows := range c.truth {
			anchor := func(k int) (w, h float64) { return biases[2*k] / s, biases[2*k+1] / s }
			c.each(func(i, j, k int) {
				best := 0.0
				w, h := anchor(k)
				for _, r := range rows {
					best = math.Max(best, overlap(c.predicted(image, k, i, j, w, h).corners(), r.corners()))
				}
				if best <= o.thresh {
					// 1/2 nothing p², whose derivative is nothing p p (1 - p)
					terms[c.index(image, k, 4, i, j)] = term{kind: "sigmoid", scale: o.nothing}
				}
			})
			for _, r := range rows {
				i, j := int(r.y*s), int(r.x*s)
				best, highest := 0, 0.0
				for k := range 3 {
					w, h := anchor(k)
					if o.bias == 0 {
						p := c.predicted(image, k, i, j, w, h)
						w, h = p.w, p.h
					}
					if m := overlap(rect{0, 0, w, h}.corners(), rect{0, 0, r.w, r.h}.corners()); m > highest {
						best, highest = k, m
					}
				}
				w, h := anchor(best)
				scale, target := o.coord*(2-r.w*r.h), 1.0
				if o.rescore != 0 {
					scale, target = o.coord, overlap(c.predicted(image, best, i, j, w, h).corners(), r.corners())
				}
				at := func(n int) int { return c.index(image, best, n, i, j) }
				terms[at(0)] = term{kind: "sigmoid", target: r.x*s - float64(j), scale: scale}
				terms[at(1)] = term{kind: "sigmoid", target: r.y*s - float64(i), scale: scale}
				terms[at(2)] = term{kind: "square", target: math.Log(r.w / w), scale: scale}
				terms[at(3)] = term{kind: "square", target: math.Log(r.h / h), scale: scale}
				terms[at(4)] = term{kind: "sigmoid", target: target, scale: o.object}
				for n := range classes {
					if classes[n].at == at(5) {
						classes[n].class = -1 // the last object counts
					}
				}
				classes = append(classes, struct{ at, class int }{at(5), r.class})
			}
		}
		entropy := func(x []float64) (sum float64) {
			for _, k := range classes {
				if k.class < 0 {
					continue
				}
				all := 0.0
				for m := range c.classes {
					all += math.Exp(x[k.at+m*c.h*c.w])
				}
				sum += o.class * (math.Log(all) - x[k.at+k.class*c.h*c.w])
			}
			return sum
		}
		text := layer("RegionLoss", 2, fmt.Sprintf(`region_loss_param { num: 3 num_class: 4 bias_match: %d rescore: %d object_scale: %g class_scale: %g
			noobject_scale: %g coord_scale: %g thresh: %g %s }`, o.bias, o.rescore, o.object, o.class, o.nothing, o.coord, o.thresh, biasText()))
		c.check(t, text, terms, entropy, nil)
	}
	layertest.Checked(t, "RegionLoss", layertest.Reference)
	layertest.Checked(t, "RegionLoss", layertest.Gradient)
}

// yolov3Options are options of the layer, with its defaults.
type yolov3Options struct {
	mask                      []int
	iou                       string
	thresh, iouThresh, smooth float64
	object, class, coord      float64
	normalizer, bound         float64
	logic, focal, accumulate  bool
}

func (o *yolov3Options) text() string {
	var mask strings.Builder
	for _, m := range o.mask {
		fmt.Fprintf(&mask, "mask: %d ", m)
	}
	return fmt.Sprintf(`yolov3_param { num: 3 num_class: 4 anchors_scale: 4 %s iou_loss: %s thresh: %g iou_thresh: %g label_smooth_eps: %g object_scale: %g
		class_scale: %g coord_scale: %g iou_normalizer: %g max_delta: %g use_logic_gradient: %v use_focal_loss: %v accumulate: %v %s }`,
		mask.String(), o.iou, o.thresh, o.iouThresh, o.smooth, o.object, o.class, o.coord, o.normalizer, o.bound, o.logic, o.focal, o.accumulate, biasText())
}

// parts are the quantities of the description of Yolov3, for a predicted box b and an
// object g.
type parts struct{ o, u, r, d, s, ratio, a float64 }

func partsOf(b, g rect) (p parts) {
	bc, gc := b.corners(), g.corners()
	w, h := math.Min(bc.xmax, gc.xmax)-math.Max(bc.xmin, gc.xmin), math.Min(bc.ymax, gc.ymax)-math.Max(bc.ymin, gc.ymin)
	p.u = b.w*b.h + g.w*g.h - w*h
	p.o = w * h / p.u
	W, H := math.Max(bc.xmax, gc.xmax)-math.Min(bc.xmin, gc.xmin), math.Max(bc.ymax, gc.ymax)-math.Min(bc.ymin, gc.ymin)
	p.r, p.d = W*H, W*W+H*H
	p.s = (b.x-g.x)*(b.x-g.x) + (b.y-g.y)*(b.y-g.y)
	p.ratio = 4 / (math.Pi * math.Pi) * math.Pow(math.Atan(g.w/g.h)-math.Atan(b.w/b.h), 2)
	p.a = p.ratio / (1 - p.o + p.ratio + 1e-6)
	return p
}

// measureOf returns M(b, g).
func measureOf(kind string, b, g rect) float64 {
	p := partsOf(b, g)
	p.o = overlap(b.corners(), g.corners())
	switch kind {
	case "GIOU":
		areas := b.w*b.h + g.w*g.h
		union := areas - p.o*areas/(1+p.o)
		return p.o - 1 + union/p.r
	case "DIOU":
		return p.o - math.Pow(p.s/p.d, 0.6)
	case "CIOU":
		return p.o - p.s/p.d - p.ratio*p.ratio/(1-p.o+p.ratio+1e-6)
	}
	return p.o
}

// slopesOf returns the errors of x0 to x3, as the table in the description has them,
// with central differences in place of derivatives.
func slopesOf(kind string, b, g rect, x2, x3 float64) [4]float64 {
	by := func(f func(parts) float64) (d [4]float64) {
		v := []float64{b.x, b.y, b.w, b.h}
		for i := range d {
			d[i] = centralDifference(func(v []float64) float64 { return f(partsOf(rect{v[0], v[1], v[2], v[3]}, g)) }, v, i)
		}
		return d
	}
	p := partsOf(b, g)
	var e [4]float64
	add := func(d [4]float64, factor [4]float64) {
		for i := range e {
			e[i] += factor[i] * d[i]
		}
	}
	iou := [4]float64{-1, -1, -2 * math.Exp(x2), -2 * math.Exp(x3)}
	apart := overlap(b.corners(), g.corners()) == 0
	if !apart {
		add(by(func(p parts) float64 { return p.o }), iou)
	}
	switch kind {
	case "IOU":
		if apart { // nothing else is there
			add(by(func(p parts) float64 { return p.o }), iou)
		}
	case "GIOU":
		add(by(func(p parts) float64 { return p.u / p.r }), iou)
	default:
		plain := [4]float64{-1, -1, -math.Exp(x2), -math.Exp(x3)}
		add(by(func(q parts) float64 { return -q.s / p.d }), [4]float64{-1, -1, 0, 0})
		add(by(func(q parts) float64 { return -p.s / q.d }), [4]float64{1, 1, 0, 0}) // the opposite sign
		add(by(func(q parts) float64 { return -q.s / q.d }), [4]float64{0, 0, plain[2], plain[3]})
		if kind == "CIOU" {
			f := p.a * (b.w*b.w + b.h*b.h)
			add(by(func(q parts) float64 { return -q.ratio }), [4]float64{0, 0, -f * math.Exp(x2), -f * math.Exp(x3)})
		}
	}
	return e
}

// TestYolov3 compares loss and gradient with what the description says, in float64.
func TestYolov3(t *testing.T) {
	plain := yolov3Options{mask: []int{3, 1, 0}, iou: "MSE", thresh: 0.5, iouThresh: 0.5, smooth: 0.1, object: 1, class: 1, coord: 5,
		normalizer: 0.25, bound: 10, accumulate: true}
	var all []yolov3Options
	for _, change := range []func(o *yolov3Options){
		func(*yolov3Options) {},
		func(o *yolov3Options) { o.logic, o.object, o.class, o.coord = true, 3, 2, 1 },
		func(o *yolov3Options) { o.focal, o.thresh = true, 0.3 },
		func(o *yolov3Options) { o.mask, o.iouThresh, o.smooth = []int{4, 5, 2}, 1, 0 },
		func(o *yolov3Options) { o.iou = "IOU" },
		func(o *yolov3Options) { o.iou, o.mask, o.accumulate = "GIOU", []int{0, 1, 2}, false },
		func(o *yolov3Options) { o.iou, o.iouThresh = "GIOU", 0.2 },
		func(o *yolov3Options) { o.iou, o.bound, o.normalizer = "DIOU", 0.4, 0.7 },
		func(o *yolov3Options) { o.iou, o.iouThresh = "CIOU", 0.3 },
		func(o *yolov3Options) { o.iou, o.logic, o.object = "CIOU", true, 2 },
	} {
		o := plain
		change(&o)
		all = append(all, o)
	}
	for _, o := range all {
		t.Run(fmt.Sprintf("%s %v", o.iou, o.mask), func(t *testing.T) { testYolov3(t, &o) })
	}
	layertest.Checked(t, "Yolov3", layertest.Reference)
	layertest.Checked(t, "Yolov3", layertest.Gradient)
}

func testYolov3(t *testing.T, o *yolov3Options) {
	c := newLossCase(3, 5, 4)
	width, height := float64(c.w), float64(c.h)
	anchor := func(n int) (w, h float64) { return biases[2*n] / (4 * width), biases[2*n+1] / (4 * height) }
	terms := make(map[int]term)
	boxes := make(map[int]bool) // places of x0 to x3
	var disagreement float64
	var matches int
	entropy := "entropy" // the energy: of it, or of squares with use_logic_gradient
	if o.logic {
		entropy = "sigmoid"
	}
	for image, rows := range c.truth {
		c.each(func(i, j, k int) {
			best := 0.0
			w, h := anchor(o.mask[k])
			for _, r := range rows {
				best = math.Max(best, measureOf(o.iou, c.predicted(image, k, i, j, w, h), r.rect))
			}
			if best <= o.thresh {
				terms[c.index(image, k, 4, i, j)] = term{kind: entropy, scale: 1}
			}
		})
		for _, r := range rows {
			i, j := int(r.y*height), int(r.x*width)
			match := func(k int) {
				matches++
				at := func(n int) int { return c.index(image, k, n, i, j) }
				w, h := anchor(o.mask[k])
				b := c.predicted(image, k, i, j, w, h)
				if o.iou == "MSE" {
					scale := o.coord * (2 - r.w*r.h)
					terms[at(0)] = term{kind: entropy, target: r.x*width - float64(j), scale: scale}
					terms[at(1)] = term{kind: entropy, target: r.y*height - float64(i), scale: scale}
					terms[at(2)] = term{kind: "square", target: math.Log(r.w / w), scale: scale}
					terms[at(3)] = term{kind: "square", target: math.Log(r.h / h), scale: scale}
				} else {
					for n, e := range slopesOf(o.iou, b, r.rect, c.at(image, k, 2, i, j), c.at(image, k, 3, i, j)) {
						e = math.Max(-o.bound, math.Min(o.bound, o.normalizer*e))
						if o.logic && n < 2 {
							s := logistic(c.at(image, k, n, i, j))
							e *= s * (1 - s)
						}
						if o.accumulate {
							e += terms[at(n)].slope
						}
						terms[at(n)] = term{kind: "slope", slope: e}
						boxes[at(n)] = true
					}
					kind := o.iou
					if kind == "IOU" {
						kind = "DIOU"
					}
					disagreement += 1 - measureOf(kind, b, r.rect)
				}
				scale := 1.0
				if o.logic {
					scale = o.object
				}
				terms[at(4)] = term{kind: entropy, target: 1, scale: scale}
				smooth, factor := o.smooth, o.class
				if _, again := terms[at(5+r.class)]; again {
					terms[at(5+r.class)] = term{kind: entropy, target: 1 - smooth/2, scale: factor}
					return
				}
				if o.focal {
					q := logistic(c.at(image, k, 5+r.class, i, j))
					smooth, factor = 0, -factor*(1-q)*(2*q*math.Log(q)+q-1)/2
				}
				for m := range c.classes {
					target := smooth / 2
					if m == r.class {
						target = 1 - target
					}
					terms[at(5+m)] = term{kind: entropy, target: target, scale: factor}
				}
			}
			m := func(n int) float64 {
				w, h := anchor(n)
				return measureOf(o.iou, rect{0, 0, w, h}, rect{0, 0, r.w, r.h})
			}
			place := func(n int) int {
				for k, a := range o.mask {
					if a == n {
						return k
					}
				}
				return -1
			}
			best, highest := -1, 0.0
			for n := range 6 {
				if m(n) > highest {
					best, highest = n, m(n)
				}
			}
			if k := place(best); k >= 0 {
				match(k)
				best = k
			}
			for n := range 6 {
				if o.iouThresh < 1 && place(n) >= 0 && n != best && m(n) > o.iouThresh {
					match(place(n))
				}
			}
		}
	}
	if matches < 4 {
		t.Fatalf("%d matches are too few for a test", matches)
	}
	loss := func(errors []float64) (sum float64) {
		for i, e := range errors {
			switch {
			case boxes[i]:
			case o.logic && terms[i].kind == "sigmoid": // the loss has the errors without the sigmoid's derivative
				term := terms[i]
				d := term.scale * (term.act(float64(c.x[i])) - term.target)
				sum += d * d
			default:
				sum += e * e
			}
		}
		if o.iou != "MSE" {
			sum += o.normalizer * disagreement / float64(matches)
		}
		return sum / float64(len(c.truth))
	}
	c.check(t, layer("Yolov3", 2, o.text()), terms, nil, loss)
}

// lossTexts are losses with their bottoms.
func lossTexts() map[string][]*blob.Blob {
	c := newLossCase(4, 8, 8)
	o := yolov3Options{mask: []int{3, 4, 5}, iou: "CIOU", thresh: 0.5, iouThresh: 0.2, smooth: 0.1, object: 1, class: 1, coord: 5,
		normalizer: 0.25, bound: 10, logic: true, accumulate: true}
	return map[string][]*blob.Blob{
		layer("RegionLoss", 2, "region_loss_param { num: 3 num_class: 4 "+biasText()+" }"): c.bottoms,
		layer("Yolov3", 2, o.text()): c.bottoms,
		layer("YoloDetectionOutput", 1, "yolo_detection_output_param { num_box: 3 num_classes: 4 "+biasText()+" }"):                                                     c.bottoms[:1],
		layer("Yolov3DetectionOutput", 1, "yolov3_detection_output_param { num_classes: 4 mask_group_num: 1 mask: 0 mask: 1 mask: 2 anchors_scale: 8 "+biasText()+" }"): c.bottoms[:1],
	}
}

func TestDecisions(t *testing.T) {
	for text, bottoms := range lossTexts() {
		t.Run(strings.Fields(text)[5], func(t *testing.T) {
			layertest.CheckThreads(t, text, bottoms...)
			layertest.CheckAllocs(t, text, bottoms...)
		})
	}
}

func TestLossErrors(t *testing.T) {
	c := newLossCase(2, 4, 4)
	x := c.bottoms[0]
	row := func(values ...float32) *blob.Blob {
		return layertest.Values(append(values, make([]float32, 5)...), 2, 1, 1, 5)
	}
	region, v3 := "num: 3 num_class: 4"+biasText(), "num: 3 num_class: 4 mask: 0 mask: 1 mask: 2"+biasText()
	for _, test := range []struct {
		want, typ, options string
		truth              *blob.Blob
	}{
		{"num is 0, want 1 to 4096", "RegionLoss", "num: 0", c.bottoms[1]},
		{"num_class is 0, want 1 to 1048576", "RegionLoss", "num_class: 0", c.bottoms[1]},
		{"coords is 3, want 4", "RegionLoss", region + " coords: 3", c.bottoms[1]},
		{"there are 2 biases, want 10: width and height of 5 anchors", "RegionLoss", "biases: 1 biases: 2", c.bottoms[1]},
		{"bottom 1 has shape [2 300 4], want 2 x 1 x rows x 5", "RegionLoss", region, layertest.Gaussian(1, 2, 300, 4)},
		{"bottom 1 has shape [1 1 300 5], want 2 x 1 x rows x 5", "Yolov3", v3, layertest.Gaussian(1, 1, 1, 300, 5)},
		{"mask has 0 anchors, want 3, which is num", "Yolov3", "num: 3 num_class: 4" + biasText(), c.bottoms[1]},
		{"mask has anchor 7, and the biases are those of 6 anchors", "Yolov3", v3 + " mask: 7", c.bottoms[1]},
		{"anchors_scale is 0, want 1 to 32767", "Yolov3", v3 + " anchors_scale: 0", c.bottoms[1]},
		{"max_delta is -1, want 0 or more", "Yolov3", v3 + " max_delta: -1", c.bottoms[1]},
	} {
		param := "yolov3_param"
		if test.typ == "RegionLoss" {
			param = "region_loss_param"
		}
		layertest.CheckError(t, 1, `layer "l": `+test.want, layer(test.typ, 2, param+" { "+test.options+" }"), x, test.truth)
	}
	for _, test := range []struct {
		want  string
		truth *blob.Blob
	}{
		{"class 4, want 0 to 3", row(4, 0.5, 0.5, 0.1, 0.1)},
		{"class 0.5, want 0 to 3", row(0.5, 0.5, 0.5, 0.1, 0.1)},
		{"center 0.5, 1.5, want 0 to 1", row(1, 0.5, 1.5, 0.1, 0.1)},
		{"width 0.1 and height 0, want positive numbers", row(1, 0.5, 0.5, 0.1, 0)},
		{"width 0.1 and height NaN, want positive numbers", row(1, 0.5, 0.5, 0.1, float32(math.NaN()))},
	} {
		f := layertest.New(t, layer("Yolov3", 2, "yolov3_param { "+v3+" }"), x, test.truth)
		if err := f.Forward(); err == nil || !strings.Contains(err.Error(), "ground truth of image 0, row 0: "+test.want) {
			t.Errorf("error %v, want %s", err, test.want)
		}
	}
}
