package datalayer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

func init() {
	layers.Register(layers.Info{
		Type:  "Data",
		Group: "data",
		Param: "data_param",
		Doc: `Images and labels from an LMDB or LevelDB database, in the order of the keys or shuffled, again and again.

The records are Datum messages, as gocaffe convert writes them: arrays C x H x W of bytes or floats,
or image files such as JPEG and PNG, whose channels are blue, green, red.

Tops: the images, N x C x H x W; optionally the labels, N.

data_param:
	source: the folder of the database, relative to the working directory
	batch_size: N; images of different sizes need 1
	backend (LEVELDB): LMDB or LEVELDB. A LevelDB database is read once when it is opened, to count its records
	shuffle (false): a new order of the records in each epoch; not in Caffe but in NVIDIA's, which shuffles only with cache
	cache (false): read all records into memory when the layer is set up, or fail if they do not fit; from NVIDIA's Caffe
	prefetch (4): see below
	rand_skip, force_encoded_color: accepted and ignored, as in Caffe
	scale, mean_file, crop_size, mirror: moved to transform_param; read in files of the oldest formats only
` + transformDoc + `

Solvers that train together share the records: of n solvers, each takes every nth.

Caffe: data_layer.cpp.`,
		Tops:    layers.Between(1, 2),
		New:     newData,
		Kernels: cuda.Math,
	})
}

type dataLayer struct {
	*feed.Feeder
	spec        *layers.Spec
	transformer *data.Transformer
	db          data.Source
	last        int64 // pass whose batch is in the tops, -1 before the first
}

var (
	_ layers.Layer      = (*dataLayer)(nil)
	_ layers.DataSource = (*dataLayer)(nil)
	_ layers.Closer     = (*dataLayer)(nil)
)

func newData(spec *layers.Spec) (layers.Layer, error) {
	param := spec.Param.GetDataParam()
	if param.GetSource() == "" {
		return nil, spec.Errorf("data_param", "source is missing, want the folder of a database")
	}
	f, err := feed.New(spec, "data_param", int(param.GetBatchSize()))
	if err != nil {
		return nil, err
	}
	t, err := feed.NewTransformer(spec)
	if err != nil {
		return nil, err
	}
	return &dataLayer{Feeder: f, spec: spec, transformer: t, last: -1}, nil
}

// SetUp opens the database and starts to read.
func (l *dataLayer) SetUp(_, top []*blob.Blob) error {
	param := l.spec.Param.GetDataParam()
	var err error
	if l.db, err = data.Open(param.GetSource(), param.GetBackend()); err != nil {
		return l.Fail(err)
	}
	event.Send(l.spec.Env.Observer, layers.DatabaseOpened{
		Layer: l.spec.Param.GetName(), Backend: strings.ToLower(param.GetBackend().String()), Path: param.GetSource(),
	})
	if l.db.Len() == 0 {
		return l.Fail(errors.New("the database " + param.GetSource() + " has no records"))
	}
	if err := feed.ReadMean(l.spec, l.transformer); err != nil {
		return err
	}
	source := l.db
	if param.GetCache() {
		if source, err = data.Cache(l.db); err != nil {
			return l.spec.ErrorAt("data_param.cache", 0, err)
		}
	}
	var order feed.Order
	if param.GetShuffle() {
		order.Permute = feed.Shuffle(l.spec.Rand("shuffle"))
	}
	return l.Start(&records{source, l.transformer}, order, top)
}

// Forward copies the batch of this pass to the tops.
//
// Differs from Caffe: layers.DataRestarted is sent when the batch is used, not when
// it is read ahead.
func (l *dataLayer) Forward(ctx context.Context, bottom, top []*blob.Blob) error {
	if err := l.Feeder.Forward(ctx, bottom, top); err != nil {
		return err
	}
	l.sendRestarts()
	return nil
}

// sendRestarts sends layers.DataRestarted each time that the batch of this pass
// returns to the first record.
func (l *dataLayer) sendRestarts() {
	if pass := l.spec.Env.Pass; pass != l.last {
		l.last = pass
		for range l.Restarts(pass) {
			if l.spec.Env.Rank == 0 {
				event.Send(l.spec.Env.Observer, layers.DataRestarted{Layer: l.spec.Param.GetName()})
			}
		}
	}
}

// Sources returns the database and the mean file.
func (l *dataLayer) Sources() []string {
	return feed.Sources(l.spec, l.spec.Param.GetDataParam().GetSource())
}

// Close ends the reading and closes the database.
func (l *dataLayer) Close() error {
	err := l.Feeder.Close()
	if l.db != nil {
		err = errors.Join(err, l.db.Close())
	}
	return err
}

// records is a feed.Dataset of the records of a database.
type records struct {
	db          data.Source
	transformer *data.Transformer
}

func (r *records) Len() int { return r.db.Len() }

// Name returns the number and the key of record i.
func (r *records) Name(i int) string {
	key, _, err := r.db.Record(i, new([]byte))
	if err != nil {
		return fmt.Sprintf("record %d", i)
	}
	return fmt.Sprintf("record %d, key %.60q", i, key)
}

// Key returns the key of record i, quoted if it is not text.
func (r *records) Key(i int) string {
	key, _, err := r.db.Record(i, new([]byte))
	if err != nil {
		return r.Name(i)
	}
	if text := string(key); utf8.ValidString(text) {
		return text
	}
	return fmt.Sprintf("%q", key)
}

func (r *records) NewReader() feed.Reader { return &recordReader{records: r} }

type recordReader struct {
	*records
	scratch []byte
	datum   data.Datum
	pixels  data.Pixels
}

// Read writes the image and its label.
func (r *recordReader) Read(it *feed.Item) error {
	_, value, err := r.db.Record(it.Record, &r.scratch)
	if err != nil {
		return err
	}
	if err := r.datum.Unmarshal(value); err != nil {
		return err
	}
	if err := r.transformer.SetDatum(&r.pixels, &r.datum); err != nil {
		return err
	}
	return writeImage(it, r.transformer, &r.pixels, float64(r.datum.Label))
}
