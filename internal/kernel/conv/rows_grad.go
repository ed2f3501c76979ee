package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// rowsGrad computes the gradient of the weights of groups of one channel and one output by vectors
// of pixels of a row. The sums of the parts are added in their order.
type rowsGrad struct {
	planeRows

	// Used during a run.
	micro          *gemm.Micro
	pool           *parallel.Pool
	reducing       bool
	x, dy, dweight []float32
	sums           []float32 // of each part
}

func (t *rowsGrad) run(op parallel.Op, x, dy, dweight []float32) {
	t.micro, t.pool, t.x, t.dy, t.dweight = gemm.Active(), op.Pool(), x, dy, dweight
	t.sums = op.Workspace(t.parts() * t.sumSize())
	t.reducing = false
	t.pool.RunWork(rowsCost*t.geometry.macs(), t.parts(), t)
	t.reducing = true
	t.pool.RunWork(int64(len(t.sums)), t.runs, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
}

// Do computes the sums of part i, or adds those of all parts of run i of the channels.
func (t *rowsGrad) Do(worker, i int) {
	if t.reducing {
		t.reduce(i, t.sums, t.dweight)
		return
	}
	p, padded := t.part(i), t.copied()
	buf := t.pool.Scratch(worker, padded+t.mapped())
	x, mapped := buf[:padded], buf[padded:]
	clear(x)
	sums := t.sums[i*t.sumSize():][:t.sumSize()]
	clear(sums)
	next := t.first(p)
	for next.rows > 0 {
		b := next
		next = t.after(p, b)
		t.load(t.micro, b, t.x, mapped, x)
		dy := t.dy[t.resultAt(b):][:b.rows*t.out[1]]
		t.sum(b.rows, x, dy, sums[(b.ch-p.ch)*t.channelSums():], &t.x[t.sourceAt(next)], &t.dy[t.resultAt(next)])
	}
}

// resultAt returns the element of the output with which a band begins.
func (t *planeRows) resultAt(b rowBand) int { return b.plane*t.outSize + b.row*t.out[1] }

// channelSums returns the number of sums of a channel, and sumSize that of a part.
func (t *planeRows) channelSums() int { return t.geometry.taps * t.set.lanes }
func (t *planeRows) sumSize() int     { return t.channels * t.channelSums() }

// reduce adds the sums of all parts of a run of channels to the gradient of the weights.
func (t *planeRows) reduce(run int, all []float32, dweight []float32) {
	n := t.sumSize()
	of := func(i int) []float32 { // the i-th part of the run
		part := (i/t.cuts*t.runs+run)*t.cuts + i%t.cuts
		return all[part*n:][:n]
	}
	sums := of(0)
	for i := 1; i < t.parts()/t.runs; i++ {
		vec.Axpy(1, of(i), sums)
	}
	p, lanes := t.part(run*t.cuts), t.set.lanes
	to := dweight[p.ch*t.geometry.taps:][:p.channels*t.geometry.taps]
	for i := range to {
		var sum float32
		for _, v := range sums[i*lanes:][:lanes] {
			sum += v
		}
		to[i] += sum
	}
}

// rowsSums sums the gradient of the weights while rowsProduct computes that of the data, with
// strides of 1, from the same copy of dy, as singlesSums.
type rowsSums struct {
	product    *rowsProduct
	inputMap   *norm.ChannelMap // of x; nil for none
	x, dweight []float32
	sums       []float32 // of each part
}

// run computes both gradients. The product of d is set.
func (t *rowsSums) run(op parallel.Op, d *rowsProduct, x, dweight []float32) {
	t.product, t.x, t.dweight = d, x, dweight
	t.sums = op.Workspace(d.cut.parts() * d.cut.sumSize())
	d.sums = t
	defer func() { d.sums = nil }() // after a panic too: BackwardData sums nothing
	d.run()
	op.Pool().RunWork(int64(len(t.sums)), d.cut.runs, t)
	t.product, t.x, t.dweight, t.sums = nil, nil, nil, nil
}

// Do adds the sums of all parts of run i of the channels.
func (t *rowsSums) Do(_, i int) { t.product.cut.reduce(i, t.sums, t.dweight) }

// of returns the sums of part i.
func (t *rowsSums) of(i int) []float32 {
	n := t.product.cut.sumSize()
	return t.sums[i*n:][:n]
}

// add sums a band of part i, whose copy of dy is given.
func (t *rowsSums) add(i int, b, next rowBand, dy, mapped []float32) {
	d := t.product
	x := t.x[d.cut.resultAt(b):][:b.rows*d.out[1]]
	if t.inputMap != nil {
		t.inputMap.Apply(b.ch, x, mapped)
		x = mapped[:len(x)]
	}
	d.cut.sum(b.rows, dy, x, t.of(i)[(b.ch-d.cut.part(i).ch)*d.cut.channelSums():], &d.src[d.cut.sourceAt(next)], &t.x[d.cut.resultAt(next)])
}
