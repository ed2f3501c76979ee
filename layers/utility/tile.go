package utility

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
)

func init() {
	layers.Register(layers.Info{
		Type:    "Tile",
		Group:   "utility",
		Param:   "tile_param",
		Bottoms: layers.Exactly(1),
		Tops:    layers.Exactly(1),
		New:     newTile,
		Kernels: tileKernels,
		Doc: `Repeats a blob along an axis.

Bottom: any blob.
Top: the bottom tiles times, one behind the other along the axis.

tile_param:
	axis (1): the axis; a negative one counts from the last
	tiles: how many times. It is required.

Caffe: tile_layer.cpp`,
	})
}

// tile implements the layer type; its registration describes it.
type tile struct {
	layers.OnRecordableDevice
	spec        *layers.Spec
	axis, tiles int

	inner   int   // elements that are repeated as a whole
	shape   []int // of the top
	forward parallel.Loop[tileArgs]
	grad    parallel.Loop[tileArgs]
}

// tileArgs are the arguments of the loops over the elements of the array that is
// written.
type tileArgs struct {
	inner, tiles int
	x, y         []float32 // of the bottom and of the top
}

var (
	_ layers.Layer          = (*tile)(nil)
	_ layers.BackwardReader = (*tile)(nil)
)

func newTile(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetTileParam()
	if p == nil || p.Tiles == nil {
		return nil, spec.Errorf("tile_param", "tiles is not given")
	}
	if p.GetTiles() < 1 {
		return nil, spec.Errorf("tile_param.tiles", "got tiles %d, want at least 1", p.GetTiles())
	}
	return &tile{
		spec: spec, axis: int(p.GetAxis()), tiles: int(p.GetTiles()),
		forward: parallel.Loop[tileArgs]{Body: repeat},
		grad:    parallel.Loop[tileArgs]{Body: addRepeated},
	}, nil
}

func (l *tile) SetUp(_, _ []*blob.Blob) error { return nil }

func (l *tile) Reshape(bottom, top []*blob.Blob) error {
	if err := l.spec.NotInPlace(bottom, top); err != nil {
		return err
	}
	axis, err := bottom[0].Axis(l.axis)
	if err != nil {
		return l.spec.ErrorAt("tile_param.axis", 0, err)
	}
	l.inner = bottom[0].CountFrom(axis)
	l.shape = append(l.shape[:0], bottom[0].Shape()...)
	l.shape[axis] *= l.tiles
	if err := top[0].Reshape(l.shape...); err != nil {
		return l.spec.ErrorAt("tile_param.tiles", 0, err)
	}
	return nil
}

func (l *tile) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	y := top[0].MutableData()
	l.forward.Run(l.spec.Env.Workers, len(y), partSize, tileArgs{l.inner, l.tiles, bottom[0].Data(), y})
	return nil
}

// repeat sets the elements from..to of y.
func repeat(a *tileArgs, _, from, to int) {
	for from < to {
		row, column := from/a.inner, from%a.inner
		n := min(a.inner-column, to-from)
		copy(a.y[from:from+n], a.x[row/a.tiles*a.inner+column:])
		from += n
	}
}

// BackwardReads returns that Backward reads no data.
func (l *tile) BackwardReads() (bottom, top bool) { return false, false }

func (l *tile) Backward(_ context.Context, top []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	if propagateDown[0] {
		dx := bottom[0].MutableDiff()
		l.grad.Run(l.spec.Env.Workers, len(dx), partSize, tileArgs{l.inner, l.tiles, dx, top[0].Diff()})
	}
	return nil
}

// addRepeated sets the elements from..to of x to the sum of those of y that they were
// repeated to.
func addRepeated(a *tileArgs, _, from, to int) {
	for from < to {
		row, column := from/a.inner, from%a.inner
		n := min(a.inner-column, to-from)
		x, y := a.x[from:from+n], a.y[row*a.inner*a.tiles+column:]
		copy(x, y)
		for t := 1; t < a.tiles; t++ {
			kernel.Axpy(nil, 1, y[t*a.inner:], x)
		}
		from += n
	}
}
