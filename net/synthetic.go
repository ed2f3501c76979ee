package net

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
)

// Synthetic replaces layers that read data from outside by synthetic data, so that
// a net can be checked and timed without a data set. The first top gets normally
// distributed values of mean 0 and variance 1. The others get labels: whole numbers
// below the number of classes that the layers after them distinguish. Every pass
// has the same data, which depends only on the seed.
type Synthetic struct {
	// Shape is (channels, height, width) of the first top after the data layer's
	// transformations. If it is nil, the layer determines it, for which it needs
	// its data.
	Shape []int

	// Named has shapes for single data layers, by the name of the layer or of its
	// first top, and for the other tops by their names. Shape is for one data layer that
	// is not named here.
	Named map[string][]int

	Batch int // items; 0 for the batch size of the layer

	// Inputs gives shapes and the batch size to Input layers too, which otherwise keep
	// those in the file. The program fills them in any case. New then returns an InputError
	// for a shape or a batch size that no layer takes.
	Inputs bool
}

// A SourceError is returned when a data layer cannot determine the shape of its
// tops. With a shape in Options.Synthetic it need not.
type SourceError struct {
	Sources []string
	Err     error
}

// Error returns the cause, which names the source.
func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// A SkippedError is returned for a layer that runs a program of the user's, which
// Options.NoPrograms forbids.
type SkippedError struct{ Program string }

// Error names the program.
func (e *SkippedError) Error() string {
	return "runs " + e.Program + " code, which was not run: the layers that read its tops are not checked"
}

// syntheticData is the layer that replaces a data layer.
type syntheticData struct {
	layers.OnRecordableDevice
	shapes  [][]int     // of the tops
	given   [][]float32 // the contents of tops that the layer makes up (layers.Imitator)
	classes []int       // for each top the number of labels, 0 for the first top
	key     uint64
	stream  uint64 // of the first top; the others follow
	values  []*blob.Blob
}

// replaceData replaces a layer that reads data from outside by synthetic data, if
// the options ask for it.
func (b *builder) replaceData(l *Layer) error {
	source, ok := l.Impl.(layers.DataSource)
	if b.opts.Synthetic == nil || !ok || len(l.source.Bottom) > 0 {
		return nil
	}
	shapes, err := b.syntheticShapes(l, source)
	if err != nil {
		return l.wrapIn(b.file, err)
	}
	b.batchTaken = true
	hash := fnv.New64a()
	hash.Write([]byte(l.Name))
	l.synthetic = &syntheticData{
		shapes:  shapes,
		given:   make([][]float32, len(shapes)),
		classes: make([]int, len(shapes)),
		key:     b.opts.Seed,
		stream:  hash.Sum64(),
	}
	if imitator, ok := l.Impl.(layers.Imitator); ok && len(shapes[0]) > 0 {
		for j := 1; j < len(shapes); j++ {
			if shape, values := imitator.Imitate(j, shapes[0][0]); shape != nil {
				shapes[j], l.synthetic.given[j] = shape, values
			}
		}
	}
	l.Impl = l.synthetic
	return nil
}

// itemShape returns the shape of an item of a data layer in the options, or nil.
func (b *builder) itemShape(source *caffepb.LayerParameter) ([]int, error) {
	o := b.opts.Synthetic
	names := []string{source.GetName()}
	if len(source.Top) > 0 {
		names = append(names, source.Top[0])
	}
	for _, name := range names {
		if shape := b.namedShape(name); shape != nil {
			return shape, nil
		}
	}
	if o.Shape != nil && b.shapeTaken != "" {
		return nil, fmt.Errorf("the shape %v is given for one data layer, and layer %q has taken it: name the layer with each shape, as in %s=3,32,32",
			o.Shape, b.shapeTaken, source.GetName())
	}
	if o.Shape != nil {
		b.shapeTaken = source.GetName()
	}
	return o.Shape, nil
}

// syntheticShapes returns the shapes of the tops of a data layer.
func (b *builder) syntheticShapes(l *Layer, source layers.DataSource) ([][]int, error) {
	shape, err := b.itemShape(l.source)
	if err != nil {
		return nil, err
	}
	if shape == nil {
		return b.askShapes(l, source)
	}
	batch := b.opts.Synthetic.Batch
	if b, ok := l.Impl.(layers.Batcher); ok && batch == 0 {
		batch = b.BatchSize()
	}
	if batch <= 0 {
		return nil, fmt.Errorf("the batch size of synthetic data is %d, want 1 or more", batch)
	}
	shapes := make([][]int, topCount(l.source, l.Info))
	labeler, _ := l.Impl.(layers.Labeler)
	for j := range shapes {
		shapes[j] = []int{batch}
		if labeler != nil && j > 0 {
			shapes[j] = append(shapes[j], labeler.Labels(j, shape)...)
		}
		if j > 0 && j < len(l.source.Top) {
			if named := b.namedShape(l.source.Top[j]); named != nil {
				shapes[j] = append([]int{batch}, named...)
			}
		}
	}
	if len(shapes) > 0 {
		shapes[0] = append(shapes[0], shape...)
	}
	return shapes, nil
}

// askShapes sets up the data layer to find the shapes of its tops, and closes it.
func (b *builder) askShapes(l *Layer, source layers.DataSource) ([][]int, error) {
	tops := make([]*blob.Blob, topCount(l.source, l.Info))
	for j := range tops {
		tops[j] = new(blob.Blob)
	}
	probe := &Layer{Type: l.Type, Impl: l.Impl, Tops: tops}
	err := probe.setUpImpl()
	if err == nil {
		err = probe.reshapeImpl()
	}
	if c, ok := l.Impl.(layers.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		var e *prototxt.Error
		if errors.As(err, &e) {
			return nil, &prototxt.Error{Pos: e.Pos, Layer: e.Layer, Err: &SourceError{source.Sources(), e.Err}}
		}
		return nil, &SourceError{source.Sources(), err}
	}
	shapes := make([][]int, len(tops))
	for j, top := range tops {
		shapes[j] = slices.Clone(top.Shape())
		if b.opts.Synthetic.Batch > 0 && len(shapes[j]) > 0 {
			shapes[j][0] = b.opts.Synthetic.Batch
		}
	}
	return shapes, nil
}

// fillLabels sets the number of classes of the synthetic labels.
func (b *builder) fillLabels() {
	for _, l := range b.layers {
		if l.synthetic == nil {
			continue
		}
		for j := 1; j < len(l.tops); j++ {
			l.synthetic.classes[j] = max(b.classes(l.tops[j], make(map[*netBlob]bool)), 1)
		}
	}
}

// classes returns the number of classes that all layers reading a label
// distinguish, or 0 if it is unknown. A layer with weights has a row of them for
// each class, on the last axis but one. A layer without weights reads a score for
// each class, on axis 1 of its first bottom. A layer that reads only the label
// passes it on.
func (b *builder) classes(label *netBlob, seen map[*netBlob]bool) int {
	if seen[label] {
		return 0
	}
	seen[label] = true
	least := 0
	for _, l := range b.layers {
		for j, bottom := range l.bottoms {
			if bottom != label {
				continue
			}
			found := 0
			switch {
			case len(l.Params) > 0 && l.Params[0].Axes() >= 2:
				found = l.Params[0].Dim(-2)
			case j > 0 && l.Bottoms[0].Axes() >= 2:
				found = l.Bottoms[0].Dim(1)
			case len(l.bottoms) == 1:
				for _, top := range l.tops {
					if c := b.classes(top, seen); c > 0 && (found == 0 || c < found) {
						found = c
					}
				}
			}
			if found > 0 && (least == 0 || found < least) {
				least = found
			}
		}
	}
	return least
}

// SetUp does nothing.
func (s *syntheticData) SetUp(_, _ []*blob.Blob) error { return nil }

// Reshape gives the tops the shapes that the data layer would have given them.
func (s *syntheticData) Reshape(_, top []*blob.Blob) error {
	for j, shape := range s.shapes {
		if err := top[j].Reshape(shape...); err != nil {
			return err
		}
	}
	return nil
}

// Forward copies the data, which it generates the first time, because the next
// layer may work in place.
func (s *syntheticData) Forward(_ context.Context, _, top []*blob.Blob) error {
	if err := s.make(); err != nil {
		return err
	}
	for j, v := range s.values {
		copy(top[j].MutableData(), v.Data())
	}
	return nil
}

// Backward does nothing.
func (s *syntheticData) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error {
	return nil
}

// make generates the data and the labels the first time.
func (s *syntheticData) make() error {
	if s.values != nil {
		return nil
	}
	for j, shape := range s.shapes {
		v, err := blob.New(shape...)
		if err != nil {
			return err
		}
		stream := s.stream + uint64(j)
		if s.given[j] != nil {
			copy(v.MutableData(), s.given[j])
		} else if j == 0 {
			kernel.PhiloxGaussian(nil, s.key, stream, 0, 0, 1, v.MutableData())
		} else {
			x := v.MutableData()
			kernel.PhiloxUniform(nil, s.key, stream, 0, 0, float32(s.classes[j]), x)
			for i := range x {
				// Rounding may have raised the largest values to the upper limit.
				x[i] = float32(min(int(x[i]), s.classes[j]-1))
			}
		}
		s.values = append(s.values, v)
	}
	return nil
}
