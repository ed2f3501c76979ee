package datalayer

import (
	"context"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Data",
		Group: "data",
		Param: "data_param",
		Doc: `Images and labels from an LMDB database, in the order of the keys, again and again.

The records are messages Datum, such as gocaffe convert writes: arrays C x H x W of bytes or floats,
or files in PNG or JPEG format, whose colours come in the order blue, green, red.

Tops: the images, N x C x H x W; optionally the labels, N.

data_param:
	source: the folder of the database, relative to the working directory
	batch_size: N. With 1 the images may have different sizes
	backend: LMDB must be written, for the default is LEVELDB, which this version does not read
	rand_skip, force_encoded_color: accepted and not used, as in Caffe
` + transformDoc + `

Solvers that train together share the records: each takes every so-manieth.

Caffe: data_layer.cpp.`,
		Tops:    layers.Between(1, 2),
		New:     newData,
		Kernels: cuda.Math,
	})
}

type dataLayer struct {
	feeder
	db       data.Source
	sequence data.Sequence
	last     int64 // number of the batch in the tops
}

var (
	_ layers.Layer      = (*dataLayer)(nil)
	_ layers.DataSource = (*dataLayer)(nil)
	_ layers.Opener     = (*dataLayer)(nil)
	_ layers.Closer     = (*dataLayer)(nil)
)

func newData(spec *layers.Spec) (layers.Layer, error) {
	param := spec.Param.GetDataParam()
	if param.GetSource() == "" {
		return nil, spec.Errorf("data_param", "source is missing, want the folder of a database")
	}
	f, err := newFeeder(spec, "data_param.source", "data_param.batch_size", param.GetBatchSize())
	if err != nil {
		return nil, err
	}
	return &dataLayer{feeder: f, last: -1}, nil
}

// Open opens the database.
func (l *dataLayer) Open() error {
	param := l.spec.Param.GetDataParam()
	var err error
	if l.db, err = data.Open(param.GetSource(), param.GetBackend()); err != nil {
		return l.fail(err)
	}
	l.spec.Env.Log(layers.Notice, "db_lmdb.cpp:35", "Opened lmdb "+param.GetSource())
	if l.db.Len() == 0 {
		return l.fail(errors.New("the database " + param.GetSource() + " has no records"))
	}
	return nil
}

// SetUp starts to read.
func (l *dataLayer) SetUp(_, top []*blob.Blob) error {
	if l.db == nil {
		if err := l.Open(); err != nil {
			return err
		}
	}
	if err := readMean(l.spec, l.transformer); err != nil {
		return err
	}
	l.sequence = l.feeder.sequence(l.db.Len())
	return l.feed(data.NewRecords(l.db, l.transformer, l.sequence, l.threads()), top, "data_layer.cpp:45")
}

// Forward copies the batch of this pass to the tops.
//
// Differs from Caffe: that the database begins anew is logged when the batch is
// used, not when it is read ahead.
func (l *dataLayer) Forward(ctx context.Context, bottom, top []*blob.Blob) error {
	if err := l.feeder.Forward(ctx, bottom, top); err != nil {
		return err
	}
	l.logRestarts()
	return nil
}

// logRestarts logs if the batch of this pass begins the database anew.
func (l *dataLayer) logRestarts() {
	if pass := l.spec.Env.Pass; pass != l.last {
		l.last = pass
		for range l.sequence.Restarts(pass) {
			if l.spec.Env.Rank == 0 {
				l.spec.Env.Log(layers.Notice, "data_layer.cpp:73", "Restarting data prefetching from start.")
			}
		}
	}
}

// Sources returns the database and the mean file.
func (l *dataLayer) Sources() []string { return l.files(l.spec.Param.GetDataParam().GetSource()) }

// Close ends the loading and closes the database.
func (l *dataLayer) Close() error {
	l.feeder.Close()
	if l.db == nil {
		return nil
	}
	return l.db.Close()
}
