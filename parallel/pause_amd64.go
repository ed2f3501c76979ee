//go:build !noasm

package parallel

// pause tells the processor that a loop is waiting: it waits for some ten
// nanoseconds, saves power and leaves the core to its other thread.
func pause()
