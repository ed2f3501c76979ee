package cascade

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/layers"
)

// noGradient is embedded in layers that have no gradient.
type noGradient struct{ spec *layers.Spec }

// AllowForceBackward returns false: there is no gradient.
func (noGradient) AllowForceBackward(int) bool { return false }

// BackwardReads returns that Backward reads no data.
func (noGradient) BackwardReads() (bottom, top bool) { return false, false }

// SetUp does nothing.
func (noGradient) SetUp(_, _ []*blob.Blob) error { return nil }

// Backward returns an error if a gradient is asked for.
func (n noGradient) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, _ []*blob.Blob) error {
	return n.spec.NoGradient(propagateDown, 0)
}
