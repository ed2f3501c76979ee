package ssd

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// batchSampler samples parts of an image that overlap its objects as the constraint
// says, as Caffe's sampler.cpp does.
type batchSampler struct {
	Original   bool              `proto:"use_original_image"`
	Sampler    *sampler          `proto:"sampler"`
	Constraint *sampleConstraint `proto:"sample_constraint"`
	MaxSample  uint32            `proto:"max_sample"`
	MaxTrials  int               `proto:"max_trials"`
}

type sampler struct {
	MinScale  float32 `proto:"min_scale"`
	MaxScale  float32 `proto:"max_scale"`
	MinAspect float32 `proto:"min_aspect_ratio"`
	MaxAspect float32 `proto:"max_aspect_ratio"`
}

// sampleConstraint has -1 for a bound that is not given.
type sampleConstraint struct {
	MinOverlap float32 `proto:"min_jaccard_overlap"`
	MaxOverlap float32 `proto:"max_jaccard_overlap"`
	MinSample  float32 `proto:"min_sample_coverage"`
	MaxSample  float32 `proto:"max_sample_coverage"`
	MinObject  float32 `proto:"min_object_coverage"`
	MaxObject  float32 `proto:"max_object_coverage"`
}

const maxTrials = 100000

// check checks the options of sampler i.
func (b *batchSampler) check(s *layers.Spec, i int) error {
	if b.Sampler == nil {
		b.Sampler = &sampler{1, 1, 1, 1}
	}
	bad := func(format string, args ...any) error {
		return s.ErrorAt("annotated_data_param.batch_sampler", i, fmt.Errorf("batch_sampler: "+format, args...))
	}
	switch p := b.Sampler; {
	case !(p.MinScale > 0 && p.MinScale <= p.MaxScale && p.MaxScale <= 1):
		return bad("min_scale is %g and max_scale %g, want 0 < min_scale <= max_scale <= 1", p.MinScale, p.MaxScale)
	case !(p.MinAspect > 0 && p.MinAspect <= p.MaxAspect && p.MaxAspect < math.MaxFloat32):
		return bad("min_aspect_ratio is %g and max_aspect_ratio %g, want positive numbers in order", p.MinAspect, p.MaxAspect)
	case b.MaxTrials < 0 || b.MaxTrials > maxTrials:
		return bad("max_trials is %d, want 0 to %d", b.MaxTrials, maxTrials)
	}
	return nil
}

// sample appends the parts that it finds to parts.
func (b *batchSampler) sample(r *rand.Rand, objects []data.Object, parts []boxes.Box) []boxes.Box {
	if !b.Original {
		return parts
	}
	found := uint32(0)
	for range b.MaxTrials {
		if found >= b.MaxSample {
			break
		}
		if part := b.Sampler.draw(r); b.Constraint.satisfied(part, objects) {
			parts = append(parts, part)
			found++
		}
	}
	return parts
}

// draw returns a random part.
func (p *sampler) draw(r *rand.Rand) boxes.Box {
	scale, aspect := uniform(r, p.MinScale, p.MaxScale), uniform(r, p.MinAspect, p.MaxAspect)
	// so that width and height are at most 1
	aspect = min(max(aspect, float32(scale*scale)), 1/float32(scale*scale))
	root := float32(math.Sqrt(float64(aspect)))
	w, h := scale*root, scale/root
	x, y := uniform(r, 0, 1-w), uniform(r, 0, 1-h)
	return boxes.Box{XMin: x, YMin: y, XMax: x + w, YMax: y + h}
}

// uniform returns a random number from lo on, and below hi unless they are equal.
func uniform(r *rand.Rand, lo, hi float32) float32 { return lo + float32((hi-lo)*r.Float32()) }

// satisfied reports whether an object fulfils all that is constrained. Without
// constraints every part does.
func (c *sampleConstraint) satisfied(part boxes.Box, objects []data.Object) bool {
	if c == nil || *c == (sampleConstraint{-1, -1, -1, -1, -1, -1}) {
		return true
	}
	for _, o := range objects {
		box := boxOf(&o)
		if within(boxes.Overlap(part, box, 0), c.MinOverlap, c.MaxOverlap) &&
			within(coverage(part, box), c.MinSample, c.MaxSample) && within(coverage(box, part), c.MinObject, c.MaxObject) {
			return true
		}
	}
	return false
}

func within(v, lo, hi float32) bool { return (lo == -1 || v >= lo) && (hi == -1 || v <= hi) }

func boxOf(o *data.Object) boxes.Box {
	return boxes.Box{XMin: o.XMin, YMin: o.YMin, XMax: o.XMax, YMax: o.YMax}
}

// coverage returns the share of a's area that b has in common with it.
func coverage(a, b boxes.Box) float32 {
	both, _ := boxes.Intersect(a, b)
	if area := both.Area(0); area > 0 {
		return area / a.Area(0)
	}
	return 0
}
