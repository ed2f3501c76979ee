package feed

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// loader fills batches. Several goroutines call load at once, each with its own worker
// number. The result in b depends on b.Number only.
type loader interface {
	load(worker int, b *Batch) error
}

// A prefetcher has goroutines that load batches, some of them ahead of the one in use,
// and returns them in order.
type prefetcher struct {
	loader  loader
	threads int
	ready   chan struct{} // a batch was loaded
	closing atomic.Bool   // set by close; a loader may return early

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

// newPrefetcher returns a prefetcher that holds the given number of batches, including
// the one in use, each of size items and with the given number of tops. It starts when
// the first batch is requested. There are at most as many goroutines as batches.
func newPrefetcher(l loader, batches, threads, size, tops int) *prefetcher {
	batches = max(batches, 1)
	p := &prefetcher{
		loader:  l,
		threads: max(1, min(threads, batches)),
		ready:   make(chan struct{}, 1),
		slots:   make([]slot, batches),
		current: -1,
	}
	for i := range p.slots {
		p.slots[i].batch = Batch{Size: size, tops: make([]top, tops)}
	}
	p.work.L = &p.mu
	return p
}

var errClosed = errors.New("the data layer is closed")

// batch returns batch number n, which is valid until the next call. If n follows the
// previous number, the batch was loaded ahead; otherwise loading restarts at n. One
// goroutine at a time may call it.
func (p *prefetcher) batch(ctx context.Context, n int64) (*Batch, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	switch used := p.slot(p.current); {
	case n == p.current:
	case n == p.current+1 && used != nil && used.state == loaded: // not loaded if the last call was cancelled
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

// slot returns the slot of batch n, or nil for -1, before the first batch.
func (p *prefetcher) slot(n int64) *slot {
	if n < 0 {
		return nil
	}
	return &p.slots[n%int64(len(p.slots))]
}

// started reports whether a batch has been asked for.
func (p *prefetcher) started() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current >= 0
}

func (p *prefetcher) start() {
	for worker := range p.threads {
		p.running.Go(func() { p.run(worker) })
	}
}

// run loads batches until close.
func (p *prefetcher) run(worker int) {
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
		err := p.loader.load(worker, &s.batch)
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

// close stops the goroutines and waits for them.
func (p *prefetcher) close() {
	p.closing.Store(true)
	p.mu.Lock()
	p.closed = true
	p.work.Broadcast()
	p.mu.Unlock()
	p.running.Wait()
}
