package axes

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

// Passes are the passes of a layer that copies the elements of its bottom to other
// places of its top. The layer embeds it, and sets the order in its Reshape.
type Passes struct {
	layers.OnRecordableDevice
	Mover
	Workers *parallel.Pool
}

// BackwardReads returns that Backward reads no data.
func (l *Passes) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (l *Passes) SetUp(_, _ []*blob.Blob) error { return nil }

// Forward computes the top.
func (l *Passes) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	l.Move(l.Workers, top[0].MutableData(), bottom[0].Data(), false)
	return nil
}

// Backward computes the diff of the bottom.
func (l *Passes) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		l.Move(l.Workers, top[0].Diff(), bottom[0].MutableDiff(), true)
	}
	return nil
}
