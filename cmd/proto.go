package gocaffecmd

import (
	"fmt"

	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/pflag"
)

// protoFlag is the flag --proto, which all commands have: files may have the
// fields of a Caffe fork, as its own caffe.proto describes them.
type protoFlag struct {
	path    string
	restore func()
}

func (p *protoFlag) register(f *pflag.FlagSet) {
	f.StringVar(&p.path, "proto", "", "caffe.proto of a fork of Caffe, whose fields the files may have")
}

// use reads the file, if the flag is there.
func (p *protoFlag) use() error {
	if p.path == "" {
		return nil
	}
	restore, err := prototxt.UseProto(p.path)
	if err != nil {
		return fmt.Errorf("--proto: %w", err)
	}
	p.restore = restore
	return nil
}

// done ends what use has begun.
func (p *protoFlag) done() {
	if p.restore != nil {
		p.restore()
	}
}
