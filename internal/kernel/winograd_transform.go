package kernel

import (
	"math"
	"unsafe"
)

// The transforms of Winograd's convolution F(mxm,rxr), which computes m by m
// pixels of a plane from n by n of another, n = m+r-1, by n² products instead
// of r²m². With tiles d of the input, g of the weights and y of the output
//
//	y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A
//
// and, for the gradients, since that is linear in g,
//
//	∂g = Gᵀ [(A ∂y Aᵀ) ⊙ (Bᵀ d B)] G
//
// (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
// The matrices come from evaluating polynomials at the points 0, 1, -1 and
// infinity for n = 4, and 0, ±√½, ±√2 and infinity for n = 6: with the usual
// 0, ±1, ±2 rounding errors are more than three times as large.
//
// All transforms work on vectors of neighbouring channels.

// A spreadFunc transforms tiles of numbers whose places in src are listed in
// table, row by row, to numbers that are nextXi apart in dst; the next tile
// goes nextTile further.
type spreadFunc func(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, tmp *float32)

// An outputFunc transforms tiles of numbers that are nextXi apart in src, adds
// bias, and stores them at the places in dst that are listed in table.
type outputFunc func(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, tmp *float32)

// A matrixFunc transforms the n matrices that start at neighbouring vectors of
// src, whose numbers are srcStep apart, to ones whose numbers are dstStep apart.
type matrixFunc func(n int, src *float32, srcStep int, dst *float32, dstStep int, tmp *float32)

// winogradTransforms are the transforms of one m and r. tmp is room for
// winogradTemporary numbers.
type winogradTransforms struct {
	m           int
	input, grad spreadFunc // Bᵀ d B and A ∂y Aᵀ
	output      outputFunc // Aᵀ M A
	filter      matrixFunc // G g Gᵀ
	filterGrad  matrixFunc // Gᵀ ∂U G
}

// winogradTemporary is how many numbers the transforms keep between their two
// steps: a 6 by 6 matrix of the widest vectors that do not stay in registers.
const winogradTemporary = 36 * 16

// winogradGeneric are the transforms in Go, on vectors of genericLanes.
var winogradGeneric = [3]winogradTransforms{
	{
		m:          2,
		input:      genericSpread(4, 4, winogradInput4),
		grad:       genericSpread(2, 4, winogradGrad4),
		output:     genericOutput(4, 2, winogradOutput4),
		filter:     genericMatrix(3, 4, winogradFilter4),
		filterGrad: genericMatrix(4, 3, winogradFilterGrad4),
	},
	{
		m:          4,
		input:      genericSpread(6, 6, winogradInput6),
		grad:       genericSpread(4, 6, winogradGrad6),
		output:     genericOutput(6, 4, winogradOutput6),
		filter:     genericMatrix(3, 6, winogradFilter6),
		filterGrad: genericMatrix(6, 3, winogradFilterGrad6),
	},
	{
		m:          2,
		input:      genericSpread(6, 6, winogradInput6),
		grad:       genericSpread(2, 6, winogradGrad5x5),
		output:     genericOutput(6, 2, winogradOutput5x5),
		filter:     genericMatrix(5, 6, winogradFilter5x5),
		filterGrad: genericMatrix(6, 5, winogradFilterGrad5x5),
	},
}

// genericLanes is the number of channels in a vector of the Go version.
const genericLanes = 4

// A winogradStep is one of the matrices: it maps the numbers of a column.
type winogradStep func(x [6]float32) [6]float32

// twice applies a step to the columns of a matrix of from by from numbers and
// then to the rows of the result, which get to numbers each.
func twice(from, to int, step winogradStep, load func(i, j int) float32, store func(i, j int, v float32)) {
	var half [6][6]float32 // by columns
	for j := range from {
		var x [6]float32
		for i := range from {
			x[i] = load(i, j)
		}
		half[j] = step(x)
	}
	for i := range to {
		var x [6]float32
		for j := range from {
			x[j] = half[j][i]
		}
		for j, v := range step(x) {
			if j < to {
				store(i, j, v)
			}
		}
	}
}

func genericSpread(from, to int, step winogradStep) spreadFunc {
	return func(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, _ *float32) {
		for t, places := 0, unsafe.Slice(table, tiles*from*from); t < tiles; t++ {
			for lane := range genericLanes {
				twice(from, to, step,
					func(i, j int) float32 { return *at(src, int(places[(t*from+i)*from+j])+lane) },
					func(i, j int, v float32) { *at(dst, t*nextTile+(i*to+j)*nextXi+lane) = v })
			}
		}
	}
}

func genericOutput(from, to int, step winogradStep) outputFunc {
	return func(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, _ *float32) {
		for t, places := 0, unsafe.Slice(table, tiles*to*to); t < tiles; t++ {
			for lane := range genericLanes {
				twice(from, to, step,
					func(i, j int) float32 { return *at(src, t*nextTile+(i*from+j)*nextXi+lane) },
					func(i, j int, v float32) { *at(dst, int(places[(t*to+i)*to+j])+lane) = v + *at(bias, lane) })
			}
		}
	}
}

func genericMatrix(from, to int, step winogradStep) matrixFunc {
	return func(n int, src *float32, srcStep int, dst *float32, dstStep int, _ *float32) {
		for lane := range n * genericLanes {
			twice(from, to, step,
				func(i, j int) float32 { return *at(src, (i*from+j)*srcStep+lane) },
				func(i, j int, v float32) { *at(dst, (i*to+j)*dstStep+lane) = v })
		}
	}
}

// at returns the address of number i from p on.
func at(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i))
}

// The points of F(4,3) and F(2,5) besides 0 and infinity: ±pointA and ±pointB, whose
// squares are 1/2 and 2.
const (
	pointA = math.Sqrt2 / 2
	pointB = math.Sqrt2
)

func winogradInput4(d [6]float32) [6]float32 {
	return [6]float32{d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]}
}

func winogradGrad4(y [6]float32) [6]float32 {
	return [6]float32{y[0], y[0] + y[1], y[0] - y[1], y[1]}
}

func winogradOutput4(m [6]float32) [6]float32 {
	return [6]float32{m[0] + (m[1] + m[2]), m[3] + (m[1] - m[2])}
}

func winogradFilter4(g [6]float32) [6]float32 {
	even, odd := 0.5*(g[0]+g[2]), 0.5*g[1]
	return [6]float32{g[0], even + odd, even - odd, g[2]}
}

func winogradFilterGrad4(u [6]float32) [6]float32 {
	half := 0.5 * (u[1] + u[2])
	return [6]float32{u[0] + half, 0.5 * (u[1] - u[2]), u[3] + half}
}

func winogradInput6(d [6]float32) [6]float32 {
	evenA, oddA := d[4]-2*d[2], pointA*(d[3]-2*d[1])
	evenB, oddB := d[4]-0.5*d[2], pointB*(d[3]-0.5*d[1])
	return [6]float32{
		d[0] + d[4] - 2.5*d[2],
		evenA + oddA, evenA - oddA,
		evenB + oddB, evenB - oddB,
		d[1] + d[5] - 2.5*d[3],
	}
}

func winogradGrad6(y [6]float32) [6]float32 {
	evenA, oddA := y[0]+0.5*y[2], pointA*(y[1]+0.5*y[3])
	evenB, oddB := y[0]+2*y[2], pointB*(y[1]+2*y[3])
	return [6]float32{y[0], evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, y[3]}
}

func winogradOutput6(m [6]float32) [6]float32 {
	sumA, difA := m[1]+m[2], pointA*(m[1]-m[2])
	sumB, difB := m[3]+m[4], pointB*(m[3]-m[4])
	return [6]float32{
		m[0] + (sumA + sumB),
		difA + difB,
		0.5*sumA + 2*sumB,
		m[5] + 0.5*difA + 2*difB,
	}
}

func winogradFilter6(g [6]float32) [6]float32 {
	evenA, oddA := -2./3*(g[0]+0.5*g[2]), -2./3*pointA*g[1]
	evenB, oddB := 1./6*(g[0]+2*g[2]), pointB/6*g[1]
	return [6]float32{g[0], evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g[2]}
}

func winogradFilterGrad6(u [6]float32) [6]float32 {
	sumA, difA := u[1]+u[2], u[1]-u[2]
	sumB, difB := u[3]+u[4], u[3]-u[4]
	return [6]float32{
		u[0] - 2./3*sumA + 1./6*sumB,
		-2./3*pointA*difA + pointB/6*difB,
		u[5] - 1./3*sumA + 1./3*sumB,
	}
}

// The input of F(2,5) is transformed as that of F(4,3): the tiles and the points
// are the same.

func winogradGrad5x5(y [6]float32) [6]float32 {
	return [6]float32{y[0], y[0] + pointA*y[1], y[0] - pointA*y[1], y[0] + pointB*y[1], y[0] - pointB*y[1], y[1]}
}

func winogradOutput5x5(m [6]float32) [6]float32 {
	return [6]float32{
		m[0] + ((m[1] + m[2]) + (m[3] + m[4])),
		m[5] + pointA*(m[1]-m[2]) + pointB*(m[3]-m[4]),
	}
}

func winogradFilter5x5(g [6]float32) [6]float32 {
	evenA, oddA := -2./3*(g[0]+0.5*g[2]+0.25*g[4]), -2./3*pointA*(g[1]+0.5*g[3])
	evenB, oddB := 1./6*(g[0]+2*g[2]+4*g[4]), pointB/6*(g[1]+2*g[3])
	return [6]float32{g[0], evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g[4]}
}

func winogradFilterGrad5x5(u [6]float32) [6]float32 {
	sumA, difA := u[1]+u[2], u[1]-u[2]
	sumB, difB := u[3]+u[4], u[3]-u[4]
	return [6]float32{
		u[0] - 2./3*sumA + 1./6*sumB,
		-2./3*pointA*difA + pointB/6*difB,
		1./3*sumB - 1./3*sumA,
		pointB/3*difB - 1./3*pointA*difA,
		u[5] - 1./6*sumA + 2./3*sumB,
	}
}
