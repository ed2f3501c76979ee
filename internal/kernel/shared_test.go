package kernel

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// Two goroutines may use one pool; one operation waits for the other.
func TestPoolShared(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	const n = 90
	r := rand.New(rand.NewPCG(5, 5))
	a, b := guarded(r, n*n), guarded(r, n*n)
	want := make([]float32, n*n)
	Gemm(nil, true, true, n, n, n, 1, a, n, b, n, 0, want, n)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				got := make([]float32, n*n)
				Gemm(p, true, true, n, n, n, 1, a, n, b, n, 0, got, n)
				if !slices.Equal(got, want) {
					t.Error("a product is wrong")
					return
				}
			}
		})
	}
	wg.Wait()
}
