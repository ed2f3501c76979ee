package net

import (
	"context"
	_ "embed"
	"errors"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

//go:embed loss.ptx.gz
var lossPTX string

var netLoss = cuda.NewModule(lossPTX).Kernel("net_loss")

// ringSize is for how many passes the device keeps losses that nobody has asked
// for.
const ringSize = 1024

// lossRing has the losses of passes on a device that the host has not read.
type lossRing struct {
	sum, ring, passes blob.Blob
	written, read     int64 // passes
	known             []float32
}

// A segment is a run of layers that are done in the same way: recorded and played
// again, or one by one.
type segment struct {
	ops        []*Layer
	recordable bool
	last       bool // of the forward pass: the loss follows
	replay     cuda.Replay
	run        func() error // runs the layers one by one, in Net.ctx
}

// segments cuts layers into segments.
func segments(list []*Layer) []*segment {
	var all []*segment
	for _, l := range list {
		recordable := l.env.DeviceMode(l.Impl) == layers.Recordable
		if len(all) == 0 || all[len(all)-1].recordable != recordable {
			all = append(all, &segment{recordable: recordable})
		}
		s := all[len(all)-1]
		s.ops = append(s.ops, l)
	}
	return all
}

// Enqueue runs the forward pass as Forward does, but does not wait for the loss:
// TakeLosses returns it.
func (n *Net) Enqueue(ctx context.Context) error {
	if n.losses.written-n.losses.read == ringSize {
		if err := n.readLosses(); err != nil {
			return err
		}
	}
	if n.device == nil || n.debugInfo {
		return n.enqueueEach(ctx)
	}
	for _, env := range n.envs {
		env.UpdateDevice()
	}
	if n.changed() {
		if err := n.forget(); err != nil {
			return err
		}
		return n.enqueueEach(ctx)
	}
	if n.forwardSegments == nil {
		n.cut()
	}
	if err := n.runSegments(ctx, n.forwardSegments); err != nil {
		return err
	}
	n.losses.written++
	n.SetPass(n.pass + 1)
	return nil
}

// changed tells whether a layer is going to be reshaped. The shapes of a data
// layer's tops are known only when it has run; then the layer below it finds out.
func (n *Net) changed() bool {
	for _, l := range n.layers {
		if l.reshaped() {
			return true
		}
	}
	return false
}

// cut cuts the passes into segments.
func (n *Net) cut() {
	n.forwardSegments = segments(n.layers)
	n.forwardSegments[len(n.forwardSegments)-1].last = true
	var back []*Layer
	for i := len(n.layers) - 1; i >= 0; i-- {
		if n.layers[i].NeedsBackward {
			back = append(back, n.layers[i])
		}
	}
	n.backwardSegments = segments(back)
	for _, s := range n.forwardSegments {
		s.run = func() error { return n.forwardSegment(s) }
	}
	for _, s := range n.backwardSegments {
		s.run = func() error { return n.backwardSegment(s) }
	}
}

// forget forgets what was recorded.
func (n *Net) forget() error {
	err := n.resetReplays()
	n.forwardSegments, n.backwardSegments = nil, nil
	return err
}

// runSegments runs segments in their order: those that can be are played, once
// they are recorded.
func (n *Net) runSegments(ctx context.Context, list []*segment) error {
	n.ctx = ctx
	defer func() { n.ctx = nil }()
	for _, s := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if slices.ContainsFunc(s.ops, (*Layer).reshaped) {
			if err := n.resetReplays(); err != nil {
				return err
			}
		}
		if !s.recordable {
			if err := s.run(); err != nil {
				return err
			}
		} else if err := s.replay.Run(n.device, s.run); err != nil {
			return s.ops[0].wrap(err)
		}
	}
	return nil
}

// resetReplays has all segments run as they are the next time.
func (n *Net) resetReplays() error {
	var errs []error
	for _, list := range [][]*segment{n.forwardSegments, n.backwardSegments} {
		for _, s := range list {
			errs = append(errs, s.replay.Reset())
		}
	}
	return errors.Join(errs...)
}

// forwardSegment runs the layers of a segment one by one.
func (n *Net) forwardSegment(s *segment) error {
	for _, l := range s.ops {
		if err := n.runForward(n.ctx, l); err != nil {
			return err
		}
	}
	if s.last {
		n.addLoss()
		return n.device.Check()
	}
	return nil
}

// runForward runs one layer.
func (n *Net) runForward(ctx context.Context, l *Layer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := n.reshapeLayer(l); err != nil {
		return err
	}
	if err := l.forward(ctx); err != nil {
		return l.wrap(err)
	}
	return nil
}

// enqueueEach runs all layers one by one.
func (n *Net) enqueueEach(ctx context.Context) error {
	var loss float32
	for i, l := range n.layers {
		if n.device != nil && l.RunsIn == nil {
			if err := n.runForward(ctx, l); err != nil {
				return err
			}
			if n.debugInfo {
				n.forwardInfo(l)
			}
			continue
		}
		part, err := n.ForwardLayer(ctx, i)
		if err != nil {
			return err
		}
		loss += part
	}
	if n.device == nil {
		n.losses.known = append(n.losses.known, loss)
	} else {
		n.addLoss()
		n.losses.written++
		if err := n.device.Check(); err != nil {
			return err
		}
	}
	n.SetPass(n.pass + 1)
	return nil
}

// addLoss has the device add up the loss of a pass.
func (n *Net) addLoss() {
	r, d := &n.losses, n.device
	first := true
	for i, top := range n.lossTops {
		d.Launch(netLoss, cuda.Blocks(1, 1, 1), top.DeviceData(d), top.DeviceDiff(d), top.Count(), r.sum.MutableDeviceData(d),
			r.ring.MutableDeviceData(d), r.passes.MutableDeviceData(d), ringSize, first, i == len(n.lossTops)-1)
		first = false
	}
}

// findLosses finds the tops with a loss weight.
func (b *builder) findLosses() error {
	for _, l := range b.layers {
		for j, w := range l.LossWeights {
			if w != 0 {
				b.lossTops = append(b.lossTops, l.Tops[j])
			}
		}
	}
	r := &b.losses
	return errors.Join(r.sum.Reshape(1), r.ring.Reshape(ringSize), r.passes.Reshape(2))
}

// readLosses waits for the device, reads the losses that it has, and asks the
// layers what was wrong with the data.
func (n *Net) readLosses() error {
	r := &n.losses
	if n.device == nil || r.read == r.written {
		return nil
	}
	var values []float32
	if len(n.lossTops) > 0 {
		values = r.ring.Data()
	}
	for ; r.read < r.written; r.read++ {
		loss := float32(0)
		if values != nil {
			loss = values[r.read%ringSize]
		}
		r.known = append(r.known, loss)
	}
	for _, l := range n.layers {
		if c, ok := l.Impl.(layers.DeviceChecker); ok {
			if err := c.CheckDevice(); err != nil {
				return l.wrap(err)
			}
		}
	}
	return n.device.Check()
}

// TakeLosses waits for the passes that Enqueue has run, and returns the losses of
// those since the last call, which are in the slice until the next pass. If a
// device has found something wrong with the data of one of them, it returns the
// error.
func (n *Net) TakeLosses() ([]float32, error) {
	if err := n.readLosses(); err != nil {
		return nil, err
	}
	losses := n.losses.known
	n.losses.known = n.losses.known[:0]
	return losses, nil
}

// backwardDevice runs the backward pass by segments.
func (n *Net) backwardDevice(ctx context.Context) error {
	if n.forwardOnly {
		return errForwardOnly
	}
	return n.runSegments(ctx, n.backwardSegments)
}

func (n *Net) backwardSegment(s *segment) error {
	for _, l := range s.ops {
		if err := n.ctx.Err(); err != nil {
			return err
		}
		if err := l.backward(n.ctx); err != nil {
			return l.wrap(err)
		}
	}
	return nil
}

// Sync waits until the GPU has done the passes so far. Without one it does
// nothing.
func (n *Net) Sync() error {
	if n.device == nil {
		return nil
	}
	n.device.Sync()
	return n.device.Check()
}
