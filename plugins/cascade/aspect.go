package cascade

import (
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/layers"
)

// byAspect returns a feed.Order.Permute that shuffles the high and the wide images anew
// in each epoch, and puts the ones before the others or, if mixed, groups of them in
// turn.
func byAspect(r layers.Rand, images []windowImage, mixed bool, group int) func(epoch int64, order []int32) {
	source := r.Source(0)
	random := rand.New(source)
	return func(epoch int64, order []int32) {
		source.Restart(uint64(epoch))
		var kinds [2][]int32 // high and wide
		for _, i := range order {
			kind := 0
			if images[i].height < images[i].width {
				kind = 1
			}
			kinds[kind] = append(kinds[kind], i)
		}
		for _, k := range kinds {
			random.Shuffle(len(k), func(i, j int) { k[i], k[j] = k[j], k[i] })
		}
		if random.IntN(2) == 0 {
			kinds[0], kinds[1] = kinds[1], kinds[0]
		}
		order = order[:0]
		for n := 0; mixed && len(kinds[0]) > 0 && len(kinds[1]) > 0; n++ {
			kind := n / group % 2
			order = append(order, kinds[kind][0])
			kinds[kind] = kinds[kind][1:]
		}
		order = append(order, kinds[0]...)
		_ = append(order, kinds[1]...)
	}
}
