package nvcaffe

import (
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

var _ layers.Deployer = (*batchNorm)(nil)

// Deploy returns Caffe's BatchNorm with the running statistics, under the layer's name,
// and a Scale in place if there are scale and bias.
func (l *batchNorm) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	norm := &caffepb.LayerParameter{
		Name:   param.Name,
		Type:   proto.String("BatchNorm"),
		Bottom: param.Bottom[:1],
		Top:    param.Top[:1],
	}
	if norm.BatchNormParam.GetEps() != l.eps {
		norm.BatchNormParam = &caffepb.BatchNormParameter{Eps: &l.eps}
	}
	for _, b := range l.Blobs[:correction] {
		norm.Blobs = append(norm.Blobs, b.ToProto(false))
	}
	norm.Blobs = append(norm.Blobs, &caffepb.BlobProto{Shape: &caffepb.BlobShape{Dim: []int64{1}}, Data: []float32{1}})
	if !l.affine {
		return []*caffepb.LayerParameter{norm}, nil
	}
	return []*caffepb.LayerParameter{norm, {
		Name:       proto.String(param.GetName() + "_scale"),
		Type:       proto.String("Scale"),
		Bottom:     param.Top[:1],
		Top:        param.Top[:1],
		ScaleParam: &caffepb.ScaleParameter{BiasTerm: proto.Bool(true)},
		Blobs:      []*caffepb.BlobProto{l.Blobs[scale].ToProto(false), l.Blobs[bias].ToProto(false)},
	}}, nil
}
