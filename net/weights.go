package net

import (
	"fmt"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// ToProto returns the net as it is written to files: every layer, including
// splits, with its weights and, if diff is set, their gradients.
func (n *Net) ToProto(diff bool) *caffepb.NetParameter {
	p := &caffepb.NetParameter{Name: proto.String(n.name)}
	for _, l := range n.layers {
		p.Layer = append(p.Layer, l.Proto(diff))
	}
	return p
}

// SaveWeights writes the weights and, if diff is set, their gradients to a
// .caffemodel file. If it fails, an existing file stays as it was.
func (n *Net) SaveWeights(path string, diff bool) error {
	if err := refuseHDF5(path); err != nil {
		return err
	}
	return prototxt.WriteBinary(path, n.ToProto(diff))
}

// LoadWeights copies the weights in a .caffemodel file of any version of Caffe
// into the layers with the same names.
func (n *Net) LoadWeights(path string) error {
	if err := refuseHDF5(path); err != nil {
		return err
	}
	param, notes, err := prototxt.ReadBinaryNet(path)
	if err != nil {
		return err
	}
	for _, note := range notes {
		event.Send(n.observer, note)
	}
	return n.CopyTrainedFrom(param, path)
}

func refuseHDF5(path string) error {
	if strings.HasSuffix(path, ".h5") {
		return fmt.Errorf("%s: weights in HDF5 files are not supported yet, want a .caffemodel file", path)
	}
	return nil
}

// CopyTrainedFrom copies the weights in p into the layers with the same names.
// Errors begin with file. Layers that the net does not have are ignored, with a
// LayerIgnored event. If any weights do not fit, none are changed.
func (n *Net) CopyTrainedFrom(p *caffepb.NetParameter, file string) error {
	var errs prototxt.ErrorList
	for _, source := range p.Layer {
		target := n.layerByName(source.GetName())
		if target == nil {
			continue
		}
		if err := target.fits(source); err != nil {
			errs = append(errs, &prototxt.Error{Pos: prototxt.Pos{File: file}, Layer: target.Name, Err: err})
		}
	}
	switch len(errs) {
	case 0:
	case 1:
		return errs[0]
	default:
		return errs
	}
	for _, source := range p.Layer {
		target := n.layerByName(source.GetName())
		if target == nil {
			event.Send(n.observer, LayerIgnored{Layer: source.GetName()})
			continue
		}
		for k, w := range source.Blobs {
			if err := target.Params[k].FromProto(w, false); err != nil {
				return &prototxt.Error{Pos: prototxt.Pos{File: file}, Layer: target.Name, Err: fmt.Errorf("param %d: %w", k, err)}
			}
		}
	}
	return nil
}

// fits checks that the weights of a layer in a file can be copied to l.
func (l *Layer) fits(source *caffepb.LayerParameter) error {
	if got, want := len(source.Blobs), len(l.Params); got != want {
		return fmt.Errorf("the file has %s of weights, the layer has %d", count(got, "blob"), want)
	}
	for k, w := range source.Blobs {
		if !l.Params[k].MatchesProto(w) {
			where := ""
			if pos := l.positions.Of(l.source, "", 0); pos.IsValid() {
				where = fmt.Sprintf(" (%v)", pos)
			}
			return fmt.Errorf("cannot copy param %d: its shape in the file is %s, in the net%s %s;"+
				" to learn the layer from scratch, rename it", k, protoShape(w), where, l.Params[k].ShapeString())
		}
		// Reading the values into another blob finds damaged ones.
		if err := new(blob.Blob).FromProto(w, true); err != nil {
			return fmt.Errorf("cannot copy param %d: %w", k, err)
		}
	}
	return nil
}

// protoShape formats the shape of a blob in a file as Caffe's log does.
func protoShape(w *caffepb.BlobProto) string {
	b, err := blob.New(blob.ProtoShape(w)...)
	if err != nil {
		return fmt.Sprint(blob.ProtoShape(w))
	}
	return b.ShapeString()
}
