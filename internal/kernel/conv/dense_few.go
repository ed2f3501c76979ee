package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// denseFewRows is the number of channels of a part of the packing of pixels.
	denseFewRows = 64

	// denseFewPanels is the number of panels that a part of the product has at least, unless there
	// are fewer for each thread: the products of one panel bring the next one from memory.
	denseFewPanels = 4

	// denseFewStrips is the number of strips of pixels for each thread from which on their shares
	// are nearly equal.
	denseFewStrips = 8
)

// denseFew is dense for few pixels, such as those of one image. The strips are of pixels and
// the panels of weights: a plane of 7x7 is five strips of 10 pixels, but four vectors with 15
// empty lanes. The result is transposed, which takes little time.
//
// Packed weights would be used so few times that writing them to memory takes as long as
// the product. So a part packs a panel of them and multiplies it by all its pixels while it is
// in its cache. The sums are those of dense to the last bit.
type denseFew struct {
	*dense
	ofPixels bool        // during the run that packs pixels
	rows     gemm.Strips // of the pixels of an image
	cuts     int         // of the strips
	pixels   []float32   // packed, (images,groups,strips,channels,pixels)
	weights  []float32   // all that are kept, one panel after the other; nil if each is packed when it is used
}

// few reports whether denseFew is faster: there are fewer pixels in all images than channels
// of the result, or not many more and they would fill vectors no better.
func (t *dense) few() bool {
	if t.spread {
		return false
	}
	pixels, lanes := t.geometry.Batch*t.outSize, t.micro.Lanes
	return pixels < t.dstChannels ||
		pixels < 2*t.dstChannels && gemm.RoundUp(t.dstChannels, lanes)*t.outSize <= gemm.RoundUp(t.outSize, lanes)*t.dstChannels
}

func (t *denseFew) run(op parallel.Op, d *dense) {
	t.dense = d
	g := d.geometry
	t.rows = d.micro.Strips(d.outSize, d.channels)
	t.pixels = op.Workspace(g.Batch * g.Group * t.rows.Size())
	d.parts = gemm.CeilDiv(d.channels, denseFewRows)
	t.divide()
	t.weights = t.kept.get(d.pool, d.micro, g.Group*t.keptSize(), g.Group*t.runs, t)
	if t.ofPixels = t.cuts == 1; t.ofPixels {
		d.pool.RunWork(g.macs(), g.Batch*g.Group*d.parts, t)
		t.ofPixels = false
	}
	d.pool.RunWork(g.macs(), t.cuts*g.Group*d.runs, t)
	t.pixels, t.weights = nil, nil
}

// packKept packs a run of panels of the weights.
func (t *denseFew) packKept(_, part int, packed []float32) {
	group, run := part/t.runs, part%t.runs
	for j, end := t.first(run), t.first(run+1); j < end; {
		n := min(t.micro.BlockPanel(), end-j)
		t.packPanel(group, j, n, packed[group*t.keptSize()+j*t.channels:])
		j += n
	}
}

// keptSize returns the number of elements that are kept of the weights of a group.
func (t *denseFew) keptSize() int { return t.vectors() * t.micro.Lanes * t.channels }

// divide cuts the work for the threads. If there are no more channels of the result than
// pixels, each thread packs all weights and multiplies them by its pixels, which it has packed
// before. Otherwise each has all pixels, packed by all threads, and some runs of panels.
func (t *denseFew) divide() {
	panels, threads := gemm.CeilDiv(t.dstChannels, t.micro.BlockPanel()), t.pool.Threads()
	t.cuts, t.runs = 1, min(t.vectors(), max(threads, min(densePieces*threads, panels/denseFewPanels/threads*threads)))
	if t.rowAt == nil && t.dstChannels <= t.outSize && t.rows.Count >= denseFewStrips*threads {
		t.cuts, t.runs = threads, 1
	}
}

// strips returns the strips of a cut, from first to end-1, and their pixels.
func (t *denseFew) strips(cut int) (first, end, pixel, pixels int) {
	first, end = cut*t.rows.Count/t.cuts, (cut+1)*t.rows.Count/t.cuts
	pixel, _ = t.rows.Rows(first)
	last, n := t.rows.Rows(end - 1)
	return first, end, pixel, last + n - pixel
}

// vectors returns the number of vectors of the channels of the result of a group.
func (t *denseFew) vectors() int { return gemm.CeilDiv(t.dstChannels, t.micro.Lanes) }

// first returns the first channel of a run of panels.
func (t *denseFew) first(run int) int {
	return min(t.dstChannels, run*t.vectors()/t.runs*t.micro.Lanes)
}

// Do packs part i of the pixels, or computes part i of the panels.
func (t *denseFew) Do(worker, i int) {
	if t.ofPixels {
		t.packRows(worker, 0, i/t.parts, i%t.parts)
		return
	}
	run, i := i%t.runs, i/t.runs
	group, cut := i%t.geometry.Group, i/t.geometry.Group
	if t.cuts > 1 {
		for image := range t.geometry.Batch {
			for part := range t.parts {
				t.packRows(worker, cut, image*t.geometry.Group+group, part)
			}
		}
	}
	end := t.first(run + 1)
	for j := t.first(run); j < end; {
		n := min(t.micro.BlockPanel(), end-j)
		t.computePanel(worker, cut, group, j, n)
		j += n
	}
}

// packRows packs the pixels of a cut, of a part of the channels of group at%Group of image
// at/Group.
func (t *denseFew) packRows(worker, cut, at, part int) {
	from, to := part*denseFewRows, min((part+1)*denseFewRows, t.channels)
	x, lds := t.src[(at*t.channels+from)*t.srcSize:], t.srcSize
	if t.rowAt != nil {
		lds = t.outSize
		gathered := t.pool.Scratch(worker, (to-from)*lds+2*(lds+pairLanes))
		rest := gathered[(to-from)*lds+pairLanes:]
		for k := range to - from {
			t.gather(x[k*t.srcSize:], 0, lds, gathered[k*lds:], rest)
		}
		x = gathered
	}
	dst := t.pixels[at*t.rows.Size():]
	strip, end, _, _ := t.strips(cut)
	for i := strip; i < end; i++ {
		first, n := t.rows.Rows(i)
		t.rows.PackColumnsPiece(t.micro, i, 0, to-from, x, lds, dst[first*t.channels+from*n:])
	}
}

// packPanel packs the weights of n channels of a group from j on.
func (t *denseFew) packPanel(group, j, n int, dst []float32) {
	u, depth := t.micro, t.channels
	w := gemm.RoundUp(n, u.Lanes)
	size := t.dstChannels * depth
	weight := t.weight[group*size:][:size]
	if n < w {
		clear(dst[:depth*w])
	}
	if t.backward {
		u.CopyTo(depth, n, weight[j:], t.dstChannels, dst, w)
	} else {
		u.TransposeTo(n, depth, weight[j*depth:], depth, dst, w)
	}
}

// computePanel computes n channels of a group from j on for the pixels of a cut.
func (t *denseFew) computePanel(worker, cut, group, j, n int) {
	u, depth := t.micro, t.channels
	w := gemm.RoundUp(n, u.Lanes)
	strip, end, pixel, count := t.strips(cut)
	buf := t.pool.Scratch(worker, (depth+1+count)*w)
	packed, bias, sums := buf[:depth*w], buf[depth*w:][:w], buf[(depth+1)*w:]
	var following []float32 // what is still to be brought from memory for the next panel
	if t.weights != nil {
		packed = t.weights[group*t.keptSize()+j*depth:]
		following = packed[depth*w:]
	} else {
		t.packPanel(group, j, n, packed)
		if !t.backward {
			following = t.weight[(group*t.dstChannels+j+n)*depth : (group+1)*t.dstChannels*depth]
		}
	}
	following = following[:min(len(following), u.BlockPanel()*depth)]
	if t.bias != nil {
		clear(bias[copy(bias, t.bias[group*t.dstChannels+j:][:n]):])
	}
	for image := range t.geometry.Batch {
		at := image*t.geometry.Group + group
		pixels := t.pixels[at*t.rows.Size():]
		if t.bias != nil {
			u.CopyTo(count, w, bias, 0, sums, w)
		}
		for k := 0; k < depth; k += denseDepth {
			piece := min(denseDepth, depth-k)
			for i := strip; i < end; i++ {
				first, rows := t.rows.Rows(i)
				ahead := &packed[k*w]
				if len(following) > 0 {
					ahead = &following[0]
					following = following[min(len(following), piece*gemm.LineSize):]
				}
				u.Block(rows, w)(piece, &pixels[first*depth+k*rows], &packed[k*w], ahead, gemm.LineSize, nil, &sums[(first-pixel)*w], w, k > 0 || t.bias != nil)
			}
		}
		to := (at*t.dstChannels+j)*t.dstSize + pixel
		done := t.then.ApplyUniform(group*t.dstChannels+j, n, sums)
		u.TransposeTo(count, n, sums, w, t.dst[to:], t.dstSize)
		if !done {
			t.finish(group*t.dstChannels+j, n, to, count)
		}
	}
}
