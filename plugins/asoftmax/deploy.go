package asoftmax

import "github.com/gocaffe/gocaffe/caffepb"

// Deploy returns Caffe's InnerProduct, with the weights as Forward scales them.
func (l *marginInnerProduct) Deploy(param *caffepb.LayerParameter) ([]*caffepb.LayerParameter, error) {
	l.normalize()
	return l.InnerProduct.Deploy(param)
}
