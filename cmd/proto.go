package gocaffecmd

import (
	"fmt"

	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/pflag"
)

// protoFlag is the flag --proto of all commands: the caffe.proto of a fork, whose
// fields files may have.
type protoFlag struct {
	path    string
	restore func()
}

func (p *protoFlag) register(f *pflag.FlagSet) {
	f.StringVar(&p.path, "proto", "", "accept the fields of a Caffe fork, from its caffe.proto")
}

// use reads the file, if there is one.
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

// done undoes use.
func (p *protoFlag) done() {
	if p.restore != nil {
		p.restore()
	}
}
