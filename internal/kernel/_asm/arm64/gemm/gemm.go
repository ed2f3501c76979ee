// Package gemm writes the micro-kernels of matrix products for arm64, the transposition
// of blocks and the loop that measures the peak. The types of the functions, in micro.go
// of package gemm, say what they compute.
package gemm

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
)

// The sizes of the largest micro-kernels. Each has 24 sums, which leaves registers for the
// factors. A vector of coefficients has those of four rows: multiply-adds take one of its
// lanes.
const (
	tileRows, tileVectors   = 6, 4
	lineRows, lineVectors   = 6, 4
	blockRows, blockVectors = 8, 3
	dotQuad, dotCols        = 4, 6
	tallRows                = 12
)

// V is a vector register and R a general one.
type (
	V = neon.V
	R = neon.R
)

// Write writes all functions.
func Write(file *neon.File) {
	for v := 1; v <= tileVectors; v++ {
		tile(file, v)
	}
	few(file, 1, 8)
	few(file, 2, 8)
	few(file, dotQuad, dotCols)
	dot(file, "dotsNEON", dotQuad, dotCols)
	dot(file, "dotsTallNEON", tallRows, 1)
	for r := 1; r <= lineRows; r++ {
		for v := 1; v <= lineVectors; v++ {
			line(file, r, v)
		}
	}
	for r := 1; r <= blockRows; r++ {
		for v := 1; v <= blockVectors; v++ {
			block(file, r, v)
		}
		thin(file, r)
	}
	transpose(file)
	copyRows(file)
	fmaLoop(file)
}

// news returns rows of new registers.
func news(f *neon.Func, rows, vectors int) [][]V {
	sum := make([][]V, rows)
	for i := range sum {
		for range vectors {
			sum[i] = append(sum[i], f.New())
		}
	}
	return sum
}

// clear sets all registers to 0.
func clear(f *neon.Func, sum [][]V) {
	for _, row := range sum {
		for _, v := range row {
			f.Clear(v)
		}
	}
}

// fill sets the registers of each row to an element of init.
func fill(f *neon.Func, sum [][]V, init R) {
	from := f.CopyR(init)
	first := f.Next(from, len(sum))
	for i, row := range sum {
		for _, v := range row {
			f.LaneTo(first[i/neon.Lanes], i%neon.Lanes, v)
		}
	}
}

// each calls do for each row and its address: they are step bytes apart.
func each(f *neon.Func, base, step R, sum [][]V, do func(at R, row []V)) {
	at := f.CopyR(base)
	for i, row := range sum {
		do(at, row)
		if i < len(sum)-1 {
			f.AddR(step, at)
		}
	}
}

func load(f *neon.Func) func(at R, row []V) {
	return func(at R, row []V) {
		for j, v := range row {
			f.LoadTo(at, j*neon.Bytes, v)
		}
	}
}

func store(f *neon.Func) func(at R, row []V) {
	return func(at R, row []V) {
		for j, v := range row {
			f.Store(v, at, j*neon.Bytes)
		}
	}
}

// addresses returns the addresses base + 4·table[i].
func addresses(f *neon.Func, table, base R, n int) (at []R) {
	for i := range n {
		at = append(at, f.At(base, f.Offset(table, i), 2))
	}
	return at
}

// tile writes the micro-kernel for panels of the given number of vectors: a loop over tiles of
// all rows, and one tile for each number of rows that may be left.
func tile(file *neon.File, vectors int) {
	name := fmt.Sprintf("tileNEONx%d", vectors)
	file.Func(name, "(n, k int, x *float32, rows, off *int32, b, init *float32, ldi int, c *float32, ldc int)",
		fmt.Sprintf("is the TileFunc for panels of %d columns.", vectors*neon.Lanes), func(f *neon.Func) {
			n, row, init, c := f.Arg("n"), f.Arg("rows"), f.Arg("init"), f.Arg("c")
			x, ldi, ldc := f.Arg("x"), f.Scaled("ldi"), f.Scaled("ldc")
			of := func(height int) { tileOf(f, height, vectors, x, row, init, ldi, c, ldc) }
			f.If(n, "LT", tileRows, "last")
			f.Label("tile")
			of(tileRows)
			f.Inc(-tileRows, n)
			f.If(n, "GE", tileRows, "tile")
			f.Label("last")
			for height := tileRows - 1; height > 0; height-- {
				f.If(n, "EQ", height, fmt.Sprintf("last%d", height))
			}
			f.Ret()
			for height := tileRows - 1; height > 0; height-- {
				f.Label(fmt.Sprintf("last%d", height))
				of(height)
				f.Ret()
			}
		})
}

// tileOf writes a tile of the given height and number of vectors, and advances to the rows below.
func tileOf(f *neon.Func, height, vectors int, x, row, init, ldi, c, ldc R) {
	label := func(name string) string { return fmt.Sprintf("%s%d", name, height) }
	sum := news(f, height, vectors)
	f.IfZero(init, label("zero"))
	each(f, init, ldi, sum, load(f))
	for range height {
		f.AddR(ldi, init)
	}
	f.Jump(label("rows"))
	f.Label(label("zero"))
	clear(f, sum)

	f.Label(label("rows"))
	at := addresses(f, row, x, height)
	f.Inc(4*height, row)
	k, off, b := f.Arg("k"), f.Arg("off"), f.Arg("b")
	f.IfZero(k, label("store"))
	f.Label(label("sum"))
	o := f.NextOffset(off)
	bv := f.Next(b, vectors*neon.Lanes)
	for i := range sum {
		xv := f.LoadAt(at[i], o)
		for j, v := range bv {
			f.FmaLane(sum[i][j], v, xv, 0)
		}
	}
	f.Count(k, label("sum"))
	f.Label(label("store"))
	each(f, c, ldc, sum, store(f))
	for range height {
		f.AddR(ldc, c)
	}
}

// few writes a micro-kernel of dot products for some packed rows of x and some rows of y. It
// leaves the lines ahead to the processor.
func few(file *neon.File, rows, cols int) {
	file.Func(fmt.Sprintf("fewNEON_%dx%d", rows, cols), "(k int, x, y *float32, cols *int32, ahead int, c *float32)",
		fmt.Sprintf("is the FewFunc of %d rows of x and %d of y.", rows, cols), func(f *neon.Func) {
			x, ys := f.Arg("x"), addresses(f, f.Arg("cols"), f.Arg("y"), cols)
			k := f.Arg("k")
			sum := news(f, rows, cols)
			clear(f, sum)
			f.Label("sum")
			xv := f.Next(x, rows*neon.Lanes)
			for j, at := range ys {
				yv := f.Next(at, neon.Lanes)[0]
				for i := range sum {
					f.Fma(sum[i][j], xv[i], yv)
				}
			}
			endDots(f, k, sum)
		})
}

// dot writes a micro-kernel of dot products for some rows of x and of y.
func dot(file *neon.File, name string, rows, cols int) {
	file.Func(name, "(k int, x *float32, rows *int32, y *float32, cols *int32, c *float32)",
		fmt.Sprintf("is a DotsFunc of %d rows of x and %d of y.", rows, cols), func(f *neon.Func) {
			xs := addresses(f, f.Arg("rows"), f.Arg("x"), rows)
			ys := addresses(f, f.Arg("cols"), f.Arg("y"), cols)
			k := f.Arg("k")
			sum := news(f, rows, cols)
			clear(f, sum)
			f.Label("sum")
			yv := make([]V, cols)
			for j, at := range ys {
				yv[j] = f.Next(at, neon.Lanes)[0]
			}
			for i, at := range xs {
				xv := f.Next(at, neon.Lanes)[0]
				for j, v := range yv {
					f.Fma(sum[i][j], xv, v)
				}
			}
			endDots(f, k, sum)
		})
}

// endDots ends the loop over k elements and adds the lanes of the sums, those of a row of y one
// after the other, to c.
func endDots(f *neon.Func, k R, sum [][]V) {
	f.Inc(-neon.Lanes, k)
	f.If(k, "GT", 0, "sum")

	c, rows := f.Arg("c"), len(sum)
	for q := 0; q < rows*len(sum[0]); q += dotQuad {
		at := func(q int) V { return sum[q%rows][q/rows] }
		a, b := f.AddPairs(at(q), at(q+1)), f.AddPairs(at(q+2), at(q+3))
		f.Store(f.Add(f.AddPairs(a, b), f.Load(c, 0)), c, 0)
		f.Inc(neon.Bytes, c)
	}
	f.Ret()
}

// line writes the micro-kernel for panels of the given number of rows and blocks of the
// given number of vectors.
func line(file *neon.File, rows, vectors int) {
	name := fmt.Sprintf("lineNEON_%dx%d", rows, vectors)
	file.Func(name, "(blocks, k int, x *float32, from, off *int32, w, init, c *float32, to *int32, ldc int)",
		fmt.Sprintf("is the LineFunc of %d rows and %d vectors.", rows, vectors), func(f *neon.Func) {
			blocks, from, to := f.Arg("blocks"), f.Arg("from"), f.Arg("to")
			x, c, ldc := f.Arg("x"), f.Arg("c"), f.Scaled("ldc")
			init, w := f.Arg("init"), f.Arg("w")
			sum := news(f, rows, vectors)
			result := func(do func(at R, v V)) {
				at := addresses(f, to, c, vectors)
				for i, row := range sum {
					for j, v := range row {
						do(at[j], v)
						if i < rows-1 {
							f.AddR(ldc, at[j])
						}
					}
				}
			}
			f.Label("block")
			f.IfZero(init, "add")
			fill(f, sum, init)
			f.Jump("from")
			f.Label("add")
			result(func(at R, v V) { f.LoadTo(at, 0, v) })

			f.Label("from")
			at := addresses(f, from, x, vectors)
			f.Inc(4*vectors, from)
			k, off := f.Arg("k"), f.Arg("off")
			f.Label("sum")
			o, ow := f.NextOffset(off), f.NextOffset(off)
			wv := f.Next(f.At(w, ow, 2), rows)
			xv := make([]V, vectors)
			for j := range xv {
				xv[j] = f.Load(f.At(at[j], o, 2), 0)
			}
			for i, row := range sum {
				for j, v := range row {
					f.FmaLane(v, xv[j], wv[i/neon.Lanes], i%neon.Lanes)
				}
			}
			f.Count(k, "sum")
			result(func(at R, v V) { f.Store(v, at, 0) })
			f.Inc(4*vectors, to)
			f.Count(blocks, "block")
			f.Ret()
		})
}

// lineBytes is the size of a line of memory.
const lineBytes = 64

// block writes the micro-kernel for strips of the given number of rows and panels of the
// given number of vectors.
func block(file *neon.File, rows, vectors int) {
	name := fmt.Sprintf("blockNEON_%dx%d", rows, vectors)
	file.Func(name, "(k int, a, b, next *float32, step int, bias, c *float32, ldc int, add bool)",
		fmt.Sprintf("is the BlockFunc of %d rows and %d vectors.", rows, vectors), func(f *neon.Func) {
			c, ldc := f.Arg("c"), f.Scaled("ldc")
			sum := news(f, rows, vectors)
			bias := f.Arg("bias")
			f.IfZero(bias, "add")
			fill(f, sum, bias)
			f.Jump("sums")
			f.Label("add")
			f.IfZero(f.Arg("add"), "zero")
			each(f, c, ldc, sum, load(f))
			f.Jump("sums")
			f.Label("zero")
			clear(f, sum)

			f.Label("sums")
			k, a, b, next, step := f.Arg("k"), f.Arg("a"), f.Arg("b"), f.Arg("next"), f.Scaled("step")
			f.Label("sum")
			av, bv := f.Next(a, rows), f.Next(b, vectors*neon.Lanes)
			f.Prefetch(next, 0, 2)
			f.AddR(step, next)
			for i, row := range sum {
				for j, v := range row {
					f.FmaLane(v, bv[j], av[i/neon.Lanes], i%neon.Lanes)
				}
			}
			f.Count(k, "sum")
			each(f, c, ldc, sum, store(f))
			f.Ret()
		})
}

// thin writes the micro-kernel for strips of the given number of rows and panels that are part
// of a matrix. It leaves what is on the right of c to the processor.
func thin(file *neon.File, rows int) {
	const vectors = blockVectors
	file.Func(fmt.Sprintf("thinNEON_%d", rows), "(k int, a, b *float32, ldb, ahead int, to, c *float32, ldc int)",
		fmt.Sprintf("is the ThinFunc of %d rows.", rows), func(f *neon.Func) {
			c, ldc := f.Arg("c"), f.Scaled("ldc")
			sum := news(f, rows, vectors)
			each(f, c, ldc, sum, load(f))
			k, a, b, ldb, to := f.Arg("k"), f.Arg("a"), f.Arg("b"), f.Scaled("ldb"), f.Arg("to")
			next := f.At(b, f.Arg("ahead"), 2)
			loop := func(label string, copied bool) {
				f.Label(label)
				av, bv := f.Next(a, rows), make([]V, vectors)
				for j := range bv {
					bv[j] = f.Load(b, j*neon.Bytes)
					if copied {
						f.StoreNext(bv[j], to)
					}
				}
				f.Prefetch(next, 0, 2)
				f.AddR(ldb, next)
				f.AddR(ldb, b)
				for i, row := range sum {
					for j, v := range row {
						f.FmaLane(v, bv[j], av[i/neon.Lanes], i%neon.Lanes)
					}
				}
				f.Count(k, label)
			}
			f.IfZero(to, "sum")
			loop("copy", true)
			f.Jump("end")
			loop("sum", false)
			f.Label("end")
			each(f, c, ldc, sum, store(f))
			f.Ret()
		})
}

// transpose writes a loop over blocks of four by four.
func transpose(file *neon.File) {
	file.Func("transposeNEON", "(blocks int, src *float32, lds, nextSrc int, dst *float32, ldd, nextDst int)",
		"is the TransposeFunc of blocks of 4 by 4.", func(f *neon.Func) {
			blocks, src, dst := f.Arg("blocks"), f.Arg("src"), f.Arg("dst")
			lds, ldd := f.Scaled("lds"), f.Scaled("ldd")
			nextSrc, nextDst := f.Scaled("nextSrc"), f.Scaled("nextDst")
			f.Label("block")
			r := news(f, neon.Lanes, 1)
			each(f, src, lds, r, load(f))
			t := f.Transpose([neon.Lanes]V{r[0][0], r[1][0], r[2][0], r[3][0]})
			each(f, dst, ldd, [][]V{t[0:1], t[1:2], t[2:3], t[3:4]}, store(f))
			f.AddR(nextSrc, src)
			f.AddR(nextDst, dst)
			f.Count(blocks, "block")
			f.Ret()
		})
}

// copyRows writes the copy of a matrix.
func copyRows(file *neon.File) {
	file.Func("copyRowsNEON", "(rows, n int, src *float32, lds int, dst *float32, ldd int)",
		"is copyRowsGeneric, for rows and n above 0.", func(f *neon.Func) {
			rows, n, src, dst := f.Arg("rows"), f.Arg("n"), f.Arg("src"), f.Arg("dst")
			lds, ldd := f.Scaled("lds"), f.Scaled("ldd")
			next := func() {
				f.AddR(lds, src)
				f.AddR(ldd, dst)
			}
			f.If(n, "LT", neon.Lanes, "short")
			last := f.CopyR(n)
			f.Inc(-neon.Lanes, last)

			// Vectors from the left, and one that ends with the row.
			f.Label("row")
			left, from, to := f.CopyR(last), f.CopyR(src), f.CopyR(dst)
			f.If(left, "LE", neon.Lanes, "few")
			f.Label("pair")
			f.CopyPair(from, to)
			f.Inc(-2*neon.Lanes, left)
			f.If(left, "GT", neon.Lanes, "pair")
			f.Label("few")
			f.If(left, "LE", 0, "last")
			f.Store(f.Load(from, 0), to, 0)
			f.Label("last")
			f.Store(f.Load(f.At(src, last, 2), 0), f.At(dst, last, 2), 0)
			next()
			f.Count(rows, "row")
			f.Ret()

			f.Label("short")
			count, s, d := f.CopyR(n), f.CopyR(src), f.CopyR(dst)
			f.Label("element")
			f.StoreOne(f.LoadOne(s, 0), d, 0)
			f.Inc(4, s)
			f.Inc(4, d)
			f.Count(count, "element")
			next()
			f.Count(rows, "short")
			f.Ret()
		})
}

// fmaLoop writes a loop of as many multiply-adds as a tile has sums.
func fmaLoop(file *neon.File) {
	file.Func("fmaLoopNEON", "(n int)", fmt.Sprintf("multiplies and adds n times on each of %d vectors.", tileRows*tileVectors), func(f *neon.Func) {
		n, x := f.Arg("n"), f.Zero()
		sum := news(f, tileRows, tileVectors)
		clear(f, sum)
		f.Label("loop")
		for _, row := range sum {
			for _, v := range row {
				f.Fma(v, x, x)
			}
		}
		f.Count(n, "loop")
		f.Ret()
	})
}
