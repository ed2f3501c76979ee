// Package leak finds goroutines that a test leaves running.
package leak

import (
	"runtime"
	"testing"
	"time"
)

// patience is the time that a goroutine may take to end: its last instructions run after
// the goroutine waiting for it is woken.
const patience = 5 * time.Second

// Check fails the test if more goroutines run after f than before it.
func Check(t testing.TB, f func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	f()
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Errorf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
			return
		}
		time.Sleep(time.Millisecond)
	}
}
