// Package csvdata is a sample of a data layer in a Go module of its own: it reads
// tables of numbers. Everything that is hard about a data layer is done by
// layers/feed, so all there is to write is in this file and in table.go: the
// options, how the file is opened, and how one record becomes an item of a batch.
package csvdata

import (
	_ "embed"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/feed"
)

//go:embed csvdata.proto
var schema string

func init() {
	layers.Register(layers.Info{
		Type:  "CSVData",
		Group: "data",
		Plugin: &layers.Plugin{
			Field:   "csv_data_param",
			Number:  424243,
			Proto:   schema,
			Message: "CSVDataParameter",
		},
		Tops:    layers.Between(1, 2),
		New:     newCSVData,
		Kernels: cuda.Math,
		Doc: `Numbers from a CSV file, in the order of its lines, again and again.

The first line names the columns, every other line has a number for each. The last columns are labels.

Tops: the features, N x features; optionally the labels, N x labels.

csv_data_param:
	source: the file, relative to the working directory
	batch_size (1): N
	labels (1): how many columns, counted from the last, are labels
	shuffle (false): another order of the lines in each epoch
	noise (0): in training, normally distributed numbers with this standard deviation are added to the features

data_param.prefetch (4): number of batches held in memory, most of them ahead of their use

A batch depends only on the seed and the number of the pass, so a resumed run sees the same data.`,
	})
}

type options struct {
	Source    string  `proto:"source"`
	BatchSize int     `proto:"batch_size"`
	Labels    int     `proto:"labels"`
	Shuffle   bool    `proto:"shuffle"`
	Noise     float32 `proto:"noise"`
}

// csvData implements the layer type; its registration describes it.
type csvData struct {
	*feed.Feeder // Reshape, Forward, Backward, their versions for a GPU

	spec    *layers.Spec
	options options
	table   *table // nil before SetUp
}

var (
	_ layers.Layer       = (*csvData)(nil)
	_ layers.DeviceLayer = (*csvData)(nil)
	_ layers.DataSource  = (*csvData)(nil)
	_ layers.Closer      = (*csvData)(nil)
)

func newCSVData(spec *layers.Spec) (layers.Layer, error) {
	l := &csvData{spec: spec}
	if err := spec.Options(&l.options); err != nil {
		return nil, err
	}
	switch o := &l.options; {
	case o.Source == "":
		return nil, spec.Errorf("csv_data_param", "source is missing, want a CSV file")
	case !(o.Noise >= 0): // true for NaN too
		return nil, spec.Errorf("csv_data_param.noise", "noise is %g, want 0 or more", o.Noise)
	}
	var err error
	l.Feeder, err = feed.New(spec, "csv_data_param", l.options.BatchSize)
	return l, err
}

// SetUp opens the file and starts to read.
func (l *csvData) SetUp(_, top []*blob.Blob) error {
	var err error
	if l.table, err = openTable(l.options.Source); err != nil {
		return l.Fail(err)
	}
	if n := l.options.Labels; n >= l.table.columns {
		return l.spec.Errorf("csv_data_param.labels", "%d of the %d columns are labels, want at least one that is not", n, l.table.columns)
	}
	var order feed.Order
	if l.options.Shuffle {
		order.Permute = feed.Shuffle(l.spec.Rand("shuffle"))
	}
	return l.Start(&records{l, l.spec.Rand("noise")}, order, top)
}

// Sources returns the file.
func (l *csvData) Sources() []string { return []string{l.options.Source} }

// Close ends the reading and closes the file.
func (l *csvData) Close() error {
	err := l.Feeder.Close()
	if l.table != nil {
		err = errors.Join(err, l.table.Close())
	}
	return err
}

// records are the lines of the file as a feed.Dataset.
type records struct {
	layer *csvData
	noise layers.Rand
}

func (r *records) Len() int { return r.layer.table.Len() }

func (r *records) Name(i int) string { return r.layer.table.Name(i) }

func (r *records) NewReader() feed.Reader { return &reader{records: r} }

// reader is a feed.Reader: it turns a line into an item. There is one for each
// goroutine that reads, so it may keep buffers.
type reader struct {
	*records
	line  []byte
	row   []float32
	noisy []float32
}

// Read writes the features to top 0 and the labels to top 1.
func (r *reader) Read(it *feed.Item) error {
	l := r.layer
	var err error
	if r.line, err = l.table.Line(it.Record, r.line); err != nil {
		return err
	}
	if r.row, err = parse(r.row[:0], r.line, l.table.columns); err != nil {
		return err
	}
	n := len(r.row) - l.options.Labels
	features, err := it.Top(0, n)
	if err != nil {
		return err
	}
	copy(features, r.row[:n])
	if it.Batch.Tops() > 1 {
		labels, err := it.Top(1, l.options.Labels)
		if err != nil {
			return err
		}
		copy(labels, r.row[n:])
	}
	if l.options.Noise > 0 && l.spec.Env.Phase == caffepb.Phase_TRAIN {
		if r.noisy == nil {
			r.noisy = make([]float32, n)
		}
		// The place of the item is the stream: every item of a run has noise of its
		// own, and a resumed run repeats it.
		r.noise.Gaussian(nil, it.Place, 0, l.options.Noise, r.noisy)
		for i, v := range r.noisy {
			features[i] += v
		}
	}
	return nil
}
