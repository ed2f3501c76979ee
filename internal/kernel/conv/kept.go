package conv

import (
	"github.com/gocaffe/gocaffe/internal/kernel/gemm"
	"github.com/gocaffe/gocaffe/internal/sysmem"
	"github.com/gocaffe/gocaffe/parallel"
)

// keptWeights are the packed weights of the forward pass, kept from run to run.
type keptWeights struct {
	version uint64 // of the weights of the next runs; 0: they are not kept
	used    uint64 // version of the weights of the last run

	packed []float32
	held   uint64      // version of the weights that are packed; 0: none
	micro  *gemm.Micro // for which they are packed
	parts  int         // in which they are packed
	packer keptPacker  // that packs them
}

// A keptPacker packs weights that are kept, in parts.
type keptPacker interface {
	packKept(worker, part int, packed []float32)
}

// get returns the packed weights, n elements, or nil if they are not kept. If they are packed for
// other micro-kernels or in other parts, they are packed first. Weights that have changed are not
// kept in the first run, and packed in the second: those of a single image, or that change in
// every pass, take no more time than without.
func (k *keptWeights) get(p *parallel.Pool, u *gemm.Micro, n, parts int, packer keptPacker) []float32 {
	if k == nil || k.version == 0 {
		return nil
	}
	if k.held == k.version && k.micro == u && k.parts == parts {
		return k.packed
	}
	if k.used != k.version {
		k.used = k.version
		return nil
	}
	if cap(k.packed) < n {
		k.packed = sysmem.Floats(n)
	}
	k.packed, k.held, k.micro, k.parts, k.packer = k.packed[:n], 0, u, parts, packer
	p.Run(parts, k)
	k.held = k.version
	return k.packed
}

// Do packs part i.
func (k *keptWeights) Do(worker, i int) { k.packer.packKept(worker, i, k.packed) }

// PackedSize returns the number of elements of the packed weights that Forward can keep
// (KeepPacked), or 0 if it does not pack them, or for so many pixels that keeping them saves no
// time.
func (c *Conv) PackedSize() int {
	switch {
	case c.Batch == 0 || c.rounded.plan():
		return 0
	case c.winograd != nil:
		return c.winograd.forward.packedSize()
	}
	return c.direct.forward.packedSize()
}

// KeepPacked has the next runs of Forward keep the packed weights, unless PackedSize is 0. version
// is that of the weights: while it stays the same, so do they, and from the third run on they are
// not packed again. 0 keeps none and frees those kept.
func (c *Conv) KeepPacked(version uint64) {
	if version == 0 || c.PackedSize() == 0 {
		c.kept = keptWeights{}
		return
	}
	c.kept.version = version
}
