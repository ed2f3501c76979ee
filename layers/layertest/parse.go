package layertest

import (
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
)

func parseNet(file string, text []byte) (*prototxt.Net, error) {
	net := &prototxt.Net{File: file, Param: new(caffepb.NetParameter), Positions: prototxt.NewPositions()}
	return net, prototxt.Parse(file, text, net.Param, net.Positions)
}
