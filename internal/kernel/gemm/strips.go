package gemm

// Strips is how a matrix of some rows and columns is packed for BlockFuncs: strips of
// rows, as equal as can be, one after the other. A strip of n rows is (Depth,n).
type Strips struct {
	Count int
	Depth int // columns of the matrix
	rows  int
}

// Strips cuts a matrix of some rows and columns.
func (u *Micro) Strips(rows, depth int) Strips {
	return Strips{Count: CeilDiv(rows, u.BlockRows()), Depth: depth, rows: rows}
}

// Block returns the BlockFunc for strips of the given rows and panels of w columns.
func (u *Micro) Block(rows, w int) BlockFunc { return u.blocks[rows-1][w/u.Lanes-1] }

// BlockRows returns the number of rows of the highest strip.
func (u *Micro) BlockRows() int { return len(u.blocks) }

// BlockPanel returns the number of columns of the widest panel of BlockFuncs.
func (u *Micro) BlockPanel() int { return len(u.blocks[0]) * u.Lanes }

// Size returns the number of elements of the packed matrix.
func (s Strips) Size() int { return s.rows * s.Depth }

// Rows returns the first row of strip i and the number of its rows.
func (s Strips) Rows(i int) (first, n int) {
	first = i * s.rows / s.Count
	return first, (i+1)*s.rows/s.Count - first
}

// Pack packs strip i of the matrix a, whose rows are lda apart, to its place in dst.
func (s Strips) Pack(u *Micro, i int, a []float32, lda int, dst []float32) {
	first, n := s.Rows(i)
	depth := s.Depth
	a, dst = a[first*lda:], dst[first*depth:][:n*depth]
	done := 0
	whole := n / u.Lanes * u.Lanes // rows of whole blocks
	if u.Transpose != nil && whole < n && first+whole+u.Lanes <= s.rows {
		// The last blocks have more rows than the strip. What they write behind it, the next
		// column overwrites, and behind the last one is an element of another strip.
		if blocks := depth/u.Lanes - 1; blocks > 0 {
			u.Transpose(blocks, &a[whole*lda], lda, u.Lanes, &dst[whole], n, u.Lanes*n)
			done = blocks * u.Lanes
			u.TransposeTo(whole, done, a, lda, dst, n)
		}
	}
	u.TransposeTo(n, depth-done, a[done:], lda, dst[done*n:], n)
}

// PackColumns packs the columns from to to-1 of all strips of the transpose of the matrix
// a, whose rows are lda apart.
func (s Strips) PackColumns(u *Micro, from, to int, a []float32, lda int, dst []float32) {
	for i := range s.Count {
		first, n := s.Rows(i)
		s.PackColumnsPiece(u, i, from, to, a, lda, dst[first*s.Depth+from*n:])
	}
}

// PackColumnsPiece packs the columns from to to-1 of strip i of the transpose of the matrix
// a to the start of dst.
func (s Strips) PackColumnsPiece(u *Micro, i, from, to int, a []float32, lda int, dst []float32) {
	first, n := s.Rows(i)
	u.CopyTo(to-from, n, a[from*lda+first:], lda, dst, n)
}
