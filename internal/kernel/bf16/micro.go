// Package bf16 multiplies matrices whose elements are rounded to bfloat16, the upper half of
// a float32: 8 bits of precision, and a float32's range. Sums are float32. Package conv uses
// its micro-kernels too.
//
// Both matrices are packed into tiles. A tile of the first matrix, A, is 16 rows of 32
// elements. A tile of the second, B, holds as many elements for 16 columns: 16 rows of pairs
// of elements that follow each other in a column. The tiles of 16 rows of A, or of 16 columns
// of B, form a panel. In memory a pair is a word, whose lower half is its first element.
package bf16

import (
	"unsafe"

	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

//go:generate go run -C ../_asm . -subject bf16 -out ../bf16/bf16_amd64.s -stubs ../bf16/stubs_amd64.go -pkg bf16

const (
	Side  = 16          // rows of a tile, and columns of one of B
	Depth = 2 * Side    // elements of a row or column of a tile
	Words = Side * Side // of a tile
)

// A BlockFunc is a micro-kernel. It multiplies one or two panels of A by one or two panels of
// B:
//
//	c[i*ldc+j] = Σₚ a[i,p] b[p,j]
//
// for i and j below 16 or 32, and p below 32 k, for a k above 0. The first summand is
// c[i*ldc+j] if add is set. Tile t of the first panel of A begins at a+offA[t], that of the
// second one stepA behind, and the rows of a tile are lda apart, all in bytes; B
// likewise. So the tiles need not be packed: matrices that contain their rows are as good.
type BlockFunc func(k int, a *byte, offA *int32, lda, stepA int, b *byte, offB *int32, ldb, stepB int, c *float32, ldc int, add bool)

// Panels are one or two panels of a matrix for a BlockFunc.
type Panels struct {
	Count int
	Tiles unsafe.Pointer // what Off is relative to
	Off   []int32        // the places of the tiles of the first panel, in bytes
	Pitch int            // from row to row of a tile, in bytes
	Step  int            // from the first panel to the second, in bytes
}

// A Micro is the set of loops of a variant.
type Micro struct {
	Name string

	// Speed is the rate of multiply-adds in registers as a multiple of that of float32: at
	// least 7 with AMX; with AVX512_BF16 2 on a Zen 4, and below 1 on a Sapphire Rapids.
	Speed int

	blocks [2][2]BlockFunc // blocks[r-1][c-1] takes r panels of A and c of B

	// round sets dst[i] = src[i], and pair sets dst[i] to the pair of even[i] and odd[i]; a nil
	// odd stands for zeros. Both bring what is ahead elements behind into the cache.
	round func(n int, src *float32, dst *uint16, ahead int)
	pair  func(n int, even, odd *float32, dst *uint32, ahead int)

	// copyLines copies 16 words from each byte off[i] of src on to dst. n is a multiple of 4.
	copyLines func(n int, src *byte, off *int32, dst *uint32)
}

// Multiply multiplies panels with as many tiles; see BlockFunc.
func (u *Micro) Multiply(a, b Panels, c []float32, ldc int, add bool) {
	k := len(a.Off)
	_, _ = b.Off[k-1], c[(a.Count*Side-1)*ldc+b.Count*Side-1]
	u.blocks[a.Count-1][b.Count-1](k, (*byte)(a.Tiles), &a.Off[0], a.Pitch, a.Step, (*byte)(b.Tiles), &b.Off[0], b.Pitch, b.Step, &c[0], ldc, add)
}

// Packed returns the panels of n rows, or columns, in x from the given word on, where each
// panel has as many packed tiles as off names.
func Packed(x []uint32, word, n int, off []int32) Panels {
	return Panels{
		Count: min(2, gemm.CeilDiv(n, Side)), Tiles: unsafe.Pointer(&x[word]), Off: off,
		Pitch: 4 * Side, Step: 4 * Words * len(off),
	}
}

// PackedOffsets appends to list until it has the places of n packed tiles.
func PackedOffsets(list []int32, n int) []int32 {
	for len(list) < n {
		list = append(list, int32(4*Words*len(list)))
	}
	return list
}

// Round sets the elements of dst to those of src. Those that are ahead elements behind will
// be needed next.
func (u *Micro) Round(src []float32, dst []uint16, ahead int) {
	if len(src) > 0 {
		_ = dst[len(src)-1]
		u.round(len(src), &src[0], &dst[0], ahead)
	}
}

// Pair sets the words of dst to the pairs of the elements of even and odd. A nil odd stands
// for zeros. The elements that are ahead elements behind will be needed next.
func (u *Micro) Pair(even, odd []float32, dst []uint32, ahead int) {
	if len(even) == 0 {
		return
	}
	_ = dst[len(even)-1]
	if odd == nil {
		u.pair(len(even), &even[0], nil, &dst[0], ahead)
		return
	}
	_ = odd[len(even)-1]
	u.pair(len(even), &even[0], &odd[0], &dst[0], ahead)
}

// CopyLines copies 16 words from each of the given bytes of src on, one after the other. The
// number of offsets is a multiple of 4.
func (u *Micro) CopyLines(src *byte, off []int32, dst []uint32) {
	if len(off) > 0 {
		_ = dst[len(off)*Side-1]
		u.copyLines(len(off), src, &off[0], &dst[0])
	}
}

// Transpose transposes the rows of tiles: 16 rows of words of src, lds words apart, become
// the given number of tiles of dst, one after the other.
func (u *Micro) Transpose(tiles int, src []uint32, lds int, dst []uint32) {
	if tiles == 0 {
		return
	}
	_, _ = src[(Side-1)*lds+tiles*Side-1], dst[tiles*Words-1]
	if f := gemm.Active(); f.Lanes == Side {
		f.Transpose(tiles, (*float32)(unsafe.Pointer(&src[0])), lds, Side, (*float32)(unsafe.Pointer(&dst[0])), Side, Words)
		return
	}
	for t := range tiles {
		for i := range Side {
			for j, v := range src[i*lds+t*Side:][:Side] {
				dst[t*Words+j*Side+i] = v
			}
		}
	}
}

// AsWords returns memory of a pool as words.
func AsWords(x []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// Halves returns words as elements.
func Halves(x []uint32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}

// Tiles returns the number of tiles that hold n elements of a row.
func Tiles(n int) int { return gemm.CeilDiv(n, Depth) }

// PanelCount returns the number of panels that hold n rows or columns.
func PanelCount(n int) int { return gemm.CeilDiv(n, Side) }
