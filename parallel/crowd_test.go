package parallel

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestCrowd gives a crowd the switches of a process, one window after the other.
func TestCrowd(t *testing.T) {
	var c crowd
	c.init(1)
	now, switches := time.Now(), int64(500)
	c.judge(now, switches) // the process has run before
	for i, tt := range []struct {
		after time.Duration
		more  int64
		want  time.Duration
	}{
		{crowdWindow, 0, spinTime},
		{crowdWindow, crowdedSwitches - 1, spinTime},
		{crowdWindow, crowdedSwitches, crowdedSpinTime},
		{crowdWindow, 30, crowdedSpinTime},
		{2 * crowdWindow, 2*crowdedSwitches - 1, spinTime}, // a long run
		{2 * crowdWindow, 2 * crowdedSwitches, crowdedSpinTime},
		{time.Minute, 1 << 40, spinTime}, // the pool was not used
	} {
		now, switches = now.Add(tt.after), switches+tt.more
		c.judge(now, switches)
		if got := c.spinTime(); got != tt.want {
			t.Errorf("window %d, of %v with %d switches: spin time %v, want %v", i, tt.after, tt.more, got, tt.want)
		}
	}
}

// TestCrowdOwn checks that a pool with more threads than processors never spins.
func TestCrowdOwn(t *testing.T) {
	p := NewPool(runtime.GOMAXPROCS(0) + 1)
	defer p.Close()
	for range 100 {
		p.Run(10, TaskFunc(func(_, _ int) {}))
		if got := p.crowd.spinTime(); got != 0 {
			t.Fatalf("the pool spins for %v", got)
		}
	}
}

// TestSwitches checks that the system counts switches where it can, by running more threads
// than there are processors until it has taken one away.
func TestSwitches(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" || runtime.GOARCH == "wasm" {
		t.Skip("SKIPPED: this system does not count switches")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * runtime.NumCPU()))
	var stop atomic.Bool
	defer stop.Store(true)
	for range 4 * runtime.NumCPU() {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	first := switches()
	for end := time.Now().Add(20 * time.Second); switches() == first; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no switch was counted in 20 s")
		}
	}
}

// TestDismiss checks that Run does not wait for a helper that the system does not let run,
// and that the helper is of use again when it does.
func TestDismiss(t *testing.T) {
	for _, threads := range []int{2, 1 << 20} { // of the crowd: spinning or not
		p := &Pool{threads: 2, scratch: make([][]float32, 2), helpers: make([]helper, 1), shares: make([]share, 2)}
		p.crowd.init(threads)
		p.busy.init(&p.crowd)
		p.helpers[0].init(&p.crowd)
		for range 3 { // its goroutine does not exist yet
			parts := 0
			p.Run(10, TaskFunc(func(worker, _ int) {
				if worker != 0 {
					t.Errorf("worker %d, want 0", worker)
				}
				parts++
			}))
			if parts != 10 {
				t.Fatalf("%d parts ran, want 10", parts)
			}
		}
		p.helpers[0].state.Store(helperSleeps) // it is being woken: its token is on the way
		p.Run(10, TaskFunc(func(_, _ int) {}))
		go p.help(0)
		for range 100 {
			var here atomic.Int32
			together := make(chan struct{})
			p.Run(2, TaskFunc(func(_, _ int) {
				if here.Add(1) == 2 {
					close(together)
				}
				<-together // of both threads
			}))
		}
		p.Close()
	}
}

// TestDismissOften runs tiny tasks, whose helpers come too late as often as not, on a pool
// that sleeps at once.
func TestDismissOften(t *testing.T) {
	p := NewPool(runtime.GOMAXPROCS(0) + 2)
	defer p.Close()
	var calls [8]atomic.Int32
	task := TaskFunc(func(_, i int) { calls[i].Add(1) })
	for run := range int32(5000) {
		p.Run(len(calls), task)
		for i := range calls {
			if got := calls[i].Load(); got != run+1 {
				t.Fatalf("after run %d, part %d has run %d times", run, i, got)
			}
		}
	}
}
