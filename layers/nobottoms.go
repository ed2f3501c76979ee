package layers

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
)

// NoBottoms is the part that all layers without bottoms share. Embed it in a layer
// whose tops get their shapes in SetUp or Forward.
type NoBottoms struct{}

// Reshape does nothing.
func (NoBottoms) Reshape(_, _ []*blob.Blob) error { return nil }

// Backward does nothing.
func (NoBottoms) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error { return nil }
