package parallel

import "sync"

// A FreeList keeps values that are not in use, to be used again. Unlike a
// sync.Pool it never drops them, so code that takes and puts back does not
// allocate in the steady state. The zero FreeList is empty and ready for use by
// several goroutines; it must not be copied after that.
type FreeList[T any] struct {
	mu   sync.Mutex
	list []*T
}

// Get returns a value that was put back, as it was left, or a new zero value if
// there is none.
func (l *FreeList[T]) Get() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.list)
	if n == 0 {
		return new(T)
	}
	v := l.list[n-1]
	l.list = l.list[:n-1]
	return v
}

// Put puts back a value, which the caller must not use afterwards.
func (l *FreeList[T]) Put(v *T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, v)
}
