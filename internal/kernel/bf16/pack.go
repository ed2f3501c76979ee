package bf16

import "github.com/gocaffe/gocaffe/parallel"

// PackRows packs n rows of A, of k elements, into the panel dst. With inRows they are rows of
// a, which are lda apart, and otherwise its columns.
func (u *Micro) PackRows(p *parallel.Pool, worker int, inRows bool, n, k int, a []float32, lda int, dst []uint32) {
	if n < Side || k%Depth != 0 {
		clear(dst)
	}
	if inRows {
		u.RoundRows(n, k, a, lda, dst)
		return
	}
	// The tiles of columns of pairs are the transposed ones.
	pairs := AsWords(p.Scratch(worker, Words))
	for tile := range Tiles(k) {
		rows := min(Depth, k-tile*Depth)
		if n < Side || rows < Depth {
			clear(pairs)
		}
		u.PairRows(n, rows, a[tile*Depth*lda:], lda, pairs)
		u.Transpose(1, pairs, Side, dst[tile*Words:])
	}
}

// packCols packs n columns of B, of k elements, into the panel dst. With inRows they are rows
// of b, which are ldb apart, and otherwise its columns.
func (u *Micro) packCols(p *parallel.Pool, worker int, inRows bool, n, k int, b []float32, ldb int, dst []uint32) {
	if n < Side || k%Depth != 0 {
		clear(dst)
	}
	if !inRows {
		u.PairRows(n, k, b, ldb, dst)
		return
	}
	tile := AsWords(p.Scratch(worker, Words))
	for i := range Tiles(k) {
		cols := min(Depth, k-i*Depth)
		if n < Side || cols < Depth {
			clear(tile)
		}
		u.RoundRows(n, cols, b[i*Depth:], ldb, tile)
		u.Transpose(1, tile, Side, dst[i*Words:])
	}
}

// RoundRows rounds n rows of k elements to the rows of a panel of A. The other elements of
// the panel stay as they are.
func (u *Micro) RoundRows(n, k int, src []float32, lds int, dst []uint32) {
	halves := Halves(dst)
	for i := range n {
		row := src[i*lds:][:k]
		for at := 0; at < k; at += Depth {
			u.Round(row[at:min(at+Depth, k)], halves[at*Side+i*Depth:], lds)
		}
	}
}

// PairRows joins k rows of n elements to the pairs of a panel of B. The other elements of the
// panel stay as they are.
func (u *Micro) PairRows(n, k int, src []float32, lds int, dst []uint32) {
	for p := 0; p < k; p += 2 {
		var odd []float32
		if p+1 < k {
			odd = src[(p+1)*lds:][:n]
		}
		u.Pair(src[p*lds:][:n], odd, dst[p/2*Side:], Side)
	}
}
