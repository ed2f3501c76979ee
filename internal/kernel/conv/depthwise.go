package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// depthwiseGrad is the gradient of the weights if each group has one channel and one
// output. The pixels of dy form a line, with zeros between them that give it the layout of
// the padded copy of x. The dot products of this line with the copy, starting at each tap,
// are the gradient.
type depthwiseGrad struct {
	*window
	geometry *geometry
	row      int     // pixels side by side
	length   int     // from the first to the last pixel of an image of a chunk
	tapAt    []int32 // offsets of the taps in the copy, with the last one repeated
	lineAt   []int32 // offset of dy: none

	// Used during a run.
	micro          *gemm.Micro
	pool           *parallel.Pool
	x, dy, dweight []float32
}

// maxLanes is the number of lanes of the widest vectors.
const maxLanes = 16

// depthwise reports whether each group has one channel and one output.
func depthwise(g *geometry) bool { return g.groupChannels() == 1 && g.groupOutputs() == 1 }

// newDepthwiseGrad returns nil if it does not apply to the convolution.
func newDepthwiseGrad(g *geometry, w *window) *depthwiseGrad {
	if !depthwise(g) || !w.adjacent() {
		return nil
	}
	d := &depthwiseGrad{window: w, geometry: g, row: w.out[len(w.out)-1], lineAt: []int32{0}}
	if len(w.out) == 1 {
		d.row = w.rows
	}
	d.length = int(w.pixels[w.maxPixels()-1]) + 1
	for i := range gemm.RoundUp(g.taps, gemm.TallRows) {
		d.tapAt = append(d.tapAt, w.taps[min(i, g.taps-1)])
	}
	return d
}

func (d *depthwiseGrad) run(p *parallel.Pool, x, dy, dweight []float32) {
	d.micro, d.pool, d.x, d.dy, d.dweight = gemm.Active(), p, x, dy, dweight
	p.RunWork(d.geometry.macs(), d.geometry.Group, d)
	d.pool, d.x, d.dy, d.dweight = nil, nil, nil, nil
}

// Do adds the gradient of the weights of a group.
func (d *depthwiseGrad) Do(worker, group int) {
	g := d.geometry
	k := gemm.RoundUp(d.length, maxLanes)
	copied := d.copySize()
	buf := d.pool.Scratch(worker, copied+maxLanes+k+len(d.tapAt))
	x, line, sums := buf[:copied+maxLanes], buf[copied+maxLanes:][:k], buf[copied+maxLanes+k:]
	clear(x) // elements after the pixels are multiplied by 0, but must not be NaN
	clear(sums)
	for i := range d.chunks(g.Batch) {
		c := d.chunk(g.Batch, i)
		d.fill(d.micro, c, 1, d.x[group*d.srcSize:], g.Channels*d.srcSize, x[:copied])
		if c.pixels < d.maxPixels() || i == 0 {
			clear(line)
		}
		n := min(d.row, c.pixels)
		for image := range c.images {
			src := d.dy[((c.image+image)*g.Outputs+group)*d.outSize+c.first:]
			for q := 0; q < c.pixels; q += n {
				copy(line[d.pixels[q]:][:n], src[q:])
			}
			for tap := 0; tap < len(d.tapAt); tap += gemm.TallRows {
				d.micro.Tall(k, &x[image*d.imageStride], &d.tapAt[tap], &line[0], &d.lineAt[0], &sums[tap])
			}
		}
	}
	vec.Axpy(1, sums[:g.taps], d.dweight[group*g.taps:][:g.taps])
}
