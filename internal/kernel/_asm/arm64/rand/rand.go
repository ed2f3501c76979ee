// Package rand writes the loop of package rand for arm64: dropout masks.
package rand

import "github.com/gocaffe/gocaffe/internal/kernel/_asm/arm64/neon"

// V is a vector register.
type V = neon.V

// Write writes Philox 4x32-10 with a block in each lane of four vectors.
func Write(file *neon.File) {
	signature := "(dst []float32, key, stream, block uint64, limit uint32, scale float32)"
	doc := "is dropoutBlocksGeneric for groups of four blocks, with no carry into the upper half of block."
	file.Func("dropoutGroupsNEON", signature, doc, func(f *neon.Func) {
		dst, n := f.Arg("dst"), f.Len("dst")
		split := func(name string) (lo, hi V) {
			r := f.Arg(name)
			lo = f.Repeat(r)
			return lo, f.Repeat(f.Upper(r))
		}
		key0, key1 := split("key")
		stream0, stream1 := split("stream")
		block0, block1 := split("block")
		block0 = f.AddInt(block0, f.Words([neon.Lanes]uint32{0, 1, 2, 3}))
		limit, scale := f.Broadcast("limit"), f.Broadcast("scale")

		f.IfZero(n, "done")
		f.Label("loop")
		k0, k1 := key0, key1
		c := [4]V{block0, block1, stream0, stream1}
		for range 10 {
			h0, p0 := f.Product(c[0], f.Bits(0xD2511F53))
			h1, p1 := f.Product(c[2], f.Bits(0xCD9E8D57))
			c = [4]V{f.Xor(f.Xor(h1, c[1]), k0), p1, f.Xor(f.Xor(h0, c[3]), k1), p0}
			k0, k1 = f.AddInt(k0, f.Bits(0x9E3779B9)), f.AddInt(k1, f.Bits(0xBB67AE85))
		}
		for _, word := range f.Transpose(c) {
			f.StoreNext(f.And(f.AtLeastInt(word, limit), scale), dst)
		}
		f.CopyTo(f.AddInt(block0, f.Bits(neon.Lanes)), block0)
		f.Inc(-4*neon.Lanes, n)
		f.If(n, "GT", 0, "loop")
		f.Label("done")
		f.Ret()
	})
}
