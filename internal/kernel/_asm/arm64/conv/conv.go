// Package conv writes loops over pairs of elements for arm64, convolutions of single channels,
// and the transforms of Winograd's convolution. The types of the functions, in package conv,
// say what they compute.
package conv

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/winograd"
)

// V is a vector register and R a general one.
type (
	V         = neon.V
	R         = neon.R
	transform = winograd.Transform[V]
	algorithm = winograd.Algorithm[V]
)

// inRegisters is the number of elements up to which the result of the first step stays in
// registers.
const inRegisters = 16

// Write writes all functions.
func Write(file *neon.File) {
	pairs(file)
	for stride := 1; stride <= 2; stride++ {
		rows(file, stride)
		rowsGrad(file, stride)
	}
	rowsPhases(file)
	for _, a := range winograd.Algorithms[V]() {
		if a.Input.Step != nil {
			spread(file, "Input", "transform of the input", a, a.Input)
		}
		spread(file, "Grad", "transform of the gradient of the output", a, a.Grad)
		output(file, a)
		matrix(file, "Filter", "transform of the weights", a, a.Filter)
		matrix(file, "FilterGrad", "transform of the products to the gradient of the weights", a, a.FilterGrad)
	}
	fourier(file)
}

// pairs writes the loops that take neighbouring elements apart and put them together:
// eight pairs at a time.
func pairs(file *neon.File) {
	const vectors = 2
	file.Func("splitPairsNEON", "(n int, src, even, odd *float32)", "is a pairsFunc that sets even and odd to the elements of src.", func(f *neon.Func) {
		n, src, even, odd := f.Arg("n"), f.Arg("src"), f.Arg("even"), f.Arg("odd")
		f.Label("pairs")
		for range vectors {
			v := f.Next(src, 2*neon.Lanes)
			f.StoreNext(f.Evens(v[0], v[1]), even)
			f.StoreNext(f.Odds(v[0], v[1]), odd)
		}
		f.Count(n, "pairs")
		f.Ret()
	})
	file.Func("joinPairsNEON", "(n int, dst, even, odd *float32)", "is a pairsFunc that sets the elements of dst to those of even and odd.", func(f *neon.Func) {
		n, dst, even, odd := f.Arg("n"), f.Arg("dst"), f.Arg("even"), f.Arg("odd")
		f.Label("pairs")
		for range vectors {
			a, b := f.Next(even, neon.Lanes)[0], f.Next(odd, neon.Lanes)[0]
			f.StoreNext(f.ZipLow(a, b), dst)
			f.StoreNext(f.ZipHigh(a, b), dst)
		}
		f.Count(n, "pairs")
		f.Ret()
	})
}

// An arithmetic writes the operations of steps.
type arithmetic struct{ f *neon.Func }

// Copy returns a copy of x.
func (s arithmetic) Copy(x V) V { return s.f.Copy(x) }

// Add returns x+y.
func (s arithmetic) Add(x, y V) V { return s.f.Add(x, y) }

// Sub returns x-y.
func (s arithmetic) Sub(x, y V) V { return s.f.Sub(x, y) }

// Times returns v*x.
func (s arithmetic) Times(v float64, x V) V { return s.f.Mul(x, s.f.Float(v)) }

// Plus returns y+v*x, in the register of y.
func (s arithmetic) Plus(y V, v float64, x V) V {
	s.f.Fma(y, x, s.f.Float(v))
	return y
}

// Minus returns y-v*x, in the register of y.
func (s arithmetic) Minus(y V, v float64, x V) V {
	s.f.Fms(y, x, s.f.Float(v))
	return y
}

// apply writes a transform. load returns element (i,j) of its argument, column by
// column; store takes element (i,j) of the result.
func apply(f *neon.Func, t transform, tmp R, load func(i, j int) V, store func(i, j int, r V)) {
	winograd.Apply(arithmetic{f}, t, t.From*t.To <= inRegisters,
		func(i int, r V) { f.Store(r, tmp, i*neon.Bytes) },
		func(i int) V { return f.Load(tmp, i*neon.Bytes) }, load, store)
}

// listed returns the address of an element whose offset is in a table.
func listed(f *neon.Func, base, table R, i int) R { return f.At(base, f.Offset(table, i), 2) }

// strided returns the addresses of n by n elements that are step bytes apart. It goes
// through a matrix column by column.
func strided(f *neon.Func, n int, base, step R) func(i, j int) R {
	row := f.Times(n, step)
	top, at := f.CopyR(base), f.NewR()
	column, below := 0, 0
	f.Move(top, at)
	return func(i, j int) R {
		for ; column < j; column++ {
			f.AddR(step, top)
			below = -1
		}
		if below < 0 || i < below {
			f.Move(top, at)
			below = 0
		}
		for ; below < i; below++ {
			f.AddR(row, at)
		}
		return at
	}
}

// consecutive returns the addresses of elements that are step bytes apart, one after the
// other.
func consecutive(f *neon.Func, base, step R) func(i int) R {
	at, last := f.CopyR(base), 0
	return func(i int) R {
		for ; last < i; last++ {
			f.AddR(step, at)
		}
		return at
	}
}

func begin(file *neon.File, kind, doc string, a algorithm, signature string, body func(f *neon.Func)) {
	name := "winograd" + kind + a.Name + neon.Suffix
	file.Func(name, signature, fmt.Sprintf("is the %s of %s.", doc, a.Label), body)
}

// spread writes a transform from offsets in a table to equal distances.
func spread(file *neon.File, kind, doc string, a algorithm, t transform) {
	begin(file, kind, doc, a, "(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, tmp *float32)", func(f *neon.Func) {
		tiles, table, src, dst := f.Arg("tiles"), f.Arg("table"), f.Arg("src"), f.Arg("dst")
		nextTile, nextXi, tmp := f.Scaled("nextTile"), f.Scaled("nextXi"), f.Arg("tmp")
		f.Label("tile")
		to := consecutive(f, dst, nextXi)
		apply(f, t, tmp,
			func(i, j int) V { return f.Load(listed(f, src, table, i*t.From+j), 0) },
			func(i, j int, r V) { f.Store(r, to(i*t.To+j), 0) })
		f.Inc(4*t.From*t.From, table)
		f.AddR(nextTile, dst)
		f.Count(tiles, "tile")
		f.Ret()
	})
}

// output writes the transform from equal distances to offsets in a table.
func output(file *neon.File, a algorithm) {
	t := a.Output
	signature := "(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, tmp *float32)"
	begin(file, "Output", "transform of the products to the output", a, signature, func(f *neon.Func) {
		tiles, table, src, dst := f.Arg("tiles"), f.Arg("table"), f.Arg("src"), f.Arg("dst")
		nextTile, nextXi, tmp := f.Scaled("nextTile"), f.Scaled("nextXi"), f.Arg("tmp")
		bias := f.Load(f.Arg("bias"), 0)
		f.Label("tile")
		from := strided(f, t.From, src, nextXi)
		apply(f, t, tmp,
			func(i, j int) V { return f.Load(from(i, j), 0) },
			func(i, j int, r V) { f.Store(f.Add(r, bias), listed(f, dst, table, i*t.To+j), 0) })
		f.Inc(4*t.To*t.To, table)
		f.AddR(nextTile, src)
		f.Count(tiles, "tile")
		f.Ret()
	})
}

// matrix writes a transform between equal distances.
func matrix(file *neon.File, kind, doc string, a algorithm, t transform) {
	begin(file, kind, doc, a, "(n int, src *float32, srcStep int, dst *float32, dstStep int, tmp *float32)", func(f *neon.Func) {
		n, src, dst := f.Arg("n"), f.Arg("src"), f.Arg("dst")
		srcStep, dstStep, tmp := f.Scaled("srcStep"), f.Scaled("dstStep"), f.Arg("tmp")
		f.Label("vector")
		from, to := strided(f, t.From, src, srcStep), consecutive(f, dst, dstStep)
		apply(f, t, tmp,
			func(i, j int) V { return f.Load(from(i, j), 0) },
			func(i, j int, r V) { f.Store(r, to(i*t.To+j), 0) })
		f.Inc(neon.Bytes, src)
		f.Inc(neon.Bytes, dst)
		f.Count(n, "vector")
		f.Ret()
	})
}
