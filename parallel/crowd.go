package parallel

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// spinTime is how long a goroutine of a pool watches for what it waits for before it
	// sleeps. Waking it takes some 70 µs where the processor has gone idle, so watching
	// costs at most about as much again; between the runs of an operation, and between most
	// layers, less time passes.
	spinTime = 100 * time.Microsecond

	// crowdedSpinTime is the same where the processor would have other work meanwhile:
	// about what it takes to sleep and to wake. 0 and 20 µs were slower.
	crowdedSpinTime = 5 * time.Microsecond

	// crowdWindow is how long switches are counted, and crowdedSwitches the number in that
	// time from which on there is a crowd. Two processes of two threads on two processors
	// have some 10 each; a process that is alone on the machine has few.
	crowdWindow     = 10 * time.Millisecond
	crowdedSwitches = 3
)

// A crowd notices when there are more threads to run than processors, so that a goroutine
// that watches keeps a thread from working. The sign is that the system takes processors
// away from threads of this process that have more to do.
type crowd struct {
	spin     atomic.Int64 // how long to watch, in nanoseconds
	own      bool         // the pool itself has more threads than there are processors
	begin    time.Time    // of the window
	switches int64        // of the process at its begin
}

func (c *crowd) init(threads int) {
	c.own = threads > runtime.GOMAXPROCS(0)
	if !c.own {
		c.spin.Store(int64(spinTime))
	}
}

// spinTime returns how long to watch.
func (c *crowd) spinTime() time.Duration { return time.Duration(c.spin.Load()) }

// look looks once in each window. Only one goroutine may call it at a time.
func (c *crowd) look() {
	if c.own {
		return
	}
	if now := time.Now(); now.Sub(c.begin) >= crowdWindow {
		c.judge(now, switches())
	}
}

// judge ends a window, given the number of switches of the process so far. A window in
// which the pool did not run for a while says nothing, and then there is no crowd.
func (c *crowd) judge(now time.Time, switches int64) {
	elapsed := now.Sub(c.begin)
	spin := spinTime
	if elapsed < 10*crowdWindow && time.Duration(switches-c.switches)*crowdWindow >= crowdedSwitches*elapsed {
		spin = crowdedSpinTime
	}
	c.spin.Store(int64(spin))
	c.begin, c.switches = now, switches
}
