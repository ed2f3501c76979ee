package net

import (
	"context"
	"time"
)

// A runner runs the passes of a net: host on the CPU, device on a GPU.
type runner interface {
	// forward and backward run all layers of the pass. forward counts the pass
	// and reports its loss to r.
	forward(ctx context.Context, r Receiver) error
	backward(ctx context.Context) error

	// forwardLayer and backwardLayer run one layer, with those fused into it.
	// forwardLayer first reshapes it if the shape of a bottom has changed.
	forwardLayer(ctx context.Context, l *Layer) error
	backwardLayer(ctx context.Context, l *Layer) error

	end(r Receiver) error // see Net.End
	wait() error          // see Net.Wait

	clearParamDiffs() error
	update()      // see Net.Update
	reset() error // discards recorded passes
}

// A Receiver gets the results of the passes that Start runs for it. On the host,
// Start and End call its methods. On a GPU they are called later, at the latest by
// Wait, in the same order.
type Receiver interface {
	// Loss is called once for each forward pass.
	Loss(loss float32)

	// Done is called once for each End, after the losses of all passes before it.
	// took is the time of the forward and backward passes since the previous End;
	// on a GPU it is the average of the Ends that are reported together.
	Done(took time.Duration)
}
