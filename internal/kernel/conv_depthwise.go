package kernel

// depthwiseGrad is the gradient of the weights where each group has one channel
// and one output, at stride 1. The pixels of dy, with zeros between them so that
// they lie as those of the padded copy of x do, are a line whose dot products
// with the copy from each tap on are the gradient.
type depthwiseGrad struct {
	use    bool
	grad   *gradPlan
	line   int     // pixels side by side
	length int     // from the first to the last pixel of a chunk's image
	taps   []int32 // where they are in the copy, with the last repeated
	y      []int32 // where dy is: at its beginning
}

// maxLanes is the number of lanes of the widest vectors.
const maxLanes = 16

func (d *depthwiseGrad) init(t *gradPlan) {
	w := &t.window
	d.grad, d.use, d.y = t, t.channels == 1 && t.outputs == 1, []int32{0}
	for _, s := range w.step {
		d.use = d.use && s == 1
	}
	d.line = w.out[len(w.out)-1]
	if len(w.out) == 1 {
		d.line = w.rows
	}
	d.length = int(w.pix[w.rows*(w.outSize/w.out[0])-1]) + 1
	taps := t.conv.taps
	for i := range ceilDiv(taps, tallRows) * tallRows {
		d.taps = append(d.taps, w.off[min(i, taps-1)])
	}
}

// Do adds the gradient of the weights of a group.
func (d *depthwiseGrad) Do(worker, group int) {
	t := d.grad
	w, p := &t.window, &t.conv.p
	k := roundUp(d.length, maxLanes)
	copied := w.bufferSize()
	buf := t.pool.Scratch(worker, copied+maxLanes+k+len(d.taps))
	x, dy, sums := buf[:copied+maxLanes], buf[copied+maxLanes:][:k], buf[copied+maxLanes+k:]
	clear(x) // what a line reads behind the pixels counts nothing, but must be a number
	clear(sums)
	for i := range w.chunks(p.Batch) {
		c := w.chunk(p.Batch, i)
		w.fill(t.u, c, 1, t.x[group*w.srcSize:], p.Channels*w.srcSize, x[:copied])
		if c.pixels < w.rows*(w.outSize/w.out[0]) || i == 0 {
			clear(dy)
		}
		line := min(d.line, c.pixels)
		for image := range c.images {
			src := t.dy[((c.image+image)*p.Outputs+group)*w.outSize+c.first:]
			for q := 0; q < c.pixels; q += line {
				copy(dy[w.pix[q]:][:line], src[q:])
			}
			for tap := 0; tap < len(d.taps); tap += tallRows {
				t.u.tall(k, &x[image*w.imageStride], &d.taps[tap], &dy[0], &d.y[0], &sums[tap])
			}
		}
	}
	Axpy(1, sums[:t.conv.taps], t.dweight[group*t.conv.taps:][:t.conv.taps])
}
