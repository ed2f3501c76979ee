package blob_test

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
)

// A blob holds data and their gradient in row-major order.
func Example() {
	b, err := blob.New(2, 3) // 2 rows, 3 columns
	if err != nil {
		fmt.Println(err)
		return
	}
	copy(b.MutableData(), []float32{1, 2, 3, 4, 5, 6})
	b.MutableDiff()[0] = -1

	row := b.Data()[1*b.CountFrom(1):] // row 1
	fmt.Println(b.ShapeString(), row, b.Diff())
	// Output: 2 3 (6) [4 5 6] [-1 0 0 0 0 0]
}

// A blob travels in Caffe's files as a BlobProto.
func ExampleBlob_FromProto() {
	var b, copied blob.Blob
	if err := b.Reshape(1); err != nil {
		fmt.Println(err)
		return
	}
	b.MutableData()[0] = 0.5
	if err := copied.FromProto(b.ToProto(false), true); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(copied.Shape(), copied.Data())
	// Output: [1] [0.5]
}
