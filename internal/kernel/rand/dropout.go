package rand

import (
	"math"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/internal/kernel/vec"
	"github.com/gocaffe/gocaffe/parallel"
)

//go:generate go run -C ../_asm . -subject rand -out ../rand/rand_amd64.s -stubs ../rand/stubs_amd64.go -pkg rand
//go:generate go run -C ../_asm ./arm64 -subject rand -out ../rand/rand_arm64.s -stubs ../rand/stubs_arm64.go

// A blocksFunc sets four elements of dst for each block from the given one on: to 0
// where the word is below limit, to scale elsewhere.
type blocksFunc func(dst []float32, key, stream, block uint64, limit uint32, scale float32)

type dropoutArgs struct {
	mask        []float32
	key, stream uint64
	limit       uint32
	scale       float32
}

var dropoutLoop = parallel.Loop[dropoutArgs]{Body: func(d *dropoutArgs, _, lo, hi int) {
	mask := d.mask[lo:hi]
	whole := len(mask) &^ 3
	dropoutBlocks[cpu.Active()](mask[:whole], d.key, d.stream, uint64(lo/4), d.limit, d.scale)
	if whole < len(mask) {
		var last [4]float32
		dropoutBlocksGeneric(last[:], d.key, d.stream, uint64((lo+whole)/4), d.limit, d.scale)
		copy(mask[whole:], last[:])
	}
}}

// DropoutMask sets mask[i] to 0 with probability ratio and to scale otherwise, using word
// i of the stream under key. Dropout multiplies by the mask in both passes; Caffe's scale
// is 1/(1-ratio).
func DropoutMask(p *parallel.Pool, key, stream uint64, ratio, scale float32, mask []float32) {
	limit := uint32(max(0, min(float64(ratio)*0x1p32, math.MaxUint32)))
	dropoutLoop.Run(p, len(mask), vec.Block, dropoutArgs{mask, key, stream, limit, scale})
}

// dropoutBlocksGeneric is a blocksFunc in plain Go.
func dropoutBlocksGeneric(dst []float32, key, stream, block uint64, limit uint32, scale float32) {
	pick := func(word uint32) float32 {
		if word < limit {
			return 0
		}
		return scale
	}
	for ; len(dst) >= 4; dst = dst[4:] {
		w0, w1, w2, w3 := philox(key, stream, block)
		dst[0], dst[1], dst[2], dst[3] = pick(w0), pick(w1), pick(w2), pick(w3)
		block++
	}
}
