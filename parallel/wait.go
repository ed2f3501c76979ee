package parallel

import (
	"sync/atomic"
	"time"
)

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
	helperWaits  int32 = iota // it watches its state, or has been woken and will
	helperSleeps              // it must be woken
	helperCalled              // there is work, but it has not begun
	helperWorks               // it takes part in a run
)

// A helper is what one goroutine of a pool waits with.
type helper struct {
	state atomic.Int32
	wake  chan struct{}
	crowd *crowd
	_     [128]byte // keeps the states of two helpers on different cache lines
}

func (h *helper) init(c *crowd) {
	h.wake, h.crowd = make(chan struct{}, 1), c
}

// call calls a helper that waits.
func (h *helper) call() {
	if h.state.Swap(helperCalled) == helperSleeps {
		h.wake <- struct{}{}
	}
}

// dismiss takes the call back if the helper has not begun, and reports whether it could.
// So nobody waits for a helper that the system has not let run while others did its work.
// If it is still being woken, it will find that it may sleep again.
func (h *helper) dismiss() bool {
	return h.state.CompareAndSwap(helperCalled, helperWaits)
}

// begin begins to work if the helper has been called, and reports whether it was.
func (h *helper) begin() bool {
	return h.state.Load() == helperCalled && h.state.CompareAndSwap(helperCalled, helperWorks)
}

// wait waits until the helper is called and returns true, or false when the pool is
// closed.
func (h *helper) wait() bool {
	for {
		for s := (spinner{time: h.crowd.spinTime()}); s.turn(); {
			if h.begin() {
				return true
			}
		}
		if h.state.CompareAndSwap(helperWaits, helperSleeps) {
			if _, ok := <-h.wake; !ok {
				return false
			}
		}
		if h.begin() {
			return true
		}
	}
}

// A countdown is what Run waits for the helpers with.
type countdown struct {
	n      atomic.Int32 // helpers that have not finished
	sleeps atomic.Bool  // Run must be woken
	wake   chan struct{}
	crowd  *crowd
}

func (c *countdown) init(crowd *crowd) {
	c.wake, c.crowd = make(chan struct{}, 1), crowd
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
	for s := (spinner{time: c.crowd.spinTime()}); c.n.Load() != 0; {
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
