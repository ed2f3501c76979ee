package conv

import (
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

// linesGrad is the gradient of the weights of groups of few outputs, which would not fill the
// vectors of a panel. The pixels of an output of dy form a line, with zeros between them that give
// it the layout of the padded copy of x. The inner products of these lines with the copy, starting
// at each tap of each channel, are the gradient. A part computes those of some channels of a group
// over a part of the batch. Then the parts' sums are added in order.
type linesGrad struct {
	window   // flat, of the channels of a part
	geometry *geometry
	ranges   int     // pieces of the channels of a group
	lineSize int     // elements of a line
	prepared bool    // the tables are filled
	tapAt    []int32 // offsets of the channels' taps in the copy, and then the last one repeated
	lineAt   []int32 // offsets of the outputs' lines, and then the last one repeated

	// Used during a run.
	micro          *gemm.Micro
	pool           *parallel.Pool
	reducing       bool
	parts          int // of the batch
	rows           int // of sums: channels and taps, as many as whole calls of Dots compute
	sumSize        int // of the sums of a part
	sums           []float32
	x, dy, dweight []float32
	sumBias        gradBias
}

// newLinesGrad returns nil if it does not apply to the convolution or the copy would be too large.
func newLinesGrad(g *geometry) *linesGrad {
	if depthwise(g) || g.groupOutputs() >= maxLanes || slices.Max(g.Stride) > 2 {
		return nil
	}
	channels := min(g.groupChannels(), max(1, gradRows/g.taps))
	t := &linesGrad{geometry: g, window: forwardWindow(g, channels), ranges: gemm.CeilDiv(g.groupChannels(), channels)}
	t.flat, t.groups = true, g.Group*t.ranges
	if t.window.init(g.Batch) != nil {
		return nil
	}
	return t
}

// prepare fills the tables.
func (t *linesGrad) prepare() {
	if t.prepared {
		return
	}
	t.prepared = true
	t.window.tables()
	t.lineSize = t.length()
	t.tapAt = fillUp(t.taps, maxDotCols)
	for o := range t.geometry.groupOutputs() {
		t.lineAt = append(t.lineAt, int32(o*t.lineSize))
	}
	t.lineAt = fillUp(t.lineAt, gemm.DotRows)
}

// maxDotCols is a multiple of DotCols of all levels.
const maxDotCols = 12

// fits reports whether linesGrad computes fewer products than tiles of the outputs, by a sixth:
// adding up the lanes takes time, too.
func (t *linesGrad) fits(u *gemm.Micro) bool {
	n := t.geometry.groupOutputs()
	t.prepare()
	return 6*t.lineSize*gemm.RoundUp(n, gemm.DotRows) < 5*len(t.pixels)*u.Width(n)
}

// run adds the gradient of the weights to dweight and, unless dbias is nil, that of the bias
// to dbias.
func (t *linesGrad) run(op parallel.Op, x, dy, dweight, dbias []float32) {
	g, p := t.geometry, op.Pool()
	t.micro, t.pool, t.x, t.dy, t.dweight = gemm.Active(), p, x, dy, dweight
	blocks := g.Group * t.ranges
	t.parts = min(gemm.CeilDiv(leastGradParts, blocks), t.chunks(g.Batch))
	t.rows = gemm.RoundUp(t.channels*g.taps, t.micro.DotCols)
	t.sumSize = t.rows * len(t.lineAt)
	t.sums = op.Workspace(blocks * t.parts * t.sumSize)
	t.sumBias.begin(g, t.parts, dy, dbias)
	t.reducing = false
	p.RunWork(g.macs(), blocks*t.parts, t)
	t.reducing = true
	p.RunWork(int64(len(t.sums)), blocks, t)
	t.pool, t.x, t.dy, t.dweight, t.sums = nil, nil, nil, nil, nil
	t.sumBias.end()
}

// Do computes the sums of some channels of a group over a part of the batch, or adds those of all
// parts to the gradient.
func (t *linesGrad) Do(worker, i int) {
	if t.reducing {
		t.reduce(i/t.ranges, i%t.ranges*t.channels, t.sums[i*t.parts*t.sumSize:])
		return
	}
	block, part := i/t.parts, i%t.parts
	t.sum(worker, part, block/t.ranges, block%t.ranges*t.channels, t.sums[i*t.sumSize:][:t.sumSize])
}

// sum computes the sums of the channels from ch on of a group for a part of the batch: for every
// DotRows outputs a row for each channel and tap, and a column for each of the outputs.
func (t *linesGrad) sum(worker, part, group, ch int, sums []float32) {
	g, u := t.geometry, t.micro
	n, channels := g.groupOutputs(), min(t.channels, g.groupChannels()-ch)
	copied := t.copySize() + maxLanes // the last vector may reach beyond the copy
	buf := t.pool.Scratch(worker, copied+n*t.lineSize)
	x, lines := buf[:copied], buf[copied:]
	clear(x)
	clear(sums)
	outputs := n // whose bias this part sums
	if ch > 0 {
		outputs = 0
	}
	t.sumBias.clear(part, group*n, outputs)
	chunks, pixels := t.chunks(g.Batch), 0
	for i := part * chunks / t.parts; i < (part+1)*chunks/t.parts; i++ {
		c := t.chunk(g.Batch, i)
		for i := range c.images {
			t.sumBias.add(part, c.image+i, group*n, outputs, c.first, c.pixels)
		}
		t.fill(u, c, channels, t.x[(group*g.groupChannels()+ch)*t.srcSize:], g.Channels*t.srcSize, x)
		if c.images*c.pixels != pixels {
			pixels = c.images * c.pixels
			clear(lines)
		}
		for i := range c.images {
			for o := range n {
				t.spreadLine(u, c, t.dy[((c.image+i)*g.Outputs+group*n+o)*t.outSize+c.first:], lines[o*t.lineSize+i*t.imageStride:])
			}
		}
		for o := 0; o < n; o += gemm.DotRows {
			for tap := 0; tap < channels*g.taps; tap += u.DotCols {
				u.Dots(t.lineSize, &lines[0], &t.lineAt[o], &x[0], &t.tapAt[tap], &sums[o*t.rows+tap*gemm.DotRows])
			}
		}
	}
}

// reduce adds the sums of all parts to the gradient of a group's channels from ch on, and to that
// of the bias.
func (t *linesGrad) reduce(group, ch int, sums []float32) {
	g := t.geometry
	n := g.groupOutputs()
	if ch == 0 {
		t.sumBias.reduce(group*n, n)
	}
	for part := 1; part < t.parts; part++ {
		vec.Axpy(1, sums[part*t.sumSize:][:t.sumSize], sums[:t.sumSize])
	}
	taps := min(t.channels, g.groupChannels()-ch) * g.taps
	for o := range n {
		from := sums[o/gemm.DotRows*gemm.DotRows*t.rows+o%gemm.DotRows:]
		to := t.dweight[((group*n+o)*g.groupChannels()+ch)*g.taps:][:taps]
		for i := range to {
			to[i] += from[i*gemm.DotRows]
		}
	}
}
