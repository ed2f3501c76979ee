package margin

import (
	"fmt"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

var _ layers.Deployer = (*InnerProduct)(nil)

// Deploy returns Caffe's InnerProduct, which computes what a layer of type SINGLE does.
func (l *InnerProduct) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	if l.Factor != 1 {
		return nil, fmt.Errorf("with type %s its scores in phase TEST depend on the labels; add a layer of the same name with type: SINGLE for phase TEST", l.options.Type)
	}
	ip := &caffepb.LayerParameter{
		Name:   param.Name,
		Type:   proto.String("InnerProduct"),
		Bottom: param.Bottom[:1],
		Top:    param.Top[:1],
		Blobs:  []*caffepb.BlobProto{l.Blobs[0].ToProto(false)},
		InnerProductParam: &caffepb.InnerProductParameter{
			NumOutput: proto.Uint32(l.options.NumOutput),
			BiasTerm:  proto.Bool(false),
		},
	}
	if l.options.Axis != 1 {
		ip.InnerProductParam.Axis = proto.Int32(int32(l.options.Axis))
	}
	return []*caffepb.LayerParameter{ip}, nil
}
