// Package utility implements the layers that join, split and reshape blobs, and Softmax,
// ArgMax and Eltwise.
package utility

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// partSize is the number of elements that one part of a parallel loop works on.
const partSize = 1 << 14

// share makes y, which has the count of x, another view of the data and the diff of x.
func share(y, x *blob.Blob) error {
	if err := y.ShareData(x); err != nil {
		return err
	}
	return y.ShareDiff(x)
}

// gather appends the elements of the diffs of blobs to x[:0].
func gather(x [][]float32, blobs []*blob.Blob) [][]float32 {
	x = x[:0]
	for _, b := range blobs {
		x = append(x, b.Diff())
	}
	return x
}

// addAll sets y to the sum of the elements of two or more arrays from at on, in their order.
func addAll(x [][]float32, at int, y []float32) {
	kernel.Add(nil, x[0][at:], x[1][at:], y)
	for _, each := range x[2:] {
		kernel.Add(nil, y, each[at:], y)
	}
}

// passBack copies the diff of y to x, unless they share it: after Reshape, a net may have
// given each of them memory of its own.
func passBack(p *parallel.Pool, x, y *blob.Blob) {
	if !x.SharesDiff(y) {
		kernel.Copy(p, y.Diff(), x.MutableDiff())
	}
}
