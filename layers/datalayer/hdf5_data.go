package datalayer

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

func init() {
	layers.Register(layers.Info{
		Type:  "HDF5Data",
		Group: "data",
		Param: "hdf5_data_param",
		Doc: `Rows of datasets in HDF5 files, file after file, again and again. Needs libhdf5.

Each top has the rows of the dataset that has the top's name. Axis 0 of the datasets counts the rows;
all datasets of a file have as many, and the other axes are the same in all files. Elements may be
floats or integers of any size.

Tops: the rows, batch_size x the other axes of the dataset; one number for each row if there are none.

hdf5_data_param:
	source: a file that lists the HDF5 files, relative to the working directory, with white space between them
	batch_size: N
	shuffle (false): shuffle the files, and the rows within each file, anew in each epoch

data_param.prefetch (4): number of batches held in memory; all but the current one are read ahead

A batch depends only on the seed and the number of the forward pass: a resumed run sees the same data.
A transform_param is an error, as in Caffe. Files whose numbers take more than 512 MiB are read in
parts, with shuffle more than 4 GiB row by row.

Solvers that train together share the rows: of n solvers, each takes every nth.

Caffe: hdf5_data_layer.cpp.`,
		Tops:    layers.AtLeast(1),
		New:     newHDF5Data,
		Kernels: cuda.Math,
	})
}

// hdf5Data implements the layer type; its registration describes it.
//
// Differs from Caffe: all files are opened when the layer is set up, and checked; in
// Caffe when they are first needed, and rows of another size are misread. Caffe loads
// each file as a whole.
type hdf5Data struct {
	*feed.Feeder
	spec  *layers.Spec
	param *caffepb.HDF5DataParameter
}

var (
	_ layers.Layer       = (*hdf5Data)(nil)
	_ layers.DeviceLayer = (*hdf5Data)(nil)
	_ layers.DataSource  = (*hdf5Data)(nil)
	_ layers.Closer      = (*hdf5Data)(nil)
)

func newHDF5Data(spec *layers.Spec) (layers.Layer, error) {
	param := spec.Param.GetHdf5DataParam()
	if param.GetSource() == "" {
		return nil, spec.Errorf("hdf5_data_param", "source is missing, want a file that lists HDF5 files")
	}
	if spec.Param.TransformParam != nil {
		return nil, spec.Errorf("transform_param", "HDF5Data does not transform data")
	}
	f, err := feed.New(spec, "hdf5_data_param", int(param.GetBatchSize()))
	if err != nil {
		return nil, err
	}
	return &hdf5Data{Feeder: f, spec: spec, param: param}, nil
}

// SetUp reads the list and opens each file.
func (l *hdf5Data) SetUp(_, top []*blob.Blob) error {
	name, typ, observer := l.spec.Param.GetName(), l.spec.Param.GetType(), l.spec.Env.Observer
	event.Send(observer, layers.ListOpening{Layer: name, Type: typ, Path: l.param.GetSource()})
	rows, err := readHDF5List(l.param.GetSource())
	if err != nil {
		return l.Fail(err)
	}
	event.Send(observer, layers.ListRead{Layer: name, Type: typ, Items: len(rows.files)})
	if err := rows.open(l.spec.Param.GetTop(), l.param.GetShuffle()); err != nil {
		return l.Fail(err)
	}
	for _, t := range rows.tops {
		event.Send(observer, layers.HDF5Opened{Layer: name, Class: t.class.String()})
	}
	var order feed.Order
	if l.param.GetShuffle() {
		if rows.Len() > math.MaxInt32 {
			return l.Fail(errors.New("there are too many rows to shuffle, want at most 2147483647"))
		}
		order.Permute = shuffleFiles(l.spec.Rand("shuffle"), rows.files)
	}
	return l.Start(rows, order, top)
}

// shuffleFiles returns an order of the rows that takes the files one after the other,
// in a new order in each epoch, and of each the rows in a new order.
func shuffleFiles(r layers.Rand, files []hdf5File) func(epoch int64, order []int32) {
	source := r.Source(0)
	random := rand.New(source)
	return func(epoch int64, order []int32) {
		source.Restart(uint64(epoch))
		for _, i := range random.Perm(len(files)) {
			f := &files[i]
			rows := order[:f.rows]
			order = order[f.rows:]
			for j := range rows {
				rows[j] = int32(f.first + j)
			}
			random.Shuffle(len(rows), func(a, b int) { rows[a], rows[b] = rows[b], rows[a] })
		}
	}
}

// Sources returns the list.
func (l *hdf5Data) Sources() []string { return []string{l.param.GetSource()} }
