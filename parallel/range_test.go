package parallel_test

import (
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
)

// TestRange checks that each number is visited once, in pieces of the given size, and
// that nothing is allocated.
func TestRange(t *testing.T) {
	const n = 1000
	visited := make([]int32, n)
	for _, step := range []int{1, 7, n, 2 * n} {
		for threads := 1; threads <= 4; threads++ {
			pool := parallel.NewPool(threads)
			loop := parallel.Range{Body: func(from, to int) {
				if from%step != 0 || to-from > step {
					t.Errorf("pieces of %d: a piece from %d to %d", step, from, to)
				}
				for i := from; i < to; i++ {
					visited[i]++
				}
			}}
			clear(visited)
			loop.Run(pool, n, step)
			for i, times := range visited {
				if times != 1 {
					t.Fatalf("pieces of %d, %d threads: %d was visited %d times", step, threads, i, times)
				}
			}
			if got := testing.AllocsPerRun(10, func() { loop.Run(pool, n, step) }); got != 0 {
				t.Errorf("pieces of %d, %d threads: Run allocates %v times", step, threads, got)
			}
			loop.Run(pool, 0, step)
			pool.Close()
		}
	}
}
