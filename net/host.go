package net

import (
	"context"
	"time"

	"github.com/gocaffe/gocaffe/kernel"
)

// host runs a net on the CPU. A pass is over when its method returns.
type host struct {
	net   *Net
	begin time.Time // of the first pass since the last end
}

func (h *host) forward(ctx context.Context, r Receiver) error {
	if h.begin.IsZero() {
		h.begin = time.Now()
	}
	n := h.net
	var loss float32
	for _, l := range n.layers {
		if l.FusedInto != nil {
			continue
		}
		if err := h.forwardLayer(ctx, l); err != nil {
			return err
		}
		loss += l.loss(n.workers)
	}
	n.SetPass(n.pass + 1)
	r.Loss(loss)
	return nil
}

func (h *host) forwardLayer(ctx context.Context, l *Layer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := h.net.reshapeLayer(l); err != nil {
		return err
	}
	bottoms, _ := l.inputs()
	err := l.call("Forward", func() error { return l.Impl.Forward(ctx, bottoms, l.end().Tops) })
	if err != nil {
		return l.wrap(err)
	}
	if h.net.debugInfo {
		h.net.forwardInfo(l)
	}
	return nil
}

func (h *host) backward(ctx context.Context) error {
	all := h.net.layers
	for i := len(all) - 1; i >= 0; i-- {
		if l := all[i]; l.runsBackward() {
			if err := h.backwardLayer(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *host) backwardLayer(ctx context.Context, l *Layer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bottoms, down := l.inputs()
	err := l.call("Backward", func() error { return l.Impl.Backward(ctx, l.end().Tops, down, bottoms) })
	if err != nil {
		return l.wrap(err)
	}
	if h.net.debugInfo {
		h.net.backwardInfo(l)
	}
	return nil
}

func (h *host) end(r Receiver) error {
	var took time.Duration
	if !h.begin.IsZero() {
		took = time.Since(h.begin)
	}
	h.begin = time.Time{}
	r.Done(took)
	return nil
}

func (h *host) wait() error {
	h.begin = time.Time{}
	return nil
}

func (h *host) clearParamDiffs() error {
	for _, p := range h.net.learned {
		if !p.Statistic {
			kernel.Fill(h.net.workers, 0, p.Blob.MutableDiff())
		}
	}
	return nil
}

func (h *host) update() {
	for _, p := range h.net.learned {
		kernel.Axpy(h.net.workers, -1, p.Blob.Diff(), p.Blob.MutableData())
	}
}

func (h *host) reset() error { return nil }
