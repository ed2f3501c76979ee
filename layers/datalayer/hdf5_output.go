package datalayer

import (
	"context"
	"fmt"
	"slices"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:    "HDF5Output",
		Group:   "data",
		Param:   "hdf5_output_param",
		Bottoms: layers.Exactly(2),
		Tops:    layers.Exactly(0),
		New:     newHDF5Output,
		Doc: `Writes two blobs to an HDF5 file, as its datasets data and label. Needs libhdf5.

Each forward pass appends its items, which axis 0 of both bottoms counts, to the datasets; these have
four axes, the missing ones of size 1. The file gets its name when the net is closed, that is, at the
end of the program; one of that name is replaced then.

Bottoms: the data and the labels, as many items of each, with at most four axes. Their gradient is 0.
Tops: none.

hdf5_output_param:
	file_name: the file to write, relative to the working directory

Caffe: hdf5_output_layer.cpp.`,
	})
}

// hdf5Output implements the layer type; its registration describes it.
//
// Differs from Caffe: the second pass appends to the datasets; in Caffe it ends the
// program. The file is complete or not there.
type hdf5Output struct {
	spec   *layers.Spec
	path   string
	writer *hdf5.Writer // nil before the first pass
	sets   [2]*hdf5.Rows
	row    [2][]int // shapes of the rows
}

var (
	_ layers.Layer          = (*hdf5Output)(nil)
	_ layers.BackwardReader = (*hdf5Output)(nil)
	_ layers.Closer         = (*hdf5Output)(nil)
)

// hdf5OutputSets are the names of the datasets.
var hdf5OutputSets = [2]string{"data", "label"}

func newHDF5Output(spec *layers.Spec) (layers.Layer, error) {
	path := spec.Param.GetHdf5OutputParam().GetFileName()
	if path == "" {
		return nil, spec.Errorf("hdf5_output_param", "file_name is missing, want the HDF5 file to write")
	}
	return &hdf5Output{spec: spec, path: path}, nil
}

// SetUp finds the library, so that its absence shows before training.
func (l *hdf5Output) SetUp(bottom, top []*blob.Blob) error {
	if _, err := hdf5.LibraryVersion(); err != nil {
		return l.fail(err)
	}
	return nil
}

func (l *hdf5Output) fail(err error) error {
	return l.spec.ErrorAt("hdf5_output_param.file_name", 0, err)
}

// Reshape checks the shapes.
func (l *hdf5Output) Reshape(bottom, top []*blob.Blob) error {
	for i, b := range bottom {
		if b.Axes() > 4 {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("shape %s has %d axes, want at most 4", b.ShapeString(), b.Axes()))
		}
	}
	if data, label := bottom[0].Num(), bottom[1].Num(); data != label {
		return l.spec.ErrorAt("bottom", 1, fmt.Errorf("%d labels for %d items of data, want as many", label, data))
	}
	return nil
}

// Forward appends the items of the bottoms.
func (l *hdf5Output) Forward(_ context.Context, bottom, top []*blob.Blob) error {
	if l.writer == nil {
		if err := l.create(bottom); err != nil {
			return l.fail(err)
		}
	}
	event.Send(l.spec.Env.Observer, layers.HDF5Saving{Layer: l.spec.Param.GetName(), Path: l.path})
	rows := bottom[0].Num()
	for i, b := range bottom {
		if row := legacyRow(b); !slices.Equal(row, l.row[i]) {
			return l.spec.ErrorAt("bottom", i, fmt.Errorf("the items have shape %v, those in the file %v", row, l.row[i]))
		}
		if err := l.sets[i].Append(rows, b.Data()); err != nil {
			return l.fail(err)
		}
	}
	event.Send(l.spec.Env.Observer, layers.HDF5Saved{Layer: l.spec.Param.GetName(), Rows: rows})
	return nil
}

// create begins the file.
func (l *hdf5Output) create(bottom []*blob.Blob) error {
	w, err := hdf5.Create(l.path)
	if err != nil {
		return err
	}
	for i, b := range bottom {
		l.row[i] = legacyRow(b)
		if l.sets[i], err = w.Rows(hdf5OutputSets[i], l.row[i]); err != nil {
			w.Abort()
			return err
		}
	}
	l.writer = w
	return nil
}

// legacyRow returns the shape of an item of a blob with four axes.
func legacyRow(b *blob.Blob) []int {
	row := []int{1, 1, 1}
	copy(row, b.Shape()[min(1, b.Axes()):])
	return row
}

// BackwardReads returns that Backward reads no data.
func (l *hdf5Output) BackwardReads() (bottom, top bool) { return false, false }

// Backward sets the diffs of the bottoms to 0.
func (l *hdf5Output) Backward(_ context.Context, _ []*blob.Blob, propagateDown []bool, bottom []*blob.Blob) error {
	for i, b := range bottom {
		if propagateDown[i] {
			kernel.Fill(l.spec.Env.Workers, 0, b.MutableDiff())
		}
	}
	return nil
}

// Close completes the file.
func (l *hdf5Output) Close() error {
	if l.writer == nil {
		return nil
	}
	w := l.writer
	l.writer = nil
	if err := w.Commit(); err != nil {
		return l.fail(err)
	}
	return nil
}
