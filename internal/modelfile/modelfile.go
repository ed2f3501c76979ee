// Package modelfile reads and writes weights and solver states in both of Caffe's
// formats: protobuf's, and HDF5, which names that end in .h5 stand for.
package modelfile

import (
	"io"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/prototxt"
)

// IsHDF5 reports whether a file of this name has the format HDF5, as Caffe decides it.
func IsHDF5(path string) bool { return strings.HasSuffix(path, ".h5") }

// ReadNet reads the weights of any version of Caffe. Of a file in protobuf's format
// the notes say what was upgraded. Of an HDF5 file, whatever its name, the layers have
// names and blobs only, in the order of the names; a blob that the file leaves out,
// because it is shared with another layer, is nil.
func ReadNet(path string) (*caffepb.NetParameter, []prototxt.Note, error) {
	if IsHDF5(path) || beginsAsHDF5(path) {
		param, err := readWeights(path)
		return param, nil, err
	}
	return prototxt.ReadBinaryNet(path)
}

// beginsAsHDF5 reports whether a file begins as one in HDF5 does.
func beginsAsHDF5(path string) bool {
	f, _, err := readfile.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	begin := make([]byte, 8)
	_, err = io.ReadFull(f, begin)
	return err == nil && hdf5.Is(begin)
}
