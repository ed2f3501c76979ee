package datalayer

import (
	"context"
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

func init() {
	layers.Register(layers.Info{
		Type:  "MemoryData",
		Group: "data",
		Param: "memory_data_param",
		Doc: `Images and labels that the program passes to MemoryData.AddDatums or MemoryData.Reset.

Tops: the images, N x channels x height x width; the labels, N.

memory_data_param:
	batch_size: N
	channels, height, width: size of the images after transform_param is applied

transform_param: as for the type Data. Applied by AddDatums, not by Reset.

Caffe: memory_data_layer.cpp.`,
		Tops: layers.Exactly(2),
		New:  newMemoryData,
	})
}

// MemoryData is a data layer whose data the program supplies. It returns them
// batch by batch, again and again.
type MemoryData struct {
	layers.NoBottoms
	spec        *layers.Spec
	transformer *data.Transformer
	shape       [4]int // N x C x H x W of a batch
	data        []float32
	labels      []float32
	next        int   // item of the next batch
	unread      bool  // some data of AddDatums have not been used yet
	added       int64 // number of items passed to AddDatums so far
}

var _ layers.Layer = (*MemoryData)(nil)

func newMemoryData(spec *layers.Spec) (layers.Layer, error) {
	p := spec.Param.GetMemoryDataParam()
	sizes := [4]uint32{p.GetBatchSize(), p.GetChannels(), p.GetHeight(), p.GetWidth()}
	var shape [4]int
	for i, n := range sizes {
		if n == 0 || n > 1<<31-1 {
			return nil, spec.Errorf("memory_data_param", "batch_size, channels, height and width are %d, want all of them at least 1", sizes)
		}
		shape[i] = int(n)
	}
	t, err := feed.NewTransformer(spec)
	if err != nil {
		return nil, err
	}
	return &MemoryData{spec: spec, transformer: t, shape: shape}, nil
}

// SetUp gives the tops their shapes.
func (l *MemoryData) SetUp(_, top []*blob.Blob) error {
	if err := feed.ReadMean(l.spec, l.transformer); err != nil {
		return err
	}
	if err := top[0].Reshape(l.shape[0], l.shape[1], l.shape[2], l.shape[3]); err != nil {
		return l.spec.ErrorAt("memory_data_param", 0, err)
	}
	return top[1].Reshape(l.shape[0])
}

// AddDatums transforms records and makes them the data of the layer. Their
// number must be a multiple of the batch size. It fails if what was added
// before has not been used up. It is called after the layer was set up.
func (l *MemoryData) AddDatums(datums []*caffepb.Datum) error {
	if l.unread {
		return errors.New("data cannot be added until the data added before has been used up")
	}
	if err := l.checkCount(len(datums)); err != nil {
		return err
	}
	size := l.itemSize()
	values, labels := make([]float32, len(datums)*size), make([]float32, len(datums))
	var pixels data.Pixels
	for i, p := range datums {
		d := data.Datum{
			Channels: int(p.GetChannels()), Height: int(p.GetHeight()), Width: int(p.GetWidth()),
			Data: p.GetData(), Float: p.GetFloatData(), Encoded: p.GetEncoded(),
		}
		if err := l.transformer.SetDatum(&pixels, &d); err != nil {
			return fmt.Errorf("datum %d: %w", i, err)
		}
		c, h, w, err := l.transformer.Shape(&pixels)
		if err == nil && [3]int{c, h, w} != [3]int(l.shape[1:]) {
			err = fmt.Errorf("its shape, transformed, is %d x %d x %d, memory_data_param says %d x %d x %d", c, h, w, l.shape[1], l.shape[2], l.shape[3])
		}
		if err == nil {
			err = l.transformer.Transform(values[i*size:][:size], &pixels, uint64(l.added+int64(i)))
		}
		if err != nil {
			return fmt.Errorf("datum %d: %w", i, err)
		}
		labels[i] = float32(p.GetLabel())
	}
	l.added += int64(len(datums))
	l.set(values, labels)
	l.unread = true
	return nil
}

// Reset makes the given values the data of the layer, without transforming or
// copying them: len(labels) items, which must be a multiple of the batch size.
func (l *MemoryData) Reset(values, labels []float32) error {
	if err := l.checkCount(len(labels)); err != nil {
		return err
	}
	if want := len(labels) * l.itemSize(); len(values) != want {
		return fmt.Errorf("%d values are given for %d items, want %d", len(values), len(labels), want)
	}
	if l.spec.Param.TransformParam != nil {
		event.Send(l.spec.Env.Observer, layers.NotTransformed{Layer: l.spec.Param.GetName()})
	}
	l.set(values, labels)
	return nil
}

func (l *MemoryData) itemSize() int { return l.shape[1] * l.shape[2] * l.shape[3] }

func (l *MemoryData) checkCount(n int) error {
	if n == 0 || n%l.shape[0] != 0 {
		return fmt.Errorf("%d items are given, want a multiple of the batch size %d", n, l.shape[0])
	}
	return nil
}

func (l *MemoryData) set(values, labels []float32) {
	l.data, l.labels, l.next, l.unread = values, labels, 0, false
}

// Forward copies the next batch to the tops.
func (l *MemoryData) Forward(_ context.Context, _, top []*blob.Blob) error {
	if l.data == nil {
		return l.spec.Errorf("", "there is no data: the program must call AddDatums or Reset")
	}
	n, size := l.shape[0], l.itemSize()
	copy(top[0].MutableData(), l.data[l.next*size:])
	copy(top[1].MutableData(), l.labels[l.next:l.next+n])
	if l.next += n; l.next == len(l.labels) {
		l.next, l.unread = 0, false
	}
	return nil
}
