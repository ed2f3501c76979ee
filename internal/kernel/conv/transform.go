package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
)

// The transforms of Winograd's convolution F(mxm,rxr), which computes m by m pixels
// of a plane from n by n of another, n = m+r-1, with n² products instead of r²m². For
// tiles d of the input, g of the weights and y of the output,
//
//	y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A
//
// and, for the gradients, since this is linear in g,
//
//	∂g = Gᵀ [(A ∂y Aᵀ) ⊙ (Bᵀ d B)] G
//
// (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). The
// matrices come from evaluating polynomials at the points 0, 1, -1 and infinity for
// n = 4, and 0, ±√½, ±√2 and infinity for n = 6: with the usual 0, ±1, ±2 rounding
// errors are more than three times as large.
//
// All transforms work on vectors of neighbouring channels.

// A spreadFunc transforms tiles of elements whose offsets in src are listed in
// table, row by row, to elements that are nextXi apart in dst; the next tile begins
// nextTile further on.
type spreadFunc func(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, tmp *float32)

// An outputFunc transforms tiles of elements that are nextXi apart in src, adds bias,
// and stores them at the offsets in dst listed in table.
type outputFunc func(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, tmp *float32)

// A matrixFunc transforms the n matrices that start at neighbouring vectors of src, with
// elements srcStep apart, to matrices with elements dstStep apart.
type matrixFunc func(n int, src *float32, srcStep int, dst *float32, dstStep int, tmp *float32)

// transforms holds the transforms for one m and r. They overwrite the tmpSize elements
// at tmp.
type transforms struct {
	input, grad spreadFunc // Bᵀ d B and A ∂y Aᵀ
	output      outputFunc // Aᵀ M A
	filter      matrixFunc // G g Gᵀ
	filterGrad  matrixFunc // Gᵀ ∂U G
}

// tmpSize is the number of elements that the transforms store between their two steps: a
// matrix of the widest vectors, which registers cannot hold.
const tmpSize = fourierSize * fourierSize * 16

// An algorithm is F(mxm,rxr) for one m and r, or fourier5x5, which has Fourier transforms in
// place of Winograd's and is otherwise the same (see fourier_generic.go).
type algorithm int

const (
	f2x2of3x3 algorithm = iota
	f4x4of3x3
	f2x2of5x5
	fourier5x5
	algorithms
)

// outputs returns m.
func (a algorithm) outputs() int { return [...]int{2, 4, 2, fourierOutputs}[a] }

// matrices returns the number of products of a tile.
func (a algorithm) matrices() int { return [...]int{16, 36, 36, fourierMatrices}[a] }

// tiles returns the number of tiles along an axis of n outputs, and of those among them that
// have m outputs. The others have m-1, which needs a product less: the sum is the least
// if all tiles together have n outputs.
func (a algorithm) tiles(n int) (tiles, full int) {
	tiles = gemm.CeilDiv(n, a.outputs())
	if a == fourier5x5 { // all products count for all outputs
		return tiles, tiles
	}
	return tiles, max(n-tiles*(a.outputs()-1), 0)
}

// transforms returns the transforms in use.
func (a algorithm) transforms() *transforms { return &transformsOf[cpu.Active()][a] }
