package conv

import (
	"slices"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

// phased describes a padded copy of the source of a window, in which the pixels of a row of
// the output are adjacent for every tap, whatever the step: the positions of an axis with a
// step of s are stored as s phases, one after the other, and the phases that no tap needs are
// left out. From the place of the first tap of pixel 0, pixel (q₀, q₁, ...) is at
// Σ qₐ pitch[a], and every tap at a constant distance.
//
// Sums are computed for runs of unit adjacent positions. Runs either begin with every row of the output
// or follow each other without regard to rows; then some of their positions, between the rows, are
// of no pixel.
type phased struct {
	channels       int
	src, pad, step []int // as in window; axes that the window does not tell apart are one
	out            []int
	shift          [][]int
	phases         [][]int // of each axis, those in use
	images         int     // of a chunk
	rows           int     // along the first axis, that are computed at a time
	chunkRows      int     // of a chunk, if it is of one image
	bands          int     // chunks of an image
	sizes, pitch   []int   // of a phase in the copy of a chunk
	plane          int     // elements of a phase
	channel, image int     // distances in the copy
	taps           []int32 // for each tap, its place in the copy of channel 0
	unit           int
	byRows         bool
	starts         []int32       // for each run of an image, its place in the copy, without those of taps
	lines          []int32       // for each row of the output in a chunk, its first position in the runs
	line           int           // pixels of such a row
	sourceRows     [][]sourceRow // of each chunk of an image
}

// largestRow bounds the elements of the copy of one row of the output.
const largestRow = 1 << 24

// newPhased plans chunks whose runs have about the given number of positions, and copies of
// about the given number of elements. merge allows to make one axis of several. It returns nil
// if a row of the source is too large.
func newPhased(w window, merge bool, batch, unit, positions, elements int) *phased {
	t := &phased{channels: w.channels, unit: unit, src: slices.Clone(w.src), pad: w.pad, step: w.step, out: slices.Clone(w.out), shift: w.shift}
	if merge {
		t.merge()
	}
	t.phases = make([][]int, len(t.src))
	t.sizes, t.pitch = make([]int, len(t.src)), make([]int, len(t.src))
	for a, s := range t.step {
		for _, d := range t.shift[a] {
			if r := d % s; !slices.Contains(t.phases[a], r) {
				t.phases[a] = append(t.phases[a], r)
			}
		}
		if float64(t.extent(a, t.out[a]))*float64(len(t.phases[a])) > largestRow {
			return nil
		}
	}
	if row := t.measure(1); row < 0 || row > largestRow/t.channels {
		return nil
	}
	t.images, t.rows = 1, t.out[0]
	fits := func(rows int) bool {
		n := t.measure(rows)
		return n >= 0 && n <= elements/t.channels && t.runs(rows)*unit <= positions
	}
	for t.rows > 1 && !fits(t.rows) {
		t.rows = gemm.CeilDiv(t.rows, 2)
	}
	if t.rows < t.out[0] {
		for t.rows+1 < t.out[0] && fits(t.rows+1) {
			t.rows++
		}
		t.bands = gemm.CeilDiv(t.out[0], t.rows)
		t.rows = gemm.CeilDiv(t.out[0], t.bands)
	}
	t.chunkRows = t.rows
	for t.chunkRows < t.out[0] {
		// More rows need fewer halos, but there must be parts for several threads.
		more := min(t.out[0], t.chunkRows+t.rows)
		if t.measure(more) > elements/t.channels || batch*gemm.CeilDiv(t.out[0], more) < roundedParts {
			break
		}
		t.chunkRows = more
	}
	t.bands = gemm.CeilDiv(t.out[0], t.chunkRows)
	// An odd number of lines of memory puts the same pixel of many channels into
	// different sets of the cache.
	t.channel = gemm.RoundUp(t.measure(t.chunkRows), unit) | unit
	if t.rows == t.out[0] {
		t.images = max(1, min(batch/roundedParts, positions/(t.runs(t.rows)*unit), elements/(t.channels*t.channel)))
	}
	t.image = t.channels * t.channel
	if t.image > maxCopy/t.images {
		return nil
	}
	t.tables()
	return t
}

// merge makes one axis of the last two while both have one tap and neither padding nor a step.
func (t *phased) merge() {
	plain := func(a int) bool {
		return len(t.shift[a]) == 1 && t.shift[a][0] == 0 && t.step[a] == 1 && t.pad[a] == 0 && t.out[a] == t.src[a]
	}
	for last := len(t.src) - 1; last > 0 && plain(last) && plain(last-1); last-- {
		t.src[last-1] *= t.src[last]
		t.out[last-1] *= t.out[last]
		t.src, t.out, t.pad, t.step, t.shift = t.src[:last], t.out[:last], t.pad[:last], t.step[:last], t.shift[:last]
	}
}

// extent returns the number of positions of a phase of an axis that n pixels need.
func (t *phased) extent(a, n int) int { return n + slices.Max(t.shift[a])/t.step[a] }

// measure sets the sizes for some rows of the output and returns the elements of a channel, or
// -1 if there are too many.
func (t *phased) measure(rows int) int {
	n, phases := 1, 1
	for a := len(t.sizes) - 1; a >= 0; a-- {
		t.pitch[a] = n
		t.sizes[a] = t.extent(a, t.out[a])
		if a == 0 {
			t.sizes[a] = t.extent(a, rows)
		}
		phases *= len(t.phases[a])
		if n > maxCopy/t.sizes[a]/phases {
			return -1
		}
		n *= t.sizes[a]
	}
	t.plane = n
	return n * phases
}

// count returns the number of the rows of pixels, and of the pixels of each, of some rows
// along the first axis.
func (t *phased) count(rows int) (lines, line int) {
	last := len(t.out) - 1
	if last == 0 {
		return 1, rows
	}
	return rows * size(t.out[1:last]), t.out[last]
}

// end returns the position behind the last pixel of some rows.
func (t *phased) end(rows int) int {
	n := (rows-1)*t.pitch[0] + 1
	for a := 1; a < len(t.out); a++ {
		n += (t.out[a] - 1) * t.pitch[a]
	}
	return n
}

// runs returns the number of runs of some rows, by the better of the two ways.
func (t *phased) runs(rows int) int {
	lines, line := t.count(rows)
	through, byRows := gemm.CeilDiv(t.end(rows), t.unit), lines*gemm.CeilDiv(line, t.unit)
	if t.starts != nil { // the way is chosen
		if t.byRows {
			return byRows
		}
		return through
	}
	t.byRows = byRows <= through
	return min(through, byRows)
}

// tables fills the tables.
func (t *phased) tables() {
	n := t.runs(t.rows)
	var lines int
	lines, t.line = t.count(t.rows)
	places := []int32{0} // of the rows of pixels
	if last := len(t.out) - 1; last > 0 {
		for a := range last {
			rows := t.out[a]
			if a == 0 {
				rows = t.rows
			}
			places = extend(places, 1, rows, func(i int) int { return i * t.pitch[a] })
		}
	}
	if t.byRows {
		each := gemm.CeilDiv(t.line, t.unit)
		for l := range lines {
			t.lines = append(t.lines, int32(l*each*t.unit))
			for i := range each {
				t.starts = append(t.starts, places[l]+int32(i*t.unit))
			}
		}
	} else {
		t.lines = places
		for i := range n {
			t.starts = append(t.starts, int32(i*t.unit))
		}
	}
	for band := range t.bands {
		t.sourceRows = append(t.sourceRows, t.addSources(nil, band*t.chunkRows, 0, 0, 0))
	}
	t.taps = []int32{0}
	phases := []int32{0}
	for a := range t.shift {
		at := make([]int, len(t.shift[a]))
		t.taps = extend(t.taps, 1, len(at), func(i int) int { return t.shift[a][i] / t.step[a] * t.pitch[a] })
		var next []int32
		for _, p := range phases {
			for _, d := range t.shift[a] {
				next = append(next, p*int32(len(t.phases[a]))+int32(slices.Index(t.phases[a], d%t.step[a])))
			}
		}
		phases = next
	}
	for i, p := range phases {
		t.taps[i] += p * int32(t.plane)
	}
}

// chunks returns the number of chunks of a batch, and chunk the i-th one. Its pixels are not
// set.
func (t *phased) chunks(batch int) int { return gemm.CeilDiv(batch, t.images) * t.bands }

func (t *phased) chunk(batch, i int) chunk {
	c := chunk{image: i / t.bands * t.images, row: i % t.bands * t.chunkRows}
	c.images = min(t.images, batch-c.image)
	c.rows = min(t.chunkRows, t.out[0]-c.row)
	return c
}

// slack is the number of elements that runs may read behind the copy.
func (t *phased) slack() int { return t.unit + int(slices.Max(t.taps)) }

// rowSize is the number of elements that strided needs for rows of two channels.
func (t *phased) rowSize() int { return 4 * (t.sizes[len(t.sizes)-1] + pairLanes) }

// A sourceRow is n elements of a row of a channel of the source, step of the last axis apart,
// from the element from on. Their place in the copy is to.
type sourceRow struct{ from, n, to int }

// sources returns the rows of the source of a chunk that are in the copy. The rest of the copy
// is padding.
func (t *phased) sources(c chunk) []sourceRow { return t.sourceRows[c.row/t.chunkRows] }

// addSources appends the rows of the source that some positions of an axis need, all in the
// chunk that begins with the given row, to list.
func (t *phased) addSources(list []sourceRow, row, axis, from, to int) []sourceRow {
	s, last := t.step[axis], len(t.src)-1
	line := size(t.src[axis+1:])
	between := t.plane // the distance between the phases of the axis
	for _, p := range t.phases[axis+1:] {
		between *= len(p)
	}
	for i, phase := range t.phases[axis] {
		// Position j of the phase is j*s+base of the source.
		base := phase - t.pad[axis]
		if axis == 0 {
			base += row * s
		}
		first, end := gemm.CeilDiv(max(0, -base), s), min(t.sizes[axis], gemm.CeilDiv(max(0, t.src[axis]-base), s))
		if first >= end {
			continue
		}
		at := to + i*between
		if axis == last {
			list = append(list, sourceRow{from + base + first*s, end - first, at + first})
			continue
		}
		for j := first; j < end; j++ {
			list = t.addSources(list, row, axis+1, from+(base+j*s)*line, at+j*t.pitch[axis])
		}
	}
	return list
}
