package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal calls work with a context that SIGINT (Ctrl-C) or SIGTERM cancels.
// An error that comes of that says which signal it was.
func untilSignal(ctx context.Context, work func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := work(ctx)
	if cause := context.Cause(ctx); errors.Is(err, context.Canceled) && cause != context.Canceled {
		return fmt.Errorf("stopped: %w", cause)
	}
	return err
}
