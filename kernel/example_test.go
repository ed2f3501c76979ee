package kernel_test

import (
	"fmt"

	"github.com/gocaffe/gocaffe/kernel"
)

// An inner product layer computes the scores of two classes for three items:
// y = x Wᵀ.
func ExampleGemm() {
	x := []float32{ // (3,2), an item in each row
		1, 2,
		3, 4,
		5, 6,
	}
	w := []float32{ // (2,2), a class in each row
		1, 0,
		1, -1,
	}
	y := make([]float32, 3*2)
	kernel.Gemm(nil, false, true, 3, 2, 2, 1, x, 2, w, 2, 0, y, 2)
	fmt.Println(y)
	// Output: [1 -1 3 -1 5 -1]
}

// Normalizing a vector to length 1.
func ExampleScale() {
	x := []float32{3, 4}
	kernel.Scale(nil, 1.0/5, x, x)
	fmt.Printf("%.3f\n", kernel.SumSq(nil, x))
	// Output: 1.000
}

// A convolution of one 3x3 image with one 2x2 kernel, which sums four pixels,
// and a bias of 10.
func ExampleConv() {
	conv, err := kernel.NewConv(kernel.ConvParams{
		Batch: 1, Channels: 1, Outputs: 1, Group: 1,
		In: []int{3, 3}, Kernel: []int{2, 2}, Pad: []int{0, 0}, Stride: []int{1, 1}, Dilation: []int{1, 1},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	x := []float32{
		1, 2, 3,
		4, 5, 6,
		7, 8, 9,
	}
	y := make([]float32, 4)
	conv.Forward(nil, x, []float32{1, 1, 1, 1}, []float32{10}, y)
	fmt.Println(conv.OutShape(), y)
	// Output: [2 2] [22 26 34 38]
}

// The largest element of each 2x2 window, and its place in the image.
func ExampleMaxPoolForward() {
	g := kernel.PoolParams{Planes: 1, H: 2, W: 4, OutH: 1, OutW: 2, KernelH: 2, KernelW: 2, StrideH: 2, StrideW: 2}
	x := []float32{
		1, 5, 2, 0,
		3, 4, 7, 6,
	}
	y, mask := make([]float32, 2), make([]int32, 2)
	kernel.MaxPoolForward(nil, g, x, y, mask)
	fmt.Println(y, mask)
	// Output: [5 7] [1 6]
}
