// Package datalayer has the layers that bring data into a net: Caffe's "data"
// group. They have no bottoms and no gradient.
package datalayer

import (
	"context"
	"errors"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// source is the part of a layer that has no bottoms and no gradient.
type source struct{}

// Reshape does nothing: the tops have the shape of the data.
func (source) Reshape(_, _ []*blob.Blob) error { return nil }

// Backward does nothing.
func (source) Backward(context.Context, []*blob.Blob, []bool, []*blob.Blob) error { return nil }

// feeder is what the layers share that read their data ahead, as
// BasePrefetchingDataLayer of Caffe's base_data_layer.cpp. Batch b is what
// forward pass b takes.
type feeder struct {
	source
	spec        *layers.Spec
	field       string // of the path that is read, for errors
	transformer *data.Transformer
	prefetcher  *data.Prefetcher
	batchSize   int
	prefetch    int
	uploader    *uploader // to a GPU, once there has been a pass on one
}

// maxPrefetch bounds data_param.prefetch.
const maxPrefetch = 1 << 16

// newFeeder checks the options that the layers share.
func newFeeder(spec *layers.Spec, field string, batchField string, batchSize uint32) (feeder, error) {
	f := feeder{spec: spec, field: field, batchSize: int(batchSize), prefetch: int(spec.Param.GetDataParam().GetPrefetch())}
	if batchSize == 0 {
		return f, spec.Errorf(batchField, "batch_size is 0 or missing, want at least 1")
	}
	if f.prefetch < 1 || f.prefetch > maxPrefetch {
		return f, spec.Errorf("data_param.prefetch", "prefetch is %d, want 1 to %d batches", f.prefetch, maxPrefetch)
	}
	var err error
	f.transformer, err = newTransformer(spec)
	return f, err
}

func newTransformer(spec *layers.Spec) (*data.Transformer, error) {
	param := spec.Param.GetTransformParam()
	if param == nil {
		param = new(caffepb.TransformationParameter)
	}
	t, err := data.NewTransformer(param, spec.Env.Phase, spec.Rand("transform"))
	var option *data.OptionError
	if errors.As(err, &option) {
		return nil, spec.ErrorAt("transform_param."+option.Field, 0, option.Err)
	}
	return t, err
}

// readMean gives the mean file, if there is one, to the transformer.
func readMean(spec *layers.Spec, t *data.Transformer) error {
	file := spec.Param.GetTransformParam().GetMeanFile()
	if file == "" {
		return nil
	}
	event.Send(spec.Env.Observer, layers.MeanLoading{Layer: spec.Param.GetName(), Path: file})
	mean, err := data.ReadMean(file)
	if err != nil {
		return spec.ErrorAt("transform_param.mean_file", 0, err)
	}
	t.SetMean(mean)
	return nil
}

// sequence returns which of so many records the layer gets. In training,
// solvers share them; tests are run by one.
func (f *feeder) sequence(records int) data.Sequence {
	s := data.Sequence{Records: records, Batch: f.batchSize, Ranks: 1}
	if f.spec.Env.Phase == caffepb.Phase_TRAIN {
		s.Rank, s.Ranks = f.spec.Env.Rank, f.spec.Env.Ranks
	}
	return s
}

// threads returns how many goroutines load batches: as many as compute, within
// the batches that there is room for.
func (f *feeder) threads() int { return min(f.spec.Env.Workers.Threads(), f.prefetch) }

// shaped is a loader that knows the shape of its first item.
type shaped interface {
	data.Loader
	Shape() (c, h, w int, err error)
}

// feed has batches loaded, and gives the tops their shapes.
func (f *feeder) feed(loader shaped, top []*blob.Blob) error {
	c, h, w, err := loader.Shape()
	if err != nil {
		return f.fail(err)
	}
	if err := f.shape(top, [4]int{f.batchSize, c, h, w}); err != nil {
		return err
	}
	event.Send(f.spec.Env.Observer, layers.DataReady{
		Layer: f.spec.Param.GetName(), Type: f.spec.Param.GetType(), Shape: top[0].Shape(),
	})
	f.prefetcher = data.NewPrefetcher(loader, f.prefetch, f.threads())
	return nil
}

func (f *feeder) shape(top []*blob.Blob, shape [4]int) error {
	if err := top[0].Reshape(shape[0], shape[1], shape[2], shape[3]); err != nil {
		return f.fail(err)
	}
	if len(top) > 1 {
		return top[1].Reshape(shape[0])
	}
	return nil
}

// fail returns an error about what is read, with the place of its path.
func (f *feeder) fail(err error) error { return f.spec.ErrorAt(f.field, 0, err) }

// Forward copies the batch of this pass to the tops, which take its shape.
func (f *feeder) Forward(ctx context.Context, _, top []*blob.Blob) error {
	b, err := f.prefetcher.Batch(ctx, f.spec.Env.Pass)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return f.fail(err)
	}
	if err := f.shape(top, b.Shape); err != nil {
		return err
	}
	copy(top[0].MutableData(), b.Data)
	if len(top) > 1 {
		copy(top[1].MutableData(), b.Labels)
	}
	return nil
}

// Close ends the loading.
func (f *feeder) Close() error {
	var err error
	if f.uploader != nil {
		err = f.uploader.close()
		f.uploader = nil
	}
	if f.prefetcher != nil {
		f.prefetcher.Close()
	}
	return err
}

// files returns the paths that the layer reads: its source, and the mean file.
func (f *feeder) files(path string) []string {
	files := []string{path}
	if mean := f.spec.Param.GetTransformParam().GetMeanFile(); mean != "" {
		files = append(files, mean)
	}
	return files
}

// transformDoc describes transform_param, and more that the layers share.
const transformDoc = `
transform_param: value = (pixel - mean) * scale, of a part of the image
	scale (1), mean_value (one, or one for each channel), mean_file (made by gocaffe compute-mean)
	pad (0): zeros put around the image after the mean was subtracted; not in Caffe
	crop_size (0): the side of the square taken, at random in training, else from the centre; 0: all
	mirror (false): half of the images, at random, are turned left to right, in either phase
	force_color, force_gray (false): of images in a file format, colours added or taken away

data_param.prefetch (4): so many batches are held in memory, most of them ahead of their use.

In pass b the batch is number b of the sequence, and random numbers depend on the seed and the
place in the sequence, so that a run that was resumed sees the same data.`
