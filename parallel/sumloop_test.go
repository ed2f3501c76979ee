package parallel_test

import (
	"fmt"
	"testing"

	"github.com/gocaffe/gocaffe/parallel"
)

// TestSumLoop adds numbers whose float64 sum depends on the order, on pools of several
// sizes.
func TestSumLoop(t *testing.T) {
	const n = 1000
	covered := make([]int32, n)
	sum := func(from, to int) (s float64) {
		for i := from; i < to; i++ {
			covered[i]++
			s += 1 / float64(i+1)
		}
		return s
	}
	for _, step := range []int{1, 7, n, 2 * n} {
		var want float64
		for from := 0; from < n; from += step {
			want += sum(from, min(from+step, n))
		}
		for threads := 1; threads <= 4; threads++ {
			pool := parallel.NewPool(threads)
			loop := parallel.SumLoop{Body: sum}
			clear(covered)
			if got := loop.Run(pool, n, step); got != want {
				t.Errorf("pieces of %d, %d threads: the sum is %v, want %v", step, threads, got, want)
			}
			for i, times := range covered {
				if times != 1 {
					t.Fatalf("pieces of %d, %d threads: %d was summed %d times", step, threads, i, times)
				}
			}
			if got := testing.AllocsPerRun(10, func() { loop.Run(pool, n, step) }); got != 0 {
				t.Errorf("pieces of %d, %d threads: Run allocates %v times", step, threads, got)
			}
			if got := loop.Run(pool, 0, step); got != 0 {
				t.Errorf("the sum of nothing is %v", got)
			}
			pool.Close()
		}
	}
}

func ExampleSumLoop() {
	pool := parallel.NewPool(2)
	defer pool.Close()
	x := []float32{1, 2, 3, 4, 5}
	squares := parallel.SumLoop{Body: func(from, to int) (sum float64) {
		for _, v := range x[from:to] {
			sum += float64(v) * float64(v)
		}
		return sum
	}}
	fmt.Println(squares.Run(pool, len(x), 2))
	// Output: 55
}
