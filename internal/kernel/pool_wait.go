package kernel

import (
	"sync/atomic"
	"time"
)

// spinTime is how long a goroutine of a pool watches for what it waits for
// before it sleeps. To be woken takes some 70 µs where the processor has gone
// idle, so that watching costs at most about as much again; between the parts
// of an operation, and between most layers, there is less time.
const spinTime = 100 * time.Microsecond

// spinning waits a little, again and again for up to the time given from its
// first turn on.
type spinning struct {
	time  time.Duration
	turns int
	begin time.Time
}

// turn waits some 100 ns. It returns false when the time is over.
func (s *spinning) turn() bool {
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
	helperSleeps              // and must be woken
	helperWorks               // it has been started
)

// A helper is what a goroutine of a pool waits with.
type helper struct {
	state atomic.Int32
	wake  chan struct{}
	spin  time.Duration
	_     [128]byte // others watch other cache lines
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

// wait returns true when the helper is started, false when the pool is closed.
func (h *helper) wait() bool {
	for s := (spinning{time: h.spin}); s.turn(); {
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
	n      atomic.Int32 // helpers that have not ended
	sleeps atomic.Bool  // Run must be woken
	wake   chan struct{}
	spin   time.Duration
}

func (c *countdown) init(spin time.Duration) {
	c.wake, c.spin = make(chan struct{}, 1), spin
}

// done says that one helper has ended.
func (c *countdown) done() {
	if c.n.Add(-1) == 0 && c.sleeps.CompareAndSwap(true, false) {
		c.wake <- struct{}{}
	}
}

// wait returns when all have ended.
func (c *countdown) wait() {
	for s := (spinning{time: c.spin}); c.n.Load() != 0; {
		if !s.turn() {
			c.sleeps.Store(true)
			if c.n.Load() == 0 && c.sleeps.CompareAndSwap(true, false) {
				return
			}
			<-c.wake
			return
		}
	}
}
