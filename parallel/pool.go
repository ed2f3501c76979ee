package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gocaffe/gocaffe/internal/sysmem"
)

// A Task is work cut into numbered parts that may run at the same time.
type Task interface {
	// Do runs part i. worker identifies the thread that runs it, from 0 to
	// Pool.Threads()-1. No two parts run with the same worker at the same time,
	// so it may index scratch memory. The result must not depend on it.
	Do(worker, i int)
}

// TaskFunc turns a function into a Task. Converting a function allocates, so
// keep the Task if it runs often.
type TaskFunc func(worker, i int)

// Do calls f.
func (f TaskFunc) Do(worker, i int) { f(worker, i) }

// A Pool runs tasks on a fixed number of threads. The goroutine that calls Run
// is one of them; the others are goroutines that sleep when there has been
// nothing to do for a while, and almost at once while other programs compete for
// the processors. Each has a share of neighbouring parts to begin with; one that has
// finished its share takes parts of others, and Run does not wait for a goroutine that
// has not begun when no part is left.
//
// All methods may be called by several goroutines at the same time; their runs
// take turns. A nil *Pool is a pool of one thread.
type Pool struct {
	threads int
	helpers []helper

	mu     sync.Mutex // held by the Run in progress
	task   Task
	shares []share   // of the threads of the run
	busy   countdown // helpers that have not finished
	crowd  crowd
	failed atomic.Pointer[Panic] // the first panic of a part
	closed bool

	scratch   [][]float32 // of each worker, grown by Scratch
	op        sync.Mutex  // held from Begin to End
	workspace []float32   // grown by Op.Workspace
}

// NewPool returns a pool of the given number of threads, or with one thread for
// each processor if threads is 0 or negative. Close releases its goroutines.
func NewPool(threads int) *Pool {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{threads: threads, scratch: make([][]float32, threads), helpers: make([]helper, threads-1), shares: make([]share, threads)}
	p.crowd.init(threads)
	p.busy.init(&p.crowd)
	for i := range p.helpers {
		p.helpers[i].init(&p.crowd)
		go p.help(i)
	}
	return p
}

// Threads returns the number of threads.
func (p *Pool) Threads() int {
	if p == nil {
		return 1
	}
	return p.threads
}

// Close ends the pool's goroutines. The pool must not be used afterwards, but
// closing it again does nothing.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	for i := range p.helpers {
		close(p.helpers[i].wake)
	}
}

// Run calls t.Do for every i from 0 to n-1 and returns when all calls have
// returned. Runs of one pool take turns, so a task must not call Run on the
// pool that runs it. If a part panics, parts that have not begun are dropped,
// and Run panics with the same value after the others have returned.
func (p *Pool) Run(n int, t Task) {
	if n <= 0 {
		return
	}
	if p == nil {
		runSerially(n, t)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.threads == 1 || n == 1 {
		runSerially(n, t)
		return
	}
	p.crowd.look()
	p.task = t
	threads := min(n, p.threads)
	p.shares = p.shares[:threads]
	for i := range p.shares {
		p.shares[i].set(i*n/threads, (i+1)*n/threads)
	}
	helpers := threads - 1
	p.busy.n.Store(int32(helpers))
	for i := range helpers {
		p.helpers[i].call()
	}
	p.work(0)
	for i := range helpers {
		if p.helpers[i].dismiss() {
			p.busy.n.Add(-1)
		}
	}
	p.busy.wait()
	p.task = nil
	if failed := p.failed.Swap(nil); failed != nil {
		panic(failed)
	}
}

// serialWork is the work, some 10 µs of multiply-adds, below which waking other
// threads costs more than they save.
const serialWork = 1 << 19

// RunWork is Run for n parts that together cost about as much as the given
// number of multiply-adds in vectorized code. If that is little, the calling
// goroutine runs all parts, since waking other threads would take longer.
func (p *Pool) RunWork(work int64, n int, t Task) {
	if p == nil || work >= serialWork {
		p.Run(n, t)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	runSerially(n, t)
}

func runSerially(n int, t Task) {
	for i := range n {
		t.Do(0, i)
	}
}

// help is the goroutine of helper i, which is worker i+1.
func (p *Pool) help(i int) {
	h := &p.helpers[i]
	for h.wait() {
		p.work(i + 1)
		h.state.Store(helperWaits)
		p.busy.done()
	}
}

// work runs parts until none is left.
func (p *Pool) work(worker int) {
	defer func() {
		if r := recover(); r != nil {
			first := &Panic{Value: r, Callers: make([]uintptr, 64)}
			first.Callers = first.Callers[:runtime.Callers(0, first.Callers)]
			p.failed.CompareAndSwap(nil, first)
			for i := range p.shares {
				p.shares[i].drop()
			}
		}
	}()
	for k := range p.shares {
		s := &p.shares[(worker+k)%len(p.shares)]
		for i, ok := s.take(); ok; i, ok = s.take() {
			p.task.Do(worker, i)
		}
	}
}

// A share is the parts of a run that one thread begins with. Others take parts of it when
// theirs are done. So a thread computes neighbouring parts, and in the next run with as many
// threads the same share, whose data may be in its cache.
type share struct {
	next atomic.Int64
	end  int64
	_    [112]byte // keeps two shares on different cache lines
}

func (s *share) set(first, end int) {
	s.next.Store(int64(first))
	s.end = int64(end)
}

// take returns the next part, or false if none is left.
func (s *share) take() (int, bool) {
	i := s.next.Add(1) - 1
	return int(i), i < s.end
}

// drop drops the parts that have not begun.
func (s *share) drop() { s.next.Store(s.end) }

// Scratch returns n elements of memory for the part that runs as worker, to be
// used until the part returns. Their values are undefined. The pool keeps one
// such memory per worker: a second call in the same part returns the same
// memory, at a new address if n is larger. A nil pool allocates it.
func (p *Pool) Scratch(worker, n int) []float32 {
	if p == nil {
		return make([]float32, n)
	}
	if cap(p.scratch[worker]) < n {
		p.scratch[worker] = sysmem.Floats(n)
	}
	return p.scratch[worker][:n]
}
