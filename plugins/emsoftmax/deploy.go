package emsoftmax

import (
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

var (
	_ layers.Deployer = (*emSoftmaxLoss)(nil)
	_ layers.Scorer   = (*emSoftmaxLoss)(nil)
)

// ScoreTop returns the index of the top with the averaged classifier's scores.
func (l *emSoftmaxLoss) ScoreTop() (top, axis int) { return 1, -1 }

// Deploy returns the averaged classifier as an InnerProduct without bias, under
// the layer's name, and a Softmax.
func (l *emSoftmaxLoss) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	if n := len(param.GetTop()); n < 2 {
		return nil, fmt.Errorf("it has %d tops, want a second one for the scores", n)
	}
	mean, err := blob.New(l.k, l.d)
	if err != nil {
		return nil, err
	}
	copy(mean.MutableData(), l.weights()) // the average, since this is TEST
	ip := &caffepb.LayerParameter{
		Name:   param.Name,
		Type:   proto.String("InnerProduct"),
		Bottom: []string{param.Bottom[0]},
		Top:    []string{param.Top[1]},
		Blobs:  []*caffepb.BlobProto{mean.ToProto(false)},
		InnerProductParam: &caffepb.InnerProductParameter{
			NumOutput: proto.Uint32(l.options.NumOutput),
			BiasTerm:  proto.Bool(false),
		},
	}
	prob := &caffepb.LayerParameter{
		Name:   proto.String("prob"),
		Type:   proto.String("Softmax"),
		Bottom: []string{param.Top[1]},
		Top:    []string{"prob"},
	}
	if l.options.Axis != 1 {
		ip.InnerProductParam.Axis = proto.Int32(int32(l.options.Axis))
		prob.SoftmaxParam = &caffepb.SoftmaxParameter{Axis: proto.Int32(-1)} // the scores are the last axis
	}
	return []*caffepb.LayerParameter{ip, prob}, nil
}
