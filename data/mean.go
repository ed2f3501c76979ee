package data

import (
	"fmt"
	"os"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/proto"
)

// A Mean is the mean image of a data set: C x H x W values.
type Mean struct {
	Channels, Height, Width int
	Data                    []float32
}

// ReadMean reads a mean file, a serialized BlobProto of one image.
func ReadMean(path string) (*Mean, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var p caffepb.BlobProto
	if err := proto.Unmarshal(file, &p); err != nil {
		return nil, fmt.Errorf("%s: not a BlobProto file: %w", path, err)
	}
	var b blob.Blob
	if err := b.FromProto(&p, true); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	shape := b.Shape()
	if len(shape) == 4 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) != 3 || b.Count() == 0 {
		return nil, fmt.Errorf("%s: the mean image has shape %v, want 1 x channels x height x width", path, b.Shape())
	}
	return &Mean{Channels: shape[0], Height: shape[1], Width: shape[2], Data: b.Data()}, nil
}
