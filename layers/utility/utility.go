// Package utility holds the layers that join, split, reorder and reshape blobs,
// with Softmax and ArgMax, as in Caffe's catalogue.
package utility

import (
	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// partSize is the number of elements that one part of a parallel loop works on.
const partSize = 1 << 14

// share makes y, of the same count, another view of the numbers and of the
// gradient of x.
func share(y, x *blob.Blob) error {
	if err := y.ShareData(x); err != nil {
		return err
	}
	return y.ShareDiff(x)
}

// passBack gives x the gradient of y, where that is not the same memory
// already: a net may have given the two blobs memory of their own after
// Reshape.
func passBack(p *parallel.Pool, x, y *blob.Blob) {
	if !x.SharesDiff(y) {
		kernel.Copy(p, y.Diff(), x.MutableDiff())
	}
}
