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

// passBack copies the diff of y to x, unless they share it: after Reshape, a net may have
// given each of them memory of its own.
func passBack(p *parallel.Pool, x, y *blob.Blob) {
	if !x.SharesDiff(y) {
		kernel.Copy(p, y.Diff(), x.MutableDiff())
	}
}
