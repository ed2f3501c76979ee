package parallel

import (
	"sync"

	"github.com/gocaffe/gocaffe/internal/sysmem"
)

// An Op is an operation that makes several runs and keeps data between them in
// memory of the pool, such as a matrix product that first packs its factors and
// then multiplies them:
//
//	op := pool.Begin()
//	defer op.End()
//	t.packed = op.Workspace(size)
//	op.Pool().Run(panels, &t.pack)
//	op.Pool().Run(tiles, &t.multiply)
type Op struct {
	pool     *Pool
	borrowed bool // from singles
}

// singles holds pools of one thread for operations on a nil pool.
var singles = sync.Pool{New: func() any { return NewPool(1) }}

// Begin begins an operation. Operations of one pool take turns: Begin waits for
// the End of the one before. It must not be called by a part that the pool
// runs, nor by an operation that has begun.
func (p *Pool) Begin() Op {
	op := Op{pool: p}
	if p == nil {
		op = Op{pool: singles.Get().(*Pool), borrowed: true}
	}
	op.pool.op.Lock()
	return op
}

// End ends the operation. Its workspace must not be used any more.
func (o Op) End() {
	o.pool.op.Unlock()
	if o.borrowed {
		singles.Put(o.pool)
	}
}

// Pool returns the pool that the operation runs on. It is never nil: for an
// operation that was begun on a nil pool it is a pool of one thread.
func (o Op) Pool() *Pool { return o.pool }

// Workspace returns n elements of memory for all parts of the operation. Their
// values are undefined. A second call returns the same memory, at a new address
// if n is larger.
func (o Op) Workspace(n int) []float32 {
	p := o.pool
	if cap(p.workspace) < n {
		p.workspace = sysmem.Floats(n)
	}
	return p.workspace[:n]
}
