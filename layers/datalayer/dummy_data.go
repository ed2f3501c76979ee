package datalayer

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "DummyData",
		Group: "data",
		Param: "dummy_data_param",
		Doc: `Data from fillers, drawn anew in each pass.

Tops: one or more.

dummy_data_param:
	shape: one for all tops, or one for each
	num, channels, height, width: the shapes in Caffe's old form, instead of shape
	data_filler (constant 0): one for all tops, or one for each. Values of a constant filler are set once

Caffe: dummy_data_layer.cpp.`,
		Tops: layers.AtLeast(1),
		New:  newDummyData,
	})
}

type dummyData struct {
	layers.NoBottoms
	spec    *layers.Spec
	field   string // of the shapes
	shapes  []*caffepb.BlobShape
	fillers []*caffepb.FillerParameter
}

var _ layers.Layer = (*dummyData)(nil)

func newDummyData(spec *layers.Spec) (layers.Layer, error) {
	param, tops := spec.Param.GetDummyDataParam(), len(spec.Param.GetTop())
	l := &dummyData{spec: spec, field: "dummy_data_param.shape", shapes: param.GetShape(), fillers: param.GetDataFiller()}
	if n := len(l.fillers); n > 1 && n != tops {
		return nil, spec.Errorf("dummy_data_param.data_filler", "%d fillers for %d tops, want none, 1 or %[2]d", n, tops)
	}
	for _, f := range l.fillers {
		if err := spec.CheckFiller("dummy_data_param.data_filler", f); err != nil {
			return nil, err
		}
	}
	sizes := [4][]uint32{param.GetNum(), param.GetChannels(), param.GetHeight(), param.GetWidth()}
	if len(sizes[0])+len(sizes[1])+len(sizes[2])+len(sizes[3]) > 0 {
		if len(l.shapes) > 0 {
			return nil, spec.Errorf("dummy_data_param.shape", "both shape and its old form (num, channels, height, width) are set")
		}
		l.field = "dummy_data_param"
		l.shapes = make([]*caffepb.BlobShape, tops)
		for axis, name := range []string{"num", "channels", "height", "width"} {
			got := sizes[axis]
			if len(got) != 1 && len(got) != tops {
				return nil, spec.Errorf("dummy_data_param", "%s is given %d times for %d tops, want 1 or %[3]d", name, len(got), tops)
			}
			for i := range l.shapes {
				if l.shapes[i] == nil {
					l.shapes[i] = new(caffepb.BlobShape)
				}
				l.shapes[i].Dim = append(l.shapes[i].Dim, int64(got[min(i, len(got)-1)]))
			}
		}
	}
	if n := len(l.shapes); n != 1 && n != tops {
		return nil, spec.Errorf("dummy_data_param", "%d shapes for %d tops, want 1 or %[2]d", n, tops)
	}
	return l, nil
}

// filler returns the filler of top i, nil for zeros.
func (l *dummyData) filler(i int) *caffepb.FillerParameter {
	if len(l.fillers) == 0 {
		return nil
	}
	return l.fillers[min(i, len(l.fillers)-1)]
}

// SetUp gives the tops their shapes and fills those with a constant filler.
func (l *dummyData) SetUp(_, top []*blob.Blob) error {
	if err := reshapeAll(l.spec, l.field, l.shapes, top); err != nil {
		return err
	}
	return l.fill(top, true)
}

// Forward fills the tops whose filler is not constant.
func (l *dummyData) Forward(_ context.Context, _, top []*blob.Blob) error { return l.fill(top, false) }

// fill fills the tops whose filler is constant, or all others.
func (l *dummyData) fill(top []*blob.Blob, constant bool) error {
	for i, t := range top {
		f := l.filler(i)
		if (f.GetType() == "constant") != constant {
			continue
		}
		// each top has random numbers of its own in each pass
		r := layers.NewRand(l.spec.Env.Seed, l.spec.Param.GetName(), "top "+strconv.Itoa(i), strconv.FormatUint(l.spec.Env.Stream(), 10))
		if err := layers.Fill(t, f, r); err != nil {
			return l.spec.ErrorAt("dummy_data_param.data_filler", min(i, len(l.fillers)-1), fmt.Errorf("top %d: %w", i, err))
		}
	}
	return nil
}
