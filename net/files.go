package net

import (
	"os"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

func marshalText(p *caffepb.NetParameter) string { return prototext.Format(p) }

func readBinaryNet(path string) (*caffepb.NetParameter, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := new(caffepb.NetParameter)
	return p, proto.Unmarshal(data, p)
}

func writeBinary(path string, p proto.Message) error {
	data, err := proto.Marshal(p)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, data)
}
