package layertest

import (
	"math"
	"testing"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// GradientOptions configure CheckGradient. The zero value suits a smooth layer.
type GradientOptions struct {
	Step      float64 // of the central difference; 0 means 1e-2
	Tolerance float64 // relative, but absolute for gradients below 1; 0 means 1e-3

	// Elements whose magnitude is within KinkRange of Kink are not checked:
	// the function has no derivative there.
	Kink, KinkRange float64

	// Bottoms, Params and Tops are the indices of the blobs to check. Nil means
	// all bottoms and weights that have a gradient, and all tops, but only the
	// first top of a loss.
	Bottoms, Params, Tops []int
}

// CheckGradient compares Backward with the central difference, for every element
// of every bottom and of every weight blob, as Caffe's
// test_gradient_check_util.hpp does. It differentiates a weighted sum of the tops,
// in float64, whose weights are around 2 and differ from element to element; for a
// loss, twice the first element of the first top.
//
// It also checks that Backward writes every element of a bottom's diff, leaves the
// diffs alone that it must not propagate to, adds to the diffs of weights, and does
// not read the data that the layer says it does not need (layers.BackwardReader).
func CheckGradient(t testing.TB, f *Fixture, opts GradientOptions) {
	t.Helper()
	c := newGradient(t, f, opts)
	if len(c.bottoms)+len(c.params) == 0 {
		t.Errorf("there is no gradient to check: no bottom has one, and there are no weights")
	}
	c.backward(c.propagate)
	if t.Failed() {
		return
	}
	for _, i := range c.bottoms {
		c.check(f.bottomName(i), f.Bottom[i], c.input[i])
	}
	for _, i := range c.params {
		c.check(f.paramName(i), f.Params()[i], c.weights[i])
	}
	c.checkPropagateDown()
	c.checkAccumulation()
	if !t.Failed() {
		record(nameOf(f.Info), Gradient)
	}
}

// gradient is the state of CheckGradient.
type gradient struct {
	t    testing.TB
	f    *Fixture
	opts GradientOptions

	bottoms, params []int
	propagate       []bool      // whether a bottom is checked
	input, weights  [][]float32 // initial values of bottoms and weights
	top             [][]float32 // weights of the tops in the objective
}

func newGradient(t testing.TB, f *Fixture, opts GradientOptions) *gradient {
	if opts.Step == 0 {
		opts.Step = 1e-2
	}
	if opts.Tolerance == 0 {
		opts.Tolerance = 1e-3
	}
	c := &gradient{t: t, f: f, opts: opts, bottoms: opts.Bottoms, params: opts.Params}
	if opts.Bottoms == nil {
		for i, has := range f.Propagate {
			if has {
				c.bottoms = append(c.bottoms, i)
			}
		}
	}
	c.propagate = make([]bool, len(f.Bottom))
	for _, i := range c.bottoms {
		c.propagate[i] = true
	}
	for _, b := range f.Bottom {
		c.input = append(c.input, append([]float32(nil), b.Data()...))
	}
	for i, b := range f.Params() {
		c.weights = append(c.weights, append([]float32(nil), b.Data()...))
		if opts.Params == nil {
			c.params = append(c.params, i)
		}
	}
	c.forward()
	for i, b := range f.Top {
		c.top = append(c.top, make([]float32, b.Count()))
		switch {
		case !c.objectiveHas(i):
		case f.Info.Loss:
			c.top[i][0] = 2
		default:
			layers.NewRand(uint64(i), "objective").Uniform(nil, 0, 1.5, 2.5, c.top[i])
		}
	}
	return c
}

// objectiveHas reports whether a top is part of the objective.
func (c *gradient) objectiveHas(top int) bool {
	if c.opts.Tops == nil {
		return top == 0 || !c.f.Info.Loss
	}
	for _, i := range c.opts.Tops {
		if i == top {
			return true
		}
	}
	return false
}

// restore undoes what an in-place pass has done to the bottoms, and a layer with
// statistics to its weights.
func (c *gradient) restore() {
	for i, b := range c.f.Bottom {
		copy(b.MutableData(), c.input[i])
	}
	for i, b := range c.f.Params() {
		copy(b.MutableData(), c.weights[i])
	}
}

// forward runs the layer from its initial values.
func (c *gradient) forward() {
	c.t.Helper()
	c.restore()
	c.forwardChanged()
}

// forwardChanged runs the layer from its current values.
func (c *gradient) forwardChanged() {
	c.t.Helper()
	if err := c.f.Forward(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *gradient) objective() float64 {
	var sum float64
	for i, b := range c.f.Top {
		if !c.objectiveHas(i) {
			continue
		}
		w := c.top[i]
		for k, v := range b.Data() {
			sum += float64(w[k]) * float64(v)
		}
	}
	return sum
}

// backward runs both passes. Elements of a bottom's diff that Backward fails to
// write are NaN afterwards.
func (c *gradient) backward(propagate []bool) {
	c.t.Helper()
	for _, b := range c.f.Bottom {
		fill(b.MutableDiff(), float32(math.NaN()))
	}
	for _, b := range c.f.Params() {
		clear(b.MutableDiff())
	}
	c.forward()
	c.backwardAgain(propagate)
}

// backwardAgain runs Backward after a forward pass.
func (c *gradient) backwardAgain(propagate []bool) {
	c.t.Helper()
	for i, b := range c.f.Top {
		copy(b.MutableDiff(), c.top[i])
	}
	c.poison()
	saved := c.f.Propagate
	c.f.Propagate = propagate
	err := c.f.Backward()
	c.f.Propagate = saved
	if err != nil {
		c.t.Fatal(err)
	}
}

// poison fills the data that Backward does not read with NaN.
func (c *gradient) poison() {
	r, ok := c.f.Layer.(layers.BackwardReader)
	if !ok {
		return
	}
	bottom, top := r.BackwardReads()
	read := func(b *blob.Blob) bool {
		for _, of := range []struct {
			blobs []*blob.Blob
			reads bool
		}{{c.f.Bottom, bottom}, {c.f.Top, top}} {
			for _, other := range of.blobs {
				if of.reads && b.SharesData(other) {
					return true
				}
			}
		}
		return false
	}
	for _, blobs := range [][]*blob.Blob{c.f.Bottom, c.f.Top} {
		for _, b := range blobs {
			if !read(b) {
				fill(b.MutableData(), float32(math.NaN()))
			}
		}
	}
}

// check compares the diff of a blob with the central difference.
func (c *gradient) check(name string, b *blob.Blob, at []float32) {
	c.t.Helper()
	got := append([]float32(nil), b.Diff()...)
	checked, wrong := 0, 0
	for i, x := range at {
		if c.opts.KinkRange > 0 && math.Abs(math.Abs(float64(x))-c.opts.Kink) <= c.opts.KinkRange {
			continue
		}
		checked++
		hi, lo := x+float32(c.opts.Step), x-float32(c.opts.Step)
		objective := func(v float32) float64 {
			c.restore()
			b.MutableData()[i] = v
			c.forwardChanged()
			return c.objective()
		}
		plus, minus := objective(hi), objective(lo)
		want := (plus - minus) / (float64(hi) - float64(lo)) // the step that float32 really took
		scale := max(math.Abs(want), math.Abs(float64(got[i])), 1)
		if !(math.Abs(float64(got[i])-want) <= c.opts.Tolerance*scale) { // true for NaN too
			if wrong++; wrong <= 5 {
				c.t.Errorf("%s, %s: Backward gives %g, the central difference is %g, at the value %g", name, element(i, b.Shape()), got[i], want, x)
			}
		}
	}
	if wrong > 5 {
		c.t.Errorf("%s: %d of the %d elements checked have a wrong gradient", name, wrong, checked)
	}
	if checked == 0 {
		c.t.Errorf("%s: no element was checked", name)
	}
}

// checkPropagateDown checks, unless tops and bottoms share their diffs, that
// Backward leaves alone the diff of a bottom that it must not propagate to, and
// that the other diffs do not depend on that.
func (c *gradient) checkPropagateDown() {
	c.t.Helper()
	if c.f.sharesDiff() {
		return
	}
	const sentinel = 12345
	run := func(propagate []bool) [][]float32 {
		c.forward()
		for _, b := range c.f.Params() {
			clear(b.MutableDiff())
		}
		for i, b := range c.f.Bottom {
			if !propagate[i] {
				fill(b.MutableDiff(), sentinel)
			}
		}
		c.backwardAgain(propagate)
		var diffs [][]float32
		for _, b := range c.f.Bottom {
			diffs = append(diffs, append([]float32(nil), b.Diff()...))
		}
		return diffs
	}
	all := run(c.propagate)
	only := make([]bool, len(c.f.Bottom))
	for i := -1; i < len(only); i++ {
		clear(only)
		if i >= 0 {
			if !c.propagate[i] {
				continue
			}
			only[i] = true
		}
		for j, diff := range run(only) {
			for k, v := range diff {
				if only[j] && v != all[j][k] {
					c.t.Errorf("%s, %s: diff is %g if propagate_down is %v and %g if it is %v",
						c.f.bottomName(j), element(k, c.f.Bottom[j].Shape()), v, only, all[j][k], c.propagate)
					break
				}
				if !only[j] && v != sentinel {
					c.t.Errorf("%s, %s: diff is written though propagate_down is %v", c.f.bottomName(j), element(k, c.f.Bottom[j].Shape()), only)
					break
				}
			}
		}
	}
}

// checkAccumulation checks that a second Backward adds as much to the diffs of the
// weights as the first.
func (c *gradient) checkAccumulation() {
	c.t.Helper()
	if len(c.f.Params()) == 0 {
		return
	}
	c.backward(c.propagate)
	var once [][]float32
	for _, b := range c.f.Params() {
		once = append(once, append([]float32(nil), b.Diff()...))
	}
	c.forward()
	c.backwardAgain(c.propagate)
	for i, b := range c.f.Params() {
		for k, v := range b.Diff() {
			want := 2 * once[i][k]
			if !(math.Abs(float64(v-want)) <= 1e-5*max(1, math.Abs(float64(want)))) {
				c.t.Errorf("%s, %s: diff is %g after two backward passes and %g after one", c.f.paramName(i), element(k, b.Shape()), v, once[i][k])
				break
			}
		}
	}
}
