package net

import (
	"context"
	"errors"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/internal/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

// Forward runs all layers and returns the loss, which is the sum of the tops
// with a loss weight, each times its weight. The number of the pass counts up.
// Between layers it looks whether ctx is done.
func (n *Net) Forward(ctx context.Context) (float32, error) {
	if err := n.Enqueue(ctx); err != nil {
		return 0, err
	}
	losses, err := n.TakeLosses()
	if err != nil {
		return 0, err
	}
	return losses[len(losses)-1], nil
}

// ForwardLayer runs layer i, unless another has computed it, and returns its
// part of the loss. If the shape of a bottom has changed since the last time,
// the layer is reshaped first.
func (n *Net) ForwardLayer(ctx context.Context, i int) (float32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	l := n.layers[i]
	if l.RunsIn != nil {
		return 0, nil // it has run
	}
	if err := n.reshapeLayer(l); err != nil {
		return 0, err
	}
	if err := l.forward(ctx); err != nil {
		return 0, l.wrap(err)
	}
	if n.debugInfo {
		n.forwardInfo(l)
	}
	return l.loss(n.workers), nil
}

// Backward runs the layers that need it from the last to the first. The
// gradients of the weights are added to what is there.
func (n *Net) Backward(ctx context.Context) error {
	if n.backwardSegments != nil && !n.debugInfo {
		return n.backwardDevice(ctx)
	}
	for i := len(n.layers) - 1; i >= 0; i-- {
		if err := n.BackwardLayer(ctx, i); err != nil {
			return err
		}
	}
	if n.debugInfo {
		n.backwardSummary()
	}
	return nil
}

var errForwardOnly = errors.New("the net was made to run forward only, and has no gradient")

// BackwardLayer runs layer i backward if the net needs that, and those that it
// computes too.
func (n *Net) BackwardLayer(ctx context.Context, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.forwardOnly {
		return errForwardOnly
	}
	l := n.layers[i]
	if l.RunsIn != nil || !l.runsBackward() {
		return nil
	}
	n.diffsCleared = false
	if err := l.backward(ctx); err != nil {
		return l.wrap(err)
	}
	if n.debugInfo {
		n.backwardInfo(l)
	}
	return nil
}

// Reshape gives all blobs the shapes that follow from those of the inputs.
// Forward does the same where it is needed.
func (n *Net) Reshape() error {
	for _, l := range n.layers {
		if err := l.reshape(n.workers); err != nil {
			return l.wrap(err)
		}
	}
	return nil
}

// reshapeLayer reshapes a layer and those that it computes, where the shape of
// a bottom has changed.
func (n *Net) reshapeLayer(l *Layer) error {
	if l.reshaped() {
		if err := l.reshape(n.workers); err != nil {
			return l.wrap(err)
		}
	}
	for _, taken := range l.chain {
		if err := n.reshapeLayer(taken); err != nil {
			return err
		}
	}
	return nil
}

// reshaped tells whether a bottom has another shape than when the layer was
// last reshaped.
func (l *Layer) reshaped() bool {
	for i, bottom := range l.Bottoms {
		if !slices.Equal(l.shapes[i], bottom.Shape()) {
			return true
		}
	}
	return false
}

func (l *Layer) forward(ctx context.Context) (err error) {
	defer l.rescue("Forward", &err)
	return l.env.Forward(ctx, l.Impl, l.Bottoms, l.end().Tops)
}

func (l *Layer) backward(ctx context.Context) (err error) {
	defer l.rescue("Backward", &err)
	return l.env.Backward(ctx, l.Impl, l.end().Tops, l.PropagateDown, l.Bottoms)
}

// loss returns the sum of the tops times their loss weights, which are in the
// diffs.
func (l *Layer) loss(workers *layers.Workers) float32 {
	var sum float64
	for j, w := range l.LossWeights {
		if w != 0 {
			sum += weighted(workers, l.Tops[j])
		}
	}
	return float32(sum)
}

func weighted(workers *layers.Workers, top *blob.Blob) float64 {
	return kernel.DotP(workers, top.Data(), top.Diff())
}
