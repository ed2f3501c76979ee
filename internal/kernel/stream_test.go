package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestStreams checks that results that are written past the caches are the same.
func TestStreams(t *testing.T) {
	defer func(n int) { streamFloats = n }(streamFloats)
	params := square(6, 32, 48, 1, 16, 3, 1, 1, 1)
	c, err := NewConv(params)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	x, weight := make([]float32, 6*32*256), make([]float32, 48*32*9)
	fillNormal(r, x)
	fillNormal(r, weight)
	eachLevel(t, func(t *testing.T) {
		if micros[active].stream == nil {
			return
		}
		var want []float32
		for _, streamFloats = range []int{1 << 30, 0} {
			got := make([]float32, 6*48*256) // from 32 KB on memory begins with a line
			if streamFloats == 0 && !streams(got, 256) {
				t.Fatal("does not stream")
			}
			c.Forward(nil, x, weight, nil, got)
			if want == nil {
				want = got
			}
			sameBits(t, "result", got, want)
		}
	})
}
