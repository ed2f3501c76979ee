package npy_test

import (
	"bytes"
	"fmt"

	"github.com/gocaffe/gocaffe/data/npy"
)

func ExampleWrite() {
	var file bytes.Buffer
	if err := npy.Write(&file, npy.Array{Shape: []int{2, 2}, Data: []float32{1, 2, 3, 4}}); err != nil {
		fmt.Println(err)
		return
	}
	a, err := npy.Read(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Shape, a.Data)
	// Output: [2 2] [1 2 3 4]
}
