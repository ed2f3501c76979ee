package net

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/parallel"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// make sets Impl to a new layer of the type.
func (l *Layer) make(spec *layers.Spec) error {
	return l.call("New", func() (err error) {
		l.Impl, err = l.Info.New(spec)
		return err
	})
}

// setUp sets up a connected layer and gives its tops their shapes.
func (l *Layer) setUp(workers *parallel.Pool) error {
	if err := l.setUpImpl(); err != nil {
		return err
	}
	if p, ok := l.Impl.(layers.Parameterized); ok {
		l.Params = p.Params()
	}
	l.shapes = make([][]int, len(l.Bottoms))
	l.LossWeights = make([]float32, len(l.Tops))
	l.lossCounts = make([]int, len(l.Tops))
	copy(l.LossWeights, l.Param.LossWeight)
	return l.reshape(workers)
}

func (l *Layer) setUpImpl() error {
	return l.call("SetUp", func() error { return l.Impl.SetUp(l.Bottoms, l.Tops) })
}

// reshape gives the tops their shapes, and the diffs of losses their weight.
func (l *Layer) reshape(workers *parallel.Pool) error {
	if len(l.parts) > 0 && l.reshaped() {
		l.separate()
	}
	if err := l.reshapeImpl(); err != nil {
		l.failed = true
		return l.wrap(err)
	}
	l.failed = false
	for i, bottom := range l.Bottoms {
		l.shapes[i] = append(l.shapes[i][:0], bottom.Shape()...)
	}
	for j, w := range l.LossWeights {
		if w != 0 {
			l.weigh(workers, j)
		}
	}
	return nil
}

// weigh fills the diff of top j with its loss weight. If that is the diff of a bottom too, as a
// Flatten has it, the layers below would overwrite it in Backward: the top gets its own.
func (l *Layer) weigh(workers *parallel.Pool, j int) {
	top := l.Tops[j]
	if slices.ContainsFunc(l.Bottoms, func(b *blob.Blob) bool { return b != top && b.SharesDiff(top) }) {
		top.PlaceDiff(new(blob.Storage))
		l.lossCounts[j] = -1
	}
	if top.Count() != l.lossCounts[j] {
		kernel.Fill(workers, l.LossWeights[j], top.MutableDiff())
		l.lossCounts[j] = top.Count()
	}
}

func (l *Layer) reshapeImpl() error {
	return l.call("Reshape", func() error { return l.Impl.Reshape(l.Bottoms, l.Tops) })
}

// call calls a method of the layer and turns a panic into an error of one line.
func (l *Layer) call(method string, f func() error) (err error) {
	defer l.rescue(method, &err)
	return f()
}

// rescue turns a panic of a layer into an error of one line. Defer it.
func (l *Layer) rescue(method string, err *error) {
	if p := recover(); p != nil {
		text := strings.ReplaceAll(fmt.Sprint(p), "\n", "; ")
		*err = fmt.Errorf("panic in %s of type %s%s: %s", method, l.Type, l.Info.PanicOrigin(p), text)
	}
}

// wrap prefixes an error with the position and the name of the layer, unless it has
// a position already.
func (l *Layer) wrap(err error) error {
	switch err.(type) {
	case *prototxt.Error, prototxt.ErrorList:
		return err
	}
	return &prototxt.Error{Pos: l.positions.Of(l.source, "", 0), Layer: l.Name, Err: err}
}

// wrapIn is wrap for a net that is being built from a file, which is named even if
// the position in it is unknown.
func (l *Layer) wrapIn(file *prototxt.Net, err error) error {
	err = l.wrap(err)
	if e, ok := err.(*prototxt.Error); ok && !e.Pos.IsValid() && e.Pos.File == "" {
		e.Pos.File = file.File
	}
	return err
}

// Proto returns the layer as it is written to files, with its weights and, if diff
// is set, their gradients.
func (l *Layer) Proto(diff bool) *caffepb.LayerParameter {
	p := proto.Clone(l.Param).(*caffepb.LayerParameter)
	prototxt.SetDialect(p, "") // the file is Caffe's, to the byte
	p.Blobs = nil
	for _, b := range l.Params {
		p.Blobs = append(p.Blobs, b.ToProto(diff))
	}
	return p
}
