package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// singlesGrad computes the gradient of the weights of groups of one channel and one output
// by vectors of channels. The sums of the parts are added in their order.
type singlesGrad struct {
	channelVectors
	taps        []int   // of the kernel
	pixels, off []int32 // of a part; off has as many elements as there are taps, rounded up to a multiple of channelTaps

	// Used during a run.
	micro          *gemm.Micro
	pool           *parallel.Pool
	reducing       bool
	x, dy, dweight []float32
	sums           []float32 // of each part
}

// fits reports whether singlesGrad can compute the gradient and should.
func (t *singlesGrad) fits(w *window, g *geometry) bool {
	lanes := gemm.Active().Lanes
	if channelsGradOf[cpu.Active()] == nil || !depthwise(g) || len(g.In) != 2 || g.Group < lanes {
		return false
	}
	if t.lanes != lanes {
		t.window, t.geometry = w, g
		t.cut(lanes, t.out[1])
		if t.copied() <= channelCopy {
			t.pixels = t.pixelOffsets(t.rows, t.out[1])
			t.off = fillUp(t.tapOffsets(t.shift), channelTaps)
			t.taps = t.taps[:0]
			for tap := range t.geometry.taps {
				t.taps = append(t.taps, tap)
			}
		}
	}
	return t.copied() <= channelCopy
}

func (t *singlesGrad) run(op parallel.Op, x, dy, dweight []float32) {
	t.micro, t.pool, t.x, t.dy, t.dweight = gemm.Active(), op.Pool(), x, dy, dweight
	t.sums = op.Workspace(t.parts() * len(t.off) * t.lanes)
	t.reducing = false
	t.pool.RunWork(singlesCost*t.geometry.macs(), t.parts(), t)
	t.reducing = true
	t.pool.RunWork(int64(len(t.sums)), t.vectors, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
}

// Do computes the sums of part i, or adds those of all parts of vector i.
func (t *singlesGrad) Do(worker, i int) {
	if t.reducing {
		t.reduceTaps(i, t.sums, t.taps, t.dweight)
		return
	}
	p, lanes := t.part(i), t.lanes
	sums := t.sums[i*len(t.off)*lanes:][:len(t.off)*lanes]
	clear(sums)
	padded, pixels := t.copied(), p.rows*t.out[1]
	buf := t.pool.Scratch(worker, padded+max(t.loaded(), pixels*lanes))
	x, rest := buf[:padded], buf[padded:]
	clear(x)
	for image := p.image; image < p.image+p.images; image++ {
		t.load(t.micro, p, image, t.x, rest, x)
		dy := t.dy[(image*t.geometry.Group+p.ch)*t.outSize+p.row*t.out[1]:]
		t.micro.TransposeTo(lanes, pixels, dy, t.outSize, rest, lanes)
		sumTaps(pixels, x, t.pixels, t.off, rest, sums)
	}
}

// sumTaps adds to the sums of each tap, a vector, the products of n vectors of y with those of x
// that a tap leads to: those at the offsets of a pixel and of the tap.
func sumTaps(n int, x []float32, pixels, off []int32, y, sums []float32) {
	lanes := len(sums) / len(off)
	for tap := 0; tap < len(off); tap += channelTaps {
		channelsGradOf[cpu.Active()](n, &x[0], &pixels[0], &off[tap], &y[0], &sums[tap*lanes])
	}
}

// reduceTaps adds the sums of all parts of a vector of channels to the gradient of the weights.
// The sums of a part are those of the given taps and of others, which are dropped.
func (t *channelVectors) reduceTaps(vector int, all []float32, taps []int, dweight []float32) {
	n := gemm.RoundUp(len(taps), channelTaps) * t.lanes
	of := func(i int) []float32 { // the i-th part of the vector
		part := (i/t.bands*t.vectors+vector)*t.bands + i%t.bands
		return all[part*n:][:n]
	}
	p := t.part(vector * t.bands)
	sums := of(0)
	for i := 1; i < t.parts()/t.vectors; i++ {
		vec.Axpy(1, of(i), sums)
	}
	for lane := p.skip; lane < t.lanes; lane++ {
		to := dweight[(p.ch+lane)*t.geometry.taps:][:t.geometry.taps]
		for i, tap := range taps {
			to[tap] += sums[i*t.lanes+lane]
		}
	}
}

// singlesSums sums the gradient of the weights while singles computes that of the data, with
// strides of 1, from the same copy of dy: each tap's gradient is the sum over the pixels of x of
// their products with the elements of dy that the tap leads to.
type singlesSums struct {
	inputMap *norm.VectorMap // of x; nil for none

	// Used during a run.
	singles    *singles
	off        []int32 // of the taps, as in singlesGrad
	x, dweight []float32
	sums       []float32 // of each part
}

// run computes both gradients. d is prepared, and its product set.
func (t *singlesSums) run(op parallel.Op, d *singles, x, dweight []float32) {
	f := &d.phases[0]
	t.singles, t.x, t.dweight = d, x, dweight
	t.off = fillUp(append(t.off[:0], f.off...), channelTaps)
	t.sums = op.Workspace(d.cut.parts() * len(t.off) * d.cut.lanes)
	d.sums = t
	defer func() { d.sums = nil }() // after a panic too: BackwardData sums nothing
	d.run()
	op.Pool().RunWork(int64(len(t.sums)), d.cut.vectors, t)
	t.singles, t.x, t.dweight, t.sums = nil, nil, nil, nil
}

// Do adds the sums of all parts of vector i.
func (t *singlesSums) Do(_, i int) {
	t.singles.cut.reduceTaps(i, t.sums, t.singles.phases[0].taps, t.dweight)
}

// of returns the sums of part i.
func (t *singlesSums) of(i int) []float32 {
	n := len(t.off) * t.singles.cut.lanes
	return t.sums[i*n:][:n]
}

// add sums an image of part i, whose copy of dy is given. Its pixels of x begin at element at, and
// become vectors in buf.
func (t *singlesSums) add(i int, p channelPart, dy []float32, at, pixels int, buf []float32) {
	lanes := t.singles.cut.lanes
	t.singles.micro.TransposeTo(lanes, pixels, t.x[at:], t.singles.dstSize, buf, lanes)
	t.inputMap.Apply(0, p.ch, buf[:pixels*lanes])
	sumTaps(pixels, dy, t.singles.phases[0].pixels, t.off, buf, t.of(i))
}
