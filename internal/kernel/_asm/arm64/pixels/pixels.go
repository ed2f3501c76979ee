// Package pixels writes the loops of package pixels for arm64: from bytes to float32.
package pixels

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"

// Write writes all functions.
func Write(file *neon.File) {
	loop(file, "pixels", false, false)
	loop(file, "pixelsMirrored", false, true)
	loop(file, "pixelsMeans", true, false)
	loop(file, "pixelsMeansMirrored", true, true)
}

// group is the number of elements that a step of a loop converts.
const group = 2 * neon.Lanes

// loop writes a loop from bytes to float32.
func loop(file *neon.File, name string, means, mirrored bool) {
	signature, doc := "(dst []float32, x []byte, mean, scale float32)", "sets dst to (x - mean)·scale"
	if means {
		signature, doc = "(dst []float32, x []byte, means []float32, scale float32)", "sets dst to (x - means)·scale"
	}
	if mirrored {
		doc += ", from the last element to the first"
	}
	file.Func(name+neon.Suffix, signature, doc+". The length is a multiple of 8.", func(f *neon.Func) {
		dst, n, x, scale := f.Arg("dst"), f.Len("dst"), f.Arg("x"), f.Broadcast("scale")
		var from neon.R
		var mean neon.V
		if means {
			from = f.Arg("means")
		} else {
			mean = f.Broadcast("mean")
		}
		if mirrored {
			f.AddShifted(n, 2, dst)
		}
		f.IfZero(n, "done")
		f.Label("loop")
		for i, v := range f.NextBytes(x) {
			v = f.FromInt(v)
			if means {
				v = f.Sub(v, f.Load(from, i*neon.Bytes))
			} else {
				v = f.Sub(v, mean)
			}
			v = f.Mul(v, scale)
			if mirrored {
				f.Store(f.Reverse(v), dst, -(i+1)*neon.Bytes)
			} else {
				f.Store(v, dst, i*neon.Bytes)
			}
		}
		step := 4 * group
		if mirrored {
			step = -step
		}
		f.Inc(step, dst)
		if means {
			f.Inc(4*group, from)
		}
		f.Inc(-group, n)
		f.If(n, "GT", 0, "loop")
		f.Label("done")
		f.Ret()
	})
}
