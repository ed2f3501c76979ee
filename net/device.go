package net

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// device runs a net on a GPU, and layers that have no version for it on the
// host. Passes whose shapes stay the same are recorded, where the layers can be,
// and replayed; nothing waits for the GPU until wait.
type device struct {
	net    *Net
	gpu    *cuda.Device
	losses lossQueue

	forwardSegments, backwardSegments []*segment // nil until the shapes are known
	clear                             cuda.Replay
}

func newDevice(n *Net, gpu *cuda.Device) (*device, error) {
	d := &device{net: n, gpu: gpu}
	return d, d.losses.init(n, gpu)
}

// A segment is a run of layers that are all recorded and replayed together, or
// all run one by one.
type segment struct {
	layers     []*Layer
	recordable bool
	last       bool // of the forward pass: the loss is summed after it
	replay     cuda.Replay
	told       bool // a note says why it is not recorded
}

// segments cuts layers into segments.
func segments(list []*Layer) []*segment {
	var all []*segment
	for _, l := range list {
		recordable := layers.ModeOf(l.Impl) == layers.Recordable
		if len(all) == 0 || all[len(all)-1].recordable != recordable {
			all = append(all, &segment{recordable: recordable})
		}
		s := all[len(all)-1]
		s.layers = append(s.layers, l)
	}
	return all
}

func (d *device) forward(ctx context.Context, r Receiver) error {
	if d.losses.full() {
		if err := d.wait(); err != nil {
			return err
		}
	}
	n := d.net
	for _, env := range n.envs {
		env.UpdateDevice()
	}
	if err := d.run(ctx); err != nil {
		return err
	}
	d.losses.pass(r)
	n.SetPass(n.pass + 1)
	return nil
}

// run runs the layers of a forward pass, segment by segment if the shapes are
// known, and sums the loss.
func (d *device) run(ctx context.Context) error {
	changed := slices.ContainsFunc(d.net.layers, (*Layer).reshaped)
	if !changed && !d.net.debugInfo {
		if d.forwardSegments == nil {
			d.cut()
		}
		return d.play(ctx, d.forwardSegments, d.forwardLayer)
	}
	if changed {
		if err := d.reset(); err != nil {
			return err
		}
	}
	for _, l := range d.net.layers {
		if err := d.forwardLayer(ctx, l); err != nil {
			return err
		}
	}
	return d.losses.sumLoss()
}

// cut cuts both passes into segments.
func (d *device) cut() {
	d.forwardSegments = segments(d.net.layers)
	if n := len(d.forwardSegments); n > 0 {
		d.forwardSegments[n-1].last = true
	}
	var back []*Layer
	for _, l := range slices.Backward(d.net.layers) {
		if l.NeedsBackward {
			back = append(back, l)
		}
	}
	d.backwardSegments = segments(back)
}

func (d *device) backward(ctx context.Context) error {
	if d.backwardSegments != nil && !d.net.debugInfo {
		return d.play(ctx, d.backwardSegments, d.backwardLayer)
	}
	for _, l := range slices.Backward(d.net.layers) {
		if l.NeedsBackward {
			if err := d.backwardLayer(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// play runs the layers of segments in their order, or replays them where they
// have been recorded.
func (d *device) play(ctx context.Context, list []*segment, run func(context.Context, *Layer) error) error {
	for _, s := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		// The shapes of a data layer's tops are known only after it has run.
		if slices.ContainsFunc(s.layers, (*Layer).reshaped) {
			if err := d.resetReplays(); err != nil {
				return err
			}
		}
		work := func() error {
			for _, l := range s.layers {
				if err := run(ctx, l); err != nil {
					return err
				}
			}
			if s.last {
				return d.losses.sumLoss()
			}
			return nil
		}
		if !s.recordable {
			if err := work(); err != nil {
				return err
			}
		} else if err := s.replay.Run(d.gpu, work); err != nil {
			return s.layers[0].wrap(err)
		}
		if err := s.replay.Unrecorded(); err != nil && !s.told {
			s.told = true
			event.Send(d.net.observer, event.Note{Level: event.Info, Source: event.Caller(0), Layer: s.layers[0].Name,
				Text: fmt.Sprintf("passes from here to layer %q run one by one: %v", s.layers[len(s.layers)-1].Name, err)})
		}
	}
	return nil
}

func (d *device) forwardLayer(ctx context.Context, l *Layer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.net.reshapeLayer(l); err != nil {
		return err
	}
	err := l.call("Forward", func() error { return layers.ForwardOn(ctx, d.gpu, l.Impl, l.Bottoms, l.Tops) })
	if err != nil {
		return l.wrap(err)
	}
	if d.net.debugInfo {
		d.net.forwardInfo(l)
	}
	return nil
}

func (d *device) backwardLayer(ctx context.Context, l *Layer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := l.call("Backward", func() error {
		return layers.BackwardOn(ctx, d.gpu, l.Impl, l.Tops, l.PropagateDown, l.Bottoms)
	})
	if err != nil {
		return l.wrap(err)
	}
	if d.net.debugInfo {
		d.net.backwardInfo(l)
	}
	return nil
}

func (d *device) end(r Receiver) error {
	if d.losses.end(r) {
		return d.wait()
	}
	return nil
}

func (d *device) wait() error {
	if d.losses.empty() {
		d.gpu.Sync()
		return d.gpu.Check()
	}
	if err := d.losses.deliver(); err != nil {
		return err
	}
	for _, l := range d.net.layers {
		if c, ok := l.Impl.(layers.DeviceChecker); ok {
			if err := c.CheckDevice(); err != nil {
				return l.wrap(err)
			}
		}
	}
	return d.gpu.Check()
}

func (d *device) clearParamDiffs() error {
	return d.clear.Run(d.gpu, func() error {
		for _, p := range d.net.learned {
			if !p.Statistic {
				d.gpu.Zero(p.Blob.Count(), p.Blob.MutableDeviceDiff(d.gpu))
			}
		}
		return nil
	})
}

func (d *device) update() {
	for _, p := range d.net.learned {
		d.gpu.Axpy(p.Blob.Count(), -1, p.Blob.DeviceDiff(d.gpu), p.Blob.MutableDeviceData(d.gpu))
	}
}

// reset forgets all segments and what was recorded of them.
func (d *device) reset() error {
	err := errors.Join(d.resetReplays(), d.clear.Reset())
	d.forwardSegments, d.backwardSegments = nil, nil
	return err
}

// resetReplays makes all segments run layer by layer the next time.
func (d *device) resetReplays() error {
	var errs []error
	for _, s := range slices.Concat(d.forwardSegments, d.backwardSegments) {
		errs = append(errs, s.replay.Reset())
	}
	return errors.Join(errs...)
}
