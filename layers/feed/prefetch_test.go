package feed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/internal/leak"
)

// numbered is a loader whose batches contain their numbers. Some batches take longer
// than others, and some fail.
type numbered struct {
	delay bool
	fails int64 // number of the batch that fails, if positive
	loads atomic.Int64
}

func (l *numbered) load(worker int, b *Batch) error {
	l.loads.Add(1)
	fillNumber(b)
	if l.delay {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	}
	if l.fails > 0 && b.Number == l.fails {
		return fmt.Errorf("batch %d is bad", b.Number)
	}
	return nil
}

// fillNumber fills the only top of a batch.
func fillNumber(b *Batch) {
	if err := b.Top(0).Reshape(2); err != nil {
		panic(err)
	}
	data := b.Top(0).MutableData()
	data[0], data[1] = float32(b.Number), -float32(b.Number)
}

func expect(t *testing.T, p *prefetcher, n int64) {
	t.Helper()
	b, err := p.batch(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if data := b.Top(0).Data(); b.Number != n || data[0] != float32(n) || data[1] != -float32(n) {
		t.Fatalf("batch %d is number %d with %v", n, b.Number, data)
	}
}

func TestPrefetchOrder(t *testing.T) {
	for _, batches := range []int{1, 2, 4, 7} {
		for _, threads := range []int{1, 3, 9} {
			p := newPrefetcher(&numbered{delay: true}, batches, threads, 2, 1)
			for n := range int64(60) {
				expect(t, p, n)
			}
			p.close()
		}
	}
}

// TestPrefetchJumps requests numbers in any order, as after a resume, and the same
// number again.
func TestPrefetchJumps(t *testing.T) {
	l := &numbered{delay: true}
	p := newPrefetcher(l, 4, 3, 2, 1)
	defer p.close()
	for _, n := range []int64{40, 41, 41, 42, 3, 4, 5, 5, 1 << 40, 1<<40 + 1, 0, 1, 2, 3, 2, 1, 0, 9, 13, 14, 13} {
		expect(t, p, n)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for n := range int64(300) {
		if r.IntN(3) == 0 {
			n = r.Int64N(12)
		}
		expect(t, p, n)
	}
}

// TestPrefetchAhead counts the batches loaded while the first one is in use.
func TestPrefetchAhead(t *testing.T) {
	l := new(numbered)
	p := newPrefetcher(l, 4, 2, 2, 1)
	defer p.close()
	expect(t, p, 0)
	expect(t, p, 0)
	for deadline := time.Now().Add(5 * time.Second); l.loads.Load() < 4 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	if n := l.loads.Load(); n != 4 {
		t.Errorf("%d batches were loaded, want 4: the one in use and three ahead", n)
	}
}

func TestPrefetchError(t *testing.T) {
	p := newPrefetcher(&numbered{delay: true, fails: 5}, 4, 3, 2, 1)
	defer p.close()
	for n := range int64(9) {
		if n != 5 {
			expect(t, p, n)
			continue
		}
		if _, err := p.batch(t.Context(), n); err == nil || !strings.Contains(err.Error(), "batch 5") {
			t.Fatalf("batch 5: got %v, want its error", err)
		}
	}
}

// blocked is a loader that waits until it is released.
type blocked chan struct{}

func (l blocked) load(_ int, b *Batch) error {
	<-l
	fillNumber(b)
	return nil
}

func TestPrefetchCancelled(t *testing.T) {
	l := make(blocked)
	p := newPrefetcher(l, 3, 2, 2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for n := range int64(3) { // each call after the first leaves a batch that is being loaded
		if _, err := p.batch(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("batch %d: got %v, want a deadline", n, err)
		}
	}
	close(l)
	for n := range int64(20) {
		expect(t, p, n)
	}
	p.close()
	if _, err := p.batch(t.Context(), 21); err == nil {
		t.Error("a closed prefetcher gave a batch")
	}
	p.close()
}

func TestPrefetchLeavesNoGoroutines(t *testing.T) {
	leak.Check(t, func() {
		for range 20 {
			p := newPrefetcher(&numbered{delay: true}, 4, 4, 2, 1)
			expect(t, p, 7)
			p.close()
		}
		newPrefetcher(new(numbered), 4, 4, 2, 1).close() // never used
	})
}

func TestPrefetchAllocatesNothing(t *testing.T) {
	p := newPrefetcher(new(numbered), 4, 2, 2, 1)
	defer p.close()
	n := int64(0)
	next := func() {
		if _, err := p.batch(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		n++
	}
	for range 20 {
		next()
	}
	if allocs := testing.AllocsPerRun(200, next); allocs > 0 {
		t.Errorf("%g allocations per batch", allocs)
	}
}
