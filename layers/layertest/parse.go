package layertest

import (
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/encoding/prototext"
)

func parseNet(file string, text []byte) (*prototxt.Net, error) {
	net := &prototxt.Net{File: file, Param: new(caffepb.NetParameter)}
	return net, prototext.Unmarshal(text, net.Param)
}
