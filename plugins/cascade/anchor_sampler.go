package cascade

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/gocaffe/gocaffe/layers"
)

// An anchorSampler chooses the anchors of an image that DetectionGroupLoss counts. It
// keeps its memory from one use to the next.
type anchorSampler struct {
	spec    *layers.Spec
	options *detectionGroupLossOptions
	source  *layers.RandSource
	random  *rand.Rand

	fore []int        // anchors of the foreground
	back []hardAnchor // of the background
}

// A hardAnchor is the number of an anchor in its image, with what it is ranked by.
type hardAnchor struct {
	hardness float32
	number   int
}

func newAnchorSampler(s *layers.Spec, o *detectionGroupLossOptions) anchorSampler {
	source := s.Rand("anchors").Source(0)
	return anchorSampler{spec: s, options: o, source: source, random: rand.New(source)}
}

// reserve allocates memory for n anchors.
func (s *anchorSampler) reserve(n int) {
	s.fore, s.back = slices.Grow(s.fore[:0], n), slices.Grow(s.back[:0], n)
}

// restart begins a pass.
func (s *anchorSampler) restart() { s.source.Restart(s.spec.Env.Stream()) }

// reset begins an image.
func (s *anchorSampler) reset() { s.fore, s.back = s.fore[:0], s.back[:0] }

// draw leaves the anchors that are chosen.
func (s *anchorSampler) draw() {
	o := s.options
	fore, back := len(s.fore), max(len(s.fore)*o.Multiple, o.Least)
	if o.Batch > 0 {
		fore = min(round(float32(o.Batch)/float32(1+o.Multiple)), len(s.fore))
		back = o.Batch - fore
	}
	back = min(back, len(s.back))
	s.fore = sample(s.random, s.fore, fore)
	if back == len(s.back) {
		return
	}
	hard := 0
	switch o.Mining {
	case "bootstrap":
		hard = back
	case "mixture":
		hard = (back + 1) / 2
	}
	if hard > 0 {
		slices.SortFunc(s.back, func(a, b hardAnchor) int {
			return cmp.Or(cmp.Compare(b.hardness, a.hardness), cmp.Compare(b.number, a.number))
		})
	}
	sample(s.random, s.back[hard:], back-hard)
	s.back = s.back[:back]
}

// sample returns n of the elements of x, drawn at random, as the first of x.
func sample[T any](random *rand.Rand, x []T, n int) []T {
	if len(x) <= n {
		return x
	}
	for i := range n {
		k := i + random.IntN(len(x)-i)
		x[i], x[k] = x[k], x[i]
	}
	return x[:n]
}
