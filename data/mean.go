package data

import (
	"fmt"
	"math"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"google.golang.org/protobuf/proto"
)

// A Mean is the mean image of a data set: C x H x W values.
type Mean struct {
	Channels, Height, Width int
	Data                    []float32
}

// ReadMean reads a mean file, a serialized BlobProto with one image.
func ReadMean(path string) (*Mean, error) {
	file, err := readfile.All(path, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	var p caffepb.BlobProto
	if err := proto.Unmarshal(file, &p); err != nil {
		return nil, fmt.Errorf("%s: not a mean file, which is a BlobProto message: %w", path, err)
	}
	shape := p.GetShape().GetDim()
	if shape == nil {
		shape = []int64{int64(p.GetNum()), int64(p.GetChannels()), int64(p.GetHeight()), int64(p.GetWidth())}
	}
	data := p.GetData()
	for _, v := range p.GetDoubleData() {
		data = append(data, float32(v))
	}
	size := shape
	if len(size) == 4 && size[0] == 1 {
		size = size[1:]
	}
	bad := len(size) != 3
	count := int64(1)
	for _, n := range size {
		bad = bad || n <= 0 || n > math.MaxInt32/count
		if !bad {
			count *= n
		}
	}
	if bad {
		return nil, fmt.Errorf("%s: the mean image has shape %v, want 1 x channels x height x width", path, shape)
	}
	if int64(len(data)) != count {
		return nil, fmt.Errorf("%s: the mean image of shape %v has %d values, want %d", path, shape, len(data), count)
	}
	for i, v := range data {
		if v-v != 0 { // NaN or infinite
			return nil, fmt.Errorf("%s: value %d of the mean image is %g", path, i, v)
		}
	}
	return &Mean{Channels: int(size[0]), Height: int(size[1]), Width: int(size[2]), Data: data}, nil
}
