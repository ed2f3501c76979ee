package data

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A Batch is the content of the tops of a data layer for one forward pass.
type Batch struct {
	Number int64  // from 0
	Shape  [4]int // N x C x H x W
	Data   []float32
	Labels []float32 // N
}

// Reset gives the batch a shape; its numbers are undefined then.
func (b *Batch) Reset(n, c, h, w int) {
	b.Shape = [4]int{n, c, h, w}
	b.Data = slices.Grow(b.Data[:0], n*c*h*w)[:n*c*h*w]
	b.Labels = slices.Grow(b.Labels[:0], n)[:n]
}

// A Loader fills batches. What it makes of b must depend on b.Number alone.
type Loader interface {
	// Load is called from several goroutines at once, from each with a worker
	// number of its own.
	Load(worker int, b *Batch) error
}

// A Prefetcher has batches loaded by goroutines, some of them ahead of the one
// in use, and gives them out in order.
type Prefetcher struct {
	loader  Loader
	threads int
	ready   chan struct{} // a batch was loaded

	mu      sync.Mutex
	work    sync.Cond // there may be something to load
	slots   []slot    // batch n is in slot n mod len
	current int64     // the batch in use, or -1
	next    int64     // the next batch to load
	epoch   int       // counts the jumps: batches loaded before one are dropped
	closed  bool
	running sync.WaitGroup
}

type slot struct {
	batch Batch
	epoch int // of the batch
	state slotState
	err   error
}

type slotState byte

const (
	empty slotState = iota
	loading
	loaded
)

// NewPrefetcher returns a prefetcher that holds so many batches, the one in use
// among them. It starts working when the first batch is asked for. Batches are
// loaded by at most as many goroutines as there are batches.
func NewPrefetcher(loader Loader, batches, threads int) *Prefetcher {
	batches = max(batches, 1)
	p := &Prefetcher{
		loader:  loader,
		threads: max(1, min(threads, batches)),
		ready:   make(chan struct{}, 1),
		slots:   make([]slot, batches),
		current: -1,
	}
	p.work.L = &p.mu
	return p
}

var errClosed = errors.New("data: the prefetcher is closed")

// Batch returns batch number n, which may be used until the next call. Numbers
// that count up by one are served from what was loaded ahead; after any other,
// loading begins anew there. It is called by one goroutine.
func (p *Prefetcher) Batch(ctx context.Context, n int64) (*Batch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	switch used := p.slot(p.current); {
	case n == p.current:
	case n == p.current+1 && used != nil && used.state == loaded: // it is not if the last call was cancelled
		used.state = empty
	default:
		p.epoch++
		p.next = n
		for i := range p.slots {
			if s := &p.slots[i]; s.state == loaded {
				s.state = empty
			}
		}
		if p.current < 0 {
			p.start()
		}
	}
	p.current = n
	p.work.Broadcast()
	for s := p.slot(n); ; {
		if s.state == loaded && s.epoch == p.epoch {
			return &s.batch, s.err
		}
		p.mu.Unlock()
		var err error
		select {
		case <-p.ready:
		case <-ctx.Done():
			err = ctx.Err()
		}
		p.mu.Lock()
		if err != nil {
			return nil, err
		}
		if p.closed {
			return nil, errClosed
		}
	}
}

// slot returns the place of batch n, or nil for the -1 before the first.
func (p *Prefetcher) slot(n int64) *slot {
	if n < 0 {
		return nil
	}
	return &p.slots[n%int64(len(p.slots))]
}

func (p *Prefetcher) start() {
	for worker := range p.threads {
		p.running.Go(func() { p.run(worker) })
	}
}

// run loads batches until Close.
func (p *Prefetcher) run(worker int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.closed {
		s := p.slot(p.next)
		if p.next >= p.current+int64(len(p.slots)) || s.state != empty {
			p.work.Wait()
			continue
		}
		s.state, s.epoch, s.batch.Number = loading, p.epoch, p.next
		p.next++
		p.mu.Unlock()
		err := p.loader.Load(worker, &s.batch)
		p.mu.Lock()
		s.state, s.err = loaded, err
		if s.epoch != p.epoch {
			s.state = empty
			p.work.Broadcast()
		}
		select {
		case p.ready <- struct{}{}:
		default:
		}
	}
}

// Threads returns the number of goroutines that load, and so of workers that
// the loader meets.
func (p *Prefetcher) Threads() int { return p.threads }

// Close ends the goroutines and waits for them.
func (p *Prefetcher) Close() {
	p.mu.Lock()
	p.closed = true
	p.work.Broadcast()
	p.mu.Unlock()
	p.running.Wait()
}
