package net

import (
	"crypto/sha256"
	"fmt"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/modelfile"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
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
// .caffemodel file or, if the name ends in .h5, an HDF5 file (.caffemodel.h5). If it
// fails, an existing file stays as it was.
func (n *Net) SaveWeights(path string, diff bool) error {
	_, err := n.SaveWeightsSum(path, diff)
	return err
}

// SaveWeightsSum is SaveWeights and returns the SHA-256 sum of the file.
func (n *Net) SaveWeightsSum(path string, diff bool) (sum [sha256.Size]byte, err error) {
	if modelfile.IsHDF5(path) {
		return modelfile.WriteHDF5(path, n.hdf5Layers(), diff)
	}
	return prototxt.WriteBinarySum(path, n.ToProto(diff))
}

// hdf5Layers returns the layers as they are written to HDF5 files.
func (n *Net) hdf5Layers() []modelfile.Layer {
	list := make([]modelfile.Layer, len(n.layers))
	for i, l := range n.layers {
		list[i] = modelfile.Layer{Name: l.Name, Blobs: l.Params, Shared: make([]bool, len(l.Params))}
		for k := range l.Params {
			list[i].Shared[k] = n.params[l.first+k].Owner != nil
		}
	}
	return list
}

// LoadWeights copies the weights in a .caffemodel or .caffemodel.h5 file of any
// version of Caffe into the layers with the same names.
func (n *Net) LoadWeights(path string) error { return n.loadWeights(path, false) }

// LoadAllWeights is LoadWeights for a file that must have weights for every
// layer of the net that has weights.
func (n *Net) LoadAllWeights(path string) error { return n.loadWeights(path, true) }

func (n *Net) loadWeights(path string, all bool) error {
	w, err := modelfile.Open(path)
	if err != nil {
		return err
	}
	defer w.Close()
	for _, note := range w.Notes {
		event.Send(n.observer, note)
	}
	if missing := n.missing(w.Net); all && len(missing) > 0 {
		return fmt.Errorf("%s has no weights for %s", path, quoted(missing))
	}
	return n.copyTrained(w, path)
}

// missing returns the names of the layers that p has no weights for.
func (n *Net) missing(p *caffepb.NetParameter) []string {
	found := make(map[*blob.Blob]bool)
	find := n.matcher()
	for _, source := range p.Layer {
		if target := find.next(source.GetName(), len(source.Blobs) > 0); target != nil && len(source.Blobs) > 0 {
			for _, w := range target.Params {
				found[w] = true
			}
		}
	}
	return n.without(found)
}

// quoted returns `layer "a"`, or `the layers "a", "b" and 3 more`.
func quoted(names []string) string {
	const most = 8
	text := fmt.Sprintf("layer %q", names[0])
	for i, name := range names[1:] {
		if i == 0 {
			text = "the layers" + text[len("layer"):]
		}
		if i+1 == most {
			return fmt.Sprintf("%s and %d more", text, len(names)-most)
		}
		text += fmt.Sprintf(", %q", name)
	}
	return text
}

// CopyTrainedFrom copies the weights in p into the layers with the same names.
// Errors begin with file. Layers that the net does not have are ignored, with a
// LayerIgnored event; a WeightsCopied event lists all layers. Weights that are
// not finite are copied, with a warning. If any weights do not fit, none are
// changed.
func (n *Net) CopyTrainedFrom(p *caffepb.NetParameter, file string) error {
	return n.copyTrained(&modelfile.Weights{Net: p}, file)
}

// copyTrained is CopyTrainedFrom for weights that may still be in the file. If that can no
// longer be read, a part of them has been copied.
func (n *Net) copyTrained(weights *modelfile.Weights, file string) error {
	p := weights.Net
	var errs prototxt.ErrorList
	targets := make([]*Layer, len(p.Layer))
	find := n.matcher()
	for i, source := range p.Layer {
		targets[i] = find.next(source.GetName(), len(source.Blobs) > 0)
		if targets[i] == nil {
			continue
		}
		if err := n.fits(targets[i], source, weights); err != nil {
			errs = append(errs, &prototxt.Error{Pos: prototxt.Pos{File: file}, Layer: targets[i].Name, Err: err})
		}
	}
	switch len(errs) {
	case 0:
	case 1:
		return errs[0]
	default:
		return errs
	}
	if n.loaded == nil {
		n.loaded = make(map[*blob.Blob]bool)
	}
	done := WeightsCopied{File: file}
	for i, source := range p.Layer {
		target := targets[i]
		if target == nil {
			event.Send(n.observer, LayerIgnored{Layer: source.GetName(), HDF5: modelfile.IsHDF5(file)})
			if len(source.Blobs) > 0 {
				done.Ignored = append(done.Ignored, source.GetName())
			}
			continue
		}
		for k, w := range source.Blobs {
			if w == nil {
				continue // shared with a layer that has it
			}
			if modelfile.IsHDF5(file) {
				event.Send(n.observer, layers.HDF5Opened{Layer: target.Name, Class: "H5T_FLOAT"})
			}
			w, err := weights.Read(w)
			if err != nil {
				return err
			}
			if err := target.Params[k].FromProto(w, false); err != nil {
				return &prototxt.Error{Pos: prototxt.Pos{File: file}, Layer: target.Name, Err: fmt.Errorf("param %d: %w", k, err)}
			}
			n.loaded[target.Params[k]] = true
			n.warnNonFinite(target, k, file)
		}
		if len(source.Blobs) > 0 {
			done.Copied = append(done.Copied, target.Name)
		}
	}
	done.Left = n.Unloaded()
	event.Send(n.observer, done)
	return nil
}

// warnNonFinite sends a warning if weights from a file are NaN or infinite.
func (n *Net) warnNonFinite(l *Layer, k int, file string) {
	data := l.Params[k].Data()
	if !kernel.AnyNonFinite(n.workers, data) {
		return
	}
	bad := 0
	for _, v := range data {
		if v-v != 0 {
			bad++
		}
	}
	event.Send(n.observer, event.Note{Level: event.Warning, Source: event.Caller(0),
		Text: fmt.Sprintf("%s: layer %q: %d of the %d elements of param %d are NaN or infinite", file, l.Name, bad, len(data), k)})
}

// fits checks that the weights of a layer in a file can be copied to l. Weights that
// l shares with a layer that owns them may be left out, as in HDF5 files.
func (n *Net) fits(l *Layer, source *caffepb.LayerParameter, weights *modelfile.Weights) error {
	got, want := len(source.Blobs), len(l.Params)
	for k := range l.Params {
		switch left := k >= got || source.Blobs[k] == nil; {
		case !left || n.params[l.first+k].Owner != nil:
		case k >= got:
			return fmt.Errorf("the file has %s of weights, the layer has %d", count(got, "blob"), want)
		default:
			return fmt.Errorf("the file has no param %d, and the layer does not share it with another", k)
		}
	}
	if got > want {
		return fmt.Errorf("the file has %s of weights, the layer has %d", count(got, "blob"), want)
	}
	for k, w := range source.Blobs {
		if w == nil {
			continue
		}
		if !l.Params[k].MatchesProto(w) {
			where := ""
			if pos := l.positions.Of(l.source, "", 0); pos.IsValid() {
				where = fmt.Sprintf(" (%v)", pos)
			}
			hint := ""
			if countOf(blob.ProtoShape(w)) == l.Params[k].Count() {
				hint = "; the counts agree: `gocaffe weights FILE --fit MODEL --to NEW.caffemodel` gives it the net's shape"
			}
			return fmt.Errorf("cannot copy param %d: its shape in the file is %s, in the net%s %s;"+
				" to learn the layer from scratch, rename it%s", k, protoShape(w), where, l.Params[k].ShapeString(), hint)
		}
		if weights.Left(w) {
			continue
		}
		// Reading the values into another blob finds damaged ones.
		if err := new(blob.Blob).FromProto(w, true); err != nil {
			return fmt.Errorf("cannot copy param %d: %w", k, err)
		}
	}
	return nil
}

// countOf returns the number of elements of a shape.
func countOf(shape []int) int {
	n := 1
	for _, size := range shape {
		n *= size
	}
	return n
}

// protoShape formats the shape of a blob in a file as Caffe's log does.
func protoShape(w *caffepb.BlobProto) string {
	b, err := blob.New(blob.ProtoShape(w)...)
	if err != nil {
		return fmt.Sprint(blob.ProtoShape(w))
	}
	return b.ShapeString()
}
