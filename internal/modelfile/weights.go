package modelfile

import (
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Groups of Caffe's HDF5 files of weights. In each, a layer has a group of its name,
// and in that its blobs are the datasets 0, 1, 2, ...
const (
	dataGroup = "/data"
	diffGroup = "/diff"
)

// Layer is a layer whose weights are written.
type Layer struct {
	Name   string
	Blobs  []*blob.Blob
	Shared []bool // of each blob: another layer owns it
}

// WriteHDF5 writes weights and, if diff is set, their gradients to an HDF5 file, as
// Net::ToHDF5 of Caffe's net.cpp does, and returns the SHA-256 sum of the file. Of
// shared weights only the owner's are written, but the gradients of all. If it fails,
// an existing file stays as it was.
//
// Differs from Caffe: there layers whose names have a slash, or which have the name of
// another layer without weights, cannot be written. Here a name with a slash is a path
// of groups.
func WriteHDF5(file string, layers []Layer, diff bool) (sum [sha256.Size]byte, err error) {
	w, err := hdf5.Create(file)
	if err != nil {
		return sum, err
	}
	defer w.Abort()
	if err := w.Group(dataGroup); err != nil {
		return sum, err
	}
	for _, l := range layers {
		if !nameFits(l.Name) {
			return sum, fmt.Errorf("%s: layer %q cannot be written to an HDF5 file, where names are paths;"+
				" rename it, or write a .caffemodel file", file, l.Name)
		}
		if err := writeLayer(w, l, diff); err != nil {
			return sum, fmt.Errorf("layer %q: %w", l.Name, err)
		}
	}
	if err := w.Commit(); err != nil {
		return sum, err
	}
	return prototxt.FileSum(file)
}

// nameFits reports whether the name of a layer survives as a path of groups.
func nameFits(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsRune(part, 0) {
			return false
		}
	}
	return true
}

func writeLayer(w *hdf5.Writer, l Layer, diff bool) error {
	groups := []string{dataGroup}
	if diff {
		groups = append(groups, diffGroup)
	}
	for _, group := range groups {
		if err := w.Group(group + "/" + l.Name); err != nil {
			return err
		}
		for k, b := range l.Blobs {
			values := b.Data
			switch {
			case group == diffGroup:
				values = b.Diff
			case k < len(l.Shared) && l.Shared[k]:
				continue
			}
			if err := w.Write(fmt.Sprintf("%s/%s/%d", group, l.Name, k), b.Shape(), values()); err != nil {
				return err
			}
		}
	}
	return nil
}

// readWeights reads an HDF5 file of weights.
func readWeights(file string) (*caffepb.NetParameter, error) {
	f, err := hdf5.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	kind, err := f.Kind(dataGroup)
	if err != nil {
		return nil, err
	}
	if kind != hdf5.Group {
		what := "it has no group data"
		if state, _ := f.Kind("iter"); state == hdf5.Numbers {
			what = "it is a solver state"
		}
		return nil, fmt.Errorf("%s: not Caffe's weights in HDF5 (.caffemodel.h5): %s", file, what)
	}
	r := weightsReader{file: f, path: file, left: f.Size()}
	if err := r.group("", 0); err != nil {
		return nil, err
	}
	return &r.param, nil
}

// A weightsReader collects the layers of a file.
type weightsReader struct {
	file   *hdf5.File
	path   string
	param  caffepb.NetParameter
	groups int
	left   int64 // bytes of the file that no dataset has claimed
}

// Bounds of a file of weights; those of a damaged one may lead in a circle.
const (
	maxGroups = 1 << 18
	maxDepth  = 64
	maxBlobs  = 1 << 12 // of a layer
)

func (r *weightsReader) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", r.path, fmt.Errorf(format, args...))
}

// group reads the layer of a group, and those of the groups in it. The data group
// itself has no name and is no layer.
func (r *weightsReader) group(name string, depth int) error {
	if r.groups++; r.groups > maxGroups || depth > maxDepth {
		return r.errorf("more than %d groups, or %d within each other: the file is damaged", maxGroups, maxDepth)
	}
	members, err := r.file.Members(dataGroup + "/" + name)
	if err != nil {
		return err
	}
	layer := &caffepb.LayerParameter{Name: proto.String(name)}
	var inside []string
	for _, member := range members {
		at := path.Join(dataGroup, name, member)
		kind, err := r.file.Kind(at)
		if err != nil {
			return err
		}
		index, notIndex := strconv.Atoi(member)
		switch {
		case kind == hdf5.Group:
			inside = append(inside, path.Join(name, member))
		case kind != hdf5.Numbers || name == "" || notIndex != nil || index < 0 || strconv.Itoa(index) != member:
			return r.errorf("%q is not what Caffe's weights have there: want groups named after layers, with datasets named 0, 1, ...", at)
		case index >= maxBlobs:
			return r.errorf("%q: want at most %d blobs in a layer", at, maxBlobs)
		default:
			for len(layer.Blobs) <= index {
				layer.Blobs = append(layer.Blobs, nil)
			}
			if layer.Blobs[index], err = r.blob(at); err != nil {
				return err
			}
		}
	}
	// A group that only holds others is part of their names.
	if name != "" && (len(layer.Blobs) > 0 || len(inside) == 0) {
		r.param.Layer = append(r.param.Layer, layer)
	}
	slices.Sort(inside)
	for _, name := range inside {
		if err := r.group(name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// blob reads a dataset.
func (r *weightsReader) blob(at string) (*caffepb.BlobProto, error) {
	d, err := r.file.Dataset(at)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if r.left -= d.Stored(); r.left < 0 {
		return nil, r.errorf("%q: the datasets have more bytes than the file: it is damaged", at)
	}
	return readBlob(d)
}

// readBlob reads a dataset as a blob of a file.
func readBlob(d *hdf5.Dataset) (*caffepb.BlobProto, error) {
	b := new(caffepb.BlobProto)
	if shape := d.Shape(); len(shape) > 0 { // of a scalar Caffe writes no shape
		b.Shape = new(caffepb.BlobShape)
		for _, n := range shape {
			b.Shape.Dim = append(b.Shape.Dim, int64(n))
		}
	}
	b.Data = make([]float32, d.Count())
	if err := d.Read(b.Data); err != nil {
		return nil, err
	}
	return b, nil
}
