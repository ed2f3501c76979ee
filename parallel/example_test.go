package parallel_test

import (
	"fmt"

	"github.com/gocaffe/gocaffe/parallel"
)

// A lengths task computes the squared length of each row of x.
type lengths struct {
	x       []float32 // (n,width)
	width   int
	squared []float32 // (n)
}

func (l *lengths) Do(_, i int) {
	var sum float32
	for _, v := range l.x[i*l.width : (i+1)*l.width] {
		sum += v * v
	}
	l.squared[i] = sum
}

func ExamplePool_Run() {
	pool := parallel.NewPool(2)
	defer pool.Close()
	task := &lengths{x: []float32{1, 2, 3, 4, 5, 6}, width: 2, squared: make([]float32, 3)}
	pool.Run(3, task)
	fmt.Println(task.squared)
	// Output: [5 25 61]
}

// square squares the elements of a slice.
var square = parallel.Loop[[]float32]{Body: func(x *[]float32, _, from, to int) {
	for i, v := range (*x)[from:to] {
		(*x)[from+i] = v * v
	}
}}

func ExampleLoop() {
	pool := parallel.NewPool(0)
	defer pool.Close()
	x := []float32{1, 2, 3, 4, 5}
	square.Run(pool, len(x), 16384, x)
	fmt.Println(x)
	// Output: [1 4 9 16 25]
}
