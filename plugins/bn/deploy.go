package bn

import (
	"math"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/layers"
	"google.golang.org/protobuf/proto"
)

var _ layers.Deployer = (*bn)(nil)

// Deploy returns a BatchNorm with the running statistics, under the layer's name,
// and a Scale in place.
func (l *bn) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	var stats [3]*blob.Blob // mean, variance, and the divisor of both
	var affine [2]*blob.Blob
	for i, size := range []int{l.c, l.c, 1} {
		var err error
		if stats[i], err = blob.New(size); err != nil {
			return nil, err
		}
	}
	for i := range affine {
		var err error
		if affine[i], err = blob.New(l.c); err != nil {
			return nil, err
		}
	}
	copy(stats[0].MutableData(), l.Blobs[runningMean].Data())
	copy(affine[0].MutableData(), l.Blobs[slope].Data())
	copy(affine[1].MutableData(), l.Blobs[bias].Data())
	variance, factor := stats[1].MutableData(), affine[0].MutableData()
	spread := l.Blobs[runningSpread].Data()
	if l.pspnet {
		copy(variance, spread)
		spread = nil
	}
	for i, inv := range spread {
		v := float32(1/(float64(inv)*float64(inv)) - float64(l.options.Eps))
		if !(inv > 0) || math.IsInf(float64(v), 0) {
			// No variance gives this invstd: the slope includes it.
			v = 1 - l.options.Eps
			factor[i] *= inv
		}
		variance[i] = v
	}
	stats[2].MutableData()[0] = 1
	top := param.Top[:1]
	norm := &caffepb.LayerParameter{
		Name:   param.Name,
		Type:   proto.String("BatchNorm"),
		Bottom: param.Bottom[:1],
		Top:    top,
	}
	if norm.BatchNormParam.GetEps() != l.options.Eps {
		norm.BatchNormParam = &caffepb.BatchNormParameter{Eps: &l.options.Eps}
	}
	scale := &caffepb.LayerParameter{
		Name:       proto.String(param.GetName() + "_scale"),
		Type:       proto.String("Scale"),
		Bottom:     top,
		Top:        top,
		ScaleParam: &caffepb.ScaleParameter{BiasTerm: proto.Bool(true)},
	}
	for _, b := range stats {
		norm.Blobs = append(norm.Blobs, b.ToProto(false))
	}
	for _, b := range affine {
		scale.Blobs = append(scale.Blobs, b.ToProto(false))
	}
	return []*caffepb.LayerParameter{norm, scale}, nil
}
