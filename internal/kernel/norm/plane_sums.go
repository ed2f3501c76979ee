package norm

import (
	"slices"
	"sync/atomic"

	"github.com/gocaffe/gocaffe/internal/kernel/vec"
)

// PlaneSums are the sums of each plane of an array (N,C,S), and of the squares, for
// Norm.ForwardBatch. A convolution takes them of its output while that is in the cache, between
// Begin and End. Several goroutines may do so. The order of the additions does not depend on theirs.
type PlaneSums struct {
	n, c, s int

	sums     *[]float64 // (N,C), those of the squares, and 2C more elements for those of the channels; nil: none
	complete bool

	done     []atomic.Int32 // for Written: how many elements of each plane are written
	ends     []int          // for Vectors: of the pieces of a plane
	ofPieces *[]float64     // for Vectors: (pieces,2,N,C), if a plane has several
}

// Begin prepares the sums of planes of more than one element. They are taken of vectors of channels
// with Vectors, in pieces that end at the given elements of a plane, or with Written if ends is nil.
func (p *PlaneSums) Begin(n, c, s int, ends []int) {
	p.Free()
	p.n, p.c, p.s, p.ends = n, c, s, ends
	p.sums = vec.NewSums(2*n*c + 2*c)
	if len(ends) > 1 {
		p.ofPieces = vec.NewSums(2 * len(ends) * n * c)
	}
	if len(p.done) != n*c {
		p.done = make([]atomic.Int32, n*c)
	}
	for i := range p.done {
		p.done[i].Store(0)
	}
}

// End is called when all sums have been taken. It adds up those of pieces.
func (p *PlaneSums) End() {
	if p.ofPieces != nil {
		size := 2 * p.n * p.c
		sums := (*p.sums)[:size]
		clear(sums)
		for i := range p.ends {
			for j, sum := range (*p.ofPieces)[i*size:][:size] {
				sums[j] += sum
			}
		}
		p.freePieces()
	}
	p.complete = true
}

func (p *PlaneSums) freePieces() {
	if p.ofPieces != nil {
		vec.FreeSums(p.ofPieces)
		p.ofPieces = nil
	}
}

// Free drops the sums.
func (p *PlaneSums) Free() {
	p.freePieces()
	if p.complete = false; p.sums != nil {
		vec.FreeSums(p.sums)
		p.sums = nil
	}
}

// Written is called when n elements of y from at on, of one plane, are written. After the last ones
// it takes the sums of the plane, which are those of ChannelStats to the last bit.
func (p *PlaneSums) Written(y []float32, at, n int) {
	i := at / p.s
	if n == p.s || p.done[i].Add(int32(n)) == int32(p.s) {
		(*p.sums)[i], (*p.sums)[p.n*p.c+i] = active().sumAndSquares(y[i*p.s : (i+1)*p.s])
	}
}

// Piece takes the sums of a piece of a plane, x, that begins with element at of the array.
func (p *PlaneSums) Piece(at int, x []float32) {
	list, i := *p.sums, at/p.s
	if p.ofPieces != nil {
		piece, _ := slices.BinarySearch(p.ends, at%p.s+1)
		list = (*p.ofPieces)[2*piece*p.n*p.c:]
	}
	list[i], list[p.n*p.c+i] = active().sumAndSquares(x)
}

// VectorSums takes sums of vectors, whose lanes from first to end-1 are planes.
type VectorSums struct {
	*PlaneSums
	lanes, first, end int
	plane             int        // of lane 0
	at                int        // elements of the planes before the next vector
	piece             int        // of the next vector
	sums              *[]float64 // of a piece: of a half of its vectors and of the other half, in turn
}

// Vectors begins the sums of vectors with element at of each plane, which is the start of a piece.
// Lane 0 is that of the given plane, and the others follow.
func (p *PlaneSums) Vectors(lanes, first, end, plane, at int) VectorSums {
	v := VectorSums{PlaneSums: p, lanes: lanes, first: first, end: end, plane: plane, at: at, sums: vec.NewSums(4 * lanes)}
	v.piece, _ = slices.BinarySearch(p.ends, at+1)
	clear(*v.sums)
	return v
}

// Add adds the next vectors.
func (v *VectorSums) Add(x []float32) {
	for len(x) > 0 {
		left := v.ends[v.piece] - v.at
		n := min(left, len(x)/v.lanes)
		first, second := (*v.sums)[:2*v.lanes], (*v.sums)[2*v.lanes:]
		if left%2 == 1 { // the last vector of a piece is added to second
			first, second = second, first
		}
		active().sumVectors(x[:n*v.lanes], first, second)
		x = x[n*v.lanes:]
		if v.at += n; n == left {
			v.endPiece()
		}
	}
}

// endPiece stores the sums of the piece that ends before the next vector.
func (v *VectorSums) endPiece() {
	planes, list := v.n*v.c, *v.PlaneSums.sums
	if v.ofPieces != nil {
		list = (*v.ofPieces)[2*v.piece*planes:]
	}
	parts, lanes := *v.sums, v.lanes
	for i := v.first; i < v.end; i++ {
		list[v.plane+i] = parts[i] + parts[2*lanes+i]
		list[planes+v.plane+i] = parts[lanes+i] + parts[3*lanes+i]
	}
	clear(parts)
	v.piece++
}

// End is called after the last vectors, with which a piece ends.
func (v *VectorSums) End() { vec.FreeSums(v.sums) }

// take sets the statistics of the channels of (n,c,s) elements and reports whether there are sums
// of them, which it then drops. It takes none of small planes that ChannelStats does not sum one
// by one.
func (p *PlaneSums) take(n, c, s int, mean, variance []float32) bool {
	if p == nil || !p.complete || p.n != n || p.c != c || p.s != s || byRows(n, s) {
		return false
	}
	sums, total := (*p.sums)[:2*n*c], (*p.sums)[2*n*c:]
	sumItems(sums[:n*c], total[:c])
	sumItems(sums[n*c:], total[c:])
	setStats(total, n*s, mean, variance)
	p.Free()
	return true
}
