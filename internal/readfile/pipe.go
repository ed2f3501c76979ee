package readfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// The maximum waiting times for a pipe: until a writer opens its other end, and until the
// next bytes arrive.
var (
	waitForWriter = 5 * time.Second
	waitForData   = time.Minute
)

// retry is the time between two attempts if the system cannot wait.
const retry = 10 * time.Millisecond

// A pipe reads a pipe or a device.
type pipe struct {
	ctx    context.Context
	file   *os.File
	path   string
	named  bool // it is a pipe, whose writer may come later
	limit  int64
	read   int64 // bytes so far
	opened time.Time
	buf    []byte
}

func newPipe(ctx context.Context, f *os.File, path string, named bool, limit int64) *pipe {
	return &pipe{ctx: ctx, file: f, path: path, named: named, limit: limit, opened: time.Now(), buf: make([]byte, 1<<16)}
}

// Read reads the available bytes, or waits for some.
func (p *pipe) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	began := time.Now()
	for {
		n, err := p.try(min(len(b), len(p.buf)))
		p.read += int64(n)
		switch {
		case p.read > p.limit:
			return 0, fmt.Errorf("%s: more than %d MiB came from the pipe or device: write them to a file", p.path, p.limit>>20)
		case n > 0:
			return copy(b, p.buf[:n]), nil
		case err == io.EOF && p.named && p.read == 0:
			if time.Since(p.opened) > waitForWriter {
				return 0, fmt.Errorf("%s: nothing came from the pipe in %v", p.path, waitForWriter)
			}
		case errors.Is(err, syscall.EAGAIN):
			if time.Since(began) > waitForData {
				return 0, p.idle()
			}
		case err != nil:
			return 0, err
		}
		select {
		case <-p.ctx.Done():
			return 0, context.Cause(p.ctx)
		case <-time.After(retry):
		}
	}
}

// try reads at most n bytes into p.buf. If nothing arrives for a minute, or the context is
// done, it closes the file, which ends the read.
func (p *pipe) try(n int) (int, error) {
	type result struct {
		n   int
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := p.file.Read(p.buf[:n])
		done <- result{n, err}
	}()
	timer := time.NewTimer(waitForData)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.n, r.err
	case <-timer.C:
		p.file.Close()
		return 0, p.idle()
	case <-p.ctx.Done():
		p.file.Close()
		return 0, context.Cause(p.ctx)
	}
}

func (p *pipe) idle() error {
	return fmt.Errorf("%s: nothing more came from the pipe or device in %v", p.path, waitForData)
}

// Close closes the file.
func (p *pipe) Close() error { return p.file.Close() }
