package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gocaffe/gocaffe/cuda"
)

// untilSignal calls work with a context that SIGINT (Ctrl-C) or SIGTERM cancels.
// An error that comes of that says which signal it was. A second signal ends the
// program at once, as if it had no handler.
func untilSignal(ctx context.Context, work func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := work(ctx)
	if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != context.Canceled {
		return fmt.Errorf("stopped: %w", cause)
	}
	return err
}

// loading runs load, which opens databases, reads weights or fills them, and does
// not know of signals. When ctx is done first, loading returns its cause at once.
// The program is about to end then, and what load still uses must not be closed:
// that is what a.abandoned is for.
func (a *app) loading(ctx context.Context, load func() error) error {
	done := make(chan error, 1)
	go func() { done <- load() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		a.abandoned = true
		return ctx.Err()
	}
}

// closeDevice closes a GPU, if there is one and nothing uses it.
func (a *app) closeDevice(d *cuda.Device) {
	if d != nil && !a.abandoned {
		d.Close()
	}
}
