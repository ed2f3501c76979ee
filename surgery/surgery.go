// Package surgery edits the weights of a file before a net loads them: it renames and
// copies layers, and gives blobs other shapes. Caffe's users call this net surgery and
// do it in Python. To make convolutions of fully connected layers, for instance, Rename
// them as the new net calls them, and Fit the weights to the net.
//
// Weights are a NetParameter, as prototxt.ReadBinaryNet reads it and
// net.Net.CopyTrainedFrom and prototxt.WriteBinary take it.
package surgery

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/near"
	"github.com/gocaffe/gocaffe/net"
	"google.golang.org/protobuf/proto"
)

// find returns the layers of a name, of which there is at least one. If several have
// that name, those with weights come first.
func find(p *caffepb.NetParameter, name string) ([]*caffepb.LayerParameter, error) {
	var found []*caffepb.LayerParameter
	for _, l := range p.Layer {
		if l.GetName() == name {
			found = append(found, l)
		}
	}
	if len(found) == 0 {
		var names []string
		for _, l := range p.Layer {
			names = append(names, l.GetName())
		}
		if other := near.Name(name, names); other != "" {
			return nil, fmt.Errorf("there is no layer %q; did you mean %q?", name, other)
		}
		return nil, fmt.Errorf("there is no layer %q", name)
	}
	slices.SortStableFunc(found, func(a, b *caffepb.LayerParameter) int { return min(1, len(b.Blobs)) - min(1, len(a.Blobs)) })
	return found, nil
}

// withBlobs returns the layer of a name, which has weights.
func withBlobs(p *caffepb.NetParameter, name string) (*caffepb.LayerParameter, error) {
	layers, err := find(p, name)
	if err != nil {
		return nil, err
	}
	if len(layers[0].Blobs) == 0 {
		return nil, fmt.Errorf("layer %q has no weights", name)
	}
	return layers[0], nil
}

// Rename gives the layers of one name another, which no layer has.
func Rename(p *caffepb.NetParameter, from, to string) error {
	layers, err := find(p, from)
	switch {
	case err != nil:
		return err
	case to == "":
		return fmt.Errorf("the new name of layer %q is empty", from)
	}
	if _, err := find(p, to); err == nil {
		return fmt.Errorf("layer %q cannot be renamed: there is a layer %q", from, to)
	}
	for _, l := range layers {
		l.Name = proto.String(to)
	}
	return nil
}

// Copy copies the weights of layer from to layer to. If there is none of that name, it
// is made, with the options of from. Otherwise it has as many blobs as from, with as
// many elements, and keeps their shapes.
func Copy(p *caffepb.NetParameter, from, to string) error {
	source, err := withBlobs(p, from)
	switch {
	case err != nil:
		return err
	case to == "":
		return fmt.Errorf("the name of the copy of layer %q is empty", from)
	case from == to:
		return fmt.Errorf("layer %q cannot be copied to itself", from)
	}
	layers, err := find(p, to)
	if err != nil {
		l := proto.Clone(source).(*caffepb.LayerParameter)
		l.Name = proto.String(to)
		p.Layer = append(p.Layer, l)
		return nil
	}
	target := layers[0]
	if len(target.Blobs) != len(source.Blobs) {
		return fmt.Errorf("layer %q has %d blobs of weights, layer %q has %d", from, len(source.Blobs), to, len(target.Blobs))
	}
	copies := make([]*caffepb.BlobProto, len(source.Blobs))
	for i, b := range source.Blobs {
		if err := check(b, from, i); err != nil {
			return err
		}
		if err := check(target.Blobs[i], to, i); err != nil {
			return err
		}
		shape := blob.ProtoShape(target.Blobs[i])
		copies[i] = proto.Clone(b).(*caffepb.BlobProto)
		if err := reshape(copies[i], shape); err != nil {
			return fmt.Errorf("blob %d of layer %q cannot be copied to layer %q: %w", i, from, to, err)
		}
	}
	target.Blobs = copies
	return nil
}

// Remove removes the layers of a name.
func Remove(p *caffepb.NetParameter, name string) error {
	if _, err := find(p, name); err != nil {
		return err
	}
	p.Layer = slices.DeleteFunc(p.Layer, func(l *caffepb.LayerParameter) bool { return l.GetName() == name })
	return nil
}

// Reshape gives blob i of a layer another shape with as many elements. Their order is
// the same: row-major, the last axis first.
func Reshape(p *caffepb.NetParameter, layer string, i int, shape ...int) error {
	l, err := withBlobs(p, layer)
	if err != nil {
		return err
	}
	if i < 0 || i >= len(l.Blobs) {
		return fmt.Errorf("layer %q has no blob %d, it has %d of weights", layer, i, len(l.Blobs))
	}
	if err := check(l.Blobs[i], layer, i); err != nil {
		return err
	}
	if err := reshape(l.Blobs[i], shape); err != nil {
		return fmt.Errorf("blob %d of layer %q: %w", i, layer, err)
	}
	return nil
}

// check checks that a blob has as many elements as its shape says.
func check(b *caffepb.BlobProto, layer string, i int) error {
	if b == nil {
		return fmt.Errorf("blob %d of layer %q is not in the file, which leaves out shared weights", i, layer)
	}
	if err := new(blob.Blob).FromProto(b, true); err != nil {
		return fmt.Errorf("blob %d of layer %q: %w", i, layer, err)
	}
	return nil
}

// reshape gives a blob a shape with as many elements.
func reshape(b *caffepb.BlobProto, shape []int) error {
	to, err := blob.New(shape...)
	if err != nil {
		return err
	}
	from := blob.ProtoShape(b)
	if n := count(from); n != to.Count() {
		return fmt.Errorf("the shape %s has %d elements, %s has %d", sizes(from), n, sizes(shape), to.Count())
	}
	b.Num, b.Channels, b.Height, b.Width = nil, nil, nil, nil
	b.Shape = new(caffepb.BlobShape)
	for _, n := range shape {
		b.Shape.Dim = append(b.Shape.Dim, int64(n))
	}
	return nil
}

func count(shape []int) int {
	n := 1
	for _, size := range shape {
		n *= size
	}
	return n
}

func sizes(shape []int) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", " x ")
}

// A Change is a blob that Fit has given another shape.
type Change struct {
	Layer    string
	Blob     int
	From, To []int
}

// Fit gives blobs the shapes of the net's layers of the same names, where the numbers
// of elements agree: the weights of an InnerProduct, N x CHW, become those of a
// Convolution whose kernel is as large as the input was, N x C x H x W, and the other
// way round. It fails, and changes nothing, if a layer has another number of blobs or of
// elements in the net. Layers that the net does not have stay as they are. Weights that
// an HDF5 file leaves out, because layers share them, are filled in.
func Fit(p *caffepb.NetParameter, n *net.Net) ([]Change, error) {
	targets := make(map[string]*net.Layer)
	for _, l := range n.Layers() {
		if len(l.Params) > 0 && targets[l.Name] == nil {
			targets[l.Name] = l
		}
	}
	var changes []Change
	var blobs []*caffepb.BlobProto
	var errs []error
	for _, l := range p.Layer {
		target := targets[l.GetName()]
		if target == nil || len(l.Blobs) == 0 && !sharesAll(targets, target) {
			continue
		}
		fillShared(p, targets, l, target)
		if len(l.Blobs) != len(target.Params) {
			errs = append(errs, fmt.Errorf("layer %q: the file has %d blobs of weights, the net has %d", l.GetName(), len(l.Blobs), len(target.Params)))
			continue
		}
		for i, b := range l.Blobs {
			to := target.Params[i]
			from := blob.ProtoShape(b)
			switch err := check(b, l.GetName(), i); {
			case err != nil:
				errs = append(errs, err)
			case to.MatchesProto(b):
			case count(from) != to.Count():
				errs = append(errs, fmt.Errorf("layer %q: blob %d is %s with %d elements, in the net %s with %d",
					l.GetName(), i, sizes(from), count(from), sizes(to.Shape()), to.Count()))
			default:
				changes = append(changes, Change{l.GetName(), i, from, slices.Clone(to.Shape())})
				blobs = append(blobs, b)
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for i, c := range changes {
		if err := reshape(blobs[i], c.To); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// fillShared sets the blobs of l that the file leaves out to copies of those with which
// target, a layer of the net, shares them.
func fillShared(p *caffepb.NetParameter, targets map[string]*net.Layer, l *caffepb.LayerParameter, target *net.Layer) {
	for i, to := range target.Params {
		if i < len(l.Blobs) && l.Blobs[i] != nil {
			continue
		}
		b := sharedBlob(p, targets, to)
		if b == nil {
			return // Fit reports it
		}
		if i == len(l.Blobs) {
			l.Blobs = append(l.Blobs, nil)
		}
		l.Blobs[i] = proto.Clone(b).(*caffepb.BlobProto)
	}
}

// sharedBlob returns a blob of the file with which weights of the net share their
// numbers, or nil.
func sharedBlob(p *caffepb.NetParameter, targets map[string]*net.Layer, to *blob.Blob) *caffepb.BlobProto {
	for _, l := range p.Layer {
		target := targets[l.GetName()]
		if target == nil {
			continue
		}
		for i, other := range target.Params {
			if i < len(l.Blobs) && l.Blobs[i] != nil && other.SharesData(to) {
				return l.Blobs[i]
			}
		}
	}
	return nil
}

// sharesAll reports whether a layer shares all of its weights with others.
func sharesAll(targets map[string]*net.Layer, layer *net.Layer) bool {
	for _, w := range layer.Params {
		shares := false
		for _, other := range targets {
			shares = shares || other != layer && slices.ContainsFunc(other.Params, w.SharesData)
		}
		if !shares {
			return false
		}
	}
	return true
}
