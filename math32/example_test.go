package math32_test

import (
	"fmt"

	"github.com/gocaffe/gocaffe/math32"
)

// The scores of two classifiers for three samples, as an inner product layer
// computes them: y = x Wᵀ.
func ExampleGemm() {
	x := []float32{ // (3,2), a sample in each row
		1, 2,
		3, 4,
		5, 6,
	}
	w := []float32{ // (2,2), a classifier in each row
		1, 0,
		1, -1,
	}
	y := make([]float32, 3*2)
	math32.Gemm(nil, false, true, 3, 2, 2, 1, x, 2, w, 2, 0, y, 2)
	fmt.Println(y)
	// Output: [1 -1 3 -1 5 -1]
}

// The length of a vector.
func ExampleSumSq() {
	x := []float32{3, 4}
	math32.Scale(float32(1/5.0), x, x)
	fmt.Printf("%.3f\n", math32.SumSq(x))
	// Output: 1.000
}
