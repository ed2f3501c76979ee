package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
)

const (
	// finishOutputs is the number of outputs for which a part transforms the sums.
	finishOutputs = 16

	// lastSums bounds the elements of the sums that a part computes from the last chunk and
	// transforms: 330 KB, which stay in the L2 cache.
	lastSums = 36 * 36 * 64
)

// finishTiles multiplies the tiles of the last chunk for a panel and the outputs of a part,
// from o on, adds what other chunks gave, and transforms the sums.
func (t *winogradGrad) finishTiles(worker, panel, o int) {
	w := t.tiling
	_, _, width := t.panel(panel)
	rows := min(t.lastRows, w.outputs-o)
	// The matrices start in different sets of the cache.
	size := rows * width
	buf := t.pool.Scratch(worker, t.finishSize(width)+size+w.matrices()*(size+16))[t.finishSize(width):]
	spare, sums := buf[:size], buf[size:]
	for xi := range w.matrices() {
		var init []float32
		if t.first > 0 {
			init = t.sumsOf(xi, panel, t.sums)[o*width:][:size]
		}
		t.multiply(xi, panel, o, t.first, t.blocks, t.tiles, init, sums[xi*(size+16):][:size], spare)
	}
	t.finish(worker, panel, o, rows, sums, size+16)
}

// addSums adds up the sums of all parts for a panel and some outputs from o on, and
// transforms them.
func (t *winogradGrad) addSums(worker, panel, o int) {
	w := t.tiling
	j, _, width := t.panel(panel)
	outputs := min(finishOutputs, w.outputs-o)
	for part := 1; part < t.parts; part++ {
		for xi := range w.matrices() {
			at := (xi*t.width+j)*w.outputs + o*width
			vec.Axpy(1, t.sums[part*t.sumSize()+at:][:outputs*width], t.sums[at:][:outputs*width])
		}
	}
	t.finish(worker, panel, o, outputs, t.sums[j*w.outputs+o*width:], t.width*w.outputs)
}

// finishSize returns the number of elements of scratch memory of finish.
func (t *winogradGrad) finishSize(width int) int { return tmpSize + 2*t.tiling.r*t.tiling.r*width }

// finish transforms the sums of a panel for some outputs from o on, whose matrices are step
// apart, and adds them to the gradient.
func (t *winogradGrad) finish(worker, panel, o, outputs int, sums []float32, step int) {
	w := t.tiling
	j, n, width := t.panel(panel)
	taps := w.r * w.r
	buf := t.pool.Scratch(worker, t.finishSize(width))
	tmp, buf := buf[:tmpSize], buf[tmpSize:]
	grad, byChannel := buf[:taps*width], buf[taps*width:][:n*taps]
	for i := range outputs {
		if panel == 0 && t.dbias != nil {
			var sum float64
			for at := o + i; at < t.biasSums(); at += w.outputs {
				sum += t.dySums[at]
			}
			t.dbias[t.group*w.outputs+o+i] += float32(sum)
		}
		t.transforms.filterGrad(width/t.micro.Lanes, &sums[i*width], step, &grad[0], width, &tmp[0])
		t.micro.TransposeTo(taps, n, grad, width, byChannel, taps)
		first, last, at := t.ofOutput(o+i, j, j+n)
		if first < last {
			vec.Axpy(1, byChannel[(first-j)*taps:(last-j)*taps], t.dweight[at*taps:][:(last-first)*taps])
		}
	}
}

// ofOutput returns the range of those channels from j to end-1 that belong to the group of an
// output, and the position of the first of them among the weights' channels.
func (t *winogradGrad) ofOutput(output, j, end int) (first, last, at int) {
	channels, outputs := t.tiling.channels/t.tiling.joined, t.tiling.outputs/t.tiling.joined
	group := output / outputs
	first, last = max(j, group*channels), min(end, (group+1)*channels)
	return first, last, (t.group*t.tiling.outputs+output)*channels + first - group*channels
}
