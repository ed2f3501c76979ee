package data

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

// numbered is a loader whose batches hold their numbers. Some take longer than
// others, and some fail.
type numbered struct {
	delay bool
	fails int64 // number of the batch that fails, if positive
	loads atomic.Int64
}

func (l *numbered) Load(worker int, b *Batch) error {
	l.loads.Add(1)
	b.Reset(2, 1, 1, 1)
	b.Data[0], b.Data[1] = float32(b.Number), -float32(b.Number)
	if l.delay {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
	}
	if l.fails > 0 && b.Number == l.fails {
		return fmt.Errorf("batch %d is bad", b.Number)
	}
	return nil
}

func expect(t *testing.T, p *Prefetcher, n int64) {
	t.Helper()
	b, err := p.Batch(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if b.Number != n || b.Data[0] != float32(n) || b.Data[1] != -float32(n) {
		t.Fatalf("batch %d is number %d with %v", n, b.Number, b.Data)
	}
}

func TestPrefetchOrder(t *testing.T) {
	for _, batches := range []int{1, 2, 4, 7} {
		for _, threads := range []int{1, 3, 9} {
			p := NewPrefetcher(&numbered{delay: true}, batches, threads)
			for n := range int64(60) {
				expect(t, p, n)
			}
			p.Close()
		}
	}
}

// TestPrefetchJumps asks for numbers in any order, as after a resume, and for
// the same one again.
func TestPrefetchJumps(t *testing.T) {
	l := &numbered{delay: true}
	p := NewPrefetcher(l, 4, 3)
	defer p.Close()
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

// TestPrefetchAhead counts what is loaded while the first batch is in use.
func TestPrefetchAhead(t *testing.T) {
	l := new(numbered)
	p := NewPrefetcher(l, 4, 2)
	defer p.Close()
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
	p := NewPrefetcher(&numbered{delay: true, fails: 5}, 4, 3)
	defer p.Close()
	for n := range int64(9) {
		if n != 5 {
			expect(t, p, n)
			continue
		}
		if _, err := p.Batch(t.Context(), n); err == nil || !strings.Contains(err.Error(), "batch 5") {
			t.Fatalf("batch 5: got %v, want its error", err)
		}
	}
}

// blocked is a loader that waits until it is let go.
type blocked chan struct{}

func (l blocked) Load(_ int, b *Batch) error {
	<-l
	b.Reset(2, 1, 1, 1)
	b.Data[0], b.Data[1] = float32(b.Number), -float32(b.Number)
	return nil
}

func TestPrefetchCancelled(t *testing.T) {
	l := make(blocked)
	p := NewPrefetcher(l, 3, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	for n := range int64(3) { // each call after the first leaves a batch that is being loaded
		if _, err := p.Batch(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("batch %d: got %v, want a deadline", n, err)
		}
	}
	close(l)
	for n := range int64(20) {
		expect(t, p, n)
	}
	p.Close()
	if _, err := p.Batch(t.Context(), 21); err == nil {
		t.Error("a closed prefetcher gave a batch")
	}
	p.Close()
}

func TestPrefetchLeavesNoGoroutines(t *testing.T) {
	leak.Check(t, func() {
		for range 20 {
			p := NewPrefetcher(&numbered{delay: true}, 4, 4)
			expect(t, p, 7)
			p.Close()
		}
		NewPrefetcher(new(numbered), 4, 4).Close() // never used
	})
}

func TestPrefetchAllocatesNothing(t *testing.T) {
	p := NewPrefetcher(new(numbered), 4, 2)
	defer p.Close()
	n := int64(0)
	next := func() {
		if _, err := p.Batch(context.Background(), n); err != nil {
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

func TestSequence(t *testing.T) {
	// Caffe's data_layer.cpp, step by step: a cursor, and a count of all records
	for _, s := range []Sequence{
		{Records: 10, Batch: 3, Ranks: 1},
		{Records: 3, Batch: 10, Ranks: 1},
		{Records: 5, Batch: 5, Ranks: 1},
		{Records: 7, Batch: 4, Rank: 0, Ranks: 3},
		{Records: 7, Batch: 4, Rank: 2, Ranks: 3},
		{Records: 1, Batch: 2, Rank: 1, Ranks: 2},
	} {
		offset, cursor := 0, 0
		for n := range int64(12) {
			restarts := 0
			next := func() {
				if cursor++; cursor == s.Records {
					cursor = 0
					restarts++
				}
				offset++
			}
			for i := range s.Batch {
				for offset%s.Ranks != s.Rank {
					next()
				}
				place := s.Place(n, i)
				record, epoch := s.Record(place)
				if place != int64(offset) || record != cursor || epoch != int64(offset/s.Records) {
					t.Fatalf("%+v: item %d of batch %d is record %d at %d, want %d at %d", s, i, n, record, place, cursor, offset)
				}
				next()
			}
			if got := s.Restarts(n); got != restarts {
				t.Errorf("%+v: batch %d restarts %d times, want %d", s, n, got, restarts)
			}
		}
	}
	skipping := Sequence{Records: 10, Batch: 4, Ranks: 1, Skip: 9}
	if record, epoch := skipping.Record(skipping.Place(0, 1)); record != 0 || epoch != 1 {
		t.Errorf("after skipping 9 of 10 the second record is %d of epoch %d, want 0 of 1", record, epoch)
	}
}
