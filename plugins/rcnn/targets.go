package rcnn

import (
	"fmt"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// A normalization is what targets of boxes are reduced by and divided by: x, y, width
// and height.
type normalization struct{ mean, std [4]float64 }

// apply returns normalized targets.
func (n *normalization) apply(t [4]float64) (y [4]float32) {
	for i, v := range t {
		y[i] = float32((v - n.mean[i]) / n.std[i])
	}
	return y
}

// undo returns the targets that apply has normalized.
func (n *normalization) undo(t [4]float32) (y [4]float32) {
	for i, v := range t {
		y[i] = float32(v*float32(n.std[i])) + float32(n.mean[i])
	}
	return y
}

// groundTruth is a bottom with the objects of an image: x1, y1, x2, y2 in pixels and
// the class, for each of them.
type groundTruth struct {
	spec   *layers.Spec
	bottom int

	boxes []boxes.Box
	wide  []wideBox
	class []float32
}

// reshape checks the bottom.
func (g *groundTruth) reshape(b *blob.Blob) error {
	if b.Axes() < 2 || b.CountFrom(1) != 5 {
		return g.spec.ErrorAt("bottom", g.bottom, fmt.Errorf("got objects of shape %v, want G x 5: x1, y1, x2, y2, class", b.Shape()))
	}
	return nil
}

// read reads the objects.
func (g *groundTruth) read(b *blob.Blob) {
	x := b.Data()
	n := len(x) / 5
	g.boxes, g.wide, g.class = layers.Resize(g.boxes, n), layers.Resize(g.wide, n), layers.Resize(g.class, n)
	for i := range n {
		g.boxes[i], g.class[i] = boxes.From(x[5*i:]), x[5*i+4]
		g.wide[i] = wideOf(g.boxes[i])
	}
}

// nearest returns the object that overlaps most with a box, the first of equal ones,
// and the overlap; 0 and 0 if there are no objects.
func (g *groundTruth) nearest(box wideBox) (object int32, overlap float64) {
	for i, o := range g.wide {
		if v := box.overlap(o); v > overlap {
			object, overlap = int32(i), v
		}
	}
	return object, overlap
}

// A sampler draws some of a list without replacement.
type sampler struct {
	random layers.Rand
	rand   *rand.Rand
	source *layers.RandSource
}

func newSampler(s *layers.Spec) *sampler {
	r := &sampler{random: s.Rand("sample")}
	r.source = r.random.Source(0)
	r.rand = rand.New(r.source)
	return r
}

// begin has the numbers of a pass follow.
func (r *sampler) begin(stream uint64) { r.source.Restart(stream) }

// draw moves k elements that it draws to the front, in random order.
func (r *sampler) draw(list []int32, k int) {
	for i := range k {
		j := i + r.rand.IntN(len(list)-i)
		list[i], list[j] = list[j], list[i]
	}
}
