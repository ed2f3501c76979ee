package gocaffecmd

import (
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/pflag"
)

// forkFlags are the flags of all commands about files of Caffe's forks.
type forkFlags struct {
	proto   string
	dialect string
	ignore  bool
	restore []func()
}

func (f *forkFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.proto, "proto", "", "accept the fields of a Caffe fork, from its caffe.proto")
	flags.StringVar(&f.dialect, "dialect", "", "read types and fields of nets as a fork of Caffe does: "+dialectNames())
	flags.BoolVar(&f.ignore, "ignore-unknown-fields", false, "compute without the fields that nothing reads, with a warning for each")
}

// dialectNames returns the names of the dialects in one line.
func dialectNames() string {
	var names []string
	for _, d := range prototxt.Dialects() {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

// use makes files be read as the flags say.
func (f *forkFlags) use() error {
	if f.proto != "" {
		done, err := prototxt.UseProto(f.proto)
		if err != nil {
			return fmt.Errorf("--proto: %w", err)
		}
		f.restore = append(f.restore, done)
	}
	if f.dialect != "" {
		done, err := prototxt.UseDialect(f.dialect)
		if err != nil {
			return fmt.Errorf("--dialect: %w", err)
		}
		f.restore = append(f.restore, done)
	}
	if f.ignore {
		f.restore = append(f.restore, prototxt.IgnoreUnknownFields())
	}
	return nil
}

// done undoes use.
func (f *forkFlags) done() {
	for _, done := range f.restore {
		done()
	}
}
