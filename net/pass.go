package net

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// Forward runs all layers and returns the loss, which is the sum of the tops
// with a loss weight, each times its weight. The number of the pass counts up.
// Between layers it checks whether ctx is done.
func (n *Net) Forward(ctx context.Context) (float32, error) {
	if err := n.Start(ctx, &n.lastLoss); err != nil {
		return 0, err
	}
	if err := n.Wait(); err != nil {
		return 0, err
	}
	return float32(n.lastLoss), nil
}

// lastLoss is the Receiver of Forward.
type lastLoss float32

func (l *lastLoss) Loss(loss float32)  { *l = lastLoss(loss) }
func (*lastLoss) Done(_ time.Duration) {}

// Start runs a forward pass as Forward does, but need not wait for its end: r gets
// the loss when it is known.
func (n *Net) Start(ctx context.Context, r Receiver) error { return n.runner.forward(ctx, r) }

// End ends a group of passes, such as an iteration: it has r.Done called when the
// losses of all passes so far are known.
func (n *Net) End(r Receiver) error { return n.runner.end(r) }

// Wait waits until all passes so far have ended, and reports them to their
// Receivers. It then returns an error if a layer has found one in the data. If the
// passes have failed, it returns that error and does not report them.
func (n *Net) Wait() error { return n.runner.wait() }

// ForwardLayer runs layer i, unless it is fused into another, and returns its part
// of the loss. If the shape of a bottom has changed since the last time, it first
// reshapes the layer.
func (n *Net) ForwardLayer(ctx context.Context, i int) (float32, error) {
	l := n.layers[i]
	if l.FusedInto != nil {
		return 0, ctx.Err()
	}
	if err := n.runner.forwardLayer(ctx, l); err != nil {
		return 0, err
	}
	return l.loss(n.workers), nil
}

// Backward runs the layers that need it from the last to the first. The
// gradients of the weights are added to the values they have.
func (n *Net) Backward(ctx context.Context) error {
	if err := n.beginBackward(ctx); err != nil {
		return err
	}
	if err := n.runner.backward(ctx); err != nil {
		return err
	}
	if n.debugInfo {
		n.backwardSummary()
	}
	return nil
}

// BackwardLayer runs layer i backward, with those fused into it, if the net
// needs their gradients.
func (n *Net) BackwardLayer(ctx context.Context, i int) error {
	if err := n.beginBackward(ctx); err != nil {
		return err
	}
	if l := n.layers[i]; l.runsBackward() {
		return n.runner.backwardLayer(ctx, l)
	}
	return nil
}

var errForwardOnly = errors.New("the net was made to run forward only, and has no gradient")

func (n *Net) beginBackward(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.forwardOnly {
		return errForwardOnly
	}
	n.diffsCleared = false
	return nil
}

// Reshape gives all blobs the shapes that follow from those of the inputs. Forward
// does so by itself.
func (n *Net) Reshape() error {
	for _, l := range n.layers {
		if err := l.reshape(n.workers); err != nil {
			return err
		}
	}
	n.keepPacked()
	for _, l := range n.layers {
		if err := l.checkShapes(); err != nil {
			return err
		}
	}
	return nil
}

// reshapeLayer reshapes a layer and those fused into it if the shape of a bottom has changed.
func (n *Net) reshapeLayer(l *Layer) error {
	if !l.reshaped() && !slices.ContainsFunc(l.chain, (*Layer).reshaped) {
		return nil
	}
	if err := l.reshape(n.workers); err != nil {
		return err
	}
	for _, fused := range l.chain {
		if err := fused.reshape(n.workers); err != nil {
			return err
		}
	}
	n.keepPacked()
	return l.checkShapes()
}

// reshaped reports whether a bottom has another shape than when the layer was
// last reshaped, or that has failed.
func (l *Layer) reshaped() bool {
	if l.failed {
		return true
	}
	for i, bottom := range l.Bottoms {
		if !slices.Equal(l.shapes[i], bottom.Shape()) {
			return true
		}
	}
	return false
}

// loss returns the sum of the tops times their loss weights, which are in the
// diffs.
func (l *Layer) loss(workers *parallel.Pool) float32 {
	var sum float64
	for j, w := range l.LossWeights {
		if w != 0 {
			sum += kernel.Dot(workers, l.Tops[j].Data(), l.Tops[j].Diff())
		}
	}
	return float32(sum)
}
