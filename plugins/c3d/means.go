package c3d

import (
	"fmt"
	"math"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
)

// readMeans reads a mean file of clips of the given length, and returns the mean of each
// frame. The file is a BlobProto of 1 x channels x length x height x width. That of
// C3D-v1.0 has a field for the length, which moves the numbers of those that follow: its
// data is what diff is in Caffe's, and the width what data is.
func readMeans(path string, length int) ([]*data.Mean, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p caffepb.BlobProto
	if err := proto.Unmarshal(file, &p); err != nil {
		return nil, fmt.Errorf("%s: not a mean file, which is a BlobProto message: %w", path, err)
	}
	shape, values := p.GetShape().GetDim(), p.GetData()
	if shape == nil && len(values) == 0 {
		width, _ := varint(p.ProtoReflect().GetUnknown(), 5)
		shape = []int64{int64(p.GetNum()), int64(p.GetChannels()), int64(p.GetHeight()), int64(p.GetWidth()), width}
		values = p.GetDiff()
	}
	if len(shape) != 5 || shape[0] != 1 || shape[2] != int64(length) {
		return nil, fmt.Errorf("%s: the mean has shape %v, want 1 x channels x %d x height x width", path, shape, length)
	}
	count := int64(1)
	for _, n := range shape {
		if n <= 0 || n > math.MaxInt32/count {
			return nil, fmt.Errorf("%s: the mean has shape %v", path, shape)
		}
		count *= n
	}
	if int64(len(values)) != count {
		return nil, fmt.Errorf("%s: the mean of shape %v has %d values, want %d", path, shape, len(values), count)
	}
	channels, height, width := int(shape[1]), int(shape[3]), int(shape[4])
	size := height * width
	means := make([]*data.Mean, length)
	for i := range means {
		m := &data.Mean{Channels: channels, Height: height, Width: width}
		for c := range channels {
			m.Data = append(m.Data, values[(c*length+i)*size:][:size]...)
		}
		means[i] = m
	}
	return means, nil
}

// varint returns the value of a field in a message.
func varint(message []byte, field protowire.Number) (int64, bool) {
	for len(message) > 0 {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, false
		}
		message = message[n:]
		if number == field && typ == protowire.VarintType {
			v, n := protowire.ConsumeVarint(message)
			return int64(v), n > 0
		}
		if n = protowire.ConsumeFieldValue(number, typ, message); n < 0 {
			return 0, false
		}
		message = message[n:]
	}
	return 0, false
}
