package conv

import (
	"math"
	"unsafe"
)

// generic holds the transforms in Go, on vectors of genericLanes.
var generic = [algorithms]transforms{
	f2x2of3x3: {
		input:      genericSpread(4, 4, input4),
		grad:       genericSpread(2, 4, grad4),
		output:     genericOutput(4, 2, output4),
		filter:     genericMatrix(3, 4, filter4),
		filterGrad: genericMatrix(4, 3, filterGrad4),
	},
	f4x4of3x3: {
		input:      genericSpread(6, 6, input6),
		grad:       genericSpread(4, 6, grad6),
		output:     genericOutput(6, 4, output6),
		filter:     genericMatrix(3, 6, filter6),
		filterGrad: genericMatrix(6, 3, filterGrad6),
	},
	f2x2of5x5: {
		input:      genericSpread(6, 6, input6),
		grad:       genericSpread(2, 6, grad5x5),
		output:     genericOutput(6, 2, output5x5),
		filter:     genericMatrix(5, 6, filter5x5),
		filterGrad: genericMatrix(6, 5, filterGrad5x5),
	},
	fourier5x5: fourierGeneric,
}

// genericLanes is the number of channels in a vector of the Go version.
const genericLanes = 4

// An axisStep is one of the matrices: it maps the elements of a column.
type axisStep func(x [6]float32) [6]float32

// twice applies a step to the columns of a matrix of from by from elements and then to
// the rows of the result, which gives to by to elements.
func twice(from, to int, step axisStep, load func(i, j int) float32, store func(i, j int, v float32)) {
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

func genericSpread(from, to int, step axisStep) spreadFunc {
	return func(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, _ *float32) {
		for t, offsets := 0, unsafe.Slice(table, tiles*from*from); t < tiles; t++ {
			for lane := range genericLanes {
				twice(from, to, step,
					func(i, j int) float32 { return *at(src, int(offsets[(t*from+i)*from+j])+lane) },
					func(i, j int, v float32) { *at(dst, t*nextTile+(i*to+j)*nextXi+lane) = v })
			}
		}
	}
}

func genericOutput(from, to int, step axisStep) outputFunc {
	return func(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, _ *float32) {
		for t, offsets := 0, unsafe.Slice(table, tiles*to*to); t < tiles; t++ {
			for lane := range genericLanes {
				twice(from, to, step,
					func(i, j int) float32 { return *at(src, t*nextTile+(i*from+j)*nextXi+lane) },
					func(i, j int, v float32) { *at(dst, int(offsets[(t*to+i)*to+j])+lane) = v + *at(bias, lane) })
			}
		}
	}
}

func genericMatrix(from, to int, step axisStep) matrixFunc {
	return func(n int, src *float32, srcStep int, dst *float32, dstStep int, _ *float32) {
		for lane := range n * genericLanes {
			twice(from, to, step,
				func(i, j int) float32 { return *at(src, (i*from+j)*srcStep+lane) },
				func(i, j int, v float32) { *at(dst, (i*to+j)*dstStep+lane) = v })
		}
	}
}

// at returns the address of element i from p on.
func at(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i))
}

// The points of F(4,3) and F(2,5) besides 0 and infinity: ±pointA and ±pointB, whose
// squares are 1/2 and 2.
const (
	pointA = math.Sqrt2 / 2
	pointB = math.Sqrt2
)

func input4(d [6]float32) [6]float32 {
	return [6]float32{d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]}
}

func grad4(y [6]float32) [6]float32 {
	return [6]float32{y[0], y[0] + y[1], y[0] - y[1], y[1]}
}

func output4(m [6]float32) [6]float32 {
	return [6]float32{m[0] + (m[1] + m[2]), m[3] + (m[1] - m[2])}
}

func filter4(g [6]float32) [6]float32 {
	even, odd := 0.5*(g[0]+g[2]), 0.5*g[1]
	return [6]float32{g[0], even + odd, even - odd, g[2]}
}

func filterGrad4(u [6]float32) [6]float32 {
	half := 0.5 * (u[1] + u[2])
	return [6]float32{u[0] + half, 0.5 * (u[1] - u[2]), u[3] + half}
}

func input6(d [6]float32) [6]float32 {
	evenA, oddA := d[4]-2*d[2], pointA*(d[3]-2*d[1])
	evenB, oddB := d[4]-0.5*d[2], pointB*(d[3]-0.5*d[1])
	return [6]float32{
		d[0] + d[4] - 2.5*d[2],
		evenA + oddA, evenA - oddA,
		evenB + oddB, evenB - oddB,
		d[1] + d[5] - 2.5*d[3],
	}
}

func grad6(y [6]float32) [6]float32 {
	evenA, oddA := y[0]+0.5*y[2], pointA*(y[1]+0.5*y[3])
	evenB, oddB := y[0]+2*y[2], pointB*(y[1]+2*y[3])
	return [6]float32{y[0], evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, y[3]}
}

func output6(m [6]float32) [6]float32 {
	sumA, difA := m[1]+m[2], pointA*(m[1]-m[2])
	sumB, difB := m[3]+m[4], pointB*(m[3]-m[4])
	return [6]float32{
		m[0] + (sumA + sumB),
		difA + difB,
		0.5*sumA + 2*sumB,
		m[5] + 0.5*difA + 2*difB,
	}
}

func filter6(g [6]float32) [6]float32 {
	evenA, oddA := -2./3*(g[0]+0.5*g[2]), -2./3*pointA*g[1]
	evenB, oddB := 1./6*(g[0]+2*g[2]), pointB/6*g[1]
	return [6]float32{g[0], evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g[2]}
}

func filterGrad6(u [6]float32) [6]float32 {
	sumA, difA := u[1]+u[2], u[1]-u[2]
	sumB, difB := u[3]+u[4], u[3]-u[4]
	return [6]float32{
		u[0] - 2./3*sumA + 1./6*sumB,
		-2./3*pointA*difA + pointB/6*difB,
		u[5] - 1./3*sumA + 1./3*sumB,
	}
}

// The input of F(2,5) is transformed like that of F(4,3): the tiles and the points are
// the same.

func grad5x5(y [6]float32) [6]float32 {
	return [6]float32{y[0], y[0] + pointA*y[1], y[0] - pointA*y[1], y[0] + pointB*y[1], y[0] - pointB*y[1], y[1]}
}

func output5x5(m [6]float32) [6]float32 {
	return [6]float32{
		m[0] + ((m[1] + m[2]) + (m[3] + m[4])),
		m[5] + pointA*(m[1]-m[2]) + pointB*(m[3]-m[4]),
	}
}

func filter5x5(g [6]float32) [6]float32 {
	evenA, oddA := -2./3*(g[0]+0.5*g[2]+0.25*g[4]), -2./3*pointA*(g[1]+0.5*g[3])
	evenB, oddB := 1./6*(g[0]+2*g[2]+4*g[4]), pointB/6*(g[1]+2*g[3])
	return [6]float32{g[0], evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g[4]}
}

func filterGrad5x5(u [6]float32) [6]float32 {
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
