package conv

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"
	"github.com/gocaffe/gocaffe/internal/kernel/_asm/winograd"
)

// fourier writes the transforms with Fourier transforms.
func fourier(file *neon.File) {
	names := algorithm{Name: winograd.FourierName, Label: winograd.FourierLabel}
	spread := func(kind, doc string, n int, factors func(s winograd.Arithmetic[V]) (func(r V) V, func(p, q V) [3]V)) {
		begin(file, kind, doc, names, "(tiles int, table *int32, src, dst *float32, nextTile, nextXi int, tmp *float32)", func(f *neon.Func) {
			tiles, table, src, dst := f.Arg("tiles"), f.Arg("table"), f.Arg("src"), f.Arg("dst")
			nextTile, nextXi, tmp := f.Scaled("nextTile"), f.Scaled("nextXi"), f.Arg("tmp")
			alone, three := factors(arithmetic{f})
			f.Label("tile")
			to := f.CopyR(dst)
			writer(f, tmp).Spread(n, func() { f.Inc(4, table) },
				func(i int) V { return f.Load(listed(f, src, table, i*n), 0) },
				func(r V) { f.Store(r, to, 0); f.AddR(nextXi, to) }, alone, three)
			f.Inc(4*(n*n-n), table)
			f.AddR(nextTile, dst)
			f.Count(tiles, "tile")
			f.Ret()
		})
	}
	spread("Input", "transform of the input", winograd.FourierSize, winograd.InputFactors[V])
	spread("Grad", "transform of the gradient of the output", winograd.FourierOutputs, winograd.GradFactors[V])
	begin(file, "Output", "transform of the products to the output", names, "(tiles int, table *int32, src *float32, nextTile, nextXi int, bias, dst, tmp *float32)", func(f *neon.Func) {
		const n = winograd.FourierOutputs
		tiles, table, src, dst := f.Arg("tiles"), f.Arg("table"), f.Arg("src"), f.Arg("dst")
		nextTile, nextXi, tmp := f.Scaled("nextTile"), f.Scaled("nextXi"), f.Arg("tmp")
		bias := f.Load(f.Arg("bias"), 0)
		alone, whole := winograd.OutputProducts[V](arithmetic{f})
		f.Label("tile")
		from := f.CopyR(src)
		writer(f, tmp).Gather(n, func() V { return loadNext(f, from, nextXi) },
			func(i int, r V) { f.Store(f.Add(r, bias), listed(f, dst, table, i*n), 0) },
			func() { f.Inc(4, table) }, alone, whole)
		f.Inc(4*(n*n-n), table)
		f.AddR(nextTile, src)
		f.Count(tiles, "tile")
		f.Ret()
	})
	matrix := func(kind, doc string, body func(f *neon.Func, w winograd.Fourier[V, R], src, srcStep, dst, dstStep R)) {
		begin(file, kind, doc, names, "(n int, src *float32, srcStep int, dst *float32, dstStep int, tmp *float32)", func(f *neon.Func) {
			n, src, dst := f.Arg("n"), f.Arg("src"), f.Arg("dst")
			srcStep, dstStep, tmp := f.Scaled("srcStep"), f.Scaled("dstStep"), f.Arg("tmp")
			f.Label("vector")
			body(f, writer(f, tmp), src, srcStep, dst, dstStep)
			f.Inc(neon.Bytes, src)
			f.Inc(neon.Bytes, dst)
			f.Count(n, "vector")
			f.Ret()
		})
	}
	matrix("Filter", "transform of the weights", func(f *neon.Func, w winograd.Fourier[V, R], src, srcStep, dst, dstStep R) {
		alone, three := winograd.FilterFactors[V](arithmetic{f})
		top, to := f.CopyR(src), f.CopyR(dst)
		w.Spread(winograd.FourierTaps, func() { f.AddR(srcStep, top) },
			func(i int) V { return f.Load(row(f, top, srcStep, i), 0) },
			func(r V) { f.Store(r, to, 0); f.AddR(dstStep, to) }, alone, three)
	})
	matrix("FilterGrad", "transform of the products to the gradient of the weights", func(f *neon.Func, w winograd.Fourier[V, R], src, srcStep, dst, dstStep R) {
		alone, whole := winograd.FilterGradProducts[V](arithmetic{f})
		from, top := f.CopyR(src), f.CopyR(dst)
		w.Gather(winograd.FourierTaps, func() V { return loadNext(f, from, srcStep) },
			func(i int, r V) { f.Store(r, row(f, top, dstStep, i), 0) },
			func() { f.AddR(dstStep, top) }, alone, whole)
	})
}

// loadNext loads a vector and moves its pointer by step bytes.
func loadNext(f *neon.Func, from, step R) V {
	v := f.Load(from, 0)
	f.AddR(step, from)
	return v
}

// row returns the address of row i of a matrix of the weights, whose elements are step bytes
// apart.
func row(f *neon.Func, top, step R, i int) R {
	if i == 0 {
		return top
	}
	r := f.Times(i*winograd.FourierTaps, step)
	f.AddR(top, r)
	return r
}

// writer returns what writes the transforms, with the matrix at tmp.
func writer(f *neon.Func, tmp R) winograd.Fourier[V, R] {
	loops := 0
	return winograd.Fourier[V, R]{
		Arithmetic: arithmetic{f},
		Loop: func(n int, body func()) {
			label := fmt.Sprintf("loop%d", loops)
			loops++
			left := f.NewR()
			f.Set(n, left)
			f.Label(label)
			body()
			f.Count(left, label)
		},
		Pointer: func(i int) R {
			p := f.CopyR(tmp)
			f.Inc(i*neon.Bytes, p)
			return p
		},
		Move: func(p R, by int) { f.Inc(by*neon.Bytes, p) },
		Get:  func(p R, i int) V { return f.Load(p, i*neon.Bytes) },
		Put:  func(p R, i int, r V) { f.Store(r, p, i*neon.Bytes) },
	}
}
