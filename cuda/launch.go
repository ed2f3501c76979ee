package cuda

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// Block is the usual number of threads of a block: GC_BLOCK in gpu.h.
const Block = 256

// maxArgs is the largest number of parameters of a kernel.
const maxArgs = 32

// A Grid is the number of blocks that run a kernel, and of threads in each.
type Grid struct{ blocks, threads driver.Dim }

// Each returns the grid for n elements that the threads share by GC_EACH.
func Each(n int) Grid { return Blocks(min((n+Block-1)/Block, 1<<20), 1, 1) }

// Blocks returns the grid of x·y·z blocks of Block threads.
func Blocks(x, y, z int) Grid {
	return Grid{driver.Dim{X: uint32(x), Y: uint32(y), Z: uint32(z)}, driver.Dim{X: Block, Y: 1, Z: 1}}
}

// Of returns the grid with blocks of x·y·z threads.
func (g Grid) Of(x, y, z int) Grid {
	g.threads = driver.Dim{X: uint32(x), Y: uint32(y), Z: uint32(z)}
	return g
}

// Launch queues a kernel. Its arguments match those of the declaration: Ptr for a
// pointer; float32 for float; int, which must fit, or int32 or uint32 for int and
// unsigned; int64 or uint64 for long long; float64 for double; bool for an int that
// is 0 or 1. A grid without blocks launches nothing. Launch does not allocate.
func (d *Device) Launch(k *Kernel, g Grid, args ...any) {
	if g.blocks.X == 0 || g.blocks.Y == 0 || g.blocks.Z == 0 || !d.enter() {
		return
	}
	defer d.leave()
	f, err := d.function(k)
	if err != nil {
		d.Fail(err)
		return
	}
	if len(args) != len(f.params) || len(args) > maxArgs {
		d.Fail(fmt.Errorf("kernel %s: launched with %d arguments, it has %d", k.name, len(args), len(f.params)))
		return
	}
	for i, arg := range args {
		var kind byte
		switch v := arg.(type) {
		case Ptr:
			kind, d.args[i] = 'p', uint64(v)
		case int64:
			kind, d.args[i] = 'p', uint64(v)
		case uint64:
			kind, d.args[i] = 'p', v
		case int:
			kind, d.args[i] = 'i', uint64(uint32(v))
			if v != int(int32(v)) {
				kind = 0
			}
		case int32:
			kind, d.args[i] = 'i', uint64(uint32(v))
		case uint32:
			kind, d.args[i] = 'i', uint64(v)
		case bool:
			kind, d.args[i] = 'i', 0
			if v {
				d.args[i] = 1
			}
		case float32:
			kind, d.args[i] = 'f', uint64(math.Float32bits(v))
		case float64:
			kind, d.args[i] = 'd', math.Float64bits(v)
		}
		if kind != f.params[i] {
			d.Fail(d.wrongArg(k, i, kind, f.params[i]))
			return
		}
	}
	d.config = driver.Config{Grid: g.blocks, Block: g.threads, Stream: d.stream}
	if err := d.drv.Launch(f.handle, &d.config, d.params[:len(args)]); err != nil {
		d.Fail(fmt.Errorf("kernel %s: %w", k.name, err))
	}
}

func (d *Device) wrongArg(k *Kernel, i int, got, want byte) error {
	names := map[byte]string{0: "a value that no parameter can hold", 'p': "a pointer or a long", 'i': "an int", 'f': "a float", 'd': "a double", '?': "of a type that Launch does not support"}
	return fmt.Errorf("kernel %s: argument %d is %s, the parameter is %s", k.name, i, names[got], names[want])
}
