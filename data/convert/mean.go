package convert

import (
	"context"
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"google.golang.org/protobuf/proto"
)

// ComputeMean returns the mean image, C x H x W, of the records of a database, as
// the message of a mean file. Sums are in single precision and in the order of the
// records, so that the values are those of Caffe's compute_image_mean.cpp. progress
// may be nil.
func ComputeMean(ctx context.Context, source data.Source, progress func(done, total int)) (*caffepb.BlobProto, error) {
	n := source.Len()
	if n == 0 {
		return nil, errors.New("the database has no records, so there is no mean")
	}
	var scratch []byte
	var d data.Datum
	var img data.Image
	var sum []float32
	var shape [3]int
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		key, value, err := source.Record(i, &scratch)
		if err != nil {
			return nil, err
		}
		if err := d.Unmarshal(value); err != nil {
			return nil, fmt.Errorf("record %d, key %.60q: %w", i, key, err)
		}
		if d.Encoded {
			if err := img.Decode(d.Data, data.Native); err != nil {
				return nil, fmt.Errorf("record %d, key %.60q: %w", i, key, err)
			}
			d.Channels, d.Height, d.Width, d.Data = img.Channels, img.Height, img.Width, img.Planar()
		}
		if err := d.Check(); err != nil {
			return nil, fmt.Errorf("record %d, key %.60q: %w", i, key, err)
		}
		this := [3]int{d.Channels, d.Height, d.Width}
		if i == 0 {
			shape = this
			sum = make([]float32, this[0]*this[1]*this[2])
		} else if this != shape {
			return nil, fmt.Errorf("record %d, key %.60q: the image is %d x %d x %d (channels x height x width), the first %d x %d x %d: a mean needs images of one size",
				i, key, this[0], this[1], this[2], shape[0], shape[1], shape[2])
		}
		if len(d.Data) > 0 {
			for j, v := range d.Data {
				sum[j] += float32(v)
			}
		} else {
			for j, v := range d.Float {
				sum[j] += v
			}
		}
		if progress != nil {
			progress(i+1, n)
		}
	}
	for j := range sum {
		sum[j] /= float32(n)
	}
	return &caffepb.BlobProto{
		Num:      proto.Int32(1),
		Channels: proto.Int32(int32(shape[0])),
		Height:   proto.Int32(int32(shape[1])),
		Width:    proto.Int32(int32(shape[2])),
		Data:     sum,
	}, nil
}

// ChannelMeans returns the mean of each channel of a mean image, for
// transform_param's mean_value.
func ChannelMeans(m *caffepb.BlobProto) []float32 {
	size := int(m.GetHeight() * m.GetWidth())
	means := make([]float32, m.GetChannels())
	for c := range means {
		for _, v := range m.GetData()[c*size : (c+1)*size] {
			means[c] += v
		}
		means[c] /= float32(size)
	}
	return means
}
