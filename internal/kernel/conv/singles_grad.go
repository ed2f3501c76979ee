package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// singlesGrad computes the gradient of the weights of groups of one channel and one output
// by vectors of channels. The sums of the parts are added in their order.
type singlesGrad struct {
	channelVectors
	rounded     int     // taps, rounded up to a multiple of channelTaps
	pixels, off []int32 // of a part; off has rounded elements

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
			t.rounded = len(t.off)
		}
	}
	return t.copied() <= channelCopy
}

func (t *singlesGrad) run(op parallel.Op, x, dy, dweight []float32) {
	t.micro, t.pool, t.x, t.dy, t.dweight = gemm.Active(), op.Pool(), x, dy, dweight
	t.sums = op.Workspace(t.parts() * t.rounded * t.lanes)
	t.reducing = false
	t.pool.RunWork(singlesCost*t.geometry.macs(), t.parts(), t)
	t.reducing = true
	t.pool.RunWork(int64(len(t.sums)), t.vectors, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
}

// Do computes the sums of part i, or adds those of all parts of vector i.
func (t *singlesGrad) Do(worker, i int) {
	if t.reducing {
		t.reduce(i)
		return
	}
	p, lanes := t.part(i), t.lanes
	sums := t.sums[i*t.rounded*lanes:][:t.rounded*lanes]
	clear(sums)
	padded, pixels := t.copied(), p.rows*t.out[1]
	buf := t.pool.Scratch(worker, padded+max(t.loaded(), pixels*lanes))
	x, rest := buf[:padded], buf[padded:]
	clear(x)
	for image := p.image; image < p.image+p.images; image++ {
		t.load(t.micro, p, image, t.x, rest, x)
		dy := t.dy[(image*t.geometry.Group+p.ch)*t.outSize+p.row*t.out[1]:]
		t.micro.TransposeTo(lanes, pixels, dy, t.outSize, rest, lanes)
		for tap := 0; tap < t.rounded; tap += channelTaps {
			channelsGradOf[cpu.Active()](pixels, &x[0], &t.pixels[0], &t.off[tap], &rest[0], &sums[tap*lanes])
		}
	}
}

// reduce adds the sums of all parts of a vector of channels to the gradient.
func (t *singlesGrad) reduce(vector int) {
	n := t.rounded * t.lanes
	of := func(i int) []float32 { // the i-th part of the vector
		part := (i/t.bands*t.vectors+vector)*t.bands + i%t.bands
		return t.sums[part*n:][:n]
	}
	p := t.part(vector * t.bands)
	sums := of(0)
	for i := 1; i < t.parts()/t.vectors; i++ {
		vec.Axpy(1, of(i), sums)
	}
	taps := t.geometry.taps
	for lane := p.skip; lane < t.lanes; lane++ {
		to := t.dweight[(p.ch+lane)*taps:][:taps]
		for tap := range to {
			to[tap] += sums[tap*t.lanes+lane]
		}
	}
}
