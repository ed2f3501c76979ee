package solver

import (
	"fmt"

	"github.com/gocaffe/gocaffe/internal/cfmt"
)

// String returns the output as Caffe's log shows it: "loss = 0.5 (* 2 = 1 loss)".
func (o Output) String() string {
	text := o.Name + " = " + g(o.Value)
	if o.LossWeight != 0 {
		text += " (* " + g(o.LossWeight) + " = " + g(o.LossWeight*o.Value) + " loss)"
	}
	return text
}

// String describes the event in one line.
func (e *Diverged) String() string {
	var where string
	switch {
	case e.Layer == "":
		where = "all weights and blobs are finite"
	case e.Blob == "":
		where = fmt.Sprintf("the first non-finite number is in weights %d of layer %q", e.Param, e.Layer)
	default:
		where = fmt.Sprintf("the first non-finite number is in blob %q of layer %q", e.Blob, e.Layer)
	}
	return fmt.Sprintf("Training has diverged: the loss is %s at iteration %d; %s. %s", g(e.Loss), e.Iter, where, divergedHint)
}

const divergedHint = "Try a lower base_lr, clip_gradients, or scaled input data, and restart from the beginning or an earlier snapshot."

// String describes the event in one line.
func (e *SnapshotFailed) String() string {
	return fmt.Sprintf("%v; training goes on, and the next display tries again", e.Err)
}

// String describes the event in one line.
func (e *Saturated) String() string {
	return fmt.Sprintf("The loss is %s at iteration %d: the net gives every true class a probability of 0. "+
		"The scores are out of range, or labels do not match num_output. Try a lower base_lr or scaled input data.",
		g(e.Loss), e.Iter)
}

// g formats a number as a C++ stream does.
func g(x float32) string { return cfmt.G(float64(x)) }
