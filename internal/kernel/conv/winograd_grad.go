package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/kernel/norm"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

const (
	// sharedChunk bounds the elements of the transformed tiles that all threads multiply
	// together, which keeps them in the L3 cache: with 16 and 40 MB, 256 channels take a
	// quarter longer on a Sapphire Rapids. A chunk may have largestChunk elements if it is
	// the only one, or if the sums, which each chunk reads and writes, have as many.
	sharedChunk  = 2 << 20
	largestChunk = 3 << 20

	// ownParts is the number of parts of the batch, for as many threads, if each part has
	// its own sums, ownParts5x5 that for F(2x2,5x5), and ownSums bounds the elements of the
	// sums of all parts.
	ownParts    = 8
	ownParts5x5 = 16
	ownSums     = 8 << 20

	// gradGroups is the number of groups from which on each group is one part, if it has up to
	// groupSums sums. Fewer groups are too, if the transformed tiles and the sums of each have up
	// to groupTiles elements: to share so few takes longer.
	gradGroups = 8
	groupSums  = 1 << 20
	groupTiles = 256 << 10

	// largeCache is the size in bytes of the L2 cache from which on a part multiplies the
	// tiles of a chunk in pieces, whose size is a quarter of the cache. The order of the
	// sums is the same. A Sapphire Rapids, with 2 MiB and a slow L3 cache, gains up to half
	// of the time, a Zen 4, with 1 MiB, 2 to 10 %.
	largeCache = 1 << 20

	// sumDepth5x5 is the number of tiles over which the products of F(2x2,5x5) are summed
	// before they are added to the rest. Its last transform amplifies rounding errors more
	// than that of F(4x4,3x3), so the sums must be shorter.
	sumDepth5x5 = 64
)

// ownChunk bounds the elements of the transformed tiles of a chunk, of which a part with its own
// sums has some. Tests set it.
var ownChunk = 1200 << 10

// winogradGrad is the gradient of the weights by Winograd's algorithm. The batch is
// split into chunks of blocks. For each chunk, the tiles of x and of dy are
// transformed, the pairs of matrices are multiplied, which sums over the tiles, and
// the products are added to those of the previous chunks. At the end the sums are
// transformed.
//
// With few weights, a part of the chunks is one part of the task and has its own sums,
// which are added in the order of the parts. With many weights, or few tiles, there is only
// one part, and all threads work on the same chunk. The products of the last chunk, often
// the only one, are transformed while they are in the cache. These are the ways for one group
// after the other; many groups are one part each, with own sums.
type winogradGrad struct {
	tiling   *tiling
	inputMap *norm.VectorMap // of x
	both     *winogradBoth   // during its run
	chunk    int             // blocks
	parts    int             // of a group
	byGroup  bool            // each group is a part

	// Used during a run.
	step           gradStep
	micro          *gemm.Micro
	transforms     *transforms
	pool           *parallel.Pool
	group          int
	first, blocks  int // with one part: the blocks of the chunk
	piece          int // blocks of a chunk that are multiplied at a time
	maxTiles       int // tiles of the largest piece
	panels, width  int // of the channels, and columns of them all
	depth          int // outputs, in whole vectors
	lastRows       int // outputs of a part of the last chunk
	xSlot, dySlot  int // from one matrix to the next
	tiles, sums    []float32
	rowAt, colAt   []int32
	x, dy, dweight []float32
	dbias          []float32 // nil if not requested
	dySums         []float64 // of each band of a plane
}

// A gradStep is the step that the parts of a run execute.
type gradStep int

const (
	sumPart gradStep = iota
	transformTiles
	multiplyTiles
	finishTiles
	transformSums
	wholeGroup
)

func newWinogradGrad(w *tiling) *winogradGrad {
	t := &winogradGrad{tiling: w, parts: ownParts}
	size := ownChunk
	if w.algorithm == f2x2of5x5 {
		t.parts, size = ownParts5x5, sumDepth5x5*t.tile()
	}
	sums := w.matrices() * w.channels * w.outputs
	all := w.batch * w.perPlane[0] * w.perPlane[1] * t.tile()
	switch { // of parts with their own sums or one
	case w.groups >= gradGroups && sums <= groupSums || w.groups > 1 && max(all, sums) <= groupTiles:
		t.parts, t.byGroup = 1, true
	case w.algorithm != f2x2of5x5 && all <= largestChunk && all <= t.parts*sums:
		t.parts, size = 1, largestChunk
	case t.parts*sums > ownSums:
		t.parts, size = 1, sharedChunk
		if sums >= largestChunk {
			size = largestChunk
		}
	}
	t.chunk = min(max(1, size/t.tile()/w.maxTiles()), w.blocks())
	t.parts = min(t.parts, gemm.CeilDiv(w.blocks(), t.chunk))
	return t
}

// tile returns the number of elements of the transformed tiles of x and dy at one place.
func (t *winogradGrad) tile() int {
	return t.tiling.matrices() * (t.tiling.channels + t.tiling.outputs)
}

// secondCache returns the size of the L2 cache, or 0 where whole chunks are faster than
// pieces. Tests set it.
var secondCache = func() int {
	if cpu.FastL3() {
		return 0
	}
	return cpu.L2()
}

// pieceOf returns the number of blocks to multiply at a time. The few tiles of a chunk of
// F(2x2,5x5) are one piece: products are summed over a piece before they are added to the rest.
func (t *winogradGrad) pieceOf() int {
	if n := secondCache(); t.ownSums() && n >= largeCache && t.tiling.algorithm != f2x2of5x5 {
		return min(max(1, n/4/4/t.tile()/t.tiling.maxTiles()), t.chunk)
	}
	return t.chunk
}

// ownSums reports whether each part has its own sums.
func (t *winogradGrad) ownSums() bool { return t.parts > 1 || t.byGroup }

// run adds the gradient of the weights to dweight and, unless dbias is nil, that of the
// bias to dbias: the elements of dy are summed when they are read anyway.
func (t *winogradGrad) run(op parallel.Op, x, dy, dweight, dbias []float32) {
	t.set(op, x, dy, dweight, dbias)
	t.compute(op.Workspace(t.sharedSize()))
	t.unset()
}

// set sets what is used during a run.
func (t *winogradGrad) set(op parallel.Op, x, dy, dweight, dbias []float32) {
	w, u := t.tiling, gemm.Active()
	t.micro, t.transforms, t.pool = u, w.algorithm.transforms(), op.Pool()
	t.x, t.dy, t.dweight, t.dbias = x, dy, dweight, dbias
	if n := t.biasSums() * w.groups; dbias != nil && len(t.dySums) < n {
		t.dySums = make([]float64, n)
	}
	w.tables(u.Lanes)
	t.piece = t.pieceOf()
	t.maxTiles = t.piece * w.maxTiles()
	t.panels = gemm.CeilDiv(w.channels, u.Panel())
	t.width = (t.panels-1)*u.Panel() + u.Width(w.channels-(t.panels-1)*u.Panel())
	t.depth = gemm.RoundUp(w.outputs, u.Lanes)
	t.rowAt, t.colAt = multiples(t.rowAt, w.outputs, 1), multiples(t.colAt, t.maxTiles, t.depth)
	t.xSlot, t.dySlot = apart(t.maxTiles*t.width), apart(t.maxTiles*t.depth)
	pieces := max(gemm.CeilDiv(w.matrices()*w.outputs*u.Panel(), lastSums), gemm.CeilDiv(leastChunks, t.panels))
	t.lastRows = gemm.RoundUp(gemm.CeilDiv(w.outputs, pieces), gemm.TileRows)
}

// unset clears what is used during a run.
func (t *winogradGrad) unset() {
	t.pool, t.x, t.dy, t.dweight, t.dbias, t.tiles, t.sums = nil, nil, nil, nil, nil, nil, nil
}

// sharedSize returns the number of elements of memory that all parts share: of the sums or, with
// one part, of the tiles of a chunk, and of their sums if there are several chunks.
func (t *winogradGrad) sharedSize() int {
	switch {
	case t.byGroup:
		return 0 // the sums are in scratch memory
	case t.parts > 1:
		return t.parts * t.sumSize()
	case t.chunk >= t.tiling.blocks():
		return t.tileSize()
	}
	return t.sumSize() + t.tileSize()
}

// compute computes the gradients, with the shared memory.
func (t *winogradGrad) compute(shared []float32) {
	w, p := t.tiling, t.pool
	t.sums, t.tiles = shared, nil
	if t.byGroup {
		t.step = wholeGroup
		p.Run(w.groups, t)
		return
	}
	if t.parts == 1 {
		sums := len(shared) - t.tileSize()
		t.sums, t.tiles = shared[:sums], shared[sums:]
	}
	for t.group = range w.groups {
		if t.parts > 1 {
			t.step = sumPart
			p.Run(t.parts, t)
			t.step = transformSums
			p.Run(t.panels*gemm.CeilDiv(w.outputs, finishOutputs), t)
			continue
		}
		for t.first = 0; t.first < w.blocks(); t.first += t.chunk {
			t.blocks = min(t.chunk, w.blocks()-t.first)
			t.step = transformTiles
			p.Run(2*t.blocks*w.images, t)
			if t.first+t.blocks < w.blocks() {
				t.step = multiplyTiles
				p.Run(w.matrices()*t.panels, t)
			} else {
				t.step = finishTiles
				p.Run(t.panels*gemm.CeilDiv(w.outputs, t.lastRows), t)
			}
		}
	}
}

// sumSize, tileSize and panelSize return the number of elements of the sums of a
// part, of the transformed tiles of a chunk, and of the sums of a panel.
func (t *winogradGrad) sumSize() int   { return t.tiling.matrices() * t.tiling.outputs * t.width }
func (t *winogradGrad) tileSize() int  { return t.tiling.matrices() * (t.xSlot + t.dySlot) }
func (t *winogradGrad) panelSize() int { return t.tiling.outputs * t.micro.Panel() }

// Do runs part i of a step.
func (t *winogradGrad) Do(worker, i int) {
	images := t.tiling.images
	switch t.step {
	case sumPart:
		t.sumPart(worker, i)
	case transformTiles:
		t.transform(worker, t.first, t.blocks, t.first+i/(2*images), i/2%images, i%2 == 1, t.tiles)
	case multiplyTiles:
		panel, spare := i%t.panels, t.pool.Scratch(worker, t.panelSize())
		sums := t.sumsOf(i/t.panels, panel, t.sums)
		t.multiply(i/t.panels, panel, 0, t.first, t.blocks, t.tiles, after(t.first > 0, sums), sums, spare)
	case finishTiles:
		parts := gemm.CeilDiv(t.tiling.outputs, t.lastRows)
		t.finishTiles(worker, i/parts, i%parts*t.lastRows)
	case transformSums:
		t.addSums(worker, i%t.panels, i/t.panels*finishOutputs)
	case wholeGroup:
		t.wholeGroup(worker, i)
	}
}

// biasSums returns the number of sums for the gradient of the bias of a group.
func (t *winogradGrad) biasSums() int { return t.tiling.batch * t.tiling.bands * t.tiling.outputs }

// wholeGroup computes the gradient for a group.
func (t *winogradGrad) wholeGroup(worker, group int) {
	g := *t
	g.group = group
	// sumBlocks and finish use the first elements of the same memory.
	used := max(t.transformSize()+t.tileSize()+t.panelSize(), t.finishSize(t.micro.Panel()))
	g.sums = t.pool.Scratch(worker, used+t.sumSize())[used:]
	if t.dbias != nil {
		g.dySums = t.dySums[group*t.biasSums():][:t.biasSums()]
	}
	g.sumBlocks(worker, 0, 0, t.tiling.blocks(), g.sums)
	for panel := range t.panels {
		for o := 0; o < t.tiling.outputs; o += finishOutputs {
			g.addSums(worker, panel, o)
		}
	}
}

// sumPart computes the sums of a part of the batch.
func (t *winogradGrad) sumPart(worker, part int) {
	blocks := t.tiling.blocks()
	chunks := gemm.CeilDiv(blocks, t.chunk)
	start, end := part*chunks/t.parts*t.chunk, min((part+1)*chunks/t.parts*t.chunk, blocks)
	sums := t.sums[part*t.sumSize():][:t.sumSize()]
	if t.both != nil {
		t.both.part(worker, start, end, sums)
		return
	}
	t.sumBlocks(worker, start, start, end, sums)
}

// sumBlocks adds the sums of the blocks from first to end-1, of a part that begins with block
// start. All but the last of its calls for a part are for a multiple of t.piece blocks.
func (t *winogradGrad) sumBlocks(worker, start, first, end int, sums []float32) {
	w := t.tiling
	// transform uses the first elements of the same memory.
	tiles := t.pool.Scratch(worker, t.transformSize()+t.tileSize()+t.panelSize())[t.transformSize():]
	tiles, spare := tiles[:t.tileSize()], tiles[t.tileSize():]
	for ; first < end; first += t.piece {
		blocks := min(t.piece, end-first)
		for i := range blocks {
			for image := range w.images {
				t.transform(worker, first, blocks, first+i, image, false, tiles)
				t.transform(worker, first, blocks, first+i, image, true, tiles)
			}
		}
		for xi := range w.matrices() {
			for panel := range t.panels {
				sums := t.sumsOf(xi, panel, sums)
				t.multiply(xi, panel, 0, first, blocks, tiles, after(first > start, sums), sums, spare)
			}
		}
	}
}

// panel returns the first channel, the number of channels and the width of a panel.
func (t *winogradGrad) panel(i int) (j, n, width int) {
	j = i * t.micro.Panel()
	n = min(t.micro.Panel(), t.tiling.channels-j)
	return j, n, t.micro.Width(n)
}

// sumsOf returns those of the sums that are the product of matrices xi of dy and of a panel of x.
func (t *winogradGrad) sumsOf(xi, panel int, sums []float32) []float32 {
	j, _, width := t.panel(panel)
	return sums[(xi*t.width+j)*t.tiling.outputs:][:t.tiling.outputs*width]
}

// after returns sums if there are any already, and otherwise nil.
func after(any bool, sums []float32) []float32 {
	if !any {
		return nil
	}
	return sums
}

// multiply sets sums to init plus the product of matrices xi of dy, for the outputs from o on,
// and of a panel of x, over the tiles of some blocks from first on. A nil init stands for
// zeros; it may be sums. spare is used meanwhile, and is as large as the sums.
func (t *winogradGrad) multiply(xi, panel, o, first, blocks int, tiles, init, sums, spare []float32) {
	w := t.tiling
	step, start, product := blocks, 0, false
	all := w.between(first, first+blocks)
	if _, n := w.needed(all, xi); n < all.before(classes) && t.sortsBlocks() {
		step = 1 // each block has a run of tiles
	}
	for block := first; block < first+blocks; block += step {
		counts := w.between(block, block+step)
		if before, n := w.needed(counts, xi); n > 0 {
			t.multiplyRun(xi, panel, o, start+before, n, tiles, init, sums, spare)
			init, product = sums, true
		}
		start += counts.before(classes)
	}
	switch {
	case product:
	case init == nil:
		clear(sums)
	default:
		copy(sums, init)
	}
}

// multiplyRun does the same over n tiles from start on, at least one.
func (t *winogradGrad) multiplyRun(xi, panel, o, start, n int, tiles, init, sums, spare []float32) {
	w := t.tiling
	j, _, width := t.panel(panel)
	xs, dys := tiles[xi*t.xSlot+j*t.maxTiles:], tiles[w.matrices()*t.xSlot+xi*t.dySlot+o:]
	spare = spare[:len(sums)]
	depth := sumDepth
	short := w.algorithm == f2x2of5x5
	if short {
		depth = gemm.CeilDiv(n, gemm.CeilDiv(n, sumDepth5x5)) // of equal parts
	}
	for k := 0; k < n; k += depth {
		into, from := sums, (*float32)(nil)
		switch {
		case init == nil:
		case short:
			into = spare
		default:
			from = &init[0]
		}
		t.micro.Tile(width)(len(sums)/width, min(depth, n-k), &dys[0], &t.rowAt[0], &t.colAt[start+k], &xs[(start+k)*width], from, width, &into[0], width)
		if from == nil && init != nil {
			vec.Add(init, into, sums)
		}
		init = sums
	}
}
