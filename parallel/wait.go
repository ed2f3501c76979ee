package parallel

import (
	"sync/atomic"
	"time"
)

// spinTime is how long a goroutine of a pool watches for what it waits for
// before it sleeps. Waking it takes some 70 µs where the processor has gone
// idle, so watching costs at most about as much again; between the runs of an
// operation, and between most layers, less time passes.
const spinTime = 100 * time.Microsecond

// A spinner waits actively for up to a time, which begins with its first turn.
type spinner struct {
	time  time.Duration
	turns int
	begin time.Time
}

// turn waits for some 100 ns and reports whether time is left.
func (s *spinner) turn() bool {
	if s.turns%16 == 0 {
		switch {
		case s.turns == 0 && s.time > 0:
			s.begin = time.Now()
		case s.time == 0 || time.Since(s.begin) > s.time:
			return false
		}
	}
	s.turns++
	pause()
	return true
}

// The states of a helper.
const (
	helperWaits  int32 = iota // it watches its state
	helperSleeps              // it must be woken
	helperWorks               // it has been started
)

// A helper is what one goroutine of a pool waits with.
type helper struct {
	state atomic.Int32
	wake  chan struct{}
	spin  time.Duration
	_     [128]byte // keeps the states of two helpers on different cache lines
}

func (h *helper) init(spin time.Duration) {
	h.wake, h.spin = make(chan struct{}, 1), spin
}

// start starts a helper that waits.
func (h *helper) start() {
	if h.state.Swap(helperWorks) == helperSleeps {
		h.wake <- struct{}{}
	}
}

// wait waits until the helper is started and returns true, or false when the
// pool is closed.
func (h *helper) wait() bool {
	for s := (spinner{time: h.spin}); s.turn(); {
		if h.state.Load() == helperWorks {
			return true
		}
	}
	if !h.state.CompareAndSwap(helperWaits, helperSleeps) {
		return true
	}
	_, ok := <-h.wake
	return ok
}

// A countdown is what Run waits for the helpers with.
type countdown struct {
	n      atomic.Int32 // helpers that have not finished
	sleeps atomic.Bool  // Run must be woken
	wake   chan struct{}
	spin   time.Duration
}

func (c *countdown) init(spin time.Duration) {
	c.wake, c.spin = make(chan struct{}, 1), spin
}

// done counts one helper as finished.
func (c *countdown) done() {
	if c.n.Add(-1) == 0 && c.sleeps.CompareAndSwap(true, false) {
		c.wake <- struct{}{}
	}
}

// wait returns when all helpers have finished. It can be woken too early: the last
// helper of the run before may have been suspended between counting down and
// looking whether Run sleeps, and then take this wait for its own.
func (c *countdown) wait() {
	for s := (spinner{time: c.spin}); c.n.Load() != 0; {
		if s.turn() {
			continue
		}
		c.sleeps.Store(true)
		if c.n.Load() == 0 && c.sleeps.CompareAndSwap(true, false) {
			return
		}
		<-c.wake
	}
}
